"""Teachers by name, and what every registered teacher keeps to."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact import teachers
from didact.environments import Box, Dimension, SettingError
from didact.teachers import Outcomes

SPACE = Box((Dimension("x", -1, 3), Dimension("n", 0, 2, integer=True), Dimension("c", 5, 5)))
NAMES = [entry.name for entry in teachers.registered()]


@pytest.mark.parametrize("name", NAMES)
def test_every_teacher_keeps_its_promises(name):
    """Jits, keeps the structure of its state, proposes inside the box, repeats with its keys."""
    teacher = teachers.make(name, SPACE)
    propose = jax.jit(teacher.propose, static_argnums=2)
    observe = jax.jit(teacher.observe)

    def life():
        state = jax.jit(teacher.init)(jax.random.key(0))
        seen = []
        for step in range(3):
            tasks, state = propose(state, jax.random.key(step), 400)
            assert tasks.shape == (400, 3)
            assert tasks.dtype == jnp.float32
            assert np.all(SPACE.contains(tasks))
            rows = Outcomes(tasks[:, 0] / 4, tasks[:, 0] > 0, *jnp.ones((2, 400)), {})
            after = observe(state, tasks, rows)
            for old, new in zip(jax.tree.leaves(state), jax.tree.leaves(after), strict=True):
                assert (old.shape, old.dtype) == (new.shape, new.dtype)
            assert jax.tree.structure(state) == jax.tree.structure(after)
            state = after
            seen.append(np.asarray(tasks))
        assert not np.array_equal(seen[0], seen[1])
        return np.stack(seen)

    np.testing.assert_array_equal(life(), life())


def test_uniform_is_uniform():
    teacher = teachers.uniform(SPACE)
    tasks, _ = teacher.propose(teacher.init(jax.random.key(0)), jax.random.key(1), 30_000)
    counts = np.histogram2d(*np.asarray(tasks)[:, :2].T, bins=[4, 3])[0]
    assert np.all(np.abs(counts - 2500) < 250)
    assert np.all(np.asarray(tasks)[:, 2] == 5)


def test_every_entry_describes_itself():
    assert {"uniform", "alp_gmm"} <= set(NAMES)
    for entry in teachers.registered():
        assert entry.description
        assert "\n" not in entry.description


def test_an_unknown_name_is_told_with_its_neighbours():
    with pytest.raises(SettingError, match=r"teacher is 'alp_gm', but must be .*alp_gmm"):
        teachers.make("alp_gm", SPACE)


def test_settings_reach_the_teacher():
    with pytest.raises(SettingError, match=r"setting of alp_gmm is 'fit_every', .* fit_rate"):
        teachers.make("alp_gmm", SPACE, fit_every=3)
    with pytest.raises(SettingError, match=r"fit_rate is 'lots', but must be a whole number"):
        teachers.make("alp_gmm", SPACE, fit_rate="lots")
    with pytest.raises(SettingError, match="fit_rate"):
        teachers.make("alp_gmm", SPACE, fit_rate=0)
    with pytest.raises(SettingError, match="this teacher has no settings"):
        teachers.make("uniform", SPACE, fit_rate=3)


def test_a_name_is_registered_once():
    with pytest.raises(SettingError, match="not registered yet"):
        teachers.register("uniform", teachers.uniform, "again")
