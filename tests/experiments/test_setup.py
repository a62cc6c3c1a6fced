"""What settings become."""

import dataclasses

import pytest

from didact import teachers
from didact.environments import make
from didact.experiments import setup
from didact.experiments.config import TrainConfig


@pytest.mark.parametrize(
    ("env", "tasks", "teacher"),
    [
        ("GoTo", (), "paced"),
        ("GoTo", ("rows=1..2",), "paced"),
        ("GoTo", ("rows=1", "columns=1"), "alp_gmm"),  # all of it is easy
        ("ToyGrid", (), "paced"),
        ("BabyAI-GoToLocal-v0", (), "uniform"),  # nothing to choose
        ("babyai-gotolocal-v0", (), "uniform"),
        ("Maze", (), "uniform"),
    ],
)
def test_the_default_teacher(env, tasks, teacher):
    environment = make(env)
    config = setup.with_teacher(TrainConfig(env=env, tasks=tasks), environment)
    assert config.teacher == teacher
    plain = TrainConfig(env=environment.name, tasks=tasks)
    assert dataclasses.replace(config, teacher="auto") == plain
    chosen = TrainConfig(env=environment.name, tasks=tasks, teacher="riac")
    assert setup.with_teacher(chosen, environment) is chosen


@pytest.mark.parametrize(("tasks", "expected"), [((), True), (("rows=1", "columns=1"), False)])
def test_easy_tasks_are_given_only_where_they_are_a_part(tasks, expected, monkeypatch):
    given = {}

    def make_teacher(name, space, **settings):
        given.update(settings)
        return teachers.uniform(space)

    monkeypatch.setattr(setup.teachers, "make", make_teacher)
    config = TrainConfig(env="GoTo", tasks=tasks, teacher="self_paced")
    setup.teacher_of(config, make("GoTo"))
    assert (given["easy"] is not None) == expected


@pytest.mark.parametrize(("teacher", "each"), [("uniform", 64 * 32), ("paired", 64 // 2)])
def test_help_is_annealed_by_the_proposals_of_the_loop(teacher, each, monkeypatch):
    found = []
    monkeypatch.setattr(
        setup.teachers, "annealed", lambda teacher, space, name, proposals: found.append(proposals)
    )
    environment = make("GoTo", feedback="both")
    config = TrainConfig(
        env="GoTo", teacher=teacher, steps=100 * 64 * 32, num_envs=64, rollout_length=32
    )
    config = dataclasses.replace(config, env_settings=("feedback=both",), anneal_help=0.5)
    setup.teacher_of(config, environment)
    assert found == [50 * each]
