"""`didact compose --policy`: the instructions of a policy, one after another."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import SettingError
from didact.environments.grid import cells
from didact.environments.language import vocabulary
from didact.experiments.skills.compose import Compose, composed
from didact.students import load_policy
from didact.students.skills import WithFormula
from didact.students.skills.formula_task import PROGRESS
from didact.students.skills.instructed_policy import (
    NO_POLICY,
    InstructedState,
    instructed_student,
)

FORMULA = "F(red_ball & X F blue_key)"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compose") / "run"
    return folder, composed(Compose(FORMULA, policy="goto-local", episodes=64, run=folder))


def test_a_loaded_plan_acts_in_a_compiled_step():
    """Its arrays are of NumPy, and constants of the program, as in `didact compose` and videos."""
    inner = load_policy("goto-local")
    shapes = {name: space.shape for name, space in inner.observation_space.items()}
    sizes = {"states": 2, "skills": 1, "words": shapes["instruction"][0]}
    student = instructed_student(inner.student, sizes, inner.action_space)
    plan = {"leads": np.ones((2, 1), bool), "words": np.zeros((1, sizes["words"]), np.uint8)}
    state = InstructedState({"policy": inner.params, **plan})
    seen = {name: jnp.zeros((3, *shape), jnp.uint8) for name, shape in shapes.items()}
    seen[PROGRESS] = jnp.zeros((3, 2), bool)

    @jax.jit
    def act(seen):
        return student.act(state, student.initial_carry(3), seen, jax.random.key(0))

    action, carry, _ = act(seen)
    assert action.shape == (3,)
    assert carry.due.tolist() == [0, 0, 0]


@pytest.mark.slow
def test_the_policy_loads_and_acts_like_any_other(made):
    folder, result = made
    assert (result["environment"], result["goals"]) == ("BabyAI-GoToLocal-v0", 2)
    policy = load_policy(folder)
    world = policy.make_environment()
    assert isinstance(world, WithFormula)
    assert world.instruction_text({}) == result["formula"]
    _, seen = jax.jit(world.reset)(jax.random.key(0), world.task_space.sample(jax.random.key(1), 4))
    action, carry = policy.act(seen.observation)
    assert action.shape == (4,)
    assert np.array_equal(carry.due, np.zeros(4))


@pytest.mark.slow
def test_it_acts_as_the_policy_with_the_instruction_that_is_due(made):
    """Its logits are those of goto-local, which reads the instruction from the observation."""
    policy, inner = load_policy(made[0]), load_policy("goto-local")
    world = policy.make_environment()
    _, seen = jax.jit(world.reset)(jax.random.key(0), world.task_space.sample(jax.random.key(1), 4))
    assert isinstance(world, WithFormula)
    automaton = world.automaton
    after_ball = int(automaton.transitions[automaton.initial, automaton.letter(["red_ball"])])
    carry, own = policy.initial_carry(4), inner.initial_carry(4)
    inner_world = inner.make_environment()
    for step, machine in enumerate((automaton.initial,) * 2 + (after_ball,) * 2):
        progress = jnp.broadcast_to(
            jnp.arange(automaton.num_states) == machine, (4, automaton.num_states)
        )
        shown = {name: seen.observation[name] for name in policy.observation_space}
        shown[PROGRESS] = progress
        got, _, carry = policy.student.apply(policy.state, carry, shown)
        text = "go to the red ball" if step < 2 else "go to the blue key"
        words = jnp.asarray(_encoded(text, inner_world))
        read = {name: seen.observation[name] for name in inner.observation_space}
        read["instruction"] = jnp.broadcast_to(words, (4, len(words)))
        if step == 2:
            own = inner.initial_carry(4)  # a new instruction is a new episode
        wanted, _, own = inner.student.apply(inner.state, own, read)
        np.testing.assert_allclose(got.logits, wanted.logits, atol=1e-5)
    done = jnp.broadcast_to(
        jnp.arange(automaton.num_states) == np.argmax(automaton.accepting), progress.shape
    )
    got, _, carry = policy.student.apply(policy.state, carry, {**shown, PROGRESS: done})
    assert set(np.asarray(carry.due)) == {NO_POLICY}
    names = list(policy.action_space.action_names)
    assert {names[i] for i in np.asarray(got.mode())} == {"done"}


def _encoded(text, world):
    return vocabulary.encode(text, world.observation_space["instruction"].shape[0])


@pytest.mark.slow
def test_where_both_objects_are_there_it_mostly_succeeds(made):
    """The share of levels with both objects bounds the success."""
    policy = load_policy(made[0])
    world = policy.make_environment()
    n = 512
    state, seen = jax.jit(world.reset)(
        jax.random.key(5), world.task_space.sample(jax.random.key(6), n)
    )
    objects = np.asarray(state.worlds.world.objects)
    step = jax.jit(world.step)
    carry, ever = None, np.zeros(n, bool)
    for number in range(64):
        action, carry = policy.act(seen.observation, carry, jax.random.key(number))
        state, seen = step(jax.random.key(0), state, action)
        ever |= np.asarray(seen.success)
    named = (("ball", "red"), ("key", "blue"))
    codes = {int(cells.code(cells.TYPES[kind], cells.COLORS.index(color))) for kind, color in named}
    there = np.array([codes <= {*row.tolist()} for row in objects])
    assert there.any()
    assert ever[there].mean() > 0.8


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"steps": 10}, "--steps is 10, but must be omitted with --policy"),
        ({"instructions": ("red_ball",)}, "--instructions is 'red_ball'"),
        ({"instructions": ("purple=go",)}, "--instructions is 'purple=go'"),
        ({"instructions": ("red_ball=xyzzy",)}, "xyzzy"),
    ],
)
def test_options_that_do_not_fit(options, sentence, tmp_path):
    choice = Compose(FORMULA, policy="goto-local", run=tmp_path / "run", **options)
    with pytest.raises(SettingError, match=re.escape(sentence)):
        composed(choice)
    assert not (tmp_path / "run").exists()


def test_instructions_need_a_policy(tmp_path):
    with pytest.raises(SettingError, match="omitted without --policy"):
        composed(Compose("F coffee", instructions=("coffee=go",), run=tmp_path / "run"))


def test_a_formula_without_instructions(tmp_path):
    choice = Compose("F carrying", policy="goto-local", run=tmp_path / "run")
    with pytest.raises(SettingError, match="formula"):
        composed(choice)
