"""Combinators of teachers by name, as on the command line."""

import jax
import numpy as np
import pytest

from didact import teachers
from didact.environments import Box, Dimension, SettingError
from didact.teachers import propose, registry
from didact.teachers.combinators import by_name

SPACE = Box((Dimension("x", 0, 10), Dimension("n", 0, 4, integer=True)))


@pytest.fixture
def received(monkeypatch):
    """Registers `probe`, and returns the settings that it was made with."""
    monkeypatch.setattr(registry.TEACHERS, "_entries", dict(registry.TEACHERS._entries))
    seen = []

    def probe(space, *, low: float = 0.0, ends: tuple[float, float] = (0.0, 1.0), word: str = ""):
        seen.append({"low": low, "ends": ends, "word": word})
        return teachers.uniform(space.restricted(x=(low, low)))

    teachers.register("probe", probe, "for this test")
    return seen


def test_settings_reach_the_parts(received):
    text = "probe:low=3:ends=[0, 2.5]:word=a, uniform , probe"
    parts = by_name.named(text, SPACE)
    assert len(parts) == 3
    assert received == [
        {"low": 3.0, "ends": (0.0, 2.5), "word": "a"},
        {"low": 0.0, "ends": (0.0, 1.0), "word": ""},
    ]


def test_a_mixture_by_name(received):
    names = "probe:low=1,probe:low=2"
    teacher = teachers.make("mixture", SPACE, teachers=names, weights="[3, 1]")
    tasks = propose(teacher, teacher.init(jax.random.key(0)), jax.random.key(1), 8000)[0].tasks
    values, counts = np.unique(np.asarray(tasks)[:, 0], return_counts=True)
    np.testing.assert_array_equal(values, [1, 2])
    np.testing.assert_allclose(counts / 8000, [0.75, 0.25], atol=0.02)
    teacher = teachers.make("mixture", SPACE, teachers=names)
    tasks = propose(teacher, teacher.init(jax.random.key(0)), jax.random.key(1), 8000)[0].tasks
    assert abs(np.mean(np.asarray(tasks)[:, 0] == 1) - 0.5) < 0.02


def test_a_bandit_by_name(received):
    settings = {"teachers": "probe:low=1,probe:low=2,uniform", "horizon": "100"}
    teacher = teachers.make("bandit", SPACE, **settings)
    state = teacher.init(jax.random.key(0))
    np.testing.assert_allclose(teacher.picture(state)["arms"], 1 / 3)


def test_easy_tasks_reach_the_parts_that_take_them(received):
    from didact.experiments import setup
    from didact.experiments.config import TrainConfig

    seen = []

    def led(space, easy: Box, pace: float = 1.0):
        seen.append((easy, pace))
        return teachers.uniform(space)

    teachers.register("led", led, "for this test")
    for name in ("mixture", "bandit"):
        config = TrainConfig(
            env="GoTo", teacher=name, teacher_settings=("teachers=led:pace=2,uniform",)
        )
        world = setup.environment_of(config)
        setup.teacher_of(config, world)
        assert seen.pop() == (world.easy_space, 2.0)
    with pytest.raises(SettingError, match="teachers led:easy is None"):
        teachers.make("mixture", SPACE, teachers="led")


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("mixture", {"teachers": "alp_gm,uniform"}, "teachers is 'alp_gm', .*alp_gmm"),
        ("mixture", {"teachers": "uniform,"}, "teachers is '', but must be NAME"),
        ("mixture", {"teachers": "uniform:3"}, "teachers is 'uniform:3', but must be NAME"),
        ("mixture", {"teachers": "alp_gmm:fit=3"}, "setting of alp_gmm in teachers is 'fit'"),
        ("mixture", {"teachers": "alp_gmm:fit_rate=0"}, "teachers alp_gmm:fit_rate is 0"),
        ("mixture", {"teachers": "alp_gmm:fit_rate=x"}, "alp_gmm:fit_rate is 'x'.* whole number"),
        ("mixture", {"weights": (1.0,)}, r"weights is \(1.0,\), but must be 2 numbers"),
        ("mixture", {"weights": (1.0, -1.0)}, "weights is .* sum above 0"),
        ("mixture", {"weights": (2.0, -1.0)}, "weights is .*at least 0"),
        ("bandit", {"teachers": "uniform"}, "teachers is 1, but must be at least two"),
        ("bandit", {"horizon": 1}, "horizon is 1"),
        ("shuffled", {"teacher": "alp_gm"}, "teacher is 'alp_gm'"),
        ("shuffled", {"cells": 1}, "cells is 1"),
    ],
)
def test_mistakes_are_named(name, settings, words):
    with pytest.raises(SettingError, match=words):
        teachers.make(name, SPACE, **settings)


def test_on_the_command_line():
    from didact.experiments import setup
    from didact.experiments.config import TrainConfig

    texts = ("teachers=alp_gmm:fit_rate=100,uniform", "weights=[0.8, 0.2]")
    config = TrainConfig(env="ToyGrid", teacher="mixture", teacher_settings=texts, warm_up=0.0)
    teacher = setup.teacher_of(config, setup.environment_of(config))
    assert len(teacher.init(jax.random.key(0))) == 2
    bad = TrainConfig(env="ToyGrid", teacher="bandit", teacher_settings=("teachers=uniform,x",))
    with pytest.raises(SettingError, match="--teacher-settings teachers is 'x'"):
        setup.teacher_of(bad, setup.environment_of(bad))
