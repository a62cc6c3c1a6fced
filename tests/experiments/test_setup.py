"""What settings become."""

import dataclasses

import pytest

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
