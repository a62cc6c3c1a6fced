"""Students: networks, learning algorithms, policies and skills.

Students depend on observations and actions, never on teachers. The names are those of
`didact.students.public`, which is imported when one of them is used, so that settings can be read
without JAX.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from didact.students.public import *  # noqa: F403 # pyright: ignore[reportWildcardImportFromLibrary]


def __getattr__(name: str) -> Any:
    if not name.startswith("__") or name == "__all__":
        public = importlib.import_module("didact.students.public")
        for names in (vars(public), globals()):  # names of subpackages are bound here
            if name in names:
                return names[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__getattr__("__all__")})
