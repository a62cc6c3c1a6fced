"""Joins worlds, teachers and students; runs on disk; the command line."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from didact.experiments.config import TrainConfig as TrainConfig
    from didact.experiments.training import train as train

__all__ = ["TrainConfig", "train"]


def __getattr__(name: str):
    # Lazy, so that the command line's help pages do not wait for everything a training needs.
    if name == "train":
        from didact.experiments.training import train

        return train
    if name == "TrainConfig":
        from didact.experiments.config import TrainConfig

        return TrainConfig
    raise AttributeError(f"module 'didact.experiments' has no attribute {name!r}")
