"""Training loop, run folders and command line: connects environments, teachers and students."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from didact.experiments.config import TrainConfig as TrainConfig
    from didact.experiments.training import train as train

__all__ = ["TrainConfig", "train"]


def __getattr__(name: str):
    # Imported lazily so that the help pages of the command line stay fast.
    if name == "train":
        from didact.experiments.training import train

        return train
    if name == "TrainConfig":
        from didact.experiments.config import TrainConfig

        return TrainConfig
    raise AttributeError(f"module 'didact.experiments' has no attribute {name!r}")
