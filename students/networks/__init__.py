"""Networks: encoders of observations, a memory, heads, and distributions over actions."""

from didact.students.networks import encoders
from didact.students.networks.actor_critic import ActorCritic, actor_critic
from didact.students.networks.distributions import (
    Categorical,
    Distribution,
    Product,
    SquashedNormal,
)

__all__ = [
    "ActorCritic",
    "Categorical",
    "Distribution",
    "Product",
    "SquashedNormal",
    "actor_critic",
    "encoders",
]
