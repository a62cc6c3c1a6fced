"""Registration with gymnasium, without importing JAX.

gymnasium has no entry points for environments since version 1.0. Instead, `import didact` makes
sure that didact's environments are registered as soon as both packages are imported, in any order.
The environments themselves are imported when the first one is made.
"""

import contextlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import re
import sys
import warnings
from collections.abc import Sequence
from types import ModuleType

from didact.common import catalogue
from didact.common.errors import SettingError

NAMESPACE = "didact"


def gymnasium_id(name: str) -> str:
    """Return the gymnasium id of an environment; `brax/ant` becomes `didact/brax-ant`."""
    return NAMESPACE + "/" + re.sub(r"[^\w.-]", "-", name)


def register(name: str) -> None:
    """Register an environment with gymnasium, unless it is registered already.

    Raises:
        SettingError: another environment has the same gymnasium id.
    """
    import gymnasium

    identifier = gymnasium_id(name)
    if identifier in gymnasium.registry:
        other = gymnasium.registry[identifier].kwargs.get("name")
        if other != name:
            allowed = f"a name whose gymnasium id differs from that of {other}, {identifier}"
            raise SettingError("environment", name, allowed)
        return
    module = "didact.environments.adapters.gymnasium:"
    try:
        gymnasium.register(
            identifier,
            entry_point=module + "SingleEnvironment",
            vector_entry_point=module + "VectorEnvironment",
            kwargs={"name": name},
        )
    except gymnasium.error.Error as error:  # such as GoTo-v1 next to GoTo
        warnings.warn(f"gymnasium does not accept the id {identifier}: {error}", stacklevel=3)


def register_known() -> None:
    """Register all built-in environments, and those of other packages whose names are known.

    These are the entry points that refer to a function. An entry point that refers to a module
    registers its environments when a name is first looked up.
    """
    for name in catalogue.read()["environments"]:
        register(name)
    for point in importlib.metadata.entry_points(group="didact.environments"):
        if point.attr:
            with contextlib.suppress(SettingError):  # raised again when the entry point is loaded
                register(point.name)


def register_when_imported() -> None:
    """Call `register_known` if gymnasium is imported already, or else right after its import."""
    if "gymnasium" in sys.modules:
        register_known()
    elif not any(isinstance(finder, _AfterImport) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AfterImport())


class _AfterImport(importlib.abc.MetaPathFinder):
    """Finds gymnasium as usual, and registers our environments once it is imported."""

    def __init__(self) -> None:
        self.asking = False  # the other finders

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "gymnasium" or self.asking:
            return None
        self.asking = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self.asking = False
        if spec is None or spec.loader is None:
            return spec
        loader, execute = spec.loader, spec.loader.exec_module

        def execute_and_register(module: ModuleType) -> None:
            del loader.exec_module  # restores the method of the class
            execute(module)
            # Not before, since a specification may be asked for without an import.
            with contextlib.suppress(ValueError):
                sys.meta_path.remove(self)
            register_known()

        loader.exec_module = execute_and_register
        return spec
