"""Moving Targets beside a walk by hand, and laws that hold in every step."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import SettingError
from didact.environments.toys.moving_targets import APPEARANCES, KINDS, PROPOSITIONS, MovingTargets

N, STEPS = 16, 60


def walk(drift, seed=0):
    world = MovingTargets(max_steps=STEPS)
    step = jax.jit(world.step)
    state, seen = world.reset(jax.random.key(seed), jnp.full((N, 1), drift))
    rows = [(None, state, seen)]
    for t in range(STEPS):
        action = jax.random.randint(jax.random.key(100 + t), (N,), 0, 4)
        state, seen = step(jax.random.key(200 + t), state, action)
        rows.append((np.asarray(action), state, seen))
    return world, rows


@pytest.mark.parametrize("drift", [0.0, 0.2])
def test_steps_are_those_of_a_walk_by_hand(drift):
    world, rows = walk(drift)
    size = world.size
    sides = {"right": (1, 0), "down": (0, 1), "left": (-1, 0), "up": (0, -1)}
    moved = touched = 0
    for (_, before, _), (action, after, seen) in itertools.pairwise(rows):
        for i in range(N):
            dx, dy = sides[world.action_space.names[action[i]]]
            y, x = divmod(int(before.agent[i]), size)
            y, x = (y + dy) % size, (x + dx) % size
            assert int(after.agent[i]) == y * size + x
            held = {p for p, holds in zip(PROPOSITIONS, seen.labels[i], strict=True) if holds}
            there = np.flatnonzero(after.touched[i])
            assert held == {name for k in there for name in KINDS[k]}
            assert len(there) <= 1
            touched += len(there)
            for k, (one, two) in enumerate(zip(before.things[i], after.things[i], strict=True)):
                if k in there:
                    continue
                (y1, x1), (y2, x2) = divmod(int(one), size), divmod(int(two), size)
                far = [min(abs(a - b), size - abs(a - b)) for a, b in ((y1, y2), (x1, x2))]
                assert sum(far) <= (1 if drift else 0)
                moved += sum(far)
    assert touched > 15
    assert (moved > 250) == (drift > 0)


def test_no_two_things_share_a_place_and_none_is_where_the_agent_is():
    _, rows = walk(0.2, seed=1)
    for _, state, _ in rows:
        places = np.concatenate([state.agent[:, None], state.things], 1)
        assert all(len(set(row.tolist())) == 1 + len(KINDS) for row in places)


def test_the_image_is_the_torus_around_the_agent():
    world, rows = walk(0.1)
    for _, state, seen in rows[::20]:
        for i in range(N):
            flat = np.full(world.size**2, 1, np.uint8)
            flat[np.asarray(state.things[i])] = APPEARANCES
            y, x = divmod(int(state.agent[i]), world.size)
            torus = np.roll(flat.reshape(world.size, -1), (4 - y, 4 - x), (0, 1))
            np.testing.assert_array_equal(seen.observation["image"][i], torus)
    drawn = world.map(state, 3)
    agent = int(state.agent[3])
    np.testing.assert_array_equal(drawn.observation["image"][agent], seen.observation["image"][3])
    assert sum(mark != "" for mark in drawn.marks) == len(KINDS)


def test_things_that_were_touched_appear_anywhere():
    world, rows = walk(0.0, seed=2)
    new = [
        int(after.things[i, k])
        for _, after, _ in rows[1:]
        for i, k in zip(*np.nonzero(after.touched), strict=True)
    ]
    counts, _ = np.histogram(new, bins=3, range=(0, world.size**2))
    assert len(new) > 20
    assert counts.min() > 0


def test_bad_settings_are_refused():
    for size in (3, 8):
        with pytest.raises(SettingError, match=f"size is {size}"):
            MovingTargets(size)
