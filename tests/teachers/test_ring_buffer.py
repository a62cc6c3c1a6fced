"""Rings of the latest episodes, and counts that never overflow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact import teachers
from didact.environments import Box, Dimension
from didact.teachers import Outcomes, propose, ring_buffer
from didact.teachers.learned.distant_tasks import DistantTasks

UNIT = Box((Dimension("x", 0, 1), Dimension("y", 0, 1)))
COUNTERS = ("count", "fitted", "trained", "updated", "written")
RING = 96
TEACHERS = {
    "alp_gmm": lambda: teachers.alp_gmm(UNIT, history=RING, fit_rate=32),
    "covar_gmm": lambda: teachers.covar_gmm(UNIT, history=RING, fit_rate=32),
    "self_paced": lambda: teachers.self_paced(UNIT, memory=RING, update_every=32),
    "setter_solver": lambda: teachers.setter_solver(UNIT, memory=RING, steps=1),
    "learnability": lambda: teachers.learnability(UNIT, memory=RING),
    "transformer": lambda: teachers.transformer(UNIT, memory=RING, train_every=32, steps=1),
    "bandit": lambda: teachers.bandit_over([teachers.uniform(UNIT)] * 2, UNIT, history=RING),
}


def counters(state):
    """Return the counters of the states of teachers, not those of their optimizers."""
    if not isinstance(state, tuple) or type(state).__module__.startswith("optax"):
        return []
    fields = getattr(state, "_fields", ())
    own = [getattr(state, name) for name in COUNTERS if name in fields]
    return own + [x for part in state for x in counters(part)]


def moved(state, by):
    """Return a state whose counters are larger."""
    if not isinstance(state, tuple) or type(state).__module__.startswith("optax"):
        return state
    if not hasattr(state, "_fields"):
        return tuple(moved(part, by) for part in state)
    return type(state)(
        *(
            value + by if name in COUNTERS else moved(value, by)
            for name, value in zip(state._fields, state, strict=True)
        )
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", TEACHERS)
def test_counts_do_not_overflow(name):
    teacher = TEACHERS[name]()
    step = jax.jit(lambda state, key: one_call(teacher, state, key))
    state = teacher.init(jax.random.key(0))
    keys = jax.random.split(jax.random.key(1), 8)
    for key in keys[:4]:
        state = step(state, key)
    later = moved(state, (ring_buffer.LARGE - 300) // RING * RING)
    assert len(counters(later)) >= 1
    for key in keys[4:]:
        state, later = step(state, key), step(later, key)
        for x, y in zip(counters(state), counters(later), strict=True):
            np.testing.assert_array_equal(x % RING, y % RING)
    differences = [max(counters(x)) - min(counters(x)) for x in (state, later)]
    assert differences[0] == differences[1]  # so fits and trainings take place as often
    assert max(counters(later)) < ring_buffer.LARGE


def test_counts_of_regions_do_not_overflow():
    teacher = teachers.riac(UNIT, max_region_size=RING)
    step = jax.jit(lambda state, key: one_call(teacher, state, key))
    state = step(teacher.init(jax.random.key(0)), jax.random.key(1))
    size = state.outcomes.shape[1]
    later = moved(state, (ring_buffer.LARGE - 100) // size * size)
    for seed in range(2, 5):
        state, later = (step(x, jax.random.key(seed)) for x in (state, later))
    assert later.written[0] < ring_buffer.LARGE
    assert (later.written[0] - state.written[0]) % size == 0
    np.testing.assert_array_equal(state.held[0], later.held[0])


def test_counts_of_distant_tasks_do_not_overflow():
    points = jax.random.uniform(jax.random.key(0), (20, 2))
    tasks = DistantTasks.empty(12, 2).add(points[:6], jnp.ones(6, bool), 0.0)
    later = tasks._replace(count=tasks.count + ring_buffer.LARGE // 12 * 12)
    added = [x.add(points[6:], jnp.ones(14, bool), 0.0) for x in (tasks, later)]
    np.testing.assert_array_equal(added[0].tasks, added[1].tasks)
    assert added[1].known == 12
    assert added[1].count < ring_buffer.LARGE


def one_call(teacher, state, key):
    propose_key, key = jax.random.split(key)
    proposals, state = propose(teacher, state, propose_key, 64)
    success = (proposals.tasks.sum(axis=1) < jax.random.uniform(key, (64,))).astype(jnp.float32)
    one = jnp.ones(64)
    return teacher.observe(state, proposals, Outcomes(success, success, one, one, {}))
