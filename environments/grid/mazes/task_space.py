"""`Levels`: the task space whose tasks are whole mazes."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32, PRNGKeyArray, UInt32

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

    A task is a row of numbers here as in every task space, so that teachers, buffers, logs and the
    loop that are written for rows work on levels unchanged, and a buffer of levels is one array:
    `float32[n, h * w + 3]`, the walls cell by cell (0 or 1), then the agent's cell, its direction
    and the goal's cell. `unpack` gives a typed view of such rows and `pack` takes one.

    `sample` draws from one distribution. All other methods work on any maze of the size, so levels
    may be made by hand, by mutation or by a language model, too.

    Args:
        height, width: of the mazes, in cells, without the wall around them.
        sampler: the distribution; single blocks at random unless told otherwise.
    """

    height: int = 13
    width: int = 13
    sampler: Sampler = dataclasses.field(default_factory=Blocks)

    def __post_init__(self):
        if min(self.height, self.width) < 1 or self.height * self.width < 3:
            raise SettingError("size", (self.height, self.width), "at least 3 cells")
        self.sampler.check(self.height, self.width)

    @property
    def shape(self) -> tuple[int, int]:
        return self.height, self.width

    @property
    def cells(self) -> int:
        return self.height * self.width

    @property
    def size(self) -> int:
        """The length of a row."""
        return self.cells + 3

    @property
    def names(self) -> tuple[str, ...]:
        """What `restricted` can narrow."""
        return self.sampler.names

    @property
    def low(self) -> np.ndarray:
        return np.zeros(self.size, np.float32)

    @property
    def high(self) -> np.ndarray:
        last = self.cells - 1
        return np.array([1] * self.cells + [last, 3, last], np.float32)

    def restricted(self, **bounds: Any) -> "Levels":
        """The space with a narrower distribution: `levels.restricted(walls=(0, 25))`."""
        return dataclasses.replace(self, sampler=self.sampler.restricted(**bounds))

    def intersection(self, other: TaskSpace) -> "Levels | None":
        """The narrower of two spaces of one size; None if they are of different kinds."""
        if not isinstance(other, Levels) or (other.height, other.width) != self.shape:
            return None
        sampler = self.sampler.intersection(other.sampler)
        return None if sampler is None else dataclasses.replace(self, sampler=sampler)

    def single_task(self, other: TaskSpace) -> np.ndarray | None:
        """The only maze of another space, if it has but one and that is no larger than these.

        A smaller maze comes into the upper left corner, and all around it is wall.
        """
        if not isinstance(other, Levels) or other.height > self.height or other.width > self.width:
            return None
        only = other.sampler.only
        return None if only is None else np.asarray(self.pack(pad_maze(only, *self.shape)))

    # On the device.

    def pack(self, maze: Maze) -> Float[Array, "*n d"]:
        """Rows of mazes, of the host or the device, with or without a leading axis."""
        xp = jnp if isinstance(maze.walls, jax.Array) else np
        walls = xp.reshape(maze.walls, (*maze.walls.shape[:-2], self.cells))
        last = xp.stack([xp.asarray(x) for x in maze[1:]], axis=-1)
        rows: Any = xp.concatenate([walls, last], axis=-1)
        return rows.astype(xp.float32)

    def unpack(self, tasks: Any) -> Maze:
        """The mazes of rows float32[*n, d], of the host or the device."""
        walls, last = tasks[..., : self.cells] > 0.5, tasks[..., self.cells :].astype(np.int32)
        walls = walls.reshape(*walls.shape[:-1], self.height, self.width)
        return Maze(walls, *(last[..., i] for i in range(3)))

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n d"]:
        """n levels of the space's distribution."""
        return self.pack(self.sampler(key, n, self.height, self.width))

    def clip(self, tasks: Float[Array, "n d"]) -> Float[Array, "n d"]:
        """Well-formed levels near any rows; levels stay as they are.

        Numbers are rounded into their bounds, a goal in the agent's cell moves to the next one,
        and walls in the agent's or the goal's cell go.
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
        """Which rows are levels: agent and goal in different cells, without walls there.

        Levels need not be solvable, nor such as `sample` would draw.
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
        """Levels after some random edits, as ACCEL makes them.

        Each edit picks a cell other than the agent's and the goal's. It makes a wall there or
        takes it away; or it moves the agent there, who then faces any direction; or it moves the
        goal there. In the latter two cases a wall there goes. Later edits may undo earlier ones.

        Args:
            edits: how many of them, for each level.
            weights: how often each of the three kinds is chosen.

        References:
            Parker-Holder et al., Evolving curricula with regret-based environment design,
            ICML 2022, section 4.
        """
        if edits < 0:
            raise SettingError("edits", edits, "at least 0")
        shares = np.asarray(weights, float)
        if shares.shape != (3,) or not (shares >= 0).all() or not shares.sum() > 0:
            raise SettingError("weights", tuple(weights), "three numbers from 0, not all of them 0")
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
        """Whether there is a way from the agent to the goal."""
        return shortest_paths.solvable(self.unpack(tasks))

    def shortest_path(self, tasks: Float[Array, "n d"]) -> Int32[Array, " n"]:
        """The fewest moves from the agent to the goal, or -1 where there is no way."""
        return shortest_paths.shortest_path(self.unpack(tasks))

    def shortest_actions(self, tasks: Float[Array, "n d"]) -> Int32[Array, " n"]:
        """The fewest actions to the goal, turns included, or -1 where there is no way."""
        return shortest_paths.shortest_actions(self.unpack(tasks))

    def fingerprint(self, tasks: Float[Array, "n d"]) -> UInt32[Array, "n 2"]:
        """64 bits that tell levels apart; equal levels have equal ones.

        Each wall, and each cell of agent and goal, has a random number of its own, and these are
        added up (Zobrist hashing): two different levels agree with a probability of 2^-64.
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
        """Numbers that tell much of a level, for pictures of a curriculum."""
        return Box(
            (
                Dimension("walls", 0, self.cells - 2, True, "cells", "Cells that are wall."),
                Dimension(
                    "shortest_path",
                    *(0, self.cells - 1, True, "moves"),
                    "Moves from the agent to the goal; 0 where there is no way.",
                ),
            )
        )

    def features(self, tasks: Float[Array, "n d"]) -> Float[Array, "n 2"]:
        """The points of `feature_space` that levels have."""
        tasks = jnp.asarray(tasks)
        moves = jnp.maximum(self.shortest_path(tasks), 0).astype(jnp.float32)
        return jnp.stack([jnp.sum(tasks[:, : self.cells], axis=1), moves], axis=1)

    # On the host.

    def parse(self, given: str) -> Float[np.ndarray, " d"]:
        """The level that a text shows; see `text_format.parse`.

        Raises:
            SettingError: it is not a maze, or not of this size.
        """
        maze = text_format.parse(given)
        if maze.walls.shape != self.shape:
            allowed = f"{self.shape} as the space has"
            raise SettingError("size of the maze", maze.walls.shape, allowed)
        return np.asarray(self.pack(maze))

    def format(self, task: Sequence[float] | np.ndarray | Array) -> str:
        """One level as text, which `parse` reads."""
        return text_format.format(self.unpack(np.asarray(task, np.float32)))

    def json_schema(self) -> dict[str, Any]:
        """The JSON schema (draft 2020-12) of one level: a map, row by row."""
        return {
            "type": "object",
            "properties": {
                "map": {
                    "type": "array",
                    "items": {"type": "string", "pattern": f"^[#.G><v^]{{{self.width}}}$"},
                    "minItems": self.height,
                    "maxItems": self.height,
                    "description": "The maze from above, row by row, without the wall around it: "
                    "# is a wall, . a free cell, G the goal, and one of > v < ^ the agent, facing "
                    "right, down, left or up. There is exactly one agent and one goal.",
                }
            },
            "required": ["map"],
            "additionalProperties": False,
        }

    def to_json(self, task: Sequence[float] | np.ndarray | Array) -> str:
        """One level as a JSON object; `from_json` gives back exactly the same level."""
        return json.dumps({"map": self.format(task).split("\n")})

    def from_json(self, given: str | bytes | Mapping[str, Any]) -> Float[np.ndarray, " d"]:
        """One level from a JSON object (text, or already parsed), checked against the schema.

        Beyond the schema, the map may also be one text with a line for each row.

        Raises:
            SettingError: it is not such an object, or its map is not a level of this size.
        """
        value: Any = given
        if isinstance(given, (str, bytes)):
            try:
                value = json.loads(given)
            except (ValueError, RecursionError):
                raise SettingError("task", given[:80], "a JSON object") from None
        if not isinstance(value, Mapping) or set(value) != {"map"}:
            raise SettingError("task", value, 'a JSON object of exactly "map"')
        rows = value["map"]
        if isinstance(rows, str):
            rows = [row.strip() for row in rows.strip().splitlines()]
        if not isinstance(rows, list) or not all(isinstance(row, str) for row in rows):
            raise SettingError("map", rows, "a list of texts, one for each row")
        allowed = f"{self.height} rows of {self.width} cells"
        for y, row in enumerate(rows, 1):
            if len(row) != self.width:
                raise SettingError(f"map, row {y},", row, f"{self.width} cells long")
        if len(rows) != self.height:
            raise SettingError("number of rows of the map", len(rows), allowed)
        return self.parse("\n".join(rows))
