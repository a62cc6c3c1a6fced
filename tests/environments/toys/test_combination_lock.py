"""The combination lock, against the rules in words."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact import environments
from didact.environments import SettingError
from didact.environments.testing import check
from didact.environments.toys import CombinationLock


def test_it_is_an_environment():
    check(CombinationLock(dials=4, ways=3))


def played(env, task, actions):
    """Play one lock: (rewards, success, number of the dial) of each step until the end."""
    state, seen = env.reset(jax.random.key(0), jnp.array([task], jnp.float32))
    rows = []
    for action in actions:
        state, seen = env.step(jax.random.key(0), state, jnp.array([action]))
        rows.append(
            (float(seen.reward[0]), bool(seen.success[0]), int(seen.observation["dial"][0]))
        )
        if bool(seen.done[0]):
            return rows
    return [*rows, "open end"]


def test_only_the_right_ways_open_it():
    env = environments.make("CombinationLock", dials=5, ways=3)
    right = [int(x) for x in env.right]
    assert played(env, (3, 0), right[:3]) == [(0, False, 1), (0, False, 2), (1, True, 3)]
    assert played(env, (3, 0.5), right[:3])[-1] == (1, True, 3)
    assert played(env, (3, 0.51), right[:3])[-1] == (0, False, 3)  # jammed
    wrong = [right[0], (right[1] + 1) % 3]
    assert played(env, (3, 0), wrong) == [(0, False, 1), (0, False, 1)]
    assert played(env, (5, 0), right[:4])[-1] == "open end"
    # All locks have the same right ways.
    assert environments.make("CombinationLock", dials=3, ways=3).right.tolist() == right[:4]


def test_random_success_is_known():
    env = CombinationLock(dials=3, ways=2)
    n = 4000
    tasks = jnp.tile(jnp.array([[2.0, 0.0]]), (n, 1))
    state, _ = env.reset(jax.random.key(0), tasks)
    opened = np.zeros(n, bool)
    over = np.zeros(n, bool)
    for step in range(2):
        actions = jax.random.randint(jax.random.key(step), (n,), 0, 2)
        state, seen = env.step(jax.random.key(0), state, actions)
        opened |= np.asarray(seen.success) & ~over
        over |= np.asarray(seen.done)
    assert over.all()
    assert opened.mean() == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("bad", [{"dials": 0}, {"ways": 1}])
def test_bad_settings_are_named(bad):
    (name,) = bad
    with pytest.raises(SettingError, match=f"^{name} is"):
        environments.make("CombinationLock", **bad)
