"""Distributions over actions: one protocol for all algorithms.

Each is a pytree, so distributions can be stacked, mapped and stored in rollouts. The leading axes
of their arrays are batch axes; `log_prob`, `entropy` and `kl` return one number for each element
of the batch.
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

# Where a squashed action is this near to a bound (in units where bounds are -1 and 1), float32
# cannot tell it from the bound: such actions share the probability mass beyond.
EDGE = 1e-6
_BEYOND = math.atanh(1 - EDGE)
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(32)
_WEIGHTS = _WEIGHTS / math.sqrt(2 * math.pi)


class Distribution(Protocol):
    """A batch of distributions over actions."""

    def sample(self, key: PRNGKeyArray) -> Any:
        """One action for each element of the batch."""
        ...

    def mode(self) -> Any:
        """The action to take when acting greedily."""
        ...

    def log_prob(self, action: Any) -> Float[Array, "*b"]:
        """The log-probability (or log-density) of actions."""
        ...

    def entropy(self) -> Float[Array, "*b"]:
        """The (differential) entropy in nats."""
        ...

    def kl(self, other: Self) -> Float[Array, "*b"]:
        """KL(self || other) in nats; `other` has the same type."""
        ...

    def tempered(self, temperature: float) -> Self:
        """The distribution with its spread scaled: below 1 it is more certain."""
        ...


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Categorical:
    """Over actions 0 .. a-1.

    Attributes:
        logits: unnormalised log-probabilities; minus infinity for impossible actions.
    """

    logits: Float[Array, "*b a"]

    @classmethod
    def of_probabilities(cls, probabilities: Float[Array, "*b a"]) -> "Categorical":
        """The distribution with these probabilities, which may be 0."""
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
        """KL(self || other); infinite where `other` excludes an action that self takes."""
        own, others = jax.nn.log_softmax(self.logits), jax.nn.log_softmax(other.logits)
        possible = own > -jnp.inf
        apart = jnp.where(possible, own, 0) - jnp.where(possible, others, 0)
        return jnp.sum(jnp.exp(own) * apart, axis=-1)

    def tempered(self, temperature: float) -> "Categorical":
        return Categorical(self.logits / temperature)


def _times_log(log_probs: Array) -> Array:
    """p log p, 0 where p is 0."""
    return jnp.exp(log_probs) * jnp.where(log_probs > -jnp.inf, log_probs, 0)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class SquashedNormal:
    """A diagonal normal, squashed by tanh and scaled to bounds: `low + (high - low)(tanh(u)+1)/2`.

    In float32, tanh reaches 1 at about 9. So that probabilities are exact there, too, all actions
    within `EDGE` of a bound count as the bound, which carries the probability mass of everything
    beyond; between the bounds `log_prob` is a density. The mass and the integral of the density
    add up to 1.

    Attributes:
        mean, log_std: of the normal before squashing.
        low, high: the bounds of each actuator.
    """

    mean: Float[Array, "*b k"]
    log_std: Float[Array, "*b k"]
    low: tuple[float, ...] = dataclasses.field(metadata={"static": True})
    high: tuple[float, ...] = dataclasses.field(metadata={"static": True})

    @classmethod
    def of_space(cls, space: Continuous, mean: Array, log_std: Array) -> "SquashedNormal":
        """The distribution over the actions of a space."""
        return cls(mean, jnp.broadcast_to(log_std, mean.shape), *_bounds(space))

    @classmethod
    def around(cls, space: Continuous, action: Array, std: float = 0.1) -> "SquashedNormal":
        """A narrow distribution around actions, for experts that name an action only.

        Args:
            space: the actions.
            action: `[*b, k]`; bounds are moved inwards by 1 % of the range.
            std: of the normal before squashing.
        """
        here = cls.of_space(space, jnp.zeros_like(action), jnp.float32(math.log(std)))
        unit = jnp.clip(here.to_unit(action), -0.98, 0.98)
        return dataclasses.replace(here, mean=jnp.arctanh(unit))

    def sample(self, key: PRNGKeyArray) -> Float[Array, "*b k"]:
        return self.squash(self.sample_before(key))

    def mode(self) -> Float[Array, "*b k"]:
        """The image of the mean, which is the median of each actuator."""
        return self.squash(self.mean)

    def sample_before(self, key: PRNGKeyArray) -> Float[Array, "*b k"]:
        """A sample of the normal, before squashing; differentiable in mean and log_std."""
        noise = jax.random.normal(key, self.mean.shape)
        return self.mean + jnp.exp(self.log_std) * noise

    def squash(self, before: Float[Array, "*b k"]) -> Float[Array, "*b k"]:
        """From the normal's numbers to actions."""
        low, high = self._limits()
        return jnp.clip(low + (high - low) * (jnp.tanh(before) + 1) / 2, low, high)

    def log_density(self, before: Float[Array, "*b k"]) -> Float[Array, "*b"]:
        """The log-density of `squash(before)`, exact however large `before` is."""
        return jnp.sum(self._log_normal(before) - self._log_slope(before), axis=-1)

    def log_prob(self, action: Float[Array, "*b k"]) -> Float[Array, "*b"]:
        """The log-density between the bounds, and the log of the mass at them."""
        unit = self.to_unit(action)
        inside = jnp.abs(unit) < 1 - EDGE
        before = jnp.arctanh(jnp.where(inside, unit, 0))
        density = self._log_normal(before) - self._log_slope(before)
        side = jnp.where(unit < 0, -1.0, 1.0)
        mass = jax.scipy.stats.norm.logcdf((side * self.mean - _BEYOND) / jnp.exp(self.log_std))
        return jnp.sum(jnp.where(inside, density, mass), axis=-1)

    def entropy(self) -> Float[Array, "*b"]:
        """The entropy, with the mean slope of tanh by Gauss-Hermite quadrature (32 nodes)."""
        nodes = self.mean[..., None] + jnp.exp(self.log_std)[..., None] * jnp.float32(_NODES)
        slope = jnp.sum(self._log_tanh_slope(nodes) * jnp.float32(_WEIGHTS), axis=-1)
        normal = 0.5 * math.log(2 * math.pi * math.e) + self.log_std
        return jnp.sum(normal + slope + self.log_scale(), axis=-1)

    def kl(self, other: "SquashedNormal") -> Float[Array, "*b"]:
        """KL(self || other); squashing both alike leaves it that of the normals."""
        if (self.low, self.high) != (other.low, other.high):
            bounds = other.low, other.high
            raise SettingError("bounds", bounds, f"those of the other, {(self.low, self.high)}")
        ratio = jnp.exp(2 * (self.log_std - other.log_std))
        distance = jnp.square((self.mean - other.mean) * jnp.exp(-other.log_std))
        return 0.5 * jnp.sum(ratio + distance - 1 - jnp.log(ratio), axis=-1)

    def tempered(self, temperature: float) -> "SquashedNormal":
        return dataclasses.replace(self, log_std=self.log_std + math.log(temperature))

    def _limits(self) -> tuple[Array, Array]:
        return jnp.float32(self.low), jnp.float32(self.high)

    def to_unit(self, action: Array) -> Array:
        """Actions with -1 and 1 as their bounds."""
        low, high = self._limits()
        return jnp.clip(2 * ((action - low) / (high - low)) - 1, -1, 1)

    def _log_normal(self, before: Array) -> Array:
        scaled = (before - self.mean) * jnp.exp(-self.log_std)
        return -0.5 * jnp.square(scaled) - self.log_std - 0.5 * math.log(2 * math.pi)

    def _log_slope(self, before: Array) -> Array:
        return self._log_tanh_slope(before) + self.log_scale()

    def _log_tanh_slope(self, before: Array) -> Array:
        """log(1 - tanh(u)^2), without cancellation."""
        return 2 * (math.log(2) - before - jax.nn.softplus(-2 * before))

    def log_scale(self) -> Array:
        """The logarithm of half the range of each actuator."""
        low, high = self._limits()
        return jnp.log((high - low) / 2)


