"""Teachers that start from the easy tasks of an environment, by name alone."""

import jax
import numpy as np
import pytest

import didact.environments as environments
from didact.environments import SettingError
from didact.experiments import setup
from didact.experiments.config import TrainConfig
from didact.teachers import propose
from didact.teachers.combinators import WarmStartedState
from didact.teachers.gymnasium import make_vec

STARTS_EASY = ("adr", "growing_box", "oracle", "paced")


def first_tasks(config):
    environment = setup.environment_of(config)
    teacher = setup.teacher_of(config, environment)
    state = teacher.init(jax.random.key(0))
    assert not isinstance(state, WarmStartedState)
    return environment, propose(teacher, state, jax.random.key(1), 50)[0].tasks


@pytest.mark.parametrize("name", STARTS_EASY)
def test_a_name_is_enough(name):
    environment, tasks = first_tasks(TrainConfig(env="ToyGrid", teacher=name))
    assert np.all(environment.task_space.contains(tasks))
    assert np.max(tasks) <= (0.17 if name == "oracle" else 0.05)


def test_easy_tasks_are_those_within_the_restricted_space():
    config = TrainConfig(env="GoTo", teacher="paced", tasks=("columns=1..2", "rows=1"))
    environment, tasks = first_tasks(config)
    space = environment.task_space.restricted(columns=(1, 2), rows=1)
    assert np.all(space.contains(tasks))
    assert np.all(np.asarray(tasks)[:, space.column("columns")] == 1)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"env": "Playground"}, r"^--teacher is 'paced', but must be one that does not start from"),
        ({"env": "ToyGrid", "tasks": ("x0=0.5..1",)}, "ToyGrid has none within --tasks"),
        ({"env": "Maze"}, "the task space must be a Box"),
        ({"env": "ToyGrid", "teacher_settings": ("up=2",)}, "--teacher-settings up is 2"),
        ({"env": "ToyGrid", "teacher_settings": ("easy=2",)}, "--teacher-settings is 'easy'"),
    ],
)
def test_errors_are_one_sentence(settings, sentence):
    config = TrainConfig(teacher="paced", **settings)
    with pytest.raises(SettingError, match=sentence):
        setup.teacher_of(config, setup.environment_of(config))


def test_vector_environments_provide_their_easy_tasks():
    envs = make_vec("ToyGrid", 4, teacher="paced", seed=0)
    envs.reset()
    np.testing.assert_array_equal(envs.tasks, np.zeros((4, 2)))
    easy = environments.make("ToyGrid").task_space.restricted(x0=(0.9, 1), x1=(0.9, 1))
    envs = make_vec("ToyGrid", 4, teacher="paced", teacher_settings={"easy": easy})
    envs.reset()
    np.testing.assert_array_equal(envs.tasks, np.ones((4, 2)))
