"""Distill experts into one student, or clone a recording.

Given experts, the student learns to match their action distributions in the states that it visits
itself; `didact train --student distill` does the same and offers all training settings. Given a
recording, the student learns to imitate the recorded actions (behaviour cloning).
"""

from didact.experiments.imitation.distill import Distill as Options
from didact.experiments.imitation.distill import distill as run

__all__ = ["Options", "run"]
