"""Jobs of suites: the loop of a training, what teachers are given, and how students are tested."""

import dataclasses

import jax
import numpy as np
import pytest

from didact.benchmarks.curricula.settings import CurriculumConfig
from didact.benchmarks.suites import comparison, jobs, suite_files
from didact.environments import SettingError
from didact.experiments.runs.transcripts import TRANSCRIPT
from didact.teachers import propose
from didact.teachers.language.proposer import Reply
from didact.teachers.language.transcript import Exchange, Transcript, exchanges
from didact.teachers.pool import PoolState

CELLS = """
description: Cells
train:
  env: ToyGrid
  num_envs: 8
  rollout_length: 4
  ppo: {num_minibatches: 1, network: {memory: 0, hidden: 8}}
stages: [{x0: [0, 0.1]}, {}]
tests: {all: {count: 6}}
budgets:
  small: {steps: 256, seeds: 2, teachers: [uniform]}
"""
WORDS = """
description: Words
train: {env: GoTo, num_envs: 16, rollout_length: 4, chunk: 1, MORE}
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


@pytest.mark.parametrize("knowledge", ["high", "none"])
def test_a_pool_has_no_warm_up(suite, knowledge):
    words = suite(WORDS.replace("MORE", "tasks: [rows=1]")).with_knowledge(knowledge)
    assert words.usual_easy is not None
    loop = jobs.loop_of(jobs.Job(words, "pool:scripted", 64, 1))
    assert isinstance(jax.eval_shape(loop.teacher.init, jax.random.key(0)), PoolState)


def exchange(calls, proposer):
    return Exchange(came=calls, proposer=proposer, reply=Reply("{}", model="m"))


def test_an_attempt_that_was_interrupted_costs_no_budget(tmp_path):
    assert jobs._set_aside(tmp_path / "missing") == 0
    for calls in (2, 5):  # of two interrupted attempts
        transcript = Transcript(tmp_path / TRANSCRIPT, 0)
        assert (transcript.exchanges, transcript.dropped) == ([], [])
        for number in range(calls - len(exchanges(tmp_path / jobs.LOST))):
            transcript.add(exchange(number, "p"))
        assert jobs._set_aside(tmp_path) == calls
    assert not (tmp_path / TRANSCRIPT).exists()


@pytest.mark.parametrize("label", ["adr", "growing_box", "paced", "warm-up uniform"])
def test_first_proposals_in_a_rugged_space_are_easy_when_they_are_played(label):
    suite = suite_files.read_suite("tracks_rugged")
    teacher = jobs.teacher_of(label, suite)
    proposals, _ = propose(teacher, teacher.init(jax.random.key(0)), jax.random.key(1), 512)
    height, spacing = np.asarray(proposals.tasks).T
    assert height.max() <= 0.31
    assert spacing.min() >= 3.99


def fingerprint(text, suite, label):
    job = jobs.Job(suite(text), label, 256, 2)
    return comparison.fingerprint(job), job.file


@pytest.mark.parametrize(
    ("change", "label", "others"),
    [
        (("x0: [0, 0.1]", "x0: [0, 0.2]"), "staged", "uniform"),
        (("stages:", "easy: {x0: [0, 0.3]}\nstages:"), "warm-up uniform", "uniform"),
        (("stages:", "easy: {x0: [0, 0.3]}\nstages:"), "paced", "staged"),
        (("stages:", "worst: {episodes: 3}\nstages:"), "uniform", None),
        (("stages:", "greedy: true\nstages:"), "uniform", None),
    ],
)
def test_results_depend_on_all_parts_of_a_suite(suite, change, label, others):
    text = CELLS.replace(*change)
    (before, file), (after, other) = (fingerprint(x, suite, label) for x in (CELLS, text))
    assert before != after
    assert file != other
    assert comparison.digest_of_training(jobs.Job(suite(CELLS), label, 256, 2))
    if others:  # its results do not depend on that part
        assert fingerprint(CELLS, suite, others) == fingerprint(text, suite, others)


@pytest.mark.parametrize(
    "part",
    [
        "profile: {resets: [0.5]}",
        "profile: {shuffle: {cells: 2}}",
        "profile: {students: {wide: {ppo: {network: {hidden: 16}}}}}",
        "worst: {episodes: 3}",
        "greedy: true",
    ],
)
def test_results_with_a_part_are_not_those_without_it(suite, part, tmp_path):
    def job(text):
        return jobs.Job(suite(text), "uniform", 256, 2)

    row = {
        "steps": [128, 256], "success": {"all": [[0.1, 0.2]] * 2}, "seconds": 1.0,
        "proposals": [[[0.1, 0.2]]] * 2,
    }  # fmt: skip
    comparison.results_of(job(f"{CELLS}{part}\n"), tmp_path).add({"uniform": row})
    assert comparison.is_finished(job(f"{CELLS}{part}\n"), tmp_path)
    if part.startswith("profile"):  # in the same file
        with pytest.raises(SettingError, match="different settings"):
            comparison.is_finished(job(CELLS), tmp_path)
    else:
        assert not comparison.is_finished(job(CELLS), tmp_path)


def test_results_of_before_are_read_where_nothing_is_missing(suite):
    """Their settings and the names of their files are the same as ever."""
    before, file = fingerprint(CELLS, suite, "alp_gmm")
    assert set(before) == {"suite", "tests", "teacher", "evaluations", "train"}
    assert file == "alp_gmm-0bef7d9f.json"


def test_the_training_is_part_of_merged_results(suite):
    def digest(text, **more):
        job = jobs.Job(suite(text), "alp_gmm", 256, 2)
        return comparison.digest_of_training(dataclasses.replace(job, **more))

    assert digest(CELLS) == digest(CELLS, teacher="pool:scripted")
    assert digest(CELLS) != digest(CELLS, evaluations=3)
    for old, new in (
        ("hidden: 8", "hidden: 9"),
        ("stages:", "profile: {resets: [0.5]}\nstages:"),
        ("stages:", "easy: {x0: [0, 0.3]}\nstages:"),  # of some teachers and of the control
        ("x0: [0, 0.1]", "x0: [0, 0.2]"),
    ):
        assert digest(CELLS) != digest(CELLS.replace(old, new))


@pytest.mark.parametrize("greedy", [False, True])
def test_how_actions_are_chosen_in_tests(suite, greedy, monkeypatch):
    own = suite(CELLS + f"greedy: {str(greedy).lower()}\n")
    seen = []
    monkeypatch.setattr(jobs, "evaluator", lambda *given, greedy: seen.append(greedy))
    jobs.player_of(own, jobs.Job(own, "uniform", 256, 2).settings)
    assert seen == [greedy]
    assert suite_files.read_suite("tracks").greedy
    assert not suite_files.read_suite("toy").greedy


def test_greedy_must_be_a_switch(suite):
    with pytest.raises(SettingError, match="greedy of own"):
        suite(CELLS + "greedy: often\n")


def test_what_teachers_know_of_the_space():
    high = suite_files.read_suite("tracks_unfeasible")
    low, none = (high.with_knowledge(name) for name in ("low", "none"))
    parts = [jobs.Job(suite, "learnability", 256, 2).parts for suite in (high, low, none)]
    assert [part.get("return_range") for part in parts] == [[-150.0, 350.0]] * 2 + [None]
    assert ["easy" in part for part in parts] == [False, True, True]
    assert len({jobs.Job(suite, "learnability", 256, 2).file for suite in (high, low, none)}) == 3
    with pytest.raises(SettingError, match="one that needs no easy tasks"):
        jobs.teacher_of("paced", low)
    trainings = {comparison.digest_of_training(jobs.Job(x, "uniform", 256, 2)) for x in (low, high)}
    assert len(trainings) == 2


def test_teachers_that_need_easy_tasks_are_left_out(tmp_path):
    config = CurriculumConfig(suite="toy", knowledge="low", dry_run=True, out=str(tmp_path))
    commands = comparison.compare(config)["commands"]
    assert [words[words.index("--teachers") + 1] for words in commands] == [
        *("staged", "alp_gmm", "uniform")
    ]
    assert all("--knowledge" in words for words in commands)
