"""PAIRED and minimax: regrets by hand, and where their proposals go."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact import teachers
from didact.environments import Box, Dimension, SettingError
from didact.teachers import Outcomes, Proposals
from didact.teachers.adversary.regrets import REGRETS

pytestmark = pytest.mark.slow

UNIT = Box((Dimension("x", 0, 1), Dimension("y", 0, 1)))
SMALL = {"steps": 2, "batch": 64, "critic_steps": 4, "memory": 600, "width": 8, "layers": 1}
SMALL["heads"] = 2


def test_regrets_by_hand():
    best = jnp.array([[1.0, 3.0, 2.0], [5.0, 1.0, 1.5], [0.0, 0.0, 0.0]])
    mean = jnp.array([[0.5, 2.0, 1.0], [4.0, 1.0, 0.5], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(REGRETS["regret"](best, mean), [2.5, 0, 0])
    expected = [3 - 3.5 / 3, 5 - 5.5 / 3, 0]
    np.testing.assert_allclose(REGRETS["population_regret"](best, mean), expected, rtol=1e-6)


def peak(tasks):
    return 40 * jnp.maximum(1 - 4 * jnp.abs(tasks[:, 0] - 0.7), 0)


def followed(teacher, score, returns, regret=peak):
    """Teaches a made-up student; the proposals at the end."""
    propose = jax.jit(teacher.propose, static_argnums=2)
    observe = jax.jit(teacher.observe)
    state = jax.jit(teacher.init)(jax.random.key(0))
    for step in range(30):
        tasks, state = propose(state, jax.random.key(step), 200)
        one = jnp.ones(200)
        scores = {score: regret(tasks)} if score else {}
        rows = Outcomes(returns(tasks), one * 0, one, one, scores)
        state = observe(state, Proposals.of(tasks), rows)
    return np.asarray(propose(state, jax.random.key(99), 1000)[0])


@pytest.mark.parametrize("kind", ["relative", "population"])
def test_paired_goes_where_its_regret_is_high(kind):
    teacher = teachers.paired(UNIT, regret=kind, antagonists=2, temperature=0.1, **SMALL)
    assert teacher.students == 3
    score = {"relative": "regret", "population": "population_regret"}[kind]
    tasks = followed(teacher, score, lambda tasks: tasks[:, 1])
    assert np.mean(np.abs(tasks[:, 0] - 0.7) < 0.2) > 0.55


def test_paired_goes_to_the_frontier_of_two_students():
    """Not to what both of them master, nor to what neither does."""

    def returns(tasks):
        return (tasks[:, 1:] < jnp.array([0.35, 0.6])).astype(jnp.float32)

    def regret(tasks):
        return REGRETS["regret"](returns(tasks), returns(tasks))

    teacher = teachers.paired(UNIT, temperature=0.1, **SMALL)
    tasks = followed(teacher, "regret", lambda tasks: returns(tasks)[:, 0], regret)
    assert np.mean((tasks[:, 1] > 0.3) & (tasks[:, 1] < 0.65)) > 0.7  # uniform: 0.35
    assert np.mean(tasks[:, 1] < 0.3) < 0.2


def test_minimax_goes_where_returns_are_low():
    """Whatever their scale and sign, and also where nearly all of them are low."""
    teacher = teachers.minimax(UNIT, temperature=0.1, **SMALL)
    assert teacher.students == 1
    tasks = followed(teacher, None, lambda tasks: -300 + 50 * (tasks[:, 1] < 0.6))
    assert np.mean(tasks[:, 1] > 0.6) > 0.7
    tasks = followed(teacher, None, lambda tasks: 1.0 * (tasks[:, 1] < 0.05))
    assert np.mean(tasks[:, 1] < 0.05) < 0.04


def test_regrets_are_needed():
    teacher, one = teachers.paired(UNIT, **SMALL), jnp.ones(4)
    state = teacher.init(jax.random.key(0))
    with pytest.raises(SettingError, match=r"^score is 'regret', but must be "):
        teacher.observe(state, Proposals.of(jnp.zeros((4, 2))), Outcomes(one, one, one, one, {}))


@pytest.mark.parametrize("bad", [{"regret": "none"}, {"antagonists": 0}, {"temperature": 0.0}])
def test_bad_settings_are_named(bad):
    (name,) = bad
    with pytest.raises(SettingError, match=f"^{name} is .*, but must be .*\\.$"):
        teachers.paired(UNIT, **bad)
