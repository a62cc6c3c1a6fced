"""Goal-conditioned action values under constraints, learned off-policy by a network.

One network predicts the values of all actions for any goal (a set of propositions that hold
together), given the goals that must be avoided on the way. Each step is relabelled with sampled
goals and constraints: its outcome is known for all of them, regardless of the agent's own goal.

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

CODES = 128  # number of codes of packed cells
AVOIDED = 0.3  # probability of avoiding each goal, in steps with constraints


@dataclasses.dataclass(frozen=True)
class GoalLearnerConfig:
    """Settings of a goal network and of its learning."""

    hidden: int = 128
    """width of both hidden layers"""
    cell: int = 4
    """features per cell of the image"""
    discount: float = 0.95
    """discount factor per step"""
    learning_rate: float = 2e-3
    """initial Adam learning rate; annealed to a tenth"""
    batch: int = 256
    """steps per update, each relabelled with two goals"""
    memory: int = 200_000
    """capacity of the experience buffer, in steps"""
    follow: float = 0.05
    """Polyak averaging rate of the target network, per update"""

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
    """Action values as a function of an image of packed cells, a goal, and the avoided goals.

    Cell embeddings depend on the goal and on the avoided goals, with one lookup table for each. All
    later layers are shared by all goals, so that learning transfers between goals.
    """

    goals: int
    actions: int
    hidden: int
    cell: int

    @nn.compact
    def __call__(
        self, image: UInt8[Array, "n h w"], goal: Int[Array, " n"], avoided: Bool[Array, "n goals"]
    ) -> Float[Array, "n actions"]:
        shape, spread = (self.goals, CODES, self.cell), nn.initializers.normal(1.0)
        wanted = self.param("wanted", spread, shape)[goal]
        meaning = wanted + jnp.tensordot(
            avoided.astype(jnp.float32), self.param("avoided", spread, shape), 1
        )
        codes = image.reshape(len(image), -1, 1).astype(jnp.int32)
        seen = jnp.take_along_axis(meaning, codes, 1).reshape(len(image), -1)
        hidden = nn.relu(nn.Dense(self.hidden)(seen))
        hidden = nn.relu(nn.Dense(self.hidden)(hidden))
        return nn.sigmoid(nn.Dense(self.actions)(hidden))


class ExperienceBuffer(NamedTuple):
    """A ring buffer with the last m steps."""

    before: UInt8[Array, "m h w"]
    action: Int[Array, " m"]
    after: UInt8[Array, "m h w"]
    goal: Int[Array, " m"]  # index of the goal that the step reached, or the number of goals
    terminated: Bool[Array, " m"]
    filled: Int[Array, ""]  # number of stored steps
    next: Int[Array, ""]  # index at which the next step is stored


class GoalLearnerState(NamedTuple):
    """The training state of a goal network."""

    params: Any
    target: Any
    optimiser: Any
    memory: ExperienceBuffer


class GoalLearner(NamedTuple):
    """Pure functions to train a goal network.

    Attributes:
        init: `init(key) -> state`.
        add_experience: `add_experience(state, before, action, after, goal, terminated) -> state`,
            which stores n steps.
        learn: `learn(state, key) -> (state, loss)`, one update.
        act: `act(params, image, goal) -> actions`, the greedy actions for reaching goals.
    """

    init: Callable[[PRNGKeyArray], GoalLearnerState]
    add_experience: Callable[..., GoalLearnerState]
    learn: Callable[[GoalLearnerState, PRNGKeyArray], tuple[GoalLearnerState, Float[Array, ""]]]
    act: Callable[[Any, Array, Array], Int[Array, " n"]]


def goal_learner(
    image: tuple[int, int],
    goals: Bool[np.ndarray, "goals propositions"],
    num_actions: int,
    updates: int,
    config: GoalLearnerConfig,
) -> GoalLearner:
    """Make a learner of a goal network for images of packed cells.

    Args:
        image: height and width of images.
        goals: the sets of propositions that can hold together, including the empty set if it
            occurs.
        num_actions: the number of actions.
        updates: number of updates over which the learning rate is annealed.
        config: further settings.
    """
    num_goals = len(goals)
    nothing = int(np.argmin(goals.any(1))) if not goals.any(1).all() else -1
    network = GoalNetwork(num_goals, num_actions, config.hidden, config.cell)
    apply: Any = network.apply
    rate = optax.cosine_decay_schedule(config.learning_rate, max(updates, 1), 0.1)
    optimiser = optax.adam(rate)

    def init(key):
        one = jnp.zeros((1, *image), jnp.uint8), jnp.zeros(1, jnp.int32)
        params = network.init(key, *one, jnp.zeros((1, num_goals), bool))
        m = config.memory
        images = jnp.zeros((m, *image), jnp.uint8)
        numbers = jnp.zeros(m, jnp.int32)
        zero = jnp.zeros((), jnp.int32)
        memory = ExperienceBuffer(images, numbers, images, numbers, jnp.zeros(m, bool), zero, zero)
        return GoalLearnerState(params, params, optimiser.init(params), memory)

    def remember(state, before, action, after, goal, terminated):
        memory, n = state.memory, len(action)
        at = (memory.next + jnp.arange(n)) % config.memory
        rows = before, action, after, goal, terminated
        rings = [ring.at[at].set(row) for ring, row in zip(memory[:5], rows, strict=True)]
        filled = jnp.minimum(memory.filled + n, config.memory)
        memory = ExperienceBuffer(*rings, filled=filled, next=(memory.next + n) % config.memory)
        return state._replace(memory=memory)

    def learn(state, key):
        keys = jax.random.split(key, 4)
        memory, m = state.memory, config.batch
        at = jax.random.randint(keys[0], (m,), 0, memory.filled)
        before, action, after, led_to, terminated = (ring[at] for ring in memory[:5])
        # Half of the steps are learned without constraints, the case that plans use most.
        some = jax.random.bernoulli(keys[1], 0.5, (m, 1))
        avoided = some & jax.random.bernoulli(keys[2], AVOIDED, (m, num_goals))
        # Each step is learned for a random goal and for the goal that it reached (if any).
        goal = jax.random.randint(keys[3], (2, m), 0, num_goals)
        none = (led_to == nothing) | (led_to == num_goals)
        goal = goal.at[1].set(jnp.where(none, goal[1], led_to)).ravel()

        def double(x):
            return jnp.concatenate([x, x])

        before, action, after, led_to, avoided = map(
            double, (before, action, after, led_to, avoided)
        )
        best = jnp.argmax(apply(state.params, after, goal, avoided), -1, keepdims=True)
        theirs = apply(state.target, after, goal, avoided)
        promised = config.discount * jnp.take_along_axis(theirs, best, -1)[:, 0]
        # What is not among the goals is never avoided.
        avoidable = jnp.pad(avoided, ((0, 0), (0, 1)))
        touched = jnp.take_along_axis(avoidable, led_to[:, None], 1)[:, 0]
        promised = jnp.where(double(terminated) | touched, 0, promised)
        promised = jnp.where(led_to == goal, 1, promised)

        def loss(params):
            values = apply(params, before, goal, avoided)
            taken = jnp.take_along_axis(values, action[:, None], 1)[:, 0]
            return jnp.mean((taken - promised) ** 2)

        value, gradient = jax.value_and_grad(loss)(state.params)
        change, memory_of = optimiser.update(gradient, state.optimiser)
        params = optax.apply_updates(state.params, change)
        target = optax.incremental_update(params, state.target, config.follow)
        return state._replace(params=params, target=target, optimiser=memory_of), value

    def act(params, image, goal):
        no = jnp.zeros((len(goal), num_goals), bool)
        return jnp.argmax(apply(params, image, goal, no), -1)

    return GoalLearner(init, remember, learn, act)


def action_values(
    network: GoalNetwork, params: Any, image: UInt8[Array, "n h w"], avoided: Bool[Array, "n goals"]
) -> Float[Array, "goals n actions"]:
    """Return the values of actions for each goal, for `plans.plan_action_values`."""
    apply: Any = network.apply

    def one(goal):
        return apply(params, image, jnp.full(len(image), goal), avoided)

    return jax.lax.map(one, jnp.arange(network.goals))


def goal_of(
    labels: Bool[Array, "n propositions"], goals: Bool[np.ndarray, "goals propositions"]
) -> Int[Array, " n"]:
    """Return the index of the goal that holds in each environment.

    It is the number of goals where the labels are not among `goals`.
    """
    same = jnp.all(labels[:, None] == goals, -1)
    return jnp.where(jnp.any(same, -1), jnp.argmax(same, -1), len(goals))
