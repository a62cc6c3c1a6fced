"""Training loop, run folders and command line: connects environments, teachers and students."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from didact.experiments.callbacks import Callback as Callback
    from didact.experiments.config import TrainConfig as TrainConfig
    from didact.experiments.evaluation.measure import evaluate as evaluate
    from didact.experiments.training import train as train

# Imported when they are used, so that the help pages of the command line stay fast.
_HOMES = {
    "Callback": "callbacks",
    "TrainConfig": "config",
    "evaluate": "evaluation.measure",
    "train": "training",
}
__all__ = ["Callback", "TrainConfig", "evaluate", "train"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
