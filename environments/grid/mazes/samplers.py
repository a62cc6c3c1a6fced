"""Samplers of mazes: each draws mazes of a given size from one distribution."""

import dataclasses
import functools
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int32, PRNGKeyArray

from didact.common.errors import SettingError
from didact.environments.grid.mazes import text_format
from didact.environments.grid.mazes.maze import Maze, with_random_agent_and_goal
from didact.environments.grid.mazes.spanning_trees import passages
from didact.environments.random_draws import uniform_index


@dataclasses.dataclass(frozen=True)
class Sampler:
    """A distribution over mazes. Samplers with equal settings are equal.

    Attributes:
        names: the settings that `restricted` accepts.
    """

    names: ClassVar[tuple[str, ...]] = ()

    def check(self, height: int, width: int) -> None:
        """Raise a `SettingError` if there are no such mazes of this size."""

    def __call__(self, key: PRNGKeyArray, n: int, height: int, width: int) -> Maze:
        """Sample n mazes on the device."""
        raise NotImplementedError

    def restricted(self, **bounds: Any) -> "Sampler":
        """Return the sampler with some settings narrowed."""
        for name, value in bounds.items():
            raise SettingError(name, value, "left out, because these levels have no such parameter")
        return self

    def intersection(self, other: "Sampler") -> "Sampler | None":
        """Return the common part of two distributions, or None if it is unknown or empty."""
        return self if other == self else None

    @property
    def only(self) -> Maze | None:
        """The only maze of the distribution, without a leading axis, or None if there are more."""
        return None


@dataclasses.dataclass(frozen=True)
class Blocks(Sampler):
    """Wall blocks, agent and goal in different random cells.

    The number of blocks is uniform. This is the domain randomization of the literature, with up to
    25, 50 or 60 blocks. Some of these mazes are not solvable.

    Args:
        fewest, most: the inclusive bounds of the number of blocks.

    References:
        Dennis et al., Emergent complexity and zero-shot transfer via unsupervised environment
        design, NeurIPS 2020, section 5.
    """

    fewest: int = 0
    most: int = 60
    names: ClassVar[tuple[str, ...]] = ("walls",)

    def check(self, height: int, width: int) -> None:
        if not 0 <= self.fewest <= self.most <= height * width - 2:
            allowed = f"(low, high) from 0 to {height * width - 2}"
            raise SettingError("walls", (self.fewest, self.most), allowed)

    def restricted(self, **bounds: Any) -> "Blocks":
        given = bounds.pop("walls", (self.fewest, self.most))
        super().restricted(**bounds)
        low, high = given if isinstance(given, tuple) else (given, given)
        if not self.fewest <= low <= high <= self.most or low != int(low) or high != int(high):
            raise SettingError("walls", given, f"whole numbers from {self.fewest} to {self.most}")
        return Blocks(int(low), int(high))

    def intersection(self, other: Sampler) -> "Blocks | None":
        if not isinstance(other, Blocks):
            return None
        fewest, most = max(self.fewest, other.fewest), min(self.most, other.most)
        return Blocks(fewest, most) if fewest <= most else None

    def __call__(self, key: PRNGKeyArray, n: int, height: int, width: int) -> Maze:
        size = height * width
        places_key, walls_key = jax.random.split(key)
        u = jax.random.uniform(places_key, (4, n))
        agent, goal = uniform_index(u[0], size), uniform_index(u[1], size - 1)
        goal += goal >= agent
        count = self.fewest + uniform_index(u[2], self.most - self.fewest + 1)

        # Sequential sampling: each cell becomes wall with the probability of (blocks left to
        # place) / (cells left). All choices of `count` cells are equally likely, without sorting.
        def place(needed, cell):
            i, u = cell
            left = size - i - (agent >= i) - (goal >= i)
            wall = (agent != i) & (goal != i) & (u * left < needed)
            return needed - wall, wall

        cells = jnp.arange(size), jax.random.uniform(walls_key, (size, n))
        walls = jax.lax.scan(place, count, cells)[1]
        return Maze(walls.T.reshape(n, height, width), agent, uniform_index(u[3], 4), goal)


