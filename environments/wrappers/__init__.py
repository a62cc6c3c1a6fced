"""Wrappers for any environment."""

from didact.environments.wrappers.instructions import with_instructions
from didact.environments.wrappers.keyboard import KeyboardControls
from didact.environments.wrappers.other_goal import (
    WithOtherGoal,
    WithoutGoal,
    ends_without_goal,
)
from didact.environments.wrappers.propositions import with_propositions
from didact.environments.wrappers.rare_values import WithRareValues
from didact.environments.wrappers.step_limit import WithStepLimit
from didact.environments.wrappers.wrapper import Wrapper

__all__ = [
    "KeyboardControls",
    "WithOtherGoal",
    "WithRareValues",
    "WithStepLimit",
    "WithoutGoal",
    "Wrapper",
    "ends_without_goal",
    "with_instructions",
    "with_propositions",
]
