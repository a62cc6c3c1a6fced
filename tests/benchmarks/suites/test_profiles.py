"""Challenges of suites: students that forget or differ, shuffled spaces, and the worst tasks."""

import jax
import numpy as np
import pytest

from didact.benchmarks.curricula.settings import CurriculumConfig
from didact.benchmarks.curricula.worst_levels import worst_success
from didact.benchmarks.suites import comparison, jobs, profiles, stored_results, suite_files
from didact.benchmarks.suites.suite_names import shipped
from didact.environments import SettingError

LOCKS = """
description: Locks
train:
  env: CombinationLock
  num_envs: 16
  rollout_length: 8
  chunk: 1
  ppo: {num_minibatches: 1, network: {memory: 0, hidden: 8}}
stages: [{dials: 1}, {}]
tests:
  all: {count: 8}
  known: {named: [half, whole], repeat: 3}
worst: {episodes: 4}
budgets:
  small: {steps: 1024, seeds: 2, teachers: [staged, alp_gmm, uniform]}
"""


@pytest.fixture
def locks(tmp_path):
    path = tmp_path / "locks.yaml"

    def read(profile=""):
        path.write_text(LOCKS + profile)
        return suite_files.read_suite(str(path))

    return read


def test_evaluation_tasks_are_tests(locks):
    suite = locks()
    np.testing.assert_array_equal(suite.tests["known"], [[6, 0]] * 3 + [[12, 0]] * 3)
    assert suite.profile.fingerprint == {}


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        ("profile: {reset: [0.5]}", "'reset'"),
        ("profile: {resets: [1.5]}", "resets in profile of locks.yaml"),
        ("profile: {shuffle: {cells: 2.5}}", "cells in shuffle in profile"),
        ("profile: {shuffle: {cuts: 2}}", "'cuts'"),
        ("profile: {students: [a]}", "students in profile"),
        ("profile: {students: {a: {num_envs: 0}}}", "num_envs in locks.yaml"),
        ("profile: {students: {a: {env_settings: [dials=5]}}}", "students a of locks.yaml"),
        ("profile: {name: 3}", "name in profile"),
    ],
)
def test_profiles_that_are_wrong(locks, profile, message):
    with pytest.raises(SettingError, match=message):
        locks(profile)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("worst: {episodes: 4}", "worst: {episodes: 0}"), "episodes in worst"),
        (("worst: {episodes: 4}", "worst: {episodes: 4, blocks: 3}"), "blocks in worst"),
        (("[half, whole]", "[half, hole]"), "hole"),
        (("repeat: 3", "repeat: 0"), "repeat in tests known"),
        (("repeat: 3", "dials: 3"), "tests known"),
    ],
)
def test_tests_that_are_wrong(locks, change, message, monkeypatch):
    monkeypatch.setattr(f"{__name__}.LOCKS", LOCKS.replace(*change))
    with pytest.raises(SettingError, match=message):
        locks()


def test_sections_of_settings_are_merged():
    base = {"env": "a", "ppo": {"clip": 0.1, "network": {"hidden": 8, "memory": 0}}}
    made = profiles.updated(base, {"ppo": {"network": {"hidden": 9}}, "seed": 1})
    assert made["ppo"] == {"clip": 0.1, "network": {"hidden": 9, "memory": 0}}
    assert base["ppo"]["network"]["hidden"] == 8


def test_teachers_of_a_rugged_space_see_it_shuffled(locks, monkeypatch):
    suite = locks("profile: {shuffle: {cells: 2, seed: 3}}")
    key = jax.random.key(0)

    def proposed(label, suite):
        teacher = jobs.teacher_of(label, suite)
        tasks, _ = teacher.propose(teacher.init(key), key, 400)
        return np.asarray(getattr(tasks, "tasks", tasks))

    # The controls know where the easy tasks are, and teachers that start from them are given them.
    assert (proposed("staged", suite)[:, 0] == 1).mean() > 0.7
    for label in ("warm-up uniform", "growing_box"):
        assert (proposed(label, suite)[:, 0] == 1).all()
    made = []

    def shuffled(teacher, space, **settings):
        made.append(settings)
        return teacher

    monkeypatch.setattr(jobs.teachers, "shuffled", shuffled)
    jobs.teacher_of("uniform", suite)
    jobs.teacher_of("uniform", locks())
    jobs.teacher_of("staged", suite)
    assert made == [{"cells": 2, "seed": 3, "jointly": False}]
    assert comparison.fingerprint(jobs.Job(suite, "uniform", 100, 2))["shuffle"]["seed"] == 3


