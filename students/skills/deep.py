"""How to reach every goal under every constraint, learned by a network from any experience.

One network tells the values of all actions for all goals (what holds at once), given which of them
must not be touched on the way. Each step teaches all goals together, under constraints drawn for
it: what it led to is known for each of them, whatever the agent was after when it took the step.

References:
    Andrychowicz et al., Hindsight Experience Replay, NeurIPS 2017 (arXiv:1707.01495); van Hasselt
    et al., Deep Reinforcement Learning with Double Q-Learning, AAAI 2016 (arXiv:1509.06461); Nangue
    Tasse et al., Skill Machines, ICLR 2024 (arXiv:2205.12532).
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, UInt8

from didact.environments import SettingError

CODES = 128  # packed cells
AVOIDED = 0.3  # how likely each goal is to be avoided, where anything is


@dataclasses.dataclass(frozen=True)
class DeepConfig:
    """Settings of a network of skills, and of how it learns."""

    hidden: int = 256
    """width of both hidden layers"""
    cell: int = 8
    """numbers that a cell of the image becomes"""
    discount: float = 0.95
    """of each step"""
    learning_rate: float = 1e-3
    """Adam's step size at the start; it falls to a tenth"""
    batch: int = 1024
    """steps in one update"""
    memory: int = 200_000
    """steps that are remembered"""
    follow: float = 0.01
    """how far the target network follows with each update"""

    def __post_init__(self):
        for name in ("hidden", "cell", "batch", "memory"):
            if getattr(self, name) < 1:
                raise SettingError(name, getattr(self, name), "at least 1")
        for name in ("discount", "follow"):
            if not 0 < getattr(self, name) < 1:
                raise SettingError(name, getattr(self, name), "between 0 and 1")
        if self.learning_rate <= 0:
            raise SettingError("learning_rate", self.learning_rate, "above 0")


class GoalNetwork(nn.Module):
    """Values of all goals and actions, from an image of packed cells and what is avoided."""

    goals: int
    actions: int
    hidden: int
    cell: int

    @nn.compact
    def __call__(
        self, image: UInt8[Array, "n h w"], avoided: Bool[Array, "n goals"]
    ) -> Float[Array, "n goals actions"]:
        seen = nn.Embed(CODES, self.cell)(image.astype(jnp.int32)).reshape(len(image), -1)
        hidden = nn.Dense(self.hidden)(seen) + nn.Dense(self.hidden)(avoided.astype(jnp.float32))
        hidden = nn.relu(nn.Dense(self.hidden)(nn.relu(hidden)))
        values = nn.Dense(self.goals * self.actions)(hidden)
        return nn.sigmoid(values).reshape(len(image), self.goals, self.actions)


class Memory(NamedTuple):
    """The last m steps, in a ring."""

    before: UInt8[Array, "m h w"]
    action: Int[Array, " m"]
    after: UInt8[Array, "m h w"]
    goal: Int[Array, " m"]  # what the step led to
    terminated: Bool[Array, " m"]
    filled: Int[Array, ""]  # how many there are
    next: Int[Array, ""]


class DeepState(NamedTuple):
    """A network while it learns."""

    params: Any
    target: Any
    optimiser: Any
    memory: Memory


class Deep(NamedTuple):
    """Pure functions of a network of skills.

    Attributes:
        init: `init(key) -> state`.
        remember: `remember(state, before, action, after, goal, terminated) -> state`, n steps.
        learn: `learn(state, key) -> (state, loss)`, one update.
        look: `look(params, image, avoided) -> [goals, n, actions]`.
    """

    init: Callable[[PRNGKeyArray], DeepState]
    remember: Callable[..., DeepState]
    learn: Callable[[DeepState, PRNGKeyArray], tuple[DeepState, Float[Array, ""]]]
    look: Callable[[Any, Array, Array], Float[Array, "goals n actions"]]


def deep(
    image: tuple[int, int], num_goals: int, num_actions: int, updates: int, config: DeepConfig
) -> Deep:
    """A network of skills for images of packed cells.

    Args:
        image: height and width.
        num_goals: what can hold at once, the empty label included.
        num_actions: of the world.
        updates: how many there will be; the step size falls until then.
        config: the rest.
    """
    network = GoalNetwork(num_goals, num_actions, config.hidden, config.cell)
    rate = optax.cosine_decay_schedule(config.learning_rate, max(updates, 1), 0.1)
    optimiser = optax.adam(rate)
    no = jnp.zeros((1, num_goals), bool)

    def init(key):
        params = network.init(key, jnp.zeros((1, *image), jnp.uint8), no)
        m = config.memory
        images = jnp.zeros((m, *image), jnp.uint8)
        numbers = jnp.zeros(m, jnp.int32)
        zero = jnp.zeros((), jnp.int32)
        memory = Memory(images, numbers, images, numbers, jnp.zeros(m, bool), zero, zero)
        return DeepState(params, params, optimiser.init(params), memory)

    def remember(state, before, action, after, goal, terminated):
        memory, n = state.memory, len(action)
        at = (memory.next + jnp.arange(n)) % config.memory
        rows = before, action, after, goal, terminated
        rings = [ring.at[at].set(row) for ring, row in zip(memory[:5], rows, strict=True)]
        filled = jnp.minimum(memory.filled + n, config.memory)
        return state._replace(memory=Memory(*rings, filled, (memory.next + n) % config.memory))

    def learn(state, key):
        keys = jax.random.split(key, 3)
        memory = state.memory
        at = jax.random.randint(keys[0], (config.batch,), 0, memory.filled)
        before, action, after, goal, terminated = (ring[at] for ring in memory[:5])
        # Half of the steps are learned without constraints, which plans need most.
        some = jax.random.bernoulli(keys[1], 0.5, (config.batch, 1))
        avoided = some & jax.random.bernoulli(keys[2], AVOIDED, (config.batch, num_goals))
        ours = network.apply(state.params, after, avoided)
        best = jnp.argmax(ours, -1, keepdims=True)
        theirs = network.apply(state.target, after, avoided)
        promised = config.discount * jnp.take_along_axis(theirs, best, -1)[..., 0]
        over = terminated | jnp.take_along_axis(avoided, goal[:, None], 1)[:, 0]
        promised = jnp.where(over[:, None], 0, promised)
        promised = jnp.where(jax.nn.one_hot(goal, num_goals, dtype=bool), 1, promised)

        def loss(params):
            values = network.apply(params, before, avoided)
            taken = jnp.take_along_axis(values, action[:, None, None], 2)[..., 0]
            return jnp.mean((taken - promised) ** 2)

        value, gradient = jax.value_and_grad(loss)(state.params)
        change, memory_of = optimiser.update(gradient, state.optimiser)
        params = optax.apply_updates(state.params, change)
        target = optax.incremental_update(params, state.target, config.follow)
        return state._replace(params=params, target=target, optimiser=memory_of), value

    def look(params, image, avoided):
        return jnp.moveaxis(network.apply(params, image, avoided), 1, 0)

    return Deep(init, remember, learn, look)


def goal_of(
    labels: Bool[Array, "n propositions"], goals: Bool[np.ndarray, "goals propositions"]
) -> Int[Array, " n"]:
    """The number of the goal that holds in each world; they must be all that can hold."""
    return jnp.argmax(jnp.all(labels[:, None] == goals, -1), -1)
