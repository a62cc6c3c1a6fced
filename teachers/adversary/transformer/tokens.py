"""Tasks as token sequences ("sentences"): the parameters of a box, each as one or a few tokens.

Every dimension is divided into cells: one for each integer, or `base` bins of equal width for real
numbers. A sentence lists the cells of all dimensions, each written in this base with the most
significant digit first. Most dimensions have one digit, and dimensions with a single value none.

Valid continuations are counted, not learned: the logarithm of the number of cells that start with
a token is added to the logit of that token. Tokens that would exceed the bounds start no cell and
get -infinity, so that every sentence is a task. If the logits of the network are equal, all cells
are equally likely, even if their number is not a power of the base.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from didact.common.errors import SettingError
from didact.environments.task_spaces import Box

MAX_CELLS = 2**20  # per dimension; float32 cannot distinguish more, nor can they be learned


@dataclasses.dataclass(frozen=True)
class Tokens:
    """The tokens of a box: l positions with one of `base` tokens each.

    Attributes:
        space: the task space.
        base: the number of tokens at each position, and of bins of a real-valued dimension.
    """

    space: Box
    base: int

    def __post_init__(self):
        if not isinstance(self.space, Box):
            allowed = "a Box of named numbers, which can be written as tokens"
            raise SettingError("space", type(self.space).__name__, allowed)
        if not 2 <= self.base <= 1024:
            raise SettingError("bins", self.base, "from 2 to 1024")
        cells = np.array([self._cells_of(d) for d in self.space.dimensions])
        said = np.flatnonzero(cells > 1)
        said = said if said.size else np.array([0])  # a sentence has at least one token
        digits = [self._digits_of(cells[i]) for i in said]
        columns = np.repeat(said, digits)
        after = np.concatenate([np.arange(k)[::-1] for k in digits])
        object.__setattr__(self, "cells", cells)  # [d], the number of cells of each dimension
        object.__setattr__(self, "columns", columns)  # [l], the dimension of each position
        object.__setattr__(self, "worth", self.base ** after.astype(np.int64))  # [l], place values

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
        """The logarithm of the number of sentences, that is, of cells of the box."""
        return float(np.sum(np.log(self.cells)))

    def begun(self, tokens: Int[Array, "n l"]) -> Int[Array, "n l"]:
        """Return the first cell of each position's dimension that has the given higher digits."""
        same = self.columns[:, None] == self.columns
        earlier = np.triu(same, 1) * self.worth[:, None]
        return tokens @ jnp.asarray(earlier, jnp.int32)

    def log_counts(
        self, begun: Int[Array, "*b"], position: Int[Array, "*b"] | int
    ) -> Float[Array, "*b base"]:
        """Return the logarithm of the number of cells that start with each next token.

        Args:
            begun: the first cell with the digits so far.
            position: the position of the next token.

        Returns:
            The logarithms; -inf for tokens that start no cell.
        """
        worth = jnp.asarray(self.worth, jnp.int32)[position]
        cells = jnp.asarray(self.cells[self.columns], jnp.int32)[position]
        first = begun[..., None] + worth[..., None] * jnp.arange(self.base)
        counts = jnp.clip(cells[..., None] - first, 0, worth[..., None])
        return jnp.where(counts > 0, jnp.log(jnp.maximum(counts, 1).astype(jnp.float32)), -jnp.inf)

    def tasks(self, tokens: Int[Array, "n l"], within: Float[Array, "n d"]) -> Float[Array, "n d"]:
        """Convert sentences to tasks.

        Args:
            tokens: the sentences.
            within: the position of each number within its cell, in [0, 1); ignored for integers
                that have a cell each.
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
