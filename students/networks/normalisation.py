"""Running normalisation of observations.

The statistics are stored with the parameters of the network, so that checkpoints, policies and
experts include them. They receive no gradients: the learner calls `after` after each rollout.
"""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

LIMIT = 10.0  # bound of the absolute value of normalised observations
MEMORY = 1e7  # maximum number of steps over which statistics are averaged
_MIN = 1e-8  # added to the variance, so that constant observations stay 0


class Normalise(nn.Module):
    """Subtract the running mean and divide by the running standard deviation."""

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
    """Update running statistics (Chan et al., 1979, eq. 2.1, for weighted batches).

    Args:
        statistics: mean [k], variance [k], and count.
        values: new values of any batch shape.
        weights: the weight of each value; if all are 0, the statistics do not change.
        axes: names of the mapped device axes over which the values are distributed.
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
    """Return the parameters of an actor-critic with statistics updated by a rollout.

    Args:
        params: parameters of `ActorCritic`.
        names: the names of the normalised observations.
        observation: the observations of the rollout, each [T, n, ...].
        weights: the weight of each row.
        axes: names of the mapped device axes over which the rows are distributed.
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
