"""Run a benchmark: measure speed, or compare teachers, students or experts."""

import dataclasses
import inspect
from collections.abc import Sequence
from typing import Any, ClassVar

from didact.common import strict_json
from didact.common.settings import checked, fields_of
from didact.experiments.cli._dispatch import choice
from didact.experiments.cli._options import Importing


def options(arguments: Sequence[str]) -> type:
    """Return the options of the benchmark that is named first, or else the choice of benchmarks.

    Raises:
        SettingError: there is no benchmark of this name.
    """
    # `benchmarks` may import `experiments`, so the reverse import must stay inside functions.
    from didact.benchmarks.registry import BENCHMARKS

    name = arguments[0] if arguments else "-"
    if not name.startswith("-"):
        return _options(BENCHMARKS.find(name))
    known = {entry.name: entry.description for entry in BENCHMARKS.entries()}
    return dataclasses.make_dataclass("Options", [("what", choice(known, {}))], frozen=True)


def _options(benchmark: Any) -> type:
    """Return the benchmark's settings plus the options that only the command has."""
    config = benchmark.config  # without importing the benchmark, so that help pages stay fast

    @dataclasses.dataclass(frozen=True)
    class Options(Importing, config):
        __doc__ = inspect.cleandoc(config.__doc__ or "")
        command: ClassVar[str] = f"benchmark {benchmark.name}"
        chosen: ClassVar[Any] = benchmark

        json: bool = False
        """print the result as JSON"""

        @property
        def settings(self) -> Any:
            values = fields_of(self)
            return config(
                **{field.name: values[field.name] for field in dataclasses.fields(config)}
            )

    return Options


def run(options: Any) -> None:
    """Run a benchmark and print its results.

    Raises:
        SettingError: a setting is invalid.
    """
    from rich.text import Text

    from didact.common import display
    from didact.common.extensions import import_all

    import_all(options.imports)
    benchmark = options.chosen.make()
    result = benchmark.run(checked(options.settings, "--"))
    if options.json:
        return print(strict_json.dumps(result, indent=1))
    table = benchmark.table(result)
    # Text, such as commands to copy, is not wrapped.
    return display.console().print(table, soft_wrap=isinstance(table, Text))
