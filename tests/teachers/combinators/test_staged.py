"""Stages from easy to hard."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact import teachers
from didact.environments import Box, Dimension, SettingError
from didact.teachers import Outcomes, propose, testing

SPACE = Box((Dimension("x", 0, 10), Dimension("n", 1, 4, integer=True)))
STAGES = [SPACE.restricted(x=(0, 1)), SPACE.restricted(x=(1, 5)), SPACE]


def test_it_keeps_the_promises_of_a_teacher():
    testing.check(lambda space: teachers.staged([space.restricted(x=(0, 1)), space]), SPACE)


def played(success, rounds, n=50, **settings):
    """The stages after each round, and the tasks of the last one."""
    teacher = teachers.staged(STAGES, **settings)
    state, stages, proposals = teacher.init(jax.random.key(0)), [], None
    step = jax.jit(functools.partial(propose, teacher), static_argnums=2)
    for i in range(rounds):
        proposals, state = step(state, jax.random.key(i), n)
        wins = success(np.asarray(proposals.tasks)).astype(np.float32)
        outcomes = Outcomes(wins, wins, jnp.ones(n), jnp.ones(n), {})
        state = teacher.observe(state, proposals, outcomes)
        stages.append(int(state.stage))
    return stages, proposals, teacher, state


def test_stages_that_are_mastered_end():
    stages, proposals, teacher, state = played(lambda tasks: tasks[:, 0] < 5, 40)
    assert stages[0] == stages[1] == 0  # fewer than 150 episodes
    assert stages[2] == 1
    assert stages[-1] == 2
    tasks, tag = np.asarray(proposals.tasks), np.asarray(proposals.tag)
    for number, stage in enumerate(STAGES):
        assert np.all(np.asarray(stage.contains(tasks))[tag == number])
    assert 0 < np.mean(tag < 2) < 0.5
    np.testing.assert_allclose(teacher.picture(state)["arms"], [0.1, 0.1, 0.8], atol=1e-6)


def test_a_stage_without_success_lasts():
    stages, _, _, _ = played(lambda tasks: tasks[:, 0] < 0, 10)
    assert stages == [0] * 10


def test_episodes_of_earlier_stages_do_not_count():
    """The second stage fails, though a fifth of its episodes are of the first and succeed."""
    stages, _, _, _ = played(lambda tasks: tasks[:, 0] < 1, 60, replay=0.9, until=0.5)
    assert max(stages) == 1


@pytest.mark.parametrize(
    ("stages", "settings", "message"),
    [
        ([], {}, "stages"),
        (STAGES, {"until": 2}, "until is 2"),
        (STAGES, {"replay": -1}, "replay is -1"),
        (STAGES, {"horizon": 1}, "horizon is 1"),
        (STAGES, {"minimum": 0}, "minimum is 0"),
    ],
)
def test_bad_settings(stages, settings, message):
    with pytest.raises(SettingError, match=message):
        teachers.staged(stages, **settings)