@pytest.mark.slow
def test_a_new_student_takes_over(locks, tmp_path):
    suite = locks("profile: {resets: [0.5]}")
    job = jobs.Job(suite, "uniform", 1024, 2, evaluations=2)
    loop = jobs.loop_of(job)
    first, later = (loop.new_students(seed) for seed in (0, 7))
    for a, b in zip(jax.tree.leaves(first.params), jax.tree.leaves(later.params), strict=True):
        assert a.shape == b.shape
    changed = [
        not np.array_equal(a, b)
        for a, b in zip(jax.tree.leaves(first.params), jax.tree.leaves(later.params), strict=True)
    ]
    assert any(changed)
    seen, placed = [], []
    new, place = loop.new_students, loop.place

    def counted(seed):
        seen.append(seed)
        return new(seed)

    def kept(state):
        placed.append(jax.device_get(state.student.params))
        return place(state)

    loop.new_students, loop.place = counted, kept
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, "loop_of", lambda job: loop)
        row = jobs.run(job, tmp_path)
    assert seen == [jobs.NEXT]
    # Both seeds continue with their own untrained student.
    untrained = jax.device_get(new(jobs.NEXT).params)
    pairs = zip(jax.tree.leaves(placed[-1]), jax.tree.leaves(untrained), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    assert any((leaf[0] != leaf[1]).any() for leaf in jax.tree.leaves(placed[-1]))
    tasks = sum(map(len, suite.tests.values()))
    assert row["worst"]["shares"] == [s for s in jobs.SHARES if s * tasks >= 10 or s == 1]
    assert np.shape(row["worst"]["success"]) == (2, len(row["worst"]["shares"]))


@pytest.mark.parametrize(
    ("resets", "steps", "found"),
    [
        ([0.5], 1024, {4: 1}),
        ([0.01], 1024, {1: 1}),
        ([0.95], 1024, {7: 1}),  # the last student is trained, too
        ([0.35, 0.7], 1024, {3: 1, 6: 2}),
        ([0.95, 0.97], 1024, None),
        ([0.35, 0.7], 256, None),
        ([0.5], 128, None),
    ],
)
def test_each_student_is_trained(locks, resets, steps, found):
    job = jobs.Job(locks(f"profile: {{resets: {resets}}}"), "uniform", steps, 2)
    if found is None:
        with pytest.raises(SettingError, match=r"resets of locks is .* before the last one"):
            jobs.loop_of(job)
    else:
        assert jobs.resets_of(job) == found


def test_results_of_several_students_are_those_of_one_job(locks, tmp_path, monkeypatch):
    suite = locks("profile: {students: {narrow: {}, wide: {ppo: {network: {hidden: 16}}}}}")
    assert suite.variants["wide"].settings.ppo.network.hidden == 16
    assert suite.variants["wide"].settings.ppo.network.memory == 0
    row = {
        "steps": [1, 2], "success": {"all": [[0.0, 0.5], [0.1, 0.6]]}, "proposals": [],
        "episodes": 3, "seconds": 1.5, "compile_seconds": 1.0, "machine": {},
        "worst": {"shares": [1.0], "success": [[0.2], [0.3]]},
        "language": {"calls": 2, "tokens": 10, "cost": None, "lost_calls": 1},
    }  # fmt: skip
    made = jobs.joined([row, row | {"seconds": 2.0}])
    assert made["success"]["all"] == [[0.0, 0.5], [0.1, 0.6]] * 2
    assert made["worst"]["success"] == [[0.2], [0.3]] * 2
    assert made["students"] == 2
    assert made["seconds"] == 3.5
    assert made["language"] == {"calls": 4, "tokens": 20, "cost": None, "lost_calls": 2}
    assert row["success"]["all"] == [[0.0, 0.5], [0.1, 0.6]]
    stored_results.check_row(made, ["all"], [])


def test_the_worst_part_is_that_of_a_second_pass():
    first, second = np.array([0.0, 1.0, 0.5, 0.1]), np.array([0.4, 1.0, 0.6, 0.2])
    made = worst_success(first, second, (0.25, 0.5, 1.0))
    assert made == pytest.approx([0.4, 0.3, 0.55])


@pytest.mark.parametrize("name", shipped())
def test_a_dry_run_of_each_suite(name):
    """All settings of all teachers are valid, without a training."""
    made = comparison.compare(CurriculumConfig(suite=name, dry_run=True))
    assert len(made["commands"]) == len(suite_files.read_suite(name).budget("small").teachers)


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped())
def test_a_tiny_budget_of_each_suite(name, tmp_path):
    suite = suite_files.read_suite(name)
    updates = 2 + len(suite.profile.resets)
    steps = updates * suite.settings.num_envs * suite.settings.rollout_length
    config = CurriculumConfig(
        suite=name, teachers=(suite.budget("small").teachers[0], "uniform"), steps=steps, seeds=2,
        num_evaluations=1, out=str(tmp_path),
    )  # fmt: skip
    result = comparison.compare(config)
    assert result["summary"]["uniform"]["seeds"] == 2
    assert result["summary"]["uniform"]["trainings"] == 2 * max(1, len(suite.variants))
    assert (tmp_path / name / "small" / "report.html").is_file()


def test_a_new_student_comes_when_it_does_in_the_literature():
    """Every 7 of 20 million steps."""
    suite = suite_files.read_suite("tracks_forgetting")
    assert suite.profile.resets == pytest.approx((7 / 20, 14 / 20))
    assert suite.greedy
