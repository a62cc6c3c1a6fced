"""Show a proposer's transcript: requests, replies, and the resulting tasks."""

from didact.experiments.runs.transcripts import Transcript as Options
from didact.experiments.runs.transcripts import show as run

__all__ = ["Options", "run"]
