"""Numbers of creatures between those of the original game, on grassland without any."""

import jax.numpy as jnp
import numpy as np
import pytest
from crafting_states import added, grassland

from didact.environments.crafting import layout
from didact.environments.crafting.rules import balance

N, NOON, MIDNIGHT = 200, 60, 210
AREAS = balance.AREAS


def after(state, phase, **density):
    """Return the numbers of each kind of creature in the first chunk, int[N, 6], after a balance
    in which everything that can happen happens."""
    rng = np.random.default_rng(0)
    kinds = [density.get(name, 0.0) for name in ("zombies", "skeletons", "cows")]
    draws = balance.Draws(
        happens=jnp.zeros((N, 3, AREAS)),
        place=jnp.asarray(rng.random((N, 3, AREAS)), jnp.float32),
        rounding=jnp.asarray(rng.random((N, 3, AREAS)), jnp.float32),
        victim=jnp.asarray(rng.random((N, layout.MAX_OBJECTS)), jnp.float32),
    )
    first = jnp.zeros((1, N), jnp.int32)  # only the first chunk is known
    found = balance.balance(
        state.material, state.objects, balance.chunk_bits(first), state.position,
        jnp.full(N, phase), jnp.tile(jnp.float32(kinds), (N, 1)), draws,
    )  # fmt: skip
    kind = np.asarray(layout.unpack(found.objects).kind)
    return np.stack([(kind == number).sum(1) for number in range(6)], 1)


@pytest.mark.parametrize("cows", [0, 0.25, 0.8, 0.99, 1])
def test_fewer_cows_appear_less_often(cows):
    appeared = after(grassland(N), NOON, cows=cows)[:, layout.COW].mean()
    assert abs(appeared - cows) < 0.12
    assert appeared < 1 or cows == 1


@pytest.mark.parametrize(("cows", "gone"), [(0.5, 1), (0.75, 0.5), (1, 0)])
def test_maxima_are_proportional(cows, gone):
    """By day, the original's is two cows in each chunk."""
    state = added(added(grassland(N), layout.COW, 0), layout.COW, 5)
    left = after(state, NOON, cows=cows)[:, layout.COW].mean()
    assert abs(2 - left - gone) < 0.12


@pytest.mark.parametrize("zombies", [1, 1.5, 2, 3])
def test_no_zombie_appears_at_noon(zombies):
    assert (after(grassland(N), NOON, zombies=zombies)[:, layout.ZOMBIE] == 0).all()
    assert (after(grassland(N), MIDNIGHT, zombies=zombies)[:, layout.ZOMBIE] == 1).all()
