"""Things by name: what every registry of didact is made of."""

import dataclasses
import difflib
import importlib.metadata
import types
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from didact.common.errors import SettingError


@dataclasses.dataclass(frozen=True)
class Entry:
    """What is registered under a name: how to make it, and one line that describes it."""

    name: str
    make: Callable[..., Any]
    description: str


E = TypeVar("E", bound=Entry)


class PluginWarning(UserWarning):
    """What another package registers could not be loaded; everything else works."""


class Registry(Mapping[str, E], Generic[E]):
    """Entries by name, in the order in which they were registered.

    Other packages add to it by entry points, which are loaded once, when a name is first looked up.
    One leads to a module, which registers what it has when it is imported, or to a function, which
    is registered under the entry point's name with the first line of its docstring.

    Args:
        kind: what is registered, in errors: "teacher".
        entry: the class of entries; its fields beyond those of `Entry` are arguments of `register`.
        group: the group of entry points, such as "didact.teachers"; None for none.
    """

    def __init__(self, kind: str, entry: Callable[..., E] = Entry, group: str | None = None):
        self.kind, self.group = kind, group
        self._entry, self._entries, self._loaded = entry, {}, False

    def register(self, name: str, make: Callable[..., Any], description: str, **more: Any) -> None:
        """Adds an entry.

        Args:
            name: not registered yet; without spaces, and no NAME=VALUE.
            make: makes it.
            description: one line.
            more: what else entries of this registry have.

        Raises:
            SettingError: the name is taken or no name, or `make` cannot be called.
        """
        if not isinstance(name, str) or not name or any(c.isspace() or c == "=" for c in name):
            raise SettingError(self.kind, name, "a name without spaces and '='")
        if name in self._entries:
            raise SettingError(self.kind, name, "a name that is not registered yet")
        if not callable(make):
            raise SettingError(f"make of the {self.kind} {name}", make, "a function or a class")
        self._entries[name] = self._entry(name, make, description, **more)

    def find(self, name: str, setting: str | None = None, more: Sequence[str] = ()) -> E:
        """The entry of a name, whatever its case as long as only one name is meant.

        Args:
            name: to look up.
            setting: what the user calls it, for the error; the kind if None.
            more: other names that would do, for the error.

        Raises:
            SettingError: nothing has that name; it names the nearest.
        """
        entries = self._all()
        if name in entries:
            return entries[name]
        alike = [known for known in entries if known.lower() == str(name).lower()]
        if len(alike) == 1:
            return entries[alike[0]]
        raise suggest(setting or self.kind, name, [*entries, *more])

    def entries(self) -> tuple[E, ...]:
        """All entries."""
        return tuple(self._all().values())

    def loaded(self) -> tuple[E, ...]:
        """The entries so far, without those of entry points that were not loaded yet."""
        return tuple(self._entries.values())

    def __getitem__(self, name: str) -> E:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> dict[str, E]:
        if not self._loaded and self.group is not None:
            self._loaded = True  # first, because what is loaded may look up names
            for point in importlib.metadata.entry_points(group=self.group or ""):
                self._load(point)
        return self._entries

    def _load(self, point: Any) -> None:
        try:
            found = point.load()
            # A module registers what it has, and so may one that a function comes from.
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
    """The error for an unknown name, with the nearest known names (or all, if few)."""
    near = difflib.get_close_matches(str(value), known, n=3, cutoff=0.5)
    names = near or known[:8]
    return SettingError(setting, value, "a known name, such as " + ", ".join(names))
