"""The recurrent actor-critic, for all observations that have an encoder and all action spaces."""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from didact.environments import ActionSpace, ArraySpace, Continuous, SettingError
from didact.students.config import NetworkConfig
from didact.students.networks.distributions import Categorical, Distribution, SquashedNormal
from didact.students.networks.encoders import Context, encoder_of, read_spaces
from didact.students.networks.memory import Memory
from didact.students.networks.text import InstructionReader

Spaces = tuple[tuple[str, ArraySpace], ...]
MIN_LOG_STD, MAX_LOG_STD = -4.0, 1.0


class Head(nn.Module):
    """Map features to a distribution over actions."""

    action_space: ActionSpace
    config: NetworkConfig

    @nn.compact
    def __call__(self, features: Float[Array, "*b h"]) -> Distribution:
        space = self.action_space
        small = nn.initializers.orthogonal(0.01)
        if not isinstance(space, Continuous):
            return Categorical(nn.Dense(space.n, kernel_init=small, name="logits")(features))
        mean = nn.Dense(space.size, kernel_init=small, name="mean")(features)
        start = nn.initializers.constant(jnp.log(self.config.initial_std))
        log_std = bounded(self.param("log_std", start, (space.size,)))
        return SquashedNormal.of_space(space, mean, log_std)


@jax.custom_vjp
def bounded(log_std: Float[Array, " k"]) -> Float[Array, " k"]:
    """Clip to the bounds; beyond them, only gradients that lead back pass."""
    return jnp.clip(log_std, MIN_LOG_STD, MAX_LOG_STD)


def _bounded_forwards(log_std: Array) -> tuple[Array, Array]:
    return bounded(log_std), log_std


def _bounded_backwards(log_std: Array, gradient: Array) -> tuple[Array]:
    # Descent moves against the gradient.
    out = ((log_std < MIN_LOG_STD) & (gradient > 0)) | ((log_std > MAX_LOG_STD) & (gradient < 0))
    return (jnp.where(out, 0, gradient),)


bounded.defvjp(_bounded_forwards, _bounded_backwards)


class Trunk(nn.Module):
    """Map observations `[T, n, ...]` to features `[T, n, hidden]`.

    Each observation is encoded according to its kind, and the results are summed. The instruction
    (the space with that role) modulates the encoders of cells and images; without either, it is
    encoded and added to the sum.

    Attributes:
        spaces: names and spaces of the observations to read.
        config: sizes.
        seeds_axis: name of the mapped axis of seeds, or None.
    """

    spaces: Spaces
    config: NetworkConfig
    seeds_axis: str | None = None

    def setup(self):
        c, spaces = self.config, dict(self.spaces)
        given = [(name, s) for name, s in spaces.items() if s.role == "instruction"]
        self.instruction = given[0][0] if given else None
        if given:
            vocabulary = int(given[0][1].high) + 1 if given[0][1].meaning == "tokens" else 0
            self.reader = InstructionReader(vocabulary, c, self.seeds_axis)
        context = Context(c, self.reader if given else None, self.seeds_axis)
        others = {name: s for name, s in spaces.items() if name != self.instruction}
        self.encoders = {name: encoder_of(name, s, context) for name, s in others.items()}
        self.modulates = any(s.meaning in ("cells", "pixels") for s in others.values())
        if given and not self.modulates:
            self.instructed = nn.Dense(c.hidden)
        self.body = nn.Dense(c.hidden, kernel_init=nn.initializers.orthogonal(2**0.5))

    def __call__(
        self, observation: Mapping[str, Array], added: Array | float = 0.0
    ) -> Float[Array, "T n hidden"]:
        """Return the features; `added` is added to the sum of the encoders."""
        words = observation[self.instruction] if self.instruction else None
        hidden: Any = added
        for name, encoder in self.encoders.items():
            hidden += encoder(observation[name], words)
        if words is not None and not self.modulates:
            hidden += self.instructed(self.reader.each(words))
        return jax.nn.relu(self.body(jax.nn.relu(hidden)))


class ActorCritic(nn.Module):
    """A recurrent policy and value function of observations and an instruction.

    All inputs are time-first, `[T, n, ...]`.

    Attributes:
        action_space: the action space.
        spaces: names and spaces of the observations to read.
        config: sizes.
        seeds_axis: name of the mapped axis of seeds, or None.
    """

    action_space: ActionSpace
    spaces: Spaces
    config: NetworkConfig = NetworkConfig()
    seeds_axis: str | None = None

    def setup(self):
        self.trunk = Trunk(self.spaces, self.config, self.seeds_axis)
        self.memory = Memory(self.config.memory) if self.config.memory else None
        self.policy = Head(self.action_space, self.config)
        self.value = nn.Dense(1, kernel_init=nn.initializers.orthogonal(1.0))

    def __call__(
        self, observation: Mapping[str, Array], carry: Array, start: Bool[Array, "T n"]
    ) -> tuple[Distribution, Float[Array, "T n"], Array]:
        features = self.trunk(observation)
        if self.memory is not None:
            features, carry = self.memory(features, carry, start)
        return self.policy(features), self.value(features)[..., 0], carry


def trunk_spaces(observation_space: Mapping[str, ArraySpace], config: NetworkConfig) -> Spaces:
    """Return the observations that a network reads, after checking them.

    Raises:
        SettingError: an observation has no encoder, there is more than one instruction, or there
            is nothing but instructions and messages.
    """
    spaces = read_spaces(observation_space)
    instructions = [name for name, s in spaces.items() if s.role == "instruction"]
    if len(instructions) > 1:
        allowed = "at most one with the role of an instruction"
        raise SettingError("observations", instructions, allowed)
    if all(s.role for s in spaces.values()):
        allowed = "more than instructions and feedback: at least one that shows the world"
        raise SettingError("observations", sorted(observation_space), allowed)
    for name, space in spaces.items():
        if space.role != "instruction":
            encoder_of(name, space, Context(config, None, None))
    return tuple(sorted(spaces.items()))


def actor_critic(
    observation_space: Mapping[str, ArraySpace],
    action_space: ActionSpace,
    config: NetworkConfig,
    seeds_axis: str | None = None,
) -> ActorCritic:
    """Make the network for these observations and actions.

    Raises:
        SettingError: see `trunk_spaces`.
    """
    return ActorCritic(action_space, trunk_spaces(observation_space, config), config, seeds_axis)
