"""Environments. They do not depend on teachers or students."""

import didact.environments.crafting
import didact.environments.grid  # noqa: F401  (registers its environments)
from didact.common.errors import SettingError
from didact.environments import control, walkers
from didact.environments.adapters import brax as _brax  # noqa: F401  (registers them)
from didact.environments.base import (
    Environment,
    Restart,
    Timestep,
    map_in_groups,
    split_keys,
)
from didact.environments.counterpart import Counterpart
from didact.environments.feedback.wrapper import with_feedback
from didact.environments.registry import make, register, registered
from didact.environments.spaces import ActionSpace, ArraySpace, Continuous, Discrete
from didact.environments.task_spaces import Box, Dimension, TaskSpace
from didact.environments.toys import toy_grid
from didact.environments.wrappers import Wrapper, with_propositions

__all__ = [
    "ActionSpace",
    "ArraySpace",
    "Box",
    "Continuous",
    "Counterpart",
    "Dimension",
    "Discrete",
    "Environment",
    "Restart",
    "SettingError",
    "TaskSpace",
    "Timestep",
    "Wrapper",
    "control",
    "make",
    "map_in_groups",
    "register",
    "registered",
    "split_keys",
    "toy_grid",
    "walkers",
    "with_feedback",
    "with_propositions",
]