@dataclasses.dataclass(frozen=True)
class RepeatedBlocks(Sampler):
    """Wall blocks in random cells that may repeat; agent and goal in different free cells.

    This is JaxUED's distribution: 25 draws place 23.3 blocks on average in a 13x13 maze, and 60
    draws place 50.7.

    Args:
        draws: the number of random cells.

    References:
        Coward, Beukman and Foerster, JaxUED: a simple and useable UED library in Jax, 2024.
    """

    draws: int = 25

    def check(self, height: int, width: int) -> None:
        if not 0 <= self.draws <= height * width - 2:
            raise SettingError("draws", self.draws, f"from 0 to {height * width - 2}")

    def __call__(self, key: PRNGKeyArray, n: int, height: int, width: int) -> Maze:
        walls_key, places_key = jax.random.split(key)
        u = jax.random.uniform(walls_key, (n, self.draws))
        cells = uniform_index(u, height * width)
        walls = jnp.zeros((n, height * width), bool).at[jnp.arange(n)[:, None], cells].set(True)
        return with_random_agent_and_goal(places_key, walls.reshape(n, height, width))


@dataclasses.dataclass(frozen=True)
class Perfect(Sampler):
    """Perfect mazes: exactly one path between any two free cells. Sides must be odd.

    Args:
        depth_first: whether to carve mazes by a random walk that backtracks at dead ends, which
            gives long winding corridors. Otherwise use Kruskal's algorithm over walls in random
            order, which gives many short dead ends.
        corners: whether to place agent and goal in two different corners, facing right. Otherwise
            both are in random cells.

    References:
        Jiang et al., Replay-guided adversarial environment design, NeurIPS 2021 (Kruskal's
        algorithm, corners); Jiang et al., minimax: efficient baselines for autocurricula in JAX,
        2023 (depth-first, random cells).
    """

    depth_first: bool = False
    corners: bool = True

    def check(self, height: int, width: int) -> None:
        if height % 2 == 0 or width % 2 == 0:
            raise SettingError("size", (height, width), "odd numbers of cells")

    def __call__(self, key: PRNGKeyArray, n: int, height: int, width: int) -> Maze:
        walls_key, places_key = jax.random.split(key)
        rows, columns = height // 2 + 1, width // 2 + 1
        opened = passages(walls_key, n, rows, columns, self.depth_first)
        cells = np.arange(height * width).reshape(height, width)
        walls = jnp.ones((n, height * width), bool).at[:, cells[::2, ::2].reshape(-1)].set(False)
        walls = walls.at[jnp.arange(n)[:, None], opened].set(False).reshape(n, height, width)
        if not self.corners:
            return with_random_agent_and_goal(places_key, walls)
        corner = jnp.asarray(cells[[0, 0, -1, -1], [0, -1, 0, -1]], jnp.int32)
        u = jax.random.uniform(places_key, (2, n))
        agent, goal = uniform_index(u[0], 4), uniform_index(u[1], 3)
        goal += goal >= agent
        return Maze(walls, corner[agent], jnp.zeros(n, jnp.int32), corner[goal])


@dataclasses.dataclass(frozen=True)
class FourRooms(Sampler):
    """Four rooms separated by a cross of walls with an opening in each arm, as in MiniGrid."""

    def check(self, height: int, width: int) -> None:
        if height % 2 == 0 or width % 2 == 0 or min(height, width) < 3:
            raise SettingError("size", (height, width), "odd numbers of cells, at least 3")

    def __call__(self, key: PRNGKeyArray, n: int, height: int, width: int) -> Maze:
        doors_key, places_key = jax.random.split(key)
        y, x = height // 2, width // 2
        walls = np.zeros((height, width), bool)
        walls[y], walls[:, x] = True, True
        u = jax.random.uniform(doors_key, (n, 4))
        across = uniform_index(u[:, :2], x) + np.array([0, x + 1])
        down = uniform_index(u[:, 2:], y) + np.array([0, y + 1])
        door = jnp.concatenate([y * width + across, down * width + x], axis=1)
        walls = jnp.tile(jnp.asarray(walls.reshape(-1)), (n, 1))
        walls = walls.at[jnp.arange(n)[:, None], door].set(False)
        return with_random_agent_and_goal(places_key, walls.reshape(n, height, width))


