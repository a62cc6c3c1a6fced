"""Where a message helps most: models of students, and how a budget of messages is spent."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32

from didact.environments.random_draws import uniform_index

BINS = 16  # of the histogram of past gains


class StepContext(NamedTuple):
    """What a model of the student sees of n worlds at a step."""

    observation: dict[str, Array]  # without feedback
    advised: Int32[Array, " n"]  # the kind of action that should be taken now
    before: Int32[Array, " n"]  # and that which should have been taken last
    right: Bool[Array, " n"]  # whether the student's last action was right
    alone: Bool[Array, " n"]  # whether it had been told nothing of it; False in the first step


class Model(NamedTuple):
    """A model of a student: how much a message would help it.

    Attributes:
        initial: `initial(n, num_kinds) -> memory`, at the start of n episodes, where there are so
            many kinds of actions; each [n, ...].
        gain: `gain(memory, look) -> (gain float32[n] in 0..1, memory)`.
    """

    initial: Callable[[int, int], Any]
    gain: Callable[[Any, StepContext], tuple[Float[Array, " n"], Any]]


def mistake_model() -> Model:
    """Expects of a student what it did in this episode when it was told nothing.

    The gain is the estimated chance of a mistake where this action is right (Laplace's rule of
    succession); a student that turns well alone, but never picks things up, is told to pick up.
    """

    def initial(n, num_kinds):
        return jnp.zeros((n, num_kinds, 2))

    def gain(counts, look):
        here = jnp.arange(counts.shape[1]) == look.before[:, None]
        here = here & look.alone[:, None]
        seen = jnp.stack([here & ~look.right[:, None], here], -1)
        counts = counts + seen
        wrong, all_ = jnp.moveaxis(
            jnp.take_along_axis(counts, look.advised[:, None, None], 1)[:, 0], -1, 0
        )
        return (wrong + 1) / (all_ + 2), counts

    return Model(initial, gain)


def worth_sending(
    history: Float[Array, "n b"],
    gain: Float[Array, " n"],
    left: Int32[Array, " n"],
    steps: Int32[Array, " n"],
) -> tuple[Bool[Array, " n"], Float[Array, "n b"]]:
    """Whether a message is worth one of those that are left, and the history with this gain in it.

    If m messages are left for k steps, it has to be among the m / k most useful ones of the episode
    so far.

    Args:
        history: how often gains fell in each of b equal bins of 0..1.
        gain: of a message now.
        left: messages that may still be given.
        steps: about how many steps are still to come.
    """
    own = uniform_index(gain, history.shape[1])[:, None] == jnp.arange(history.shape[1])
    history = history + own
    rank = jnp.cumsum(history[:, ::-1], 1)[:, ::-1]  # gains of at least that
    better = jnp.sum(jnp.where(own, rank - history, 0), 1)  # and of more
    part = better / jnp.sum(history, 1)
    return (left > 0) & (part < left / jnp.maximum(steps, 1)), history
