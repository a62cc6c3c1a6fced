"""Models of students that decide where a message helps most, given a budget of messages."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32

from didact.environments.random_draws import uniform_index

BINS = 16  # in the histogram of past gains


class StepContext(NamedTuple):
    """The inputs of a model of the student in n worlds at a step."""

    observation: dict[str, Array]  # without feedback
    advised: Int32[Array, " n"]  # the kind of action that should be taken now
    before: Int32[Array, " n"]  # the kind of action that should have been taken in the last step
    right: Bool[Array, " n"]  # whether the student's last action was right
    alone: Bool[Array, " n"]  # whether it acted without a message; False in the first step


class Model(NamedTuple):
    """A model of a student that predicts how much a message would help.

    Attributes:
        initial: `initial(n, num_kinds) -> memory`, the memory at the start of n episodes with
            `num_kinds` kinds of actions; each leaf [n, ...].
        gain: `gain(memory, context) -> (gain float32[n] in 0..1, memory)`, where `context` is a
            `StepContext`.
    """

    initial: Callable[[int, int], Any]
    gain: Callable[[Any, StepContext], tuple[Float[Array, " n"], Any]]


def mistake_model() -> Model:
    """A model that counts the student's mistakes in this episode in steps without a message.

    The gain is the estimated probability of a mistake (by Laplace's rule of succession) for the
    kind of action that is advised. A student that turns correctly without messages, but never picks
    up objects, gets messages where it should pick up objects.
    """

    def initial(n, num_kinds):
        return jnp.zeros((n, num_kinds, 2))

    def gain(counts, context):
        here = jnp.arange(counts.shape[1]) == context.before[:, None]
        here = here & context.alone[:, None]
        seen = jnp.stack([here & ~context.right[:, None], here], -1)
        counts = counts + seen
        wrong, all_ = jnp.moveaxis(
            jnp.take_along_axis(counts, context.advised[:, None, None], 1)[:, 0], -1, 0
        )
        return (wrong + 1) / (all_ + 2), counts

    return Model(initial, gain)


def worth_sending(
    history: Float[Array, "n b"],
    gain: Float[Array, " n"],
    draw: Float[Array, " n"],
    left: Int32[Array, " n"],
    steps: Int32[Array, " n"],
) -> tuple[Bool[Array, " n"], Float[Array, "n b"]]:
    """Decide whether to spend one of the remaining messages now.

    If m messages remain for k steps, the gain has to be among the highest m / k of the episode so
    far, where equal gains are in a random order. Before anything is known of the student, all gains
    are equal, so each step receives a message with probability m / k.

    Args:
        history: the number of gains in each of b equal bins of 0..1.
        gain: the predicted gain of a message now.
        draw: uniform in 0..1, for the order of equal gains.
        left: the remaining messages.
        steps: the approximate number of remaining steps.

    Returns:
        Whether to send the message, and the history with this gain added.
    """
    own = uniform_index(gain, history.shape[1])[:, None] == jnp.arange(history.shape[1])
    history = history + own
    rank = jnp.cumsum(history[:, ::-1], 1)[:, ::-1]  # the number of gains in this bin or above
    better = jnp.sum(jnp.where(own, rank - history, 0), 1)  # the number of gains above
    equal = jnp.sum(jnp.where(own, history, 0), 1)  # this one is among them
    part = (better + draw * equal) / jnp.sum(history, 1)
    return (left > 0) & (part < left / jnp.maximum(steps, 1)), history
