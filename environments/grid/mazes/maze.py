"""`Maze`: mazes as arrays."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int32, PRNGKeyArray

from didact.environments.random_draws import uniform_index


class Maze(NamedTuple):
    """Mazes with h rows and w columns of cells, without the outer wall.

    Cells are numbered row by row from the upper left, y * w + x. A single maze has no leading axis;
    n mazes have one. Host functions return NumPy arrays, device functions JAX arrays.
    """

    walls: Bool[Array, "*n h w"]
    agent: Int32[Array, "*n"]  # the cell of the agent
    direction: Int32[Array, "*n"]  # 0 right, 1 down, 2 left, 3 up
    goal: Int32[Array, "*n"]  # the cell of the goal


def well_formed(maze: Maze) -> Bool[Array, " n"]:
    """Return which mazes have agent and goal in two different free cells."""
    n, h, w = maze.walls.shape
    walls = maze.walls.reshape(n, h * w)
    good = (maze.direction >= 0) & (maze.direction < 4) & (maze.agent != maze.goal)
    for cell in (maze.agent, maze.goal):
        inside = (cell >= 0) & (cell < h * w)
        here = jnp.take_along_axis(walls, jnp.clip(cell, 0, h * w - 1)[:, None], 1)[:, 0]
        good &= inside & ~here
    return good


def with_random_agent_and_goal(key: PRNGKeyArray, walls: Bool[Array, "n h w"]) -> Maze:
    """Place the agent, with a random direction, and the goal in two random free cells per map.

    Every map must have at least two free cells.
    """
    n = len(walls)
    rank = jnp.cumsum(~walls.reshape(n, -1), axis=1)  # of each free cell, from 1
    free = rank[:, -1]
    u = jax.random.uniform(key, (3, n))
    agent, goal = uniform_index(u[0], free), uniform_index(u[1], free - 1)
    goal += goal >= agent
    cell = [jnp.argmax(rank > nth[:, None], axis=1).astype(jnp.int32) for nth in (agent, goal)]
    return Maze(walls, cell[0], uniform_index(u[2], 4), cell[1])


def pad_maze(maze: Maze, height: int, width: int) -> Maze:
    """Pad mazes with wall on the right and below, on the host.

    Padding changes nothing about a maze but its size.
    """
    walls = np.asarray(maze.walls)
    h, w = walls.shape[-2:]
    around = [(0, 0)] * (walls.ndim - 2) + [(0, height - h), (0, width - w)]

    def moved(cell: Any) -> Any:
        return np.asarray(cell) // w * width + np.asarray(cell) % w

    wider: Any = np.pad(walls, around, constant_values=True)
    direction: Any = np.asarray(maze.direction)
    return Maze(wider, moved(maze.agent), direction, moved(maze.goal))
