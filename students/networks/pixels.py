"""The encoder of images: a small residual network."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

from didact.students.config import NetworkConfig


class PixelEncoder(nn.Module):
    """Map images `uint8[T, n, h, w, c]` to features `[T, n, hidden]`.

    The residual network of IMPALA (Espeholt et al., 2018, figure 3). Each stage has a convolution,
    max pooling with stride 2, and two residual blocks. An instruction modulates the channels of the
    last feature map (Perez et al., 2018).
    """

    config: NetworkConfig

    @nn.compact
    def __call__(
        self,
        image: UInt8[Array, "T n h w c"],
        instruction: Float[Array, "T n features"] | None = None,
    ) -> Float[Array, "T n hidden"]:
        time, n = image.shape[:2]
        x = image.reshape(time * n, *image.shape[2:]).astype(jnp.float32) / 255
        for channels in self.config.pixel_channels:
            x = nn.Conv(channels, (3, 3))(x)
            x = nn.max_pool(x, (3, 3), strides=(2, 2), padding="SAME")
            for _ in range(2):
                block = nn.Conv(channels, (3, 3))(jax.nn.relu(x))
                x = x + nn.Conv(channels, (3, 3))(jax.nn.relu(block))
        if instruction is not None:
            gain, shift = jnp.split(nn.Dense(2 * x.shape[-1])(instruction), 2, axis=-1)
            gain, shift = (y.reshape(time * n, 1, 1, -1) for y in (gain, shift))
            x = x * (1 + gain) + shift
        x = jax.nn.relu(x).reshape(time, n, -1)
        return nn.Dense(self.config.hidden)(x)
