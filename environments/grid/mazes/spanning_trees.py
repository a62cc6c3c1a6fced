"""Random spanning trees of a grid of rooms: the passages of perfect mazes."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32, PRNGKeyArray

from didact.environments.random_draws import uniform_index


def passages(
    key: PRNGKeyArray, n: int, rows: int, columns: int, depth_first: bool
) -> Int32[Array, "n p"]:
    """The cells to open so that each two rooms are joined by one way, in n mazes.

    Rooms lie in the even rows and columns of a map of (2 * rows - 1) x (2 * columns - 1) cells,
    passages between them; a cell of a room may be given, too.

    Args:
        depth_first: as `samplers.Perfect` has it.
    """
    if rows * columns == 1:
        return jnp.zeros((n, 1), jnp.int32)
    carve = _depth_first if depth_first else _kruskal
    return carve(key, n, rows, columns)


def _kruskal(key: PRNGKeyArray, n: int, rows: int, columns: int) -> Int32[Array, "n p"]:
    """Kruskal's algorithm over passages in random order.

    That gives the spanning tree of least weight if weights are random, and so does Prim's
    algorithm, which grows one tree and has as many equal steps as there are rooms.
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
    """A random walk into rooms it has not been in, which turns back where there are none."""
    # Rooms have a border of rooms that count as visited.
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
    # The way back from the first room leads nowhere.
    parent = jnp.zeros(seen.shape, jnp.int32).at[mazes, start].set(start)
    steps = 2 * (rows * columns - 1)
    choices = jax.random.uniform(key, (steps, n, 4))
    return jax.lax.scan(walk, (seen, parent, start), choices)[1].T
