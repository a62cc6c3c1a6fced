"""The registry class that environments, teachers, students and other plugins share."""

import dataclasses
import difflib
import importlib
import importlib.metadata
import types
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from didact.common.errors import SettingError

IMPORTED = ("environment", "teacher", "student")  # kinds that `--import` can register


@dataclasses.dataclass(frozen=True)
class Entry:
    """A registered name: how to make the object, and a description of one line."""

    name: str
    make: Callable[..., Any]
    description: str


E = TypeVar("E", bound=Entry)


class PluginWarning(UserWarning):
    """A plugin of another package could not be loaded; everything else works."""


class Registry(Mapping[str, E], Generic[E]):
    """A mapping from names to entries, in the order of registration.

    Other packages add entries through entry points, which are loaded once, when a name is first
    looked up. An entry point refers either to a module, which registers its entries when it is
    imported, or to a function, which is registered under the name of the entry point and described
    by the first line of its docstring.

    Args:
        kind: what is registered, such as "teacher"; used in errors.
        entry: the class of entries. Fields beyond those of `Entry` are arguments of `register`.
        group: the entry point group, such as "didact.teachers"; None for no entry points.
        builtin: a module that registers the built-in entries and is imported when the registry is
            first used; None if they are registered where the registry is defined.
    """

    def __init__(
        self,
        kind: str,
        entry: Callable[..., E] = Entry,
        group: str | None = None,
        builtin: str | None = None,
    ):
        self.kind, self.group, self.builtin = kind, group, builtin
        self._entry, self._entries, self._loaded = entry, {}, False

    def register(self, name: str, make: Callable[..., Any], description: str, **more: Any) -> None:
        """Register an entry.

        Args:
            name: a new name, without whitespace and "=".
            make: the function or class that makes the object.
            description: one line.
            more: the further fields of the registry's entry class.

        Raises:
            SettingError: the name is taken or invalid, or `make` is not callable.
        """
        if not isinstance(name, str) or not name or any(c.isspace() or c == "=" for c in name):
            raise SettingError(self.kind, name, "a name without spaces or '='")
        self._register_builtin()
        if name in self._entries:
            raise SettingError(self.kind, name, "a name that is not registered yet")
        if not callable(make):
            raise SettingError(f"make of the {self.kind} {name}", make, "a function or a class")
        self._entries[name] = self._entry(name, make, description, **more)

    def find(self, name: str, setting: str | None = None, more: Sequence[str] = ()) -> E:
        """Return the entry of a name. Case is ignored as long as the name is unambiguous.

        Args:
            name: the name to look up.
            setting: the name of the setting, for the error; by default the registry's kind.
            more: further valid names, for the error.

        Raises:
            SettingError: the name is unknown; the error suggests the nearest names.
        """
        entries = self._all()
        if name in entries:
            return entries[name]
        alike = [known for known in entries if known.lower() == str(name).lower()]
        if len(alike) == 1:
            return entries[alike[0]]
        error = suggest(setting or self.kind, name, [*entries, *more])
        if self.kind not in IMPORTED:
            raise error
        own = f"; {self.kind}s of your own need --import"
        raise SettingError(error.setting, error.value, error.allowed + own)

    def entries(self) -> tuple[E, ...]:
        """Return all entries."""
        return tuple(self._all().values())

    def loaded(self) -> tuple[E, ...]:
        """Return the entries registered so far, without loading entry points."""
        self._register_builtin()
        return tuple(self._entries.values())

    def __getitem__(self, name: str) -> E:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _register_builtin(self) -> None:
        if self.builtin is not None:
            importlib.import_module(self.builtin)  # does nothing while it is being imported

    def _all(self) -> dict[str, E]:
        self._register_builtin()
        if not self._loaded and self.group is not None:
            self._loaded = True  # set first, because plugins may look up names while they load
            for point in importlib.metadata.entry_points(group=self.group or ""):
                self._load(point)
        return self._entries

    def _load(self, point: Any) -> None:
        try:
            found = point.load()
            # A module registers its own entries, and may have registered this function, too.
            if not isinstance(found, types.ModuleType) and point.name not in self._entries:
                line = (getattr(found, "__doc__", None) or "").strip().partition("\n")[0]
                self.register(point.name, found, line or f"from {point.value}")
        except (Exception, SystemExit) as error:
            package = f" of the package {point.dist.name}" if point.dist is not None else ""
            why = f"{type(error).__name__}: {error}".splitlines()[0].rstrip(".")
            warnings.warn(
                f"The {self.kind} {point.name!r}{package} cannot be loaded ({why}).",
                PluginWarning,
                stacklevel=2,
            )


def suggest(setting: str, value: Any, known: Sequence[str]) -> SettingError:
    """Return the error for an unknown name, with the nearest known names."""
    near = difflib.get_close_matches(str(value)[:100], known, n=3, cutoff=0.5)
    names = near or known[:8]
    return SettingError(setting, value, "a known name, such as " + ", ".join(names))
