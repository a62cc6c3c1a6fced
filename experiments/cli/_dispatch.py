"""Parse the command line and run the selected command."""

import ast
import contextlib
import functools
import importlib
import operator
import pkgutil
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import is_dataclass, make_dataclass
from typing import Annotated, Any

import tyro

from didact.common.plain_text import shown
from didact.experiments.cli import _numbers

PACKAGE = "didact.experiments.cli"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line.

    A `SettingError` is printed as one sentence, with exit code 2. A training that was stopped and
    saved ends with 128 plus the number of the signal.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _stop)
        hangup = getattr(signal, "SIGHUP", None)
        if hangup is not None and signal.getsignal(hangup) == signal.SIG_DFL:  # not under nohup
            signal.signal(hangup, _stop)
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with _plain_warnings(), _numbers.registry():
            module, options = _read(words)
            if getattr(options, "imports", ()):
                from didact.common.extensions import import_all

                import_all(options.imports)
            if _has_numbers(options):  # checking imports much, which `didact list` should not
                from didact.common.settings import check_numbers

                check_numbers(options)
            code = module.run(options)
    except ValueError as error:
        # Imported here so that help pages stay fast.
        from didact.common.errors import SettingError

        if not isinstance(error, SettingError):
            raise
        print(f"didact: {shown(str(error))}", file=sys.stderr)
        sys.exit(2)
    except RuntimeError as error:
        if not str(error).startswith("Unable to initialize backend"):
            raise
        print(f"didact: JAX cannot start: {shown(str(error))}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as error:
        code = 128 + (error.args[0] if error.args and isinstance(error.args[0], int) else 2)
        with contextlib.suppress(OSError):  # the terminal may be gone
            print("didact: stopped.", file=sys.stderr)
    if code:
        sys.exit(code)


def _has_numbers(options: Any) -> bool:
    if not is_dataclass(options):
        return False
    values = vars(options).values()
    return any(
        isinstance(value, int | float | tuple) and not isinstance(value, bool) and value != ()
        for value in values
    ) or any(map(_has_numbers, values))


def commands() -> dict[str, str]:
    """Return the first paragraph of each command's docstring, by command name."""
    found = {}
    for module in pkgutil.iter_modules(sys.modules[PACKAGE].__path__):
        if not module.name.startswith("_"):
            spec: Any = module.module_finder.find_spec(module.name, None)
            docstring = ast.get_docstring(ast.parse(spec.loader.get_source(module.name))) or ""
            found[module.name] = docstring.partition("\n\n")[0]
    return found


def choice(known: Mapping[str, str], chosen: Mapping[str, Any]) -> Any:
    """Return a union type of subcommands for tyro.

    Args:
        known: description of each command, by name.
        chosen: options of the commands to parse, as dataclasses or as instances that hold the
            defaults; all other commands are only listed.
    """
    parts = []
    for name, description in known.items():
        kind: Any = chosen.get(name, make_dataclass(name, []))
        if is_dataclass(kind) and not isinstance(kind, type):
            about = tyro.conf.subcommand(name, description=description, default=kind)
            kind = type(kind)
        else:
            about = tyro.conf.subcommand(name, description=description)
        parts.append(Annotated[kind, about])
    return functools.reduce(operator.or_, parts)


def _read(words: list[str]) -> tuple[Any, Any]:
    """Return the module of the selected command and its parsed options."""
    known = commands()
    name = words[0] if words else ""
    if name in known:
        module, kind, default = _command(name, words[1:])
        command = getattr(kind, "command", name)
        options = tyro.cli(
            kind,
            prog=f"didact {command}",
            description=kind.__doc__ if command != name else module.__doc__,
            args=words[len(command.split()) :],
            default=default,
            config=(tyro.conf.OmitSubcommandPrefixes,),
        )
        return module, options
    if name and not name.startswith("-"):
        from didact.common.registry import suggest

        raise suggest("command", name, tuple(known))
    # Shell completion scripts cover all commands.
    chosen = {}
    if name.startswith("--tyro"):
        commanded = {each: _command(each, ()) for each in known}
        chosen = {
            each: kind if default is None else default
            for each, (_, kind, default) in commanded.items()
        }
    tyro.cli(
        choice(known, chosen),
        prog="didact",
        description="Teach embodied agents: compiled environments, curricula and language "
        "instructions.",
        args=words or ["--help"],
        config=(tyro.conf.OmitSubcommandPrefixes,),
    )
    raise AssertionError(words)


def _command(name: str, arguments: Sequence[str]) -> tuple[Any, Any, Any]:
    """Return a command's module, the class of its options, and their defaults or None."""
    module = importlib.import_module(f"{PACKAGE}.{name}")
    make = getattr(module, "options", None)
    kind = make(arguments) if make is not None else module.Options
    return (module, kind, None) if isinstance(kind, type) else (module, type(kind), kind)


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    """Print warnings about plugins as one sentence, like errors."""
    before = warnings.formatwarning

    def format(message: Any, category: Any, *where: Any, **more: Any) -> str:
        if category.__name__ == "PluginWarning":
            return f"didact: {shown(str(message))}\n"
        return before(message, category, *where, **more)

    warnings.formatwarning = format
    try:
        yield
    finally:
        warnings.formatwarning = before


def _stop(number: int, frame: Any) -> None:
    raise KeyboardInterrupt(number)
