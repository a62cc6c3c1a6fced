"""Teachers by name, and what every registered teacher keeps to."""

import functools
import re
import sys
from contextlib import nullcontext
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact import teachers
from didact.environments import Box, Dimension, SettingError
from didact.environments.grid.mazes.samplers import Blocks
from didact.environments.grid.mazes.task_space import Levels
from didact.teachers import Outcomes, descriptions, registry, testing
from didact.teachers.adversary.regrets import REGRETS
from didact.teachers.presets import PRESETS

sys.path.insert(0, str(Path(__file__).parent.parent / "environments" / "support"))

import families

SPACE = Box((Dimension("x", -1, 3), Dimension("n", 0, 2, integer=True), Dimension("c", 5, 5)))
EASY = SPACE.restricted(x=(-1, 0), n=0)
NAMES = [entry.name for entry in teachers.registered()]


# Those that fit or train something do so often and quickly here.
SETTINGS = {
    "plr": {"capacity": 32},
    "plr_robust": {"capacity": 32},
    "accel": {"capacity": 32, "edits": 1},
    "sfl": {"candidates": 8, "keep": 3, "tries": 2},
    "ncc": {"capacity": 32, "candidates": 8, "tries": 2},
    "alp_gmm": {"fit_rate": 50, "k_max": 3, "history": 128, "iterations": 5},
    "goal_gan": {
        "update_every": 16,
        "goals": 16,
        "generator_width": 8,
        "discriminator_width": 8,
        "batch": 16,
        "pretrain": 5,
        "steps": 5,
    },
    "learnability": {"train_every": 50, "steps": 4, "width": 8, "candidates": 64, "delay": 2},
    "magellan": {"train_every": 50, "steps": 4, "width": 8, "delay": 2},
    "covar_gmm": {"fit_rate": 50, "k_max": 3, "history": 128, "iterations": 5},
    "riac": {"max_region_size": 20, "max_regions": 9},
    "adr": {"queue": 4, "easy": EASY},
    "growing_box": {"minimum": 4, "horizon": 16, "easy": EASY},
    "oracle": {"every": 10, "threshold": 0.4, "easy": EASY},
    "paced": {"minimum": 10, "horizon": 20, "episodes": 100, "up": 0.4, "easy": EASY},
    "pool": {"capacity": 8, "space_fraction": 0.2},
    "self_paced": {"update_every": 50, "iterations": 5},
    "setter_solver": {
        "steps": 2,
        "batch": 16,
        "width": 8,
        "judge_width": 8,
        "blocks": 1,
        "pool": 32,
    },
    "transformer": {
        "steps": 2,
        "batch": 32,
        "critic_steps": 4,
        "width": 8,
        "layers": 1,
        "heads": 2,
    },
    "mixture": {"teachers": "pool:capacity=8,uniform", "weights": (0.3, 0.7)},
    "bandit": {"teachers": "uniform,uniform", "horizon": 50, "history": 64},
    "shuffled": {"teacher": "pool:capacity=8", "cells": 3},
    "solvable_first": {"teacher": "uniform"},
}
SETTINGS |= dict.fromkeys(("paired", "minimax"), SETTINGS["transformer"])
SPACES = {"solvable_first": Levels(4, 4, Blocks(0, 8))}


# Those for which the episodes of a call are simultaneous.
SIMULTANEOUS = {"uniform", "learning_progress", "solvable_first"}
SIMULTANEOUS |= {"plr", "plr_robust", "accel", "sfl", "ncc"}


# The others take long to compile: a few are drawn for each commit, the rest is slow.
QUICK = ("uniform", "pool", "oracle", "learning_progress", "rarity", "mixture", "shuffled")
CHOSEN = [*QUICK, *families.drawn(set(NAMES) - {*QUICK}, 1)]


@pytest.mark.parametrize("name", families.marked(NAMES, CHOSEN))
def test_every_teacher_keeps_its_promises(name):
    make = functools.partial(teachers.make, name, **SETTINGS.get(name, {}))
    testing.check(make, SPACES.get(name, SPACE), ordered=name not in SIMULTANEOUS)


def test_uniform_is_uniform():
    teacher = teachers.uniform(SPACE)
    tasks, _ = teacher.propose(teacher.init(jax.random.key(0)), jax.random.key(1), 30_000)
    counts = np.histogram2d(*np.asarray(tasks)[:, :2].T, bins=[4, 3])[0]
    assert np.all(np.abs(counts - 2500) < 250)
    assert np.all(np.asarray(tasks)[:, 2] == 5)


