"""Share policies: export, import, and push to or pull from a model hub."""

from didact.experiments.runs.policy_exchange import Policies as Options
from didact.experiments.runs.policy_exchange import move as run

__all__ = ["Options", "run"]
