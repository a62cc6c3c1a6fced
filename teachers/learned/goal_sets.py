"""Finite sets of goals in a task space: instructions, formulas, or whole tasks.

A goal is a row of task parameters. Parameters that are NaN are free: they are drawn uniformly from
the space whenever the goal is proposed. If an environment has a dimension that selects the
instruction (see `environments.wrappers.with_instructions`), the goal "instruction i" has i there
and NaN everywhere else.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from didact.common.errors import SettingError, require
from didact.environments.task_spaces import Box

INSTRUCTION = "instruction"  # the dimension whose values are the goals by default
SAMPLES = 256  # the goals of a space without that dimension
MOST = 4096


class GoalSet:
    """m goals in a box of d dimensions.

    Args:
        space: the task space.
        goals: float[m, d], NaN where a goal leaves a parameter open. By default, the values of the
            dimension called "instruction"; in a space without it, fixed uniform samples.

    Raises:
        SettingError: the space is not a `Box`, or the goals are not rows of tasks of the space.
    """

    def __init__(self, space: Box, goals: Sequence[Sequence[float]] | Any | None = None):
        if not isinstance(space, Box):
            raise SettingError("space", type(space).__name__, "a Box of named numbers")
        rows = _default_goals(space) if goals is None else np.asarray(goals, np.float32)
        fits = rows.ndim == 2 and rows.shape[1:] == (space.size,) and 1 <= len(rows) <= MOST
        require("goals", rows.shape, fits, f"1 to {MOST} rows of {space.size} numbers")
        whole = np.where(np.isnan(rows), space.low, rows)
        inside = np.asarray(space.contains(jnp.asarray(whole)))
        require("goals", rows[~inside].tolist()[:1], bool(inside.all()), "tasks of the space")
        self.space, self.rows = space, rows
        self.free = np.isnan(rows)

    def __len__(self) -> int:
        """Return m."""
        return len(self.rows)

    def tasks(self, key: PRNGKeyArray, index: Int[Array, " n"]) -> Float[Array, "n d"]:
        """Return tasks of the goals with these indices."""
        rows = jnp.asarray(np.nan_to_num(self.rows))[index]
        if not self.free.any():
            return rows
        anything = self.space.sample(key, index.shape[0])
        return jnp.where(jnp.asarray(self.free)[index], anything, rows)

    def find(self, tasks: Float[Array, "n d"]) -> Int[Array, " n"]:
        """Return the index of the first goal that each task belongs to, or -1."""
        belongs = jnp.ones((tasks.shape[0], len(self)), bool)
        for column in range(self.space.size):
            if not self.free[:, column].all():
                same = tasks[:, column, None] == np.nan_to_num(self.rows[:, column])
                belongs &= same | self.free[:, column]
        return jnp.where(jnp.any(belongs, axis=1), jnp.argmax(belongs, axis=1), -1)


def features_of(
    goals: GoalSet, vectors: Any = None, tokens: Any = None
) -> Float[np.ndarray, "m f"] | Int[np.ndarray, "m l"]:
    """Return the description of each goal that a network reads.

    Args:
        goals: m goals.
        vectors: float[m, f], such as sentence vectors.
        tokens: int[m, l] token ids, 0 for padding, as in `environments.language.vocabulary`.

    Returns:
        The vectors, standardized; or the tokens; or by default the parameters of the goals in the
        unit cube if these are complete tasks, else one-hot vectors, which are all equally similar.

    Raises:
        SettingError: both are given, or one has another number of rows, or values that are not
            finite or negative tokens.
    """
    if vectors is not None and tokens is not None:
        raise SettingError("vectors", "given", "omitted if tokens are given")
    if tokens is not None:
        ids = np.asarray(tokens)
        fits = ids.ndim == 2 and len(ids) == len(goals) and ids.dtype.kind in "iu"
        fits = fits and ids.size > 0 and int(ids.min()) >= 0
        require("tokens", ids.shape, fits, f"whole numbers of at least 0, [{len(goals)}, l]")
        return ids.astype(np.int32)
    if vectors is None:
        if goals.free.any():
            return np.eye(len(goals), dtype=np.float32)
        vectors = np.asarray(goals.space.normalise(jnp.asarray(goals.rows)))
    rows = np.asarray(vectors, np.float32)
    fits = rows.ndim == 2 and len(rows) == len(goals) and bool(np.isfinite(rows).all())
    require("vectors", rows.shape, fits, f"finite numbers, [{len(goals)}, f]")
    return (rows - rows.mean(0)) / np.maximum(rows.std(), 1e-6)


def _default_goals(space: Box) -> Float[np.ndarray, "m d"]:
    if INSTRUCTION not in space.names:
        return np.asarray(space.sample(jax.random.key(0), SAMPLES))
    column = space.column(INSTRUCTION)
    numbers = np.arange(space.low[column], space.high[column] + 1)
    rows = np.full((len(numbers), space.size), np.nan, np.float32)
    rows[:, column] = numbers
    return rows