def test_every_entry_describes_itself():
    assert {"uniform", "alp_gmm"} <= set(NAMES)
    for entry in teachers.registered():
        for text in registry.about(entry).values():
            assert text
            assert "\n" not in text


def test_what_is_described_is_registered_and_the_other_way_round():
    """With what each needs, and what it is good and bad at."""
    assert set(descriptions.ABOUT) == set(NAMES)
    for name in NAMES:
        about = registry.about(registry.TEACHERS[name])
        assert {"description", "needs", "good", "bad"} <= set(about), name
        assert {k: v for k, v in about.items() if k != "description"} == descriptions.ABOUT[name]


@pytest.mark.parametrize("name", NAMES)
def test_scores_of_the_student_are_needed_where_it_says_so(name):
    """Teachers observe outcomes without scores, unless they say that they need some."""
    space = SPACES.get(name, SPACE)
    teacher = teachers.make(name, space, **SETTINGS.get(name, {}))

    def life(key):
        proposals, state = teachers.propose(teacher, teacher.init(key), key, 8)
        zeros = jnp.zeros(8)
        scores = dict.fromkeys(REGRETS if teacher.students > 1 else (), zeros)
        return teacher.observe(state, proposals, Outcomes(zeros, zeros, zeros, zeros, scores))

    needs = descriptions.ABOUT[name]["needs"]
    always = "score" in needs and not re.search(r"score \w+ of the student for \w+=\w+", needs)
    with pytest.raises(SettingError, match="score is") if always else nullcontext():
        jax.eval_shape(life, jax.random.key(0))


def test_fields_of_a_users_teacher(monkeypatch):
    monkeypatch.setattr(registry.TEACHERS, "_entries", dict(registry.TEACHERS._entries))
    teachers.register("short", teachers.uniform, "short")
    teachers.register("long", teachers.uniform, "long", paper="mine", needs="time", bad="all")
    short, long = (registry.about(registry.TEACHERS[name]) for name in ("short", "long"))
    assert short == {"description": "short"}
    assert long == {"description": "long", "paper": "mine", "needs": "time", "bad": "all"}


def test_an_unknown_name_is_told_with_its_neighbours():
    with pytest.raises(SettingError, match=r"teacher is 'alp_gm', but must be .*alp_gmm"):
        teachers.make("alp_gm", SPACE)


def test_settings_reach_the_teacher():
    with pytest.raises(SettingError, match=r"setting of alp_gmm is 'fit_every', .* fit_rate"):
        teachers.make("alp_gmm", SPACE, fit_every=3)
    with pytest.raises(SettingError, match=r"fit_rate is 'lots', but must be a whole number"):
        teachers.make("alp_gmm", SPACE, fit_rate="lots")
    with pytest.raises(SettingError, match="fit_rate"):
        teachers.make("alp_gmm", SPACE, fit_rate=0)
    with pytest.raises(SettingError, match="this teacher has no settings"):
        teachers.make("uniform", SPACE, fit_rate=3)


def test_teachers_that_start_easy_require_easy_tasks():
    names = {name for name in NAMES if teachers.starts_easy(name)}
    assert names >= {"adr", "growing_box", "oracle", "paced"}
    assert not names & {"alp_gmm", "uniform", "riac"}
    for name in names:
        with pytest.raises(SettingError, match=r"^easy is None, but must be given"):
            teachers.make(name, SPACE)


def test_presets_are_settings_of_their_teachers():
    for name, presets in PRESETS.items():
        for preset, settings in presets.items():
            assert settings.keys() <= teachers.settings_of(name).keys()
            easy = {"easy": EASY} if teachers.starts_easy(name) else {}
            teachers.make(name, SPACE, preset=preset, **easy)
    with pytest.raises(SettingError, match="preset is 'best', but must be one of paper, tma"):
        teachers.make("alp_gmm", SPACE, preset="best")
    assert "preset" not in teachers.settings_of("uniform")
    state = teachers.make("alp_gmm", SPACE, preset="paper", history=300).init(jax.random.key(0))
    assert state.tasks.shape == (300, 3)


def test_a_name_is_registered_once():
    with pytest.raises(SettingError, match="not registered yet"):
        teachers.register("uniform", teachers.uniform, "again")
