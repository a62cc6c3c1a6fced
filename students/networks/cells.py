"""The encoder of grid cells, gated by the instruction.

A view has many cells, but the code book is small. Therefore the instruction gates the *code book*
instead of the view: for each distinct instruction in a batch, the features of all codes are
computed once, and each cell of each view is looked up in that table. This costs a tenth of gating
each cell, gives the same numbers, and needs no convolution.
"""

import math
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from didact.students.config import NetworkConfig
from didact.students.networks.text import InstructionReader, distinct


def cell_codes(image: Array, codes: Sequence[int]) -> Int[Array, "*batch cells"]:
    """Return one code below `prod(codes)` for each cell of a view, flattened.

    Args:
        image: `[..., h, w]` if `codes` has one entry, else `[..., h, w, c]`.
        codes: the number of values of each channel.
    """
    image = image.astype(jnp.int32)
    if len(codes) > 1:
        packed = image[..., 0]
        for channel, size in enumerate(codes[1:], 1):
            packed = packed * size + image[..., channel]
        image = packed
    return image.reshape(*image.shape[:-2], -1)


class CellEncoder(nn.Module):
    """Map grids of cells `[T, n, h, w]` (or `[T, n, h, w, c]`) to features `[T, n, hidden]`.

    Attributes:
        codes: the number of values of each channel.
        config: sizes.
        reader: the encoder of instructions; None without instructions.
        seeds_axis: name of the mapped axis of seeds, or None.
    """

    codes: tuple[int, ...]
    config: NetworkConfig
    reader: InstructionReader | None = None
    seeds_axis: str | None = None

    def setup(self):
        c = self.config
        size = (math.prod(self.codes), c.cell_embedding)
        self.table = self.param("codes", nn.initializers.normal(1.0), size)
        # Gains start near 1, but differ between instructions from the first step.
        self.gate = nn.Dense(2 * c.cell_embedding)
        self.squeeze = nn.Dense(c.cell_features, kernel_init=nn.initializers.he_normal())
        self.view = nn.Dense(c.hidden, kernel_init=nn.initializers.orthogonal(2**0.5))

    def __call__(self, image: Array, words: Array | None = None) -> Float[Array, "T n hidden"]:
        """Return the features of views, modulated by instructions `words` [T, n, length] if any."""
        image = image[..., 0] if image.ndim == 5 and len(self.codes) == 1 else image
        codes = cell_codes(image, self.codes)
        time, n, cells = codes.shape
        flat = codes.reshape(time * n, cells)
        if words is None or self.reader is None:
            features = self._gated(jnp.zeros((1, 2 * self.config.cell_embedding)))[0][flat]
        else:
            features = self._instructed(words.reshape(time * n, -1), flat)
        return self.view(features.reshape(time, n, -1))

    def _instructed(self, words: Array, flat: Int[Array, "m cells"]) -> Array:
        if self.is_initializing() or len(words) == 1:
            return self._by_one(words, flat)
        several = jnp.any(words != words[:1])
        if self.seeds_axis is not None:
            # All seeds take the same path: with one per seed, `vmap` would compute all paths.
            several = jax.lax.pmax(several, self.seeds_axis)
        cls = type(self)
        return nn.cond(several, cls._by_several, cls._by_one, self, words, flat)

    def _by_one(self, words: Array, flat: Array) -> Array:
        """Look up features in a table of all codes: all rows have the same instruction."""
        return self._gated(self.gate(self._read(words[:1])))[0][flat]

    def _by_several(self, words: Array, flat: Array) -> Array:
        few, some, more = self.config.max_instructions, len(words) // 16, len(words) // 4
        if len(words) <= few:
            return self._by_table(words, jnp.arange(len(words)), words, flat)
        rows, which, exact = distinct(words, max(few, more))
        count = jnp.max(which) + 1
        path = jnp.where(exact, jnp.where(count <= few, 0, 1 + (count > some)), 3)
        if self.seeds_axis is not None:
            path = jax.lax.pmax(path, self.seeds_axis)
        cls = type(self)
        paths = [
            cls._by_table,
            lambda self, rows, *rest: self._by_row(rows[: max(some, 1)], *rest),
            cls._by_row,
            cls._by_cell,
        ]
        return nn.switch(path, paths, self, rows, which, words, flat)

    def _by_table(self, rows: Array, which: Array, words: Array, flat: Array) -> Array:
        """Look up features in a table of all codes under each of a few distinct instructions."""
        rows = rows[: self.config.max_instructions]
        table = self._gated(self.gate(self._read(rows)))
        number = len(self.table)
        return table.reshape(-1, self.config.cell_features)[which[:, None] * number + flat]

    def _by_row(self, rows: Array, which: Array, words: Array, flat: Array) -> Array:
        """Encode each distinct instruction once, and gate each cell."""
        return self._modulate(self.table[flat], self.gate(self._read(rows))[which][:, None])

    def _by_cell(self, rows: Array, which: Array, words: Array, flat: Array) -> Array:
        """Encode the instruction of every row: for batches with many distinct instructions."""
        return self._modulate(self.table[flat], self.gate(self._read(words))[:, None])

    def _read(self, rows: Array) -> Float[Array, "m features"]:
        assert self.reader is not None
        return self.reader(rows)

    def _gated(self, gate: Float[Array, "m 2e"]) -> Float[Array, "m codes features"]:
        return self._modulate(self.table[None], gate[:, None])

    def _modulate(self, embedded: Array, gate: Array) -> Array:
        """Apply feature-wise modulation (Perez et al., 2018, eq. 2) and a linear layer."""
        gain, shift = jnp.split(gate, 2, axis=-1)
        return jax.nn.relu(self.squeeze(jax.nn.relu(embedded * (1 + gain) + shift)))
