"""Reports of the warm-up, during which a teacher is not in charge."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from didact.experiments.config import TrainConfig
from didact.teachers.combinators import WarmStartedState


class WarmUp:
    """Follows whether the tasks of a training are still the easy ones; see `warm_started`."""

    def __init__(self, config: TrainConfig, teacher_state: Any):
        self.config = config
        self.active = _active(teacher_state)

    def row(self, teacher_state: Any, steps: int, tell: Callable[[str], None]) -> dict[str, bool]:
        """Return the entry of the metrics, if there is a warm-up, and report its end once."""
        before, self.active = self.active, _active(teacher_state)
        if before and not self.active:
            tell(f"The warm-up ended after {steps:,} steps; {self.config.teacher} chooses tasks.")
        return {} if self.active is None else {"warming_up": self.active}

    def finish(self, tell: Callable[[str], None]) -> None:
        """Report a warm-up that has not ended when the training has."""
        if self.active:
            tell(
                f"The warm-up did not end, so {self.config.teacher} chose no tasks: it ends when "
                f"{self.config.warm_up:.1%} of the easy tasks succeed (--warm-up)."
            )


def _active(teacher_state: Any) -> bool | None:
    """Whether any seed still warms up; None if the teacher has no warm-up."""

    def found(node: Any) -> bool:
        return isinstance(node, WarmStartedState)

    states = [s for s in jax.tree.leaves(teacher_state, is_leaf=found) if found(s)]
    return not np.all(jax.device_get(states[0].warm)) if states else None
