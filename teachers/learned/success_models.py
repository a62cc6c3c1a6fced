"""Models of a student's success that are trained on the latest episodes, and their former selves.

A teacher holds a `SuccessState` for a network that maps the inputs of tasks to logits. Parameters
before each of the latest trainings are kept, so that predictions can be compared with those of some
time ago.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from didact.teachers import ring_buffer

Apply = Callable[[Any, Any], Any]  # maps parameters and the inputs of n tasks to n logits


class SuccessState(NamedTuple):
    """A ring buffer with episode i in row i modulo h, and the networks."""

    parameters: Any
    moments: Any  # the optimizer state
    former: Any  # the parameters before training t in row t modulo the number of rows
    inputs: Array  # [h, ...]
    targets: Float[Array, " h"]  # successes from 0 to 1
    count: Int[Array, ""]  # episodes so far, less `ring_buffer.surplus`
    trained: Int[Array, ""]  # episodes at the latest training; 0 before the first
    trainings: Int[Array, ""]


class SuccessModel(NamedTuple):
    """How a model is trained.

    Attributes:
        apply: the network.
        optimizer: the optimizer.
        batch: episodes per step.
        steps: steps per training.
        delay: the number of trainings between the current and the former predictions.
        recent_first: whether episodes are drawn with a probability that increases linearly from the
            oldest to the latest one, instead of evenly.
    """

    apply: Apply
    optimizer: optax.GradientTransformation
    batch: int
    steps: int
    delay: int = 1
    recent_first: bool = False

    def init(self, parameters: Any, inputs: Array) -> SuccessState:
        """Return the initial state.

        Args:
            parameters: of the untrained network.
            inputs: an empty buffer of h inputs.
        """
        h = inputs.shape[0]
        return SuccessState(
            parameters=parameters,
            moments=self.optimizer.init(parameters),
            former=jax.tree.map(lambda x: jnp.tile(x, (self.delay,) + (1,) * x.ndim), parameters),
            inputs=inputs,
            targets=jnp.zeros(h),
            count=jnp.int32(0),
            trained=jnp.int32(0),
            trainings=jnp.int32(0),
        )

    def remember(
        self, state: SuccessState, inputs: Array, targets: Array, counts: Bool[Array, " n"]
    ) -> SuccessState:
        """Store the rows of n episodes that count."""
        h = state.targets.shape[0]
        order, at, total = ring_buffer.slots(counts, state.count, h)
        surplus = ring_buffer.surplus(state.count, h)
        return state._replace(
            inputs=state.inputs.at[at].set(inputs[order].astype(state.inputs.dtype), mode="drop"),
            targets=state.targets.at[at].set(targets[order], mode="drop"),
            count=state.count + total - surplus,
            trained=state.trained - surplus,
        )

    def train(self, state: SuccessState, key: PRNGKeyArray) -> SuccessState:
        """Train on the stored episodes, of which there must be at least one."""
        h = state.targets.shape[0]
        known = jnp.minimum(state.count, h)

        def step(carry, key):
            parameters, moments = carry
            u = jax.random.uniform(key, (self.batch,))
            u = jnp.sqrt(u) if self.recent_first else u
            number = jnp.minimum((u * known).astype(jnp.int32), known - 1)
            rows = (state.count - known + number) % h
            gradient = jax.grad(
                lambda p: cross_entropy(self.apply(p, state.inputs[rows]), state.targets[rows])
            )(parameters)
            updates, moments = self.optimizer.update(gradient, moments, parameters)
            return (optax.apply_updates(parameters, updates), moments), None

        row = state.trainings % self.delay
        former = jax.tree.map(lambda x, new: x.at[row].set(new), state.former, state.parameters)
        start = state.parameters, state.moments
        (parameters, moments), _ = jax.lax.scan(step, start, jax.random.split(key, self.steps))
        return state._replace(
            parameters=parameters,
            moments=moments,
            former=former,
            trained=state.count,
            trainings=state.trainings + 1,
        )

    def predicted(self, state: SuccessState, inputs: Array) -> Float[Array, " n"]:
        """Return the probabilities of success."""
        return jax.nn.sigmoid(self.apply(state.parameters, inputs))

    def formerly(self, state: SuccessState, inputs: Array) -> Float[Array, " n"]:
        """Return the probabilities of success that were predicted `delay` trainings ago."""
        # The next row to be overwritten is the oldest; initially, all rows are the first ones.
        parameters = jax.tree.map(lambda x: x[state.trainings % self.delay], state.former)
        return jax.nn.sigmoid(self.apply(parameters, inputs))


def cross_entropy(logits: Float[Array, " n"], targets: Float[Array, " n"]) -> Float[Array, ""]:
    """Return the mean cross-entropy, minimal if logits match mean targets, also fractional ones."""
    return jnp.mean(optax.sigmoid_binary_cross_entropy(logits, targets))


def drawn(key: PRNGKeyArray, worth: Float[Array, " m"], n: int) -> Int[Array, " n"]:
    """Return n indices drawn in proportion to their worth; evenly if all are 0."""
    worth = jnp.where(jnp.sum(worth) > 0, worth, 1.0)
    edges = jnp.cumsum(worth)
    at = jnp.searchsorted(edges, jax.random.uniform(key, (n,)) * edges[-1], side="right")
    # The draw may be rounded up to the total, so it is limited to the last one with any worth.
    return jnp.minimum(at, jnp.max(jnp.where(worth > 0, jnp.arange(worth.shape[0]), 0)))
