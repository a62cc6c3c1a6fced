"""Distill one student from experts, or from a recording of what one did.

Experts are asked in the states that the student itself comes to; `didact train --student distill`
does the same, with all settings of a training. From a recording the student learns what was done
there (behaviour cloning).
"""

from didact.experiments.imitation.distill import Distill as Options
from didact.experiments.imitation.distill import distill as run

__all__ = ["Options", "run"]
