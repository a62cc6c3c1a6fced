"""Doors are added one after another until all rooms are connected, as networkx sees it."""

import itertools

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest

from didact.environments.grid.levels import room_grid
from didact.environments.grid.levels.room_grid import Layout, Rooms

LAYOUTS = [Layout(6, 3, 3), Layout(7, 1, 2), Layout(5, 2, 3), Layout(6, 1, 4)]


def added(layout, rows, columns, order, allowed):
    """One door after another; and whether all rooms are connected."""

    def there(room):
        return room // layout.columns < rows and room % layout.columns < columns

    graph = nx.Graph()
    graph.add_nodes_from(room for room in range(layout.rooms) if there(room))
    used = np.zeros(len(layout.edges), bool)
    for edge in np.argsort(order, kind="stable"):
        if nx.is_connected(graph):
            break
        ends = tuple(map(int, layout.edges[edge]))
        if allowed[edge] and all(map(there, ends)):
            graph.add_edge(*ends)
            used[edge] = True
    return used, nx.is_connected(graph)


@pytest.mark.parametrize("accelerated", [False, True], ids=["on a CPU", "on an accelerator"])
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_doors_are_added_until_all_rooms_are_connected(layout, accelerated, monkeypatch):
    monkeypatch.setattr(room_grid, "on_accelerator", lambda: accelerated)
    rng = np.random.default_rng(0)
    for rows, columns in itertools.product(range(1, layout.rows + 1), range(1, layout.columns + 1)):
        rooms = Rooms(*(jnp.int32(v) for v in (layout.room_size, rows, columns)))
        orders = rng.random((64, len(layout.edges)), np.float32)
        orders[rng.random(orders.shape) < 0.2] = -1  # those that come first, whatever is drawn
        allowed = rng.random(orders.shape) < rng.choice([0.5, 0.9, 1.0], (64, 1))
        connect = jax.jit(
            jax.vmap(lambda o, a, rooms=rooms: room_grid.connect(layout, rooms, o, a))
        )
        used, good = connect(orders, allowed)
        pairs = list(zip(orders, allowed, strict=True))
        expected = [added(layout, rows, columns, *pair) for pair in pairs]
        np.testing.assert_array_equal(good, [connected for _, connected in expected])
        np.testing.assert_array_equal(used, [doors for doors, _ in expected])
