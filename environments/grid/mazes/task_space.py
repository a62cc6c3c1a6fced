"""`Levels`: a task space whose tasks are whole mazes."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32, PRNGKeyArray, UInt32

from didact.common import strict_json
from didact.common.errors import SettingError
from didact.environments.grid.mazes import shortest_paths, text_format
from didact.environments.grid.mazes.maze import Maze, pad_maze, well_formed
from didact.environments.grid.mazes.samplers import Blocks, Sampler
from didact.environments.random_draws import uniform_index
from didact.environments.task_spaces import Box, Dimension, TaskSpace

FLIP, MOVE_AGENT, MOVE_GOAL = range(3)


@dataclasses.dataclass(frozen=True)
class Levels:
    """A task space whose tasks are mazes of one size.

    As in every task space, a task is a row of numbers, so teachers, buffers, logs and the training
    loop work on mazes unchanged, and a buffer of mazes is a single array `float32[n, h * w + 3]`:
    the walls cell by cell (0 or 1), then the agent's cell, its direction, and the goal's cell.
    `unpack` converts rows to a `Maze`, and `pack` converts back.

    `sample` draws from one distribution. All other methods accept any maze of this size, so mazes
    can also be designed by hand, by mutation, or by a language model.

    Args:
        height, width: the size of the mazes in cells, without the outer wall.
        sampler: the distribution; randomly placed wall blocks by default.
    """

    height: int = 13
    width: int = 13
    sampler: Sampler = dataclasses.field(default_factory=Blocks)

    def __post_init__(self):
        if min(self.height, self.width) < 1 or self.height * self.width < 3:
            raise SettingError("size", (self.height, self.width), "at least 3 cells")
        self.sampler.check(self.height, self.width)

    def __repr__(self) -> str:
        sampler = repr(self.sampler)
        if len(sampler) > 80:  # it holds a whole map
            sampler = type(self.sampler).__name__
        return f"Levels({self.height} x {self.width}, {sampler})"

    @property
    def shape(self) -> tuple[int, int]:
        return self.height, self.width

    @property
    def cells(self) -> int:
        return self.height * self.width

    @property
    def size(self) -> int:
        """The number of values in a task."""
        return self.cells + 3

    @property
    def names(self) -> tuple[str, ...]:
        """The settings that `restricted` accepts."""
        return self.sampler.names

    @property
    def low(self) -> np.ndarray:
        return np.zeros(self.size, np.float32)

    @property
    def high(self) -> np.ndarray:
        last = self.cells - 1
        return np.array([1] * self.cells + [last, 3, last], np.float32)

    def restricted(self, **bounds: Any) -> "Levels":
        """Return the space with a narrower distribution, as in `restricted(walls=(0, 25))`."""
        return dataclasses.replace(self, sampler=self.sampler.restricted(**bounds))

    def intersection(self, other: TaskSpace) -> "Levels | None":
        """Return the intersection of two spaces, or None if it is unknown or empty."""
        if not isinstance(other, Levels) or (other.height, other.width) != self.shape:
            return None
        sampler = self.sampler.intersection(other.sampler)
        return None if sampler is None else dataclasses.replace(self, sampler=sampler)

    def single_task(self, other: TaskSpace) -> np.ndarray | None:
        """Return the only maze of another space if it has exactly one that fits, otherwise None.

        A smaller maze is padded with wall on the right and below.
        """
        if not isinstance(other, Levels) or other.height > self.height or other.width > self.width:
            return None
        only = other.sampler.only
        return None if only is None else np.asarray(self.pack(pad_maze(only, *self.shape)))

    # Device methods.

    def pack(self, maze: Maze) -> Float[Array, "*n d"]:
        """Convert mazes to rows, on the host or the device, with or without a leading axis."""
        xp = jnp if isinstance(maze.walls, jax.Array) else np
        walls = xp.reshape(maze.walls, (*maze.walls.shape[:-2], self.cells))
        last = xp.stack([xp.asarray(x) for x in maze[1:]], axis=-1)
        rows: Any = xp.concatenate([walls, last], axis=-1)
        return rows.astype(xp.float32)

    def unpack(self, tasks: Any) -> Maze:
        """Convert rows float32[*n, d] to mazes, on the host or the device."""
        walls, last = tasks[..., : self.cells] > 0.5, tasks[..., self.cells :].astype(np.int32)
        walls = walls.reshape(*walls.shape[:-1], self.height, self.width)
        return Maze(walls, *(last[..., i] for i in range(3)))

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n d"]:
        """Sample n mazes from the distribution of the space."""
        return self.pack(self.sampler(key, n, self.height, self.width))

    def clip(self, tasks: Float[Array, "n d"]) -> Float[Array, "n d"]:
        """Map arbitrary rows to well-formed mazes; well-formed mazes are unchanged.

        Values are rounded and clipped to their bounds, a goal in the agent's cell moves to the next
        cell, and walls in the cells of the agent and the goal are removed.
        """
        rows = jnp.minimum(jnp.where(tasks > 0, jnp.round(tasks), 0), self.high)  # 0 for NaN
        maze = self.unpack(rows)
        same = maze.agent == maze.goal
        goal = jnp.where(same, (maze.agent + 1) % self.cells, maze.goal)
        cell = np.arange(self.cells).reshape(self.shape)
        taken = [cell == at[:, None, None] for at in (maze.agent, goal)]
        walls = maze.walls & ~taken[0] & ~taken[1]
        return self.pack(Maze(walls, maze.agent, maze.direction, goal))

    def contains(self, tasks: Float[Array, "n d"]) -> Bool[Array, " n"]:
        """Return which rows are well-formed mazes: agent and goal are in different free cells.

        The mazes need not be solvable, nor have support under `sample`.
        """
        tasks = jnp.asarray(tasks)
        whole = jnp.all((tasks >= 0) & (tasks <= self.high) & (tasks == jnp.round(tasks)), axis=1)
        return whole & well_formed(self.unpack(jnp.where(whole[:, None], tasks, 0)))

    def mutate(
        self,
        key: PRNGKeyArray,
        tasks: Float[Array, "n d"],
        edits: int = 5,
        weights: Sequence[float] = (2, 1, 1),
    ) -> Float[Array, "n d"]:
        """Apply random edits to mazes, as in ACCEL.

        Each edit picks a cell other than those of the agent and the goal and does one of three
        things: it toggles the wall there, moves the agent there with a random direction, or moves
        the goal there. Moving the agent or the goal removes a wall. Later edits may undo earlier
        ones.

        Args:
            key: a PRNG key.
            tasks: the mazes to edit.
            edits: the number of edits per maze.
            weights: the relative frequencies of the three kinds of edits, in the order above.

        References:
            Parker-Holder et al., Evolving curricula with regret-based environment design,
            ICML 2022, section 4. In its reproduction in JaxUED, the agent never moves: an edit
            toggles a wall, moves the goal to a free cell, or does nothing, with equal
            probabilities.
        """
        if edits < 0:
            raise SettingError("edits", edits, "at least 0")
        shares = np.asarray(weights, float)
        if shares.shape != (3,) or not (shares >= 0).all() or not shares.sum() > 0:
            raise SettingError(
                "weights", tuple(weights), "three non-negative numbers that are not all 0"
            )
        bounds = np.cumsum(shares / shares.sum())[:2]
        maze = self.unpack(tasks)
        everyone = jnp.arange(len(tasks))

        def edit(carry, u):
            walls, agent, direction, goal = carry
            first, second = jnp.minimum(agent, goal), jnp.maximum(agent, goal)
            cell = uniform_index(u[0], self.cells - 2)
            cell += cell >= first
            cell += cell >= second
            kind = (u[1] >= bounds[0]).astype(jnp.int32) + (u[1] >= bounds[1])
            wall = (kind == FLIP) & ~walls[everyone, cell]
            moves = kind == MOVE_AGENT
            return (
                walls.at[everyone, cell].set(wall),
                jnp.where(moves, cell, agent),
                jnp.where(moves, uniform_index(u[2], 4), direction),
                jnp.where(kind == MOVE_GOAL, cell, goal),
            ), None

        u = jax.random.uniform(key, (edits, 3, len(tasks)))
        start = (maze.walls.reshape(-1, self.cells), *maze[1:])
        walls, *others = jax.lax.scan(edit, start, u)[0]
        return self.pack(Maze(walls.reshape(maze.walls.shape), *others))

    def solvable(self, tasks: Float[Array, "n d"]) -> Bool[Array, " n"]:
        """Return whether there is a path from the agent to the goal."""
        return shortest_paths.solvable(self.unpack(tasks))

    def shortest_path(self, tasks: Float[Array, "n d"]) -> Int32[Array, " n"]:
        """Return the minimum number of moves to the goal, or -1 if there is no path."""
        return shortest_paths.shortest_path(self.unpack(tasks))

    def shortest_actions(self, tasks: Float[Array, "n d"]) -> Int32[Array, " n"]:
        """Return the minimum number of actions to the goal, or -1 if there is no path."""
        return shortest_paths.shortest_actions(self.unpack(tasks))

    def fingerprint(self, tasks: Float[Array, "n d"]) -> UInt32[Array, "n 2"]:
        """Return a 64-bit hash of each maze; equal mazes have equal hashes.

        Each wall, agent cell, goal cell and direction has its own random number, and these are
        summed (Zobrist hashing). Two different mazes collide with a probability of 2^-64.
        """
        numbers = np.random.default_rng(0).integers(
            0, 2**32, (3 * self.cells + 4, 2), np.uint32, endpoint=False
        )
        walls, agent, goal, direction = np.split(
            numbers, [self.cells, 2 * self.cells, 3 * self.cells]
        )
        maze = self.unpack(tasks)
        bits = maze.walls.reshape(-1, self.cells, 1)
        total = jnp.sum(jnp.where(bits, walls, np.uint32(0)), axis=1, dtype=jnp.uint32)
        for table, row in ((agent, maze.agent), (goal, maze.goal), (direction, maze.direction)):
            total += jnp.asarray(table)[row]
        return total

    @property
    def feature_space(self) -> Box:
        """The space of `features`, which summarize a maze in plots of a curriculum."""
        return Box(
            (
                Dimension("walls", 0, self.cells - 2, True, "cells", "Number of wall cells."),
                Dimension(
                    "shortest_path",
                    *(0, self.cells - 1, True, "moves"),
                    "Moves from the agent to the goal; 0 if there is no path.",
                ),
            )
        )

    def features(self, tasks: Float[Array, "n d"]) -> Float[Array, "n 2"]:
        """Return the features of mazes, points of `feature_space`."""
        tasks = jnp.asarray(tasks)
        moves = jnp.maximum(self.shortest_path(tasks), 0).astype(jnp.float32)
        return jnp.stack([jnp.sum(tasks[:, : self.cells], axis=1), moves], axis=1)

    # Host methods.

    def parse(self, given: str) -> Float[np.ndarray, " d"]:
        """Parse a text into one task; see `text_format.parse`.

        Raises:
            SettingError: the text is not a maze of this size.
        """
        maze = text_format.parse(given)
        if maze.walls.shape != self.shape:
            allowed = f"{self.shape}, the size of the space"
            raise SettingError("size of the maze", maze.walls.shape, allowed)
        return np.asarray(self.pack(maze))

    def format(self, task: Sequence[float] | np.ndarray | Array) -> str:
        """Return one task as text; the inverse of `parse`."""
        return text_format.format(self.unpack(np.asarray(task, np.float32)))

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema (draft 2020-12) of one task: a map, row by row."""
        return {
            "type": "object",
            "properties": {
                "map": {
                    "type": "array",
                    "items": {"type": "string", "pattern": f"^[#.G><v^]{{{self.width}}}$"},
                    "minItems": self.height,
                    "maxItems": self.height,
                    "description": "The maze from above, row by row, without the outer wall: "
                    "# is a wall, . a free cell, G the goal, and one of > v < ^ the agent, facing "
                    "right, down, left or up. There is exactly one agent and one goal.",
                }
            },
            "required": ["map"],
            "additionalProperties": False,
        }

    def to_json(self, task: Sequence[float] | np.ndarray | Array) -> str:
        """Return one task as a JSON object; `from_json` restores exactly the same task."""
        return json.dumps({"map": self.format(task).split("\n")})

    def from_json(self, given: str | bytes | Mapping[str, Any]) -> Float[np.ndarray, " d"]:
        """Read one task from a JSON object (text or already parsed) and check it.

        In addition to the schema, the map may be a single string with one line per row.

        Raises:
            SettingError: the value is not such an object, or its map is not a maze of this size.
        """
        value: Any = given
        if isinstance(given, (str, bytes)):
            try:
                value = strict_json.loads(given, repeated=False)
            except ValueError:
                allowed = "a JSON object without repeated names"
                raise SettingError("task", given[:80], allowed) from None
        if not isinstance(value, Mapping) or set(value) != {"map"}:
            raise SettingError("task", value, 'a JSON object with exactly the key "map"')
        rows = value["map"]
        if isinstance(rows, str):
            rows = [row.strip() for row in rows.strip().splitlines()]
        if not isinstance(rows, list) or not all(isinstance(row, str) for row in rows):
            raise SettingError("map", rows, "a list of strings, one per row")
        allowed = f"{self.height} rows of {self.width} cells"
        for y, row in enumerate(rows, 1):
            if len(row) != self.width:
                raise SettingError(f"map, row {y},", row, f"{self.width} cells long")
        if len(rows) != self.height:
            raise SettingError("number of rows of the map", len(rows), allowed)
        return self.parse("\n".join(rows))