@dataclasses.dataclass(frozen=True)
class Crossings(Sampler):
    """Walls across the whole maze with one opening each, as in MiniGrid's SimpleCrossing.

    The agent is in the upper left corner and the goal in the lower right one. The openings lie on a
    path to the right and down that crosses each wall once.

    Args:
        count: the number of walls.
    """

    count: int = 5

    def check(self, height: int, width: int) -> None:
        most = (height - 1) // 2 + (width - 1) // 2
        if height % 2 == 0 or width % 2 == 0:
            raise SettingError("size", (height, width), "odd numbers of cells")
        if not 0 <= self.count <= most:
            raise SettingError("count", self.count, f"from 0 to {most}")

    def __call__(self, key: PRNGKeyArray, n: int, height: int, width: int) -> Maze:
        columns, rows = np.arange(1, width - 1, 2), np.arange(1, height - 1, 2)
        rivers_key, order_key, openings_key = jax.random.split(key, 3)
        u = jax.random.uniform(rivers_key, (n, len(columns) + len(rows)))
        river = jnp.argsort(jnp.argsort(u, axis=1), axis=1) < self.count
        upright, level = river[:, : len(columns)], river[:, len(columns) :]
        down, across = jnp.zeros((n, width), bool), jnp.zeros((n, height), bool)
        walls = across.at[:, rows].set(level)[:, :, None]
        walls |= down.at[:, columns].set(upright)[:, None]

        # The rooms along the path: each step crosses the next vertical or the next horizontal wall.
        order = jnp.argsort(jax.random.uniform(order_key, (n, self.count)), axis=1)
        right = order < jnp.sum(upright, axis=1, keepdims=True)
        at = (jnp.cumsum(right, axis=1) - right, jnp.cumsum(~right, axis=1) - ~right)
        (left, x), (top, y) = (
            _sides(which, chosen, end, room)
            for which, chosen, end, room in (
                (columns, upright, width, at[0]),
                (rows, level, height, at[1]),
            )
        )
        u = jax.random.uniform(openings_key, (n, self.count))
        inside_x, inside_y = (
            left + 1 + uniform_index(u, x - left - 1),
            top + 1 + uniform_index(u, y - top - 1),
        )
        opening = jnp.where(right, inside_y * width + x, y * width + inside_x)
        walls = walls.reshape(n, -1).at[jnp.arange(n)[:, None], opening].set(False)
        zero = jnp.zeros(n, jnp.int32)
        return Maze(walls.reshape(n, height, width), zero, zero, zero + height * width - 1)


def _sides(
    places: np.ndarray, chosen: Bool[Array, "n k"], end: int, room: Int32[Array, "n m"]
) -> tuple[Int32[Array, "n m"], Int32[Array, "n m"]]:
    """Return the walls before and behind each room along one axis of `end` cells."""
    n = len(chosen)
    inner = jnp.sort(jnp.where(chosen, places, end), axis=1)
    sides = jnp.concatenate([jnp.full((n, 1), -1), inner, jnp.full((n, 1), end)], axis=1)
    before, behind = (jnp.take_along_axis(sides, room + i, axis=1) for i in (0, 1))
    return before.astype(jnp.int32), behind.astype(jnp.int32)


@dataclasses.dataclass(frozen=True)
class OneOf(Sampler):
    """One of the given mazes, uniformly at random.

    Args:
        texts: the mazes in the format of `text_format.parse`, all of the same size.
    """

    texts: tuple[str, ...]

    def check(self, height: int, width: int) -> None:
        if not self.texts:
            raise SettingError("texts", self.texts, "at least one maze")
        for given in self.texts:
            shape = text_format.parse(given).walls.shape
            if shape != (height, width):
                raise SettingError(
                    "size of a maze", shape, f"{(height, width)}, the size of the space"
                )

    def __call__(self, key: PRNGKeyArray, n: int, height: int, width: int) -> Maze:
        which = jax.random.randint(key, (n,), 0, len(self.texts))
        return Maze(*(jnp.asarray(part)[which] for part in _stacked(self.texts)))

    @property
    def only(self) -> Maze | None:
        return text_format.parse(self.texts[0]) if len(self.texts) == 1 else None


@functools.lru_cache
def _stacked(texts: tuple[str, ...]) -> Maze:
    parts: list[Any] = [np.stack(part) for part in zip(*map(text_format.parse, texts), strict=True)]
    return Maze(*parts)
