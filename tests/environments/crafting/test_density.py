"""Numbers of creatures between those of the original game, on grassland without any."""

import jax.numpy as jnp
import numpy as np
import pytest
from crafting_states import added, grassland

from didact.environments.crafting import layout
from didact.environments.crafting.rules import balance

pytestmark = pytest.mark.slow

N, NOON, MIDNIGHT = 200, 60, 210
AREAS = balance.AREAS


def after(state, phase, chunks=None, **density):
    """Return the kinds and cells of the objects after a balance in which all happens that can.

    Only the first chunk is balanced, unless `chunks` are given.
    """
    rng = np.random.default_rng(0)
    kinds = [density.get(name, 0.0) for name in ("zombies", "skeletons", "cows")]
    draws = balance.Draws(
        happens=jnp.zeros((N, 3, AREAS)),
        place=jnp.asarray(rng.random((N, 3, AREAS)), jnp.float32),
        rounding=jnp.asarray(rng.random((N, 3, AREAS)), jnp.float32),
        victim=jnp.asarray(rng.random((N, layout.MAX_OBJECTS)), jnp.float32),
    )
    if chunks is None:
        chunks = balance.chunk_bits(jnp.zeros((1, N), jnp.int32))
    found = balance.balance(
        state.material, state.objects, chunks, state.position, jnp.full(N, phase),
        jnp.tile(jnp.float32(kinds), (N, 1)), draws,
    )  # fmt: skip
    fields = layout.unpack(found.objects)
    return np.asarray(fields.kind), np.asarray(fields.cell)


def number(of, *arguments, **density):
    """Return the number of creatures of a kind, int[N]; see `after`."""
    return (after(*arguments, **density)[0] == of).sum(1)


@pytest.mark.parametrize("cows", [0, 0.25, 0.8, 0.99, 1])
def test_fewer_cows_appear_less_often(cows):
    appeared = number(layout.COW, grassland(N), NOON, cows=cows).mean()
    assert abs(appeared - cows) < 0.12
    assert appeared < 1 or cows == 1


@pytest.mark.parametrize(("cows", "gone"), [(0.5, 1), (0.75, 0.5), (1, 0)])
def test_maxima_are_proportional(cows, gone):
    """By day, the original's is two cows in each chunk."""
    state = added(added(grassland(N), layout.COW, 0), layout.COW, 5)
    left = number(layout.COW, state, NOON, cows=cows).mean()
    assert abs(2 - left - gone) < 0.12


@pytest.mark.parametrize("zombies", [1, 1.5, 2, 3])
def test_no_zombie_appears_at_noon(zombies):
    assert (number(layout.ZOMBIE, grassland(N), NOON, zombies=zombies) == 0).all()
    assert (number(layout.ZOMBIE, grassland(N), MIDNIGHT, zombies=zombies) == 1).all()


def test_crowds_leave_room_for_plants():
    """Where there is room for 24 of 36 new zombies, about as many appear, everywhere."""
    cells = np.arange(200) * 3 + layout.SIDE * 52  # in the lower chunks
    things = layout.pack(*np.broadcast_arrays(np.int32(layout.PLANT), cells.astype(np.int32), 1, 0))
    state = grassland(N)
    state = state._replace(
        objects=state.objects.at[:, :200].set(things.astype(np.int32)),
        num_slots=jnp.full(N, 200, jnp.int32),
    )
    every = jnp.arange(0, layout.CELLS, layout.CHUNK, dtype=jnp.int32)[:, None]
    chunks = jnp.tile(balance.chunk_bits(every), (N, 1))
    kind, cell = after(state, MIDNIGHT, zombies=1, chunks=chunks)
    new = kind == layout.ZOMBIE
    assert abs(new.sum(1).mean() - (layout.MOST_CREATURES - 200)) < 1
    assert (kind == layout.PLANT).sum(1).min() == 200
    x, y = cell[new] % layout.SIDE, cell[new] // layout.SIDE
    assert abs((x < layout.SIDE // 2).mean() - 0.5) < 0.1
    assert abs((y < layout.SIDE // 2).mean() - 0.5) < 0.1
