"""Running normalisation of observations.

The statistics stand among the parameters of the network, so that everything that carries
parameters (checkpoints, policies, experts) carries them, too. No gradient reaches them: the learner
calls `update` after each rollout.
"""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

LIMIT = 10.0  # normalised values are clipped to this
MEMORY = 1e7  # steps over which statistics are averaged, at most
_MIN = 1e-8  # variance; what does not vary stays 0


class Normalise(nn.Module):
    """Subtracts the running mean and divides by the running standard deviation."""

    @nn.compact
    def __call__(self, values: Float[Array, "*batch k"]) -> Float[Array, "*batch k"]:
        shape = values.shape[-1:]
        mean = self.param("mean", nn.initializers.zeros, shape)
        variance = self.param("variance", nn.initializers.ones, shape)
        self.param("count", nn.initializers.zeros, ())
        mean, variance = jax.lax.stop_gradient((mean, variance))
        scaled = (values - mean) * jax.lax.rsqrt(variance + _MIN)
        return jnp.clip(scaled, -LIMIT, LIMIT)


def update(
    statistics: Mapping[str, Array],
    values: Float[Array, "*batch k"],
    weights: Float[Array, "*batch"],
    axes: tuple[str, ...] = (),
) -> dict[str, Array]:
    """The statistics with more values (Chan et al., 1979, eq. 2.1, for weighted batches).

    Args:
        statistics: mean [k], variance [k], and count.
        values: of any batch shape.
        weights: how much each counts; where all are 0, the statistics stay as they are.
        axes: names of mapped device axes over which the values are spread.
    """

    def total(x: Any) -> Any:
        return jax.lax.psum(x, axes) if axes else x

    values = values.reshape(-1, values.shape[-1]).astype(jnp.float32)
    weights = weights.reshape(-1, 1).astype(jnp.float32)
    values = jnp.where(weights > 0, values, 0)
    number = total(jnp.sum(weights))
    some = jnp.maximum(number, 1e-8)
    mean = total(jnp.sum(weights * values, axis=0)) / some
    variance = total(jnp.sum(weights * jnp.square(values - mean), axis=0)) / some
    before = jnp.minimum(statistics["count"], MEMORY)
    after = before + number
    share = number / jnp.maximum(after, 1e-8)
    apart = mean - statistics["mean"]
    new = {
        "mean": statistics["mean"] + share * apart,
        "variance": (1 - share) * statistics["variance"]
        + share * variance
        + share * (1 - share) * jnp.square(apart),
        "count": after,
    }
    return {name: jnp.where(number > 0, x, statistics[name]) for name, x in new.items()}


def after(
    params: Any,
    names: list[str],
    observation: Mapping[str, Array],
    weights: Float[Array, "T n"],
    axes: tuple[str, ...] = (),
) -> Any:
    """The parameters of an actor-critic, with the statistics of a rollout added.

    Args:
        params: of `ActorCritic`.
        names: the observations that are normalised.
        observation: of the rollout, each [T, n, ...].
        weights: how much each row counts.
        axes: names of mapped device axes.
    """
    if not names:
        return params
    trunk = dict(params["params"]["trunk"])
    for name in names:
        encoder = f"encoders_{name}"
        values = observation[name]
        values = values if values.ndim == 3 else values[..., None]
        new = update(trunk[encoder]["normalisation"], values, weights, axes)
        trunk[encoder] = {**trunk[encoder], "normalisation": new}
    return {**params, "params": {**params["params"], "trunk": trunk}}
