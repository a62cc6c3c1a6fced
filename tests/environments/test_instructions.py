"""Instructions as tasks: conversion, conformance, and a teacher that chooses them in a world."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact import teachers
from didact.environments import SettingError, make
from didact.environments.language import vocabulary
from didact.environments.testing import check
from didact.environments.wrappers import with_instructions
from didact.teachers import Outcomes

VERBS = ("go_to", "open", "pick_up", "put_next")
ALONE = {"single": 1.0, "both": 0.0, "sequence": 0.0}


def only(verb):
    return {name: float(name == verb) for name in VERBS} | ALONE


INSTRUCTIONS = {
    "go to the object": only("go_to"),
    "open the door": only("open"),
    "pick up the object": only("pick_up"),
    "put the object next to the object": only("put_next"),
}


@pytest.fixture(scope="module")
def world():
    return with_instructions(make("MiniSynth"), INSTRUCTIONS)


def test_the_first_parameter_is_the_instruction(world):
    inner = world.environment.task_space
    assert world.task_space.names == ("instruction", *inner.names[:8])
    assert world.texts == tuple(INSTRUCTIONS)
    tasks = world.task_space.sample(jax.random.key(0), 50)
    rows = world.inner_tasks(tasks)
    assert np.all(inner.contains(rows))
    for task, row in zip(np.asarray(tasks), np.asarray(rows), strict=True):
        values = dict(zip(inner.names, row, strict=True))
        expected = INSTRUCTIONS[world.texts[int(task[0])]]
        assert {name: values[name] for name in expected} == expected
        np.testing.assert_array_equal(row[:8], task[1:])
        np.testing.assert_array_equal(world.outer_task(row), task)
    assert [vocabulary.decode(row) for row in world.tokens] == list(INSTRUCTIONS)


def test_the_student_gets_that_kind_of_instruction(world):
    tasks = world.task_space.sample(jax.random.key(0), 64)
    _, timestep = jax.jit(world.reset)(jax.random.key(1), tasks)
    first = [vocabulary.decode(row).split()[0] for row in timestep.observation["instruction"]]
    verbs = ("go", "open", "pick", "put")
    # "Go to" replaces what the objects do not permit.
    right = [
        word in (verbs[int(task)], "go") for word, task in zip(first, tasks[:, 0], strict=True)
    ]
    assert all(right)
    assert set(first) == set(verbs)


def test_it_conforms(world):
    check(world, run=False)


def test_easy_and_evaluation_tasks_are_converted():
    boss = make("Synth")
    world = with_instructions(boss, {"any": {"go_to": 1, "open": 1, "pick_up": 1, "put_next": 1}})
    easy = boss.easy_space
    for d in world.easy_space.dimensions[1:]:
        same = easy.dimensions[easy.column(d.name)]
        assert (d.low, d.high) == (same.low, same.high)
    inner = boss.evaluation_tasks
    for name, task in world.evaluation_tasks.items():
        np.testing.assert_array_equal(world.inner_tasks(jnp.asarray(task)[None])[0], inner[name])
    assert set(world.evaluation_tasks) <= set(inner)


@pytest.mark.slow
def test_magellan_chooses_instructions(world):
    """The student learns to pick up; the other instructions fail."""
    teacher = teachers.magellan(world.task_space, tokens=world.tokens, random_decay=1.0)

    @jax.jit
    def lesson(state, key, number):
        proposals, state = teachers.propose(teacher, state, key, 64)
        p = jnp.where(proposals.tasks[:, 0] == 2, number / 10, 0.0)
        success = (jax.random.uniform(key, (64,)) < p) * 1.0
        one = jnp.ones(64)
        state = teacher.observe(state, proposals, Outcomes(success, success, one, one, {}))
        return state, proposals.tasks

    state = teacher.init(jax.random.key(0))
    for number in range(9):
        state, tasks = lesson(state, jax.random.key(number), number)
    assert np.all(world.task_space.contains(tasks))
    assert float(jnp.mean(tasks[:, 0] == 2)) > 0.5


@pytest.mark.parametrize(
    ("instructions", "message"),
    [
        ({}, "instructions is"),
        ({"go": {"walk": 1.0}}, "dimension is 'walk'"),
        ({"go": {"go_to": 2.0}}, "go_to is 2"),
        ({"go": {"go_to": 1.0}, "open": {"open": 1.0}}, "instruction 'open' is"),
    ],
)
def test_bad_instructions_are_named(instructions, message):
    with pytest.raises(SettingError, match=f"^{message}"):
        with_instructions(make("MiniSynth"), instructions)


def test_only_boxes_have_instructions():
    with pytest.raises(SettingError, match=r"^environment is"):
        with_instructions(make("Maze"), {"run": {"walls": 3}})
