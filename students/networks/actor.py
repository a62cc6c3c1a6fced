"""The networks of soft actor-critic: a policy and an action-value function."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from didact.environments import Continuous
from didact.students.config import NetworkConfig
from didact.students.networks.actor_critic import Spaces, Trunk
from didact.students.networks.distributions import SquashedNormal

MIN_LOG_STD, MAX_LOG_STD = -20.0, 2.0


class Actor(nn.Module):
    """Map observations `[n, ...]` to distributions over continuous actions.

    The standard deviation depends on the observation, as in Haarnoja et al., 2018.

    Attributes:
        action_space: the action space.
        spaces: names and spaces of the observations to read.
        config: sizes.
        seeds_axis: name of the mapped axis of seeds, or None.
    """

    action_space: Continuous
    spaces: Spaces
    config: NetworkConfig
    seeds_axis: str | None = None

    @nn.compact
    def __call__(self, observation: dict[str, Array]) -> SquashedNormal:
        now = jax.tree.map(lambda x: x[None], observation)
        features = Trunk(self.spaces, self.config, self.seeds_axis, name="trunk")(now)[0]
        size = self.action_space.size
        mean = nn.Dense(size, name="mean")(features)
        log_std = jnp.clip(nn.Dense(size, name="log_std")(features), MIN_LOG_STD, MAX_LOG_STD)
        return SquashedNormal.of_space(self.action_space, mean, log_std)


class ActionValue(nn.Module):
    """Map observations and actions (scaled to [-1, 1]) to values `[n]`.

    Attributes:
        spaces, config, seeds_axis: as in `Actor`.
    """

    spaces: Spaces
    config: NetworkConfig
    seeds_axis: str | None = None

    @nn.compact
    def __call__(
        self, observation: dict[str, Array], action: Float[Array, "n k"]
    ) -> Float[Array, " n"]:
        now = jax.tree.map(lambda x: x[None], observation)
        added = nn.Dense(self.config.hidden, use_bias=False, name="action")(action)
        trunk = Trunk(self.spaces, self.config, self.seeds_axis, name="trunk")
        features = trunk(now, added[None])[0]
        return nn.Dense(1, name="value")(features)[:, 0]
