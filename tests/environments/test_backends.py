"""Worlds are the same on every processor, whatever is done at once there."""

import jax
import numpy as np
import pytest

from didact.environments import Restart, backends, compiler_hints, make
from didact.environments.grid import view
from didact.environments.grid.levels import room_grid

N = 24


@pytest.mark.parametrize(
    ("n", "on_cpu", "parts", "expected"),
    [(8, 16, 8, 8), (100, 16, 8, 16), (129, 16, 8, 17), (1024, 16, 8, 128), (50, 16, 1, 50)],
)
def test_groups_are_larger_on_accelerators(monkeypatch, n, on_cpu, parts, expected):
    assert backends.group_size(n, on_cpu, parts) == min(n, on_cpu)
    monkeypatch.setattr(backends, "on_accelerator", lambda: True)
    assert backends.group_size(n, on_cpu, parts) == expected


def played(name):
    environment = make(name)
    restart = Restart(environment)
    key = jax.random.key(0)

    def step(carry, key):
        keys = jax.random.split(key, 4)
        actions = jax.random.randint(keys[0], (N,), 0, environment.action_space.n)
        state, seen = environment.step(keys[1], carry, actions)
        over = jax.random.bernoulli(keys[2], 0.2, (N,))
        tasks = environment.task_space.sample(keys[3], N)
        return restart(jax.random.split(keys[3], N), tasks, over, state, seen)

    state, first = environment.reset(key, environment.task_space.sample(key, N))
    return first, jax.jit(lambda s: jax.lax.scan(step, s, jax.random.split(key, 8)))(state)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["GoTo", pytest.param("BabyAI-KeyCorridorS3R3-v0", marks=pytest.mark.slow)]
)
def test_worlds_are_the_same(name, monkeypatch):
    ours = played(name)
    for module in (backends, compiler_hints, room_grid, view):
        monkeypatch.setattr(module, "on_accelerator", lambda: True)
    jax.tree.map(np.testing.assert_array_equal, ours, played(name))