def _bounds(space: Continuous) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return tuple(map(float, space.lows)), tuple(map(float, space.highs))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Product:
    """Independent distributions side by side; an action is a tuple with one action of each."""

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
    """A batch of n broad distributions: uniform if discrete, nearly so if continuous."""
    if isinstance(space, Continuous):
        # The normal with the spread of a logistic, whose squashed image is uniform.
        spread = jnp.float32(math.log(math.pi / math.sqrt(12)))
        return SquashedNormal.of_space(space, jnp.zeros((n, space.size)), spread)
    return Categorical(jnp.zeros((n, space.n)))


def agreement_with(distribution: Any, action: Any) -> Float[Array, "*b"]:
    """How far greedy actions agree with other actions.

    1 or 0 for categorical distributions; for continuous ones 1 minus the mean distance as a
    fraction of the range.
    """
    if isinstance(distribution, Categorical):
        return (distribution.mode() == action).astype(jnp.float32)
    if isinstance(distribution, Product):
        pairs = zip(distribution.parts, action, strict=True)
        return _sum(agreement_with(*pair) for pair in pairs) / len(distribution.parts)
    low, high = distribution._limits()
    return 1 - jnp.mean(jnp.abs(distribution.mode() - action) / (high - low), axis=-1)


def agreement(a: Any, b: Any) -> Float[Array, "*b"]:
    """How far the greedy actions of two distributions agree; see `agreement_with`."""
    return agreement_with(a, b.mode())
