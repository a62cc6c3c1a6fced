"""Jobs of suites: the loop of a training, what teachers are given, and how students are tested."""

import jax
import pytest

from didact.benchmarks.suites import jobs, suite_files
from didact.environments import SettingError

CELLS = """
description: Cells
train:
  env: ToyGrid
  num_envs: 8
  rollout_length: 4
  warm_up: 0
  ppo: {num_minibatches: 1, network: {memory: 0, hidden: 8}}
stages: [{x0: [0, 0.1]}, {}]
tests: {all: {count: 6}}
budgets:
  small: {steps: 256, seeds: 2, teachers: [uniform]}
"""
WORDS = """
description: Words
train: {env: GoTo, num_envs: 16, rollout_length: 4, chunk: 1, warm_up: 0, MORE}
tests: {all: {count: 4}}
budgets:
  small: {steps: 64, seeds: 2, teachers: [uniform]}
"""


@pytest.fixture
def suite(tmp_path):
    def read(text):
        path = tmp_path / "own.yaml"
        path.write_text(text)
        return suite_files.read_suite(str(path))

    return read


@pytest.mark.parametrize("more", ["hindsight: 0.1", "experts: [solver], student: distill"])
def test_students_with_privileged_observations(suite, more):
    loop = jobs.loop_of(jobs.Job(suite(WORDS.replace("MORE", more)), "alp_gmm", 64, 1))
    key = jax.random.key(0)
    assert jax.eval_shape(lambda key: loop._init(key, loop.team.init(key)), key)


def test_a_proposer_does_not_fit_a_shuffled_space(suite):
    rugged = suite(CELLS + "profile: {shuffle: {cells: 2}}\n")
    with pytest.raises(SettingError, match="this suite shuffles the task space"):
        jobs.loop_of(jobs.Job(rugged, "pool:scripted", 256, 2))
    jobs.loop_of(jobs.Job(suite(CELLS), "pool:scripted", 256, 2))
