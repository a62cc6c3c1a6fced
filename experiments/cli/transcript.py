"""Show what a proposer was asked and answered, and which tasks came of it."""

from didact.experiments.runs.transcripts import Transcript as Options
from didact.experiments.runs.transcripts import show as run

__all__ = ["Options", "run"]
