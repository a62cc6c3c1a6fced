"""Shortest paths through mazes, for many mazes at once.

Lengths are counted in moves (steps from cell to cell, as in the literature) or in actions (which
include turns, so the agent's direction matters). Distances are computed backwards from the goal;
the step into the goal's cell counts.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int32

from didact.environments.grid.mazes.maze import Maze

UNREACHABLE = -1


@jax.jit
def move_distances(maze: Maze) -> Int32[Array, "n h w"]:
    """Return the moves from each cell to the goal; -1 in walls and where there is no path."""
    free, goal = _free_and_goal(maze)

    def spread(reached):
        return reached | (free & (_any_side(reached)))

    return jnp.moveaxis(_waves(goal, spread), -1, 0)


@jax.jit
def action_distances(maze: Maze) -> Int32[Array, "n 4 h w"]:
    """Return the actions (left, right, forward) to the goal from each direction and cell.

    The distance is 0 at the goal and -1 in walls and where there is no path. An action is optimal
    if it decreases the distance.
    """
    free, goal = _free_and_goal(maze)

    def spread(reached):  # [4, h, w, n]
        turned = jnp.roll(reached, 1, axis=0) | jnp.roll(reached, -1, axis=0)
        ahead = jnp.stack([_cell_ahead(reached[d], d) for d in range(4)])
        return reached | (free & (turned | ahead))

    start = jnp.broadcast_to(goal, (4, *goal.shape))
    return jnp.moveaxis(_waves(start, spread), -1, 0)


def shortest_path(maze: Maze) -> Int32[Array, " n"]:
    """Return the minimum number of moves from the agent to the goal, or -1 if there is no path."""
    n = len(maze.agent)
    distances = move_distances(maze).reshape(n, -1)
    return jnp.take_along_axis(distances, maze.agent[:, None], axis=1)[:, 0]


def shortest_actions(maze: Maze) -> Int32[Array, " n"]:
    """Return the minimum number of actions to the goal, including turns, or -1 without a path."""
    n, h, w = maze.walls.shape
    distances = action_distances(maze).reshape(n, -1)
    state = maze.direction * (h * w) + maze.agent
    return jnp.take_along_axis(distances, state[:, None], axis=1)[:, 0]


def solvable(maze: Maze) -> Bool[Array, " n"]:
    """Return whether there is a path from the agent to the goal."""
    return shortest_path(maze) != UNREACHABLE


# Below, the axis of mazes is last, so that all arithmetic is on contiguous rows of bytes.


def _free_and_goal(maze: Maze) -> tuple[Bool[Array, "h w n"], Bool[Array, "h w n"]]:
    free = ~jnp.moveaxis(jnp.asarray(maze.walls), 0, -1)
    cell = jnp.arange(free.shape[0] * free.shape[1]).reshape(*free.shape[:2], 1)
    return free, cell == jnp.asarray(maze.goal)


def _waves(start: Bool[Array, "*s n"], spread: Callable[[Array], Array]) -> Int32[Array, "*s n"]:
    """Return the wave that reaches each place, where `spread` advances by one wave."""

    def wave(carry):
        t, reached, distances, _ = carry
        wider = spread(reached)
        new = wider & ~reached
        return t + 1, wider, jnp.where(new, t, distances), jnp.any(new)

    distances = jnp.where(start, 0, UNREACHABLE)
    first = (jnp.int32(1), start, distances, jnp.any(start))
    return jax.lax.while_loop(lambda carry: carry[3], wave, first)[2]


def _any_side(reached: Bool[Array, "h w n"]) -> Bool[Array, "h w n"]:
    sides = [_cell_ahead(reached, d) for d in range(4)]
    return sides[0] | sides[1] | sides[2] | sides[3]


def _cell_ahead(reached: Bool[Array, "h w n"], direction: int) -> Bool[Array, "h w n"]:
    """Return for each cell the value of the next cell in a direction; False off the map."""
    axis = 0 if direction & 1 else 1
    back = direction & 2
    none = jnp.zeros_like(jax.lax.slice_in_dim(reached, 0, 1, axis=axis))
    last = reached.shape[axis]
    if back:
        return jnp.concatenate([none, jax.lax.slice_in_dim(reached, 0, last - 1, axis=axis)], axis)
    return jnp.concatenate([jax.lax.slice_in_dim(reached, 1, last, axis=axis), none], axis)
