"""The recurrent memory: a GRU over time-first sequences."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


class GRU(NamedTuple):
    """The weights of a gated recurrent unit (Cho et al., 2014)."""

    kernel: Float[Array, "i 3h"]  # input weights of reset, update and candidate
    bias: Float[Array, " 3h"]
    recurrent: Float[Array, "h 3h"]
    candidate_bias: Float[Array, " h"]


def gru_of(module: nn.Module, inputs: int, features: int) -> GRU:
    """Make GRU weights as parameters of a module."""
    zeros = nn.initializers.zeros
    return GRU(
        module.param("kernel", nn.initializers.lecun_normal(), (inputs, 3 * features)),
        module.param("bias", zeros, (3 * features,)),
        module.param("recurrent", nn.initializers.orthogonal(), (features, 3 * features)),
        module.param("candidate_bias", zeros, (features,)),
    )


def run_gru(
    weights: GRU,
    inputs: Float[Array, "T n i"],
    carry: Float[Array, "n h"],
    start: Bool[Array, "T n"] | None = None,
    keep: Bool[Array, "T n"] | None = None,
) -> tuple[Float[Array, "T n h"], Float[Array, "n h"]]:
    """Run a GRU over a sequence; all inputs are projected in one matrix product.

    Args:
        weights: the weights of the GRU.
        inputs: the inputs.
        carry: the hidden state before the first input.
        start: where True, the hidden state is reset before that input.
        keep: where False, the input is skipped.

    Returns:
        The hidden states after each input, and the last hidden state.
    """
    h = carry.shape[-1]
    projected = inputs @ weights.kernel + weights.bias

    def step(carry, now):
        x, first, used = now
        if first is not None:
            carry = jnp.where(first[:, None], 0, carry)
        gates = carry @ weights.recurrent
        reset, update = jnp.split(jax.nn.sigmoid(x[:, : 2 * h] + gates[:, : 2 * h]), 2, -1)
        candidate = gates[:, 2 * h :] + weights.candidate_bias
        after = (1 - update) * jnp.tanh(x[:, 2 * h :] + reset * candidate) + update * carry
        carry = after if used is None else jnp.where(used[:, None], after, carry)
        return carry, carry

    carry, outputs = jax.lax.scan(step, carry, (projected, start, keep))
    return outputs, carry


class Memory(nn.Module):
    """A GRU over time-first inputs; see `run_gru`."""

    features: int

    @nn.compact
    def __call__(
        self,
        inputs: Float[Array, "T n i"],
        carry: Float[Array, "n h"],
        start: Bool[Array, "T n"] | None = None,
    ) -> tuple[Float[Array, "T n h"], Float[Array, "n h"]]:
        """Return the hidden states after each input, and the last hidden state."""
        return run_gru(gru_of(self, inputs.shape[-1], self.features), inputs, carry, start)
