"""The cost of teachers, and the peers that they are compared with."""

import io

import jax
import numpy as np
import pytest
from rich.console import Console

from didact.benchmarks.curricula import teacher_cost, toy_teachers
from didact.benchmarks.curricula.sequential_teachers import SequentialAlpGmm, SequentialCovarGmm
from didact.benchmarks.curricula.settings import TeacherCostConfig
from didact.common import strict_json
from didact.environments.toys import toy_grid

TINY = TeacherCostConfig(
    teachers=("uniform", "alp_gmm preset=paper"), seeds=2, episodes=2_000, repeats=1, env=""
)


@pytest.mark.slow
def test_results_are_json_and_a_table():
    result = teacher_cost.measure(TINY)
    rows = strict_json.loads(strict_json.dumps(result))["teachers"]
    assert rows["alp_gmm preset=paper"]["peer_microseconds"]["median"] > 0
    assert "ratio" not in rows["uniform"]
    console = Console(file=io.StringIO(), width=200)
    console.print(teacher_cost.table(result))
    assert "alp_gmm" in console.file.getvalue()


@pytest.mark.parametrize("label", TeacherCostConfig().teachers)
def test_teachers_can_play_the_toy_grid(label):
    space = toy_grid.task_space()
    teacher = toy_teachers.teacher_of(label, space, toy_grid.easy_space(space))

    def play(key):
        return toy_teachers.run(teacher, key, episodes=2, every=1)

    assert jax.eval_shape(play, jax.random.key(0)).shape == (2,)


@pytest.mark.slow
def test_the_learner_of_the_peers_is_that_of_the_toy_grid():
    rng = np.random.default_rng(0)
    ours, theirs = toy_grid.initial_competence(2, 10), np.zeros((10, 10))
    for _ in range(1_500):  # near the start, where cells are unlocked
        task = rng.random(2) ** 4
        ours, reward = toy_grid.visit(ours, task)
        theirs, other = teacher_cost.visit(theirs, task)
        assert float(reward) == pytest.approx(other)
    np.testing.assert_allclose(ours, theirs)
    assert theirs[1, 1] > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "published"), [(SequentialAlpGmm, 37.0), (SequentialCovarGmm, 69.0)]
)
def test_peers_master_as_many_cells_as_published(make, published):
    scores = []
    for seed in range(4):
        teacher, competence = make(2, seed), np.zeros((10, 10))
        for _ in range(20_000):
            task = teacher.propose()
            competence, reward = teacher_cost.visit(competence, task)
            teacher.observe(task, reward)
        scores.append(np.mean(competence > toy_grid.UNLOCKING) * 100)
    assert np.mean(scores) == pytest.approx(published, abs=6)
