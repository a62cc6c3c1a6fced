"""The benchmark on the toy grid, with few episodes."""

import dataclasses
import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from didact import teachers
from didact.benchmarks.curricula import toy_teachers
from didact.benchmarks.curricula.settings import ToyConfig
from didact.benchmarks.registry import BENCHMARKS
from didact.common import strict_json
from didact.environments import SettingError
from didact.environments.toys import toy_grid
from didact.teachers import Teacher
from didact.teachers.presets import PRESETS

SMALL = ToyConfig(teachers=("paced episodes=100", "uniform"), seeds=3, episodes=400, every=200)


@pytest.fixture(scope="module")
def result():
    return toy_teachers.compare(SMALL)


def test_results_are_json_and_a_table(result):
    assert strict_json.loads(strict_json.dumps(result))["settings"]["episodes"] == 400
    for row in result["teachers"].values():
        assert np.shape(row["scores"]) == (3, 2)
        assert row["episodes"] == [200, 400]
        assert row["published"] is None
        low, high = row["final_interval"]
        assert low <= np.mean(row["final"]) <= high
    assert result["teachers"]["uniform"]["final_p"] == 1
    console = Console(file=io.StringIO(), width=200)
    console.print(toy_teachers.table(result))
    assert "paced episodes=100" in console.file.getvalue()


def test_published_figures_belong_to_presets_and_settings():
    for name, preset, _ in toy_teachers.PUBLISHED:
        assert not preset or preset in PRESETS[name]
    found = toy_teachers._published
    assert found(ToyConfig(), "riac preset=tma_class") == (47.0, 2.2)
    assert found(ToyConfig(useless=5), "uniform") == (4.0, 0.4)
    assert found(ToyConfig(batch=2), "uniform") is None
    assert found(ToyConfig(), "riac") is None


def fixed(place):
    """Proposes one task only."""

    def propose(state, key, n):
        return jnp.tile(jnp.asarray(place, jnp.float32), (n, 1)), state

    return Teacher(lambda key: (), propose, lambda state, proposals, outcomes: state)


@pytest.mark.parametrize(
    ("place", "settings", "score"),
    [
        ((0.04, 0.04), {}, 1),
        ((0.06, 0.04), {}, 1),
        ((0.06, 0.04), {"infeasible": 0.5}, 0),  # another cell, if cells have half the width
        ((0.04, 0.04), {"infeasible": 0.97}, 0),
        ((0.04, 0.04), {"batch": 40, "simultaneous": True}, 1),
    ],
)
def test_part_of_the_space_may_be_infeasible(place, settings, score):
    scores = toy_teachers.run(fixed(place), jax.random.key(0), episodes=80, every=80, **settings)
    assert float(scores[0]) == score


def test_simultaneous_episodes_have_the_competence_before_the_batch():
    seen = []

    def observe(state, proposals, outcomes):
        return outcomes.returns

    teacher = fixed((0.0, 0.0))._replace(init=lambda key: jnp.zeros(5), observe=observe)
    for simultaneous in (False, True):
        inspected = teacher._replace(
            propose=lambda state, key, n: (
                jax.debug.callback(seen.append, state),
                teacher.propose(state, key, n),
            )[1]
        )
        toy_teachers.run(
            inspected, jax.random.key(0), episodes=10, every=10, batch=5, simultaneous=simultaneous
        )
    jax.effects_barrier()
    np.testing.assert_allclose(seen[1], [0.01, 0.02, 0.03, 0.04, 0.05])
    np.testing.assert_allclose(seen[3], [0.01] * 5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"teachers": ()}, "--teachers is"),
        ({"teachers": ("uniform", "uniform")}, "--teachers is"),
        ({"teachers": ("nobody",)}, "teacher is 'nobody'"),
        ({"teachers": ("",)}, "teacher is ''"),
        ({"teachers": ("alp_gmm preset=best",)}, "preset is 'best'"),
        ({"teachers": ("alp_gmm fit_rate=0",)}, "fit_rate is 0"),
        ({"every": 300}, "--every is 300"),
        ({"seeds": 1}, "--seeds is 1"),
        ({"infeasible": 1.0}, "--infeasible is 1.0"),
    ],
)
def test_bad_settings_are_named(changes, words):
    with pytest.raises(SettingError, match=words):
        toy_teachers.compare(dataclasses.replace(SMALL, **changes))


def test_is_registered():
    assert BENCHMARKS["toy"].config is ToyConfig
    space = toy_grid.task_space(2, 1)
    easy = toy_grid.easy_space(space)
    for entry in teachers.registered():
        try:
            made = toy_teachers.teacher_of(entry.name, space, easy)
        except SettingError as error:  # teachers of other spaces, or of other teachers
            made = error.setting in ("space", "instructions", "tasks")
        assert made
