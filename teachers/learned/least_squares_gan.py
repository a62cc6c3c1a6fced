"""A small least-squares GAN whose discriminator learns from labeled points.

References:
    Florensa, Held, Geng and Abbeel, Automatic goal generation for reinforcement learning agents,
    ICML 2018, section 4.2 and equation 5; Mao et al., Least squares generative adversarial
    networks, ICCV 2017.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, PRNGKeyArray

XAVIER = nn.initializers.xavier_uniform()


class Perceptron(nn.Module):
    """Two hidden layers."""

    width: int
    outputs: int
    generates: bool  # a generator with outputs from -1 to 1; otherwise a discriminator

    @nn.compact
    def __call__(self, x: Float[Array, "n i"]) -> Float[Array, "n o"]:
        for _ in range(2):
            x = nn.Dense(self.width, kernel_init=XAVIER)(x)
            x = nn.relu(x) if self.generates else nn.leaky_relu(x, 0.2)
        x = nn.Dense(self.outputs, kernel_init=XAVIER)(x)
        return jnp.tanh(x) if self.generates else x


class GanState(NamedTuple):
    """The parameters and optimizer states of both networks."""

    generator: Any
    generator_moments: Any
    discriminator: Any
    discriminator_moments: Any


class Gan(NamedTuple):
    """A GAN over points in the unit cube of d dimensions.

    Points are shifted by 1/2 for the networks. The generator's range is twice as wide as the cube,
    as in the authors' code, so that it does not saturate at the bounds; `generate` clips.
    """

    d: int
    generator_width: int = 64
    discriminator_width: int = 64
    learning_rate: float = 1e-3
    batch: int = 64

    @property
    def _networks(self) -> tuple[Perceptron, Perceptron]:
        generator = Perceptron(self.generator_width, self.d, generates=True)
        return generator, Perceptron(self.discriminator_width, 1, generates=False)

    @property
    def _optimizer(self) -> optax.GradientTransformation:
        # As in TensorFlow, where the mean square starts at 1.
        return optax.rmsprop(self.learning_rate, decay=0.9, eps=1e-10, initial_scale=1.0)

    def init(self, key: PRNGKeyArray) -> GanState:
        """Return the networks before training."""
        keys, blank = jax.random.split(key), jnp.zeros((1, self.d))
        parts = []
        for network, k in zip(self._networks, keys, strict=True):
            parameters = network.init(k, blank)
            parts += [parameters, self._optimizer.init(parameters)]
        return GanState(*parts)

    def generate(self, state: GanState, noise: Float[Array, "n d"]) -> Float[Array, "n d"]:
        """Return n points for normal noise."""
        return jnp.clip(0.5 + self._generate(state.generator, noise), 0, 1)

    def discriminate(self, state: GanState, points: Float[Array, "n d"]) -> Float[Array, " n"]:
        """Return the discriminator's output: near 1 for good points, near -1 for others."""
        return self._discriminate(state.discriminator, points - 0.5)

    def _generate(self, parameters: Any, noise: Any) -> Any:
        return self._networks[0].apply(parameters, noise)

    def _discriminate(self, parameters: Any, x: Any) -> Any:
        scores: Any = self._networks[1].apply(parameters, x)
        return scores[..., 0]

    def train(
        self,
        state: GanState,
        key: PRNGKeyArray,
        points: Float[Array, "m d"],
        good: Bool[Array, " m"],
        mask: Bool[Array, " m"],
        steps: int,
    ) -> GanState:
        """Take steps of both networks.

        Each step draws a batch of labeled points and generates as many. The discriminator minimizes
        the mean of (2 y - 1 - D(x))^2, with y = 1 for good points and 0 for all others, including
        the generated ones; then the generator minimizes the mean of (D(G(z)) - 1)^2.

        Args:
            state: the state before training.
            key: the key for batches and noise.
            points, good: labeled points in the unit cube.
            mask: which of them exist; at least one.
            steps: the number of steps.
        """
        order = jnp.nonzero(mask, size=mask.shape[0], fill_value=0)[0]
        known = jnp.sum(mask)

        def step(state, key):
            row_key, noise_key = jax.random.split(key)
            rows = order[jax.random.randint(row_key, (self.batch,), 0, known)]
            noise = jax.random.normal(noise_key, (self.batch, self.d))
            fake = self._generate(state.generator, noise)
            x = jnp.concatenate([points[rows] - 0.5, fake])
            y = jnp.concatenate([good[rows].astype(jnp.float32), jnp.zeros(self.batch)])
            gradient = jax.grad(
                lambda p: discriminator_loss(self._discriminate(p, x), y),
            )(state.discriminator)
            state = self._moved(state, "discriminator", gradient)
            gradient = jax.grad(
                lambda p: generator_loss(
                    self._discriminate(state.discriminator, self._generate(p, noise))
                ),
            )(state.generator)
            return self._moved(state, "generator", gradient), None

        return jax.lax.scan(step, state, jax.random.split(key, steps))[0]

    def _moved(self, state: GanState, name: str, gradient: Any) -> GanState:
        parameters, moments = getattr(state, name), getattr(state, f"{name}_moments")
        updates, moments = self._optimizer.update(gradient, moments, parameters)
        parameters = optax.apply_updates(parameters, updates)
        return state._replace(**{name: parameters, f"{name}_moments": moments})


def discriminator_loss(scores: Float[Array, " n"], good: Float[Array, " n"]) -> Float[Array, ""]:
    """Return the discriminator's loss for labels from 0 to 1."""
    return jnp.mean((2 * good - 1 - scores) ** 2)


def generator_loss(scores: Float[Array, " n"]) -> Float[Array, ""]:
    """Return the generator's loss, given the discriminator's output for generated points."""
    return jnp.mean((scores - 1) ** 2)
