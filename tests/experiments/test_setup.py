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
        ("BabyAI-GoToLocal-v0", (), "alp_gmm"),
        ("Maze", (), "uniform"),
    ],
)
def test_the_default_teacher(env, tasks, teacher):
    environment = make(env)
    config = setup.with_teacher(TrainConfig(env=env, tasks=tasks), environment)
    assert config.teacher == teacher
    assert dataclasses.replace(config, teacher="auto") == TrainConfig(env=env, tasks=tasks)
    chosen = TrainConfig(env=env, tasks=tasks, teacher="riac")
    assert setup.with_teacher(chosen, environment) is chosen
