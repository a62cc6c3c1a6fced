"""Randomly moving obstacles: in MiniGrid's Dynamic-Obstacles, balls move before every step."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, PRNGKeyArray

from didact.environments.grid import cells
from didact.environments.grid.rules import World

AROUND = np.array([(dx, dy) for dy in (-1, 0, 1) for dx in (-1, 0, 1)])
TRIES = 101  # MiniGrid's limit on random draws among the 3x3 cells around an obstacle


def move_obstacles(
    keys: PRNGKeyArray, world: World, moving: Bool[Array, "n k"], width: int
) -> World:
    """Move obstacles one after another, in table order, each to a random free neighboring cell.

    The cell is uniform among the eight around the obstacle that are empty and do not contain the
    agent. An obstacle stays in place if there is no such cell, or if MiniGrid would not find one
    within its limit of draws (about once in 150,000 times if a single cell is free).

    Args:
        keys: one key per world.
        world: n worlds.
        moving: which objects of the table are obstacles; they must be on the map.
        width: the width of the map, in cells. Maps must have a closed outer wall.
    """
    n, k = moving.shape
    if k == 0:
        return world
    worlds = jnp.arange(n)
    step = jnp.asarray(AROUND[:, 0] + AROUND[:, 1] * width, jnp.int32)
    chances = jax.vmap(lambda key: jax.random.uniform(key, (2, k)))(keys)

    def move(row, carry):
        map, places = carry
        old = places[:, row].astype(jnp.int32)
        moves = moving[:, row]
        near = jnp.where(moves[:, None], old[:, None], width + 1) + step
        around = jnp.take_along_axis(map, near, 1, mode="promise_in_bounds")
        free = (around == cells.EMPTY) & (near != world.position[:, None])
        count = jnp.sum(free, 1)
        which, found = chances[:, 0, row], chances[:, 1, row]
        chosen = jnp.minimum((which * count).astype(jnp.int32), count - 1)
        new = jnp.sum(jnp.where(free & (jnp.cumsum(free, 1) - 1 == chosen[:, None]), near, 0), 1)
        moves &= found >= (1 - count / len(AROUND)) ** TRIES
        # Indices beyond the map are dropped.
        left, there = (jnp.where(moves, at, map.shape[1]) for at in (old, new))
        map = map.at[worlds, left].set(cells.EMPTY, mode="drop")
        map = map.at[worlds, there].set(world.objects[:, row], mode="drop")
        places = places.at[:, row].set(jnp.where(moves, new, old).astype(places.dtype))
        return map, places

    map, places = jax.lax.fori_loop(0, k, move, (world.cells, world.places))
    return world._replace(cells=map, places=places)
