"""Random spanning trees of a grid of rooms, for the passages of perfect mazes."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32, PRNGKeyArray

from didact.environments.random_draws import uniform_index


def passages(
    key: PRNGKeyArray, n: int, rows: int, columns: int, depth_first: bool
) -> Int32[Array, "n p"]:
    """Return the cells to open so that any two rooms are connected by one path, in n mazes.

    Rooms are in the even rows and columns of a map of (2 * rows - 1) x (2 * columns - 1) cells, and
    passages are between them. The result may include cells of rooms.

    Args:
        key: a PRNG key.
        n: the number of mazes.
        rows, columns: the size of the grid of rooms.
        depth_first: see `samplers.Perfect`.
    """
    if rows * columns == 1:
        return jnp.zeros((n, 1), jnp.int32)
    carve = _depth_first if depth_first else _kruskal
    return carve(key, n, rows, columns)


def _kruskal(key: PRNGKeyArray, n: int, rows: int, columns: int) -> Int32[Array, "n p"]:
    """Sample from the distribution of Kruskal's algorithm over passages in random order.

    Kruskal's algorithm gives the minimum spanning tree for random weights. Prim's algorithm gives
    the same tree, but grows a single tree in a fixed number of equal steps, so it is used here.
    """
    room = np.arange(rows * columns).reshape(rows, columns)
    ends = np.concatenate(
        [
            np.stack([room[:, :-1], room[:, 1:]], -1).reshape(-1, 2),
            np.stack([room[:-1], room[1:]], -1).reshape(-1, 2),
        ]
    )
    y, x = ends // columns, ends % columns
    cell = y.sum(1) * (2 * columns - 1) + x.sum(1)
    one, other = ends.T
    weights = jax.random.uniform(key, (n, len(ends)))
    mazes = jnp.arange(n)

    def grow(inside, _):
        leads_out = inside[:, one] != inside[:, other]
        chosen = jnp.argmin(jnp.where(leads_out, weights, jnp.inf), axis=1)
        for end in (one, other):
            inside = inside.at[mazes, jnp.asarray(end)[chosen]].set(True)
        return inside, chosen

    start = jnp.zeros((n, rows * columns), bool).at[:, 0].set(True)
    chosen = jax.lax.scan(grow, start, length=rows * columns - 1)[1]
    return jnp.asarray(cell, jnp.int32)[chosen.T]


def _depth_first(key: PRNGKeyArray, n: int, rows: int, columns: int) -> Int32[Array, "n p"]:
    """Carve a random walk into unvisited rooms that backtracks where there are none."""
    # A border of rooms that count as visited surrounds the grid.
    width = columns + 2
    aside = np.array([1, width, -1, -width])
    visited = np.ones((rows + 2, width), bool)
    visited[1:-1, 1:-1] = False
    start_key, key = jax.random.split(key)
    u = jax.random.uniform(start_key, (2, n))
    start = (1 + uniform_index(u[0], rows)) * width + 1 + uniform_index(u[1], columns)
    mazes = jnp.arange(n)

    def walk(carry, u):
        visited, parent, here = carry
        options = here[:, None] + aside
        new = ~jnp.take_along_axis(visited, options, axis=1)
        chosen = options[mazes, jnp.argmax(jnp.where(new, u, -1), axis=1)]
        onward = jnp.any(new, axis=1)
        back = parent[mazes, here]
        there = jnp.where(onward, chosen, back)
        parent = parent.at[mazes, there].set(jnp.where(onward, here, parent[mazes, there]))
        visited = visited.at[mazes, there].set(True)
        y, x = (here // width - 1, there // width - 1), (here % width - 1, there % width - 1)
        return (visited, parent, there), (y[0] + y[1]) * (2 * columns - 1) + x[0] + x[1]

    seen = jnp.tile(jnp.asarray(visited.reshape(-1)), (n, 1)).at[mazes, start].set(True)
    # The first room is its own parent.
    parent = jnp.zeros(seen.shape, jnp.int32).at[mazes, start].set(start)
    steps = 2 * (rows * columns - 1)
    choices = jax.random.uniform(key, (steps, n, 4))
    return jax.lax.scan(walk, (seen, parent, start), choices)[1].T
