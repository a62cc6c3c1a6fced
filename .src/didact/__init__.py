"""didact: teaching embodied reinforcement-learning agents.

Worlds that compile (`didact.environments`), teachers that choose the next task
(`didact.teachers`), students that follow instructions (`didact.students`), and the compiled
loop that joins them (`didact.experiments`).
"""

import importlib
from typing import TYPE_CHECKING, Any

from didact.common.gymnasium_ids import register_when_imported

if TYPE_CHECKING:
    from didact.environments import make as make
    from didact.experiments import evaluate as evaluate
    from didact.experiments import train as train
    from didact.students import load_policy as load_policy
    from didact.teachers.gymnasium import make_vec as make_vec
    from didact.teachers.gymnasium import with_teacher as with_teacher

__version__ = "0.1.0"
# Imported when they are used: `import didact` and help pages do not wait for JAX.
_HOMES = {
    "evaluate": "didact.experiments",
    "load_policy": "didact.students",
    "make": "didact.environments",
    "make_vec": "didact.teachers.gymnasium",
    "train": "didact.experiments",
    "with_teacher": "didact.teachers.gymnasium",
}
_FOLDERS = ("common", "environments", "experiments", "students", "teachers")
__all__ = ["evaluate", "load_policy", "make", "make_vec", "train", "with_teacher"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in _FOLDERS:
        return importlib.import_module(f"didact.{name}")
    raise AttributeError(f"module 'didact' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_FOLDERS})


register_when_imported()
