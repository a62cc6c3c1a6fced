"""Distributions over actions, with one protocol for all algorithms.

Each distribution is a pytree, so distributions can be stacked, mapped and stored in rollouts. The
leading axes of their arrays are batch axes; `log_prob`, `entropy` and `kl` return one number for
each element of the batch.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Protocol, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from didact.environments import Continuous, SettingError

# Squashed actions closer than this to a bound (on the scale [-1, 1]) cannot be distinguished from
# the bound in float32; they count as the bound and share the probability mass beyond it.
EDGE = 1e-6
_BEYOND = math.atanh(1 - EDGE)
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(32)
_WEIGHTS = _WEIGHTS / math.sqrt(2 * math.pi)


class Distribution(Protocol):
    """A batch of distributions over actions."""

    def sample(self, key: PRNGKeyArray) -> Any:
        """Sample one action for each element of the batch."""
        ...

    def mode(self) -> Any:
        """Return the greedy actions."""
        ...

    def log_prob(self, action: Any) -> Float[Array, "*b"]:
        """Return the log-probability (or log-density) of actions."""
        ...

    def entropy(self) -> Float[Array, "*b"]:
        """Return the (differential) entropy in nats."""
        ...

    def kl(self, other: Self) -> Float[Array, "*b"]:
        """Return KL(self || other) in nats; `other` must have the same type."""
        ...

    def tempered(self, temperature: float) -> Self:
        """Return the distribution with its spread scaled; below 1, it is more deterministic."""
        ...


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Categorical:
    """A categorical distribution over actions 0 .. a-1.

    Attributes:
        logits: unnormalised log-probabilities; minus infinity for impossible actions.
    """

    logits: Float[Array, "*b a"]

    @classmethod
    def of_probabilities(cls, probabilities: Float[Array, "*b a"]) -> "Categorical":
        """Make a distribution from probabilities, which may be 0."""
        positive = probabilities > 0
        return cls(jnp.where(positive, jnp.log(jnp.where(positive, probabilities, 1)), -jnp.inf))

    @property
    def probabilities(self) -> Float[Array, "*b a"]:
        """The probability of each action."""
        return jax.nn.softmax(self.logits)

    def sample(self, key: PRNGKeyArray) -> Int[Array, "*b"]:
        return jax.random.categorical(key, self.logits)

    def mode(self) -> Int[Array, "*b"]:
        return jnp.argmax(self.logits, axis=-1)

    def log_prob(self, action: Int[Array, "*b"]) -> Float[Array, "*b"]:
        log_probs = jax.nn.log_softmax(self.logits)
        return jnp.take_along_axis(log_probs, action[..., None], axis=-1)[..., 0]

    def entropy(self) -> Float[Array, "*b"]:
        return -jnp.sum(_times_log(jax.nn.log_softmax(self.logits)), axis=-1)

    def kl(self, other: "Categorical") -> Float[Array, "*b"]:
        """Return KL(self || other); infinite if an action is possible in self, but not in other."""
        own, others = jax.nn.log_softmax(self.logits), jax.nn.log_softmax(other.logits)
        possible = own > -jnp.inf
        apart = jnp.where(possible, own, 0) - jnp.where(possible, others, 0)
        return jnp.sum(jnp.exp(own) * apart, axis=-1)

    def tempered(self, temperature: float) -> "Categorical":
        return Categorical(self.logits / temperature)


def _times_log(log_probs: Array) -> Array:
    """Return p log p, which is 0 where p is 0."""
    return jnp.exp(log_probs) * jnp.where(log_probs > -jnp.inf, log_probs, 0)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class SquashedNormal:
    """A diagonal normal, squashed by tanh and scaled to bounds: `low + (high - low)(tanh(u)+1)/2`.

    In float32, tanh reaches 1 at about 9. To keep probabilities exact there, all actions within
    `EDGE` of a bound count as the bound, which carries the probability mass of everything beyond
    it; between the bounds, `log_prob` is a density. The mass and the integral of the density add
    up to 1.

    Attributes:
        mean, log_std: parameters of the normal before squashing.
        low, high: the bounds of each actuator.
    """

    mean: Float[Array, "*b k"]
    log_std: Float[Array, "*b k"]
    low: tuple[float, ...] = dataclasses.field(metadata={"static": True})
    high: tuple[float, ...] = dataclasses.field(metadata={"static": True})

    @classmethod
    def of_space(cls, space: Continuous, mean: Array, log_std: Array) -> "SquashedNormal":
        """Make a distribution over the actions of a space."""
        return cls(mean, jnp.broadcast_to(log_std, mean.shape), *_bounds(space))

    @classmethod
    def around(cls, space: Continuous, action: Array, std: float = 0.1) -> "SquashedNormal":
        """Make a narrow distribution around actions, for experts that return only an action.

        Args:
            space: the action space.
            action: `[*b, k]`; clipped to at least 1 % of the range from the bounds.
            std: standard deviation of the normal before squashing.
        """
        here = cls.of_space(space, jnp.zeros_like(action), jnp.float32(math.log(std)))
        unit = jnp.clip(here.to_unit(action), -0.98, 0.98)
        return dataclasses.replace(here, mean=jnp.arctanh(unit))

    def sample(self, key: PRNGKeyArray) -> Float[Array, "*b k"]:
        return self.squash(self.sample_before(key))

    def mode(self) -> Float[Array, "*b k"]:
        """Return the squashed mean, which is the median of each actuator."""
        return self.squash(self.mean)

    def sample_before(self, key: PRNGKeyArray) -> Float[Array, "*b k"]:
        """Sample the normal before squashing; differentiable in mean and log_std."""
        noise = jax.random.normal(key, self.mean.shape)
        return self.mean + jnp.exp(self.log_std) * noise

    def squash(self, before: Float[Array, "*b k"]) -> Float[Array, "*b k"]:
        """Map samples of the normal to actions."""
        low, high = self._limits()
        return jnp.clip(low + (high - low) * (jnp.tanh(before) + 1) / 2, low, high)

    def log_density(self, before: Float[Array, "*b k"]) -> Float[Array, "*b"]:
        """Return the log-density of `squash(before)`, exact for any magnitude of `before`."""
        return jnp.sum(self._log_normal(before) - self._log_slope(before), axis=-1)

    def log_prob(self, action: Float[Array, "*b k"]) -> Float[Array, "*b"]:
        """Return the log-density of actions between the bounds, and the log-mass at the bounds."""
        unit = self.to_unit(action)
        inside = jnp.abs(unit) < 1 - EDGE
        before = jnp.arctanh(jnp.where(inside, unit, 0))
        density = self._log_normal(before) - self._log_slope(before)
        side = jnp.where(unit < 0, -1.0, 1.0)
        mass = jax.scipy.stats.norm.logcdf((side * self.mean - _BEYOND) / jnp.exp(self.log_std))
        return jnp.sum(jnp.where(inside, density, mass), axis=-1)

    def entropy(self) -> Float[Array, "*b"]:
        """Return the entropy.

        The mean log-slope of tanh is computed by Gauss-Hermite quadrature with 32 nodes.
        """
        nodes = self.mean[..., None] + jnp.exp(self.log_std)[..., None] * jnp.float32(_NODES)
        slope = jnp.sum(self._log_tanh_slope(nodes) * jnp.float32(_WEIGHTS), axis=-1)
        normal = 0.5 * math.log(2 * math.pi * math.e) + self.log_std
        return jnp.sum(normal + slope + self.log_scale(), axis=-1)

    def kl(self, other: "SquashedNormal") -> Float[Array, "*b"]:
        """Return KL(self || other), which equals the KL of the normals before squashing."""
        if (self.low, self.high) != (other.low, other.high):
            bounds = other.low, other.high
            allowed = f"those of the other distribution, {(self.low, self.high)}"
            raise SettingError("bounds", bounds, allowed)
        ratio = jnp.exp(2 * (self.log_std - other.log_std))
        distance = jnp.square((self.mean - other.mean) * jnp.exp(-other.log_std))
        return 0.5 * jnp.sum(ratio + distance - 1 - jnp.log(ratio), axis=-1)

    def tempered(self, temperature: float) -> "SquashedNormal":
        return dataclasses.replace(self, log_std=self.log_std + math.log(temperature))

    def _limits(self) -> tuple[Array, Array]:
        return jnp.float32(self.low), jnp.float32(self.high)

    def to_unit(self, action: Array) -> Array:
        """Scale actions to [-1, 1]."""
        low, high = self._limits()
        return jnp.clip(2 * ((action - low) / (high - low)) - 1, -1, 1)

    def _log_normal(self, before: Array) -> Array:
        scaled = (before - self.mean) * jnp.exp(-self.log_std)
        return -0.5 * jnp.square(scaled) - self.log_std - 0.5 * math.log(2 * math.pi)

    def _log_slope(self, before: Array) -> Array:
        return self._log_tanh_slope(before) + self.log_scale()

    def _log_tanh_slope(self, before: Array) -> Array:
        """Return log(1 - tanh(u)^2) without cancellation."""
        return 2 * (math.log(2) - before - jax.nn.softplus(-2 * before))

    def log_scale(self) -> Array:
        """Return the logarithm of half the range of each actuator."""
        low, high = self._limits()
        return jnp.log((high - low) / 2)


def _bounds(space: Continuous) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return tuple(map(float, space.lows)), tuple(map(float, space.highs))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Product:
    """A product of independent distributions; an action is a tuple with one action of each."""

    parts: tuple[Any, ...]

    def sample(self, key: PRNGKeyArray) -> tuple[Any, ...]:
        keys = jax.random.split(key, len(self.parts))
        return tuple(part.sample(k) for part, k in zip(self.parts, keys, strict=True))

    def mode(self) -> tuple[Any, ...]:
        return tuple(part.mode() for part in self.parts)

    def log_prob(self, action: Sequence[Any]) -> Float[Array, "*b"]:
        pairs = zip(self.parts, action, strict=True)
        return _sum(part.log_prob(one) for part, one in pairs)

    def entropy(self) -> Float[Array, "*b"]:
        return _sum(part.entropy() for part in self.parts)

    def kl(self, other: "Product") -> Float[Array, "*b"]:
        pairs = zip(self.parts, other.parts, strict=True)
        return _sum(part.kl(one) for part, one in pairs)

    def tempered(self, temperature: float) -> "Product":
        return Product(tuple(part.tempered(temperature) for part in self.parts))


def _sum(numbers: Any) -> Any:
    first, *rest = numbers
    for number in rest:
        first = first + number
    return first


def uniform_over(space: Any, n: int) -> Categorical | SquashedNormal:
    """Return a batch of n distributions: uniform if discrete, nearly uniform if continuous."""
    if isinstance(space, Continuous):
        # The normal with the variance of the logistic whose squashed image is uniform.
        spread = jnp.float32(math.log(math.pi / math.sqrt(12)))
        return SquashedNormal.of_space(space, jnp.zeros((n, space.size)), spread)
    return Categorical(jnp.zeros((n, space.n)))


def agreement_with(distribution: Any, action: Any) -> Float[Array, "*b"]:
    """Return the agreement of a distribution's greedy actions with other actions.

    It is 1 or 0 for categorical distributions; for continuous ones, it is 1 minus the mean distance
    as a fraction of the range.
    """
    if isinstance(distribution, Categorical):
        return (distribution.mode() == action).astype(jnp.float32)
    if isinstance(distribution, Product):
        pairs = zip(distribution.parts, action, strict=True)
        return _sum(agreement_with(*pair) for pair in pairs) / len(distribution.parts)
    low, high = distribution._limits()
    return 1 - jnp.mean(jnp.abs(distribution.mode() - action) / (high - low), axis=-1)


def agreement(a: Any, b: Any) -> Float[Array, "*b"]:
    """Return the agreement of the greedy actions of two distributions; see `agreement_with`."""
    return agreement_with(a, b.mode())
