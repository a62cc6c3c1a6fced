"""Give policies away and take them in: files, or a model hub."""

from didact.experiments.policies import Policies as Options
from didact.experiments.policies import move as run

__all__ = ["Options", "run"]
