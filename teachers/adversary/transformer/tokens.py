"""Tasks as sentences: the numbers of a box one after another, each as one or a few tokens.

Every dimension is cut into cells: a cell for each whole number, or `base` bins of equal width for
real numbers. A sentence says the cell of one dimension after another, as its digits to that base,
the highest first; most dimensions have one digit. Dimensions that hold a single value say nothing.

What may follow is counted, not learned: to the score of each token the logarithm of the number of
cells that still begin so is added. Tokens that would leave the bounds begin no cell and get
-infinity, so every sentence is a task; and where the network has no opinion, all cells are equally
likely, however the bounds fall between the powers of the base.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from didact.common.errors import SettingError
from didact.environments.task_spaces import Box

MAX_CELLS = 2**20  # of a dimension; more would not be told apart in float32 nor ever be learned


@dataclasses.dataclass(frozen=True)
class Tokens:
    """The tokens of a box: l positions, at each of which one of `base` tokens stands.

    Attributes:
        space: the tasks.
        base: tokens at each position, and bins of a real dimension.
    """

    space: Box
    base: int

    def __post_init__(self):
        if not isinstance(self.space, Box):
            allowed = "a Box of named numbers, which can be said as tokens"
            raise SettingError("space", type(self.space).__name__, allowed)
        if not 2 <= self.base <= 1024:
            raise SettingError("bins", self.base, "from 2 to 1024")
        cells = np.array([self._cells_of(d) for d in self.space.dimensions])
        said = np.flatnonzero(cells > 1)
        said = said if said.size else np.array([0])  # a sentence has at least one token
        digits = [self._digits_of(cells[i]) for i in said]
        columns = np.repeat(said, digits)
        after = np.concatenate([np.arange(k)[::-1] for k in digits])
        object.__setattr__(self, "cells", cells)  # [d], in each dimension
        object.__setattr__(self, "columns", columns)  # [l], the dimension that a position tells of
        object.__setattr__(self, "worth", self.base ** after.astype(np.int64))  # [l], of its digit

    cells: np.ndarray = dataclasses.field(init=False, repr=False, compare=False)
    columns: np.ndarray = dataclasses.field(init=False, repr=False, compare=False)
    worth: np.ndarray = dataclasses.field(init=False, repr=False, compare=False)

    def _cells_of(self, dimension) -> int:
        if dimension.high <= dimension.low:
            return 1
        if not dimension.integer:
            return self.base
        values = int(dimension.high) - int(dimension.low) + 1
        most = self.base ** int(np.log(MAX_CELLS) / np.log(self.base) + 1e-9)
        return values if values <= MAX_CELLS else most

    def _digits_of(self, cells: int) -> int:
        digits = 1
        while self.base**digits < cells:
            digits += 1
        return digits

    @property
    def length(self) -> int:
        """The number of positions l."""
        return len(self.columns)

    @property
    def log_cells(self) -> float:
        """The logarithm of the number of sentences: of all cells of the box."""
        return float(np.sum(np.log(self.cells)))

    def begun(self, tokens: Int[Array, "n l"]) -> Int[Array, "n l"]:
        """The first cell that a position's dimension can still be in, given its higher digits."""
        same = self.columns[:, None] == self.columns
        earlier = np.triu(same, 1) * self.worth[:, None]
        return tokens @ jnp.asarray(earlier, jnp.int32)

    def log_counts(
        self, begun: Int[Array, "*b"], position: Int[Array, "*b"] | int
    ) -> Float[Array, "*b base"]:
        """The logarithm of the number of cells that each next token leaves; -inf for none.

        Args:
            begun: the first cell that the dimension can be in, by its digits so far.
            position: of the next token.
        """
        worth = jnp.asarray(self.worth, jnp.int32)[position]
        cells = jnp.asarray(self.cells[self.columns], jnp.int32)[position]
        first = begun[..., None] + worth[..., None] * jnp.arange(self.base)
        counts = jnp.clip(cells[..., None] - first, 0, worth[..., None])
        return jnp.where(counts > 0, jnp.log(jnp.maximum(counts, 1).astype(jnp.float32)), -jnp.inf)

    def tasks(self, tokens: Int[Array, "n l"], within: Float[Array, "n d"]) -> Float[Array, "n d"]:
        """The tasks that sentences say.

        Args:
            tokens: sentences of the language.
            within: where in its cell each number is, in [0, 1); of no effect for whole numbers
                with a cell each.
        """
        place = (self.columns[:, None] == np.arange(self.space.size)) * self.worth[:, None]
        cell = tokens @ jnp.asarray(place, jnp.int32)
        low, high = self.space.low, self.space.high
        part = (cell + within) / self.cells
        real = low + part * (high - low)
        values = high.astype(np.float64) - low + 1
        alone = self.space.integer & (self.cells == values)
        whole = jnp.where(alone, low + cell, jnp.floor(low + part * values.astype(np.float32)))
        return self.space.clip(jnp.where(self.space.integer, whole, real))
