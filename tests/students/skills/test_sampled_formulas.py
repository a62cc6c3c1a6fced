"""Environments whose task is one of many sampled formulas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact import environments
from didact.environments import SettingError
from didact.environments.testing import check
from didact.students.skills import automaton, with_formula
from didact.students.skills.sampled_formulas import with_sampled_formulas


@pytest.fixture(scope="module")
def office():
    return with_sampled_formulas(environments.make("Office", max_steps=40), 12)


def test_it_is_an_environment(office):
    check(office)


def test_formulas_are_the_same_every_time_and_ordered_by_length(office):
    again = environments.make("Office", max_steps=40, formulas=12)
    texts = [str(made.formula) for made in office.automata]
    assert texts == [str(made.formula) for made in again.automata]
    assert len(set(texts)) == 12
    sizes = [made.num_states for made in office.automata]
    assert sizes == sorted(sizes)
    assert office.task_space.names[0] == "formula"
    assert office.describe([3, 0]) == texts[3]


def test_no_two_formulas_have_the_same_meaning():
    world = with_sampled_formulas(environments.make("Office", max_steps=40), 64)
    names = world.environment.propositions
    made = [automaton(x.formula, names) for x in world.automata]
    assert len({(x.transitions.tobytes(), x.accepting.tobytes()) for x in made}) == 64


def test_feedback_on_another_task_is_refused():
    for setting in ({"formula": "F red_ball"}, {"formulas": 4}):
        with pytest.raises(SettingError, match="must be omitted with feedback"):
            environments.make("BabyAI-GoToRedBall-v0", facts=1, feedback="both", **setting)


@pytest.mark.parametrize("number", [0, 5, 11])
def test_episodes_are_those_of_the_formula_alone(office, number):
    """Rewards, successes and ends are those of `with_formula`, step by step."""
    alone = with_formula(office.environment, office.automata[number])
    starts = alone.task_space.sample(jax.random.key(0), 32)
    tasks = jnp.concatenate([jnp.full((32, 1), float(number)), starts], axis=1)
    key = jax.random.key(1)
    (state, _), (other, _) = office.reset(key, tasks), alone.reset(key, starts)
    steps = jax.jit(office.step), jax.jit(alone.step)
    over = np.zeros(32, bool)
    for step in range(40):
        key = jax.random.fold_in(jax.random.key(2), step)
        actions = jax.random.randint(key, (32,), 0, 4)
        (state, ours), (other, theirs) = (
            steps[0](key, state, actions),
            steps[1](key, other, actions),
        )
        np.testing.assert_array_equal(np.asarray(ours.success)[~over], theirs.success[~over])
        np.testing.assert_array_equal(np.asarray(ours.done)[~over], theirs.done[~over])
        np.testing.assert_allclose(np.asarray(ours.reward)[~over], theirs.reward[~over], atol=1e-6)
        over |= np.asarray(ours.done)


def test_observations_show_what_each_place_does(office):
    """In each state, for each single proposition, by stepping the automaton itself."""
    names = office.environment.propositions
    p = len(names)
    for number, made in enumerate(office.automata):
        for state in range(made.num_states):
            for i, name in enumerate(names):
                held = sum(1 << b for b, own in enumerate(made.propositions) if own == name)
                after, none = made.transitions[state, held], made.transitions[state, 0]
                shown = office._effects[number, state]
                assert shown[p + i] == made.failed[after]
                assert shown[i] == (after != none and not made.failed[after])


def test_what_cannot_be_sampled():
    with pytest.raises(SettingError, match="formulas"):
        environments.make("Office", formulas=1)
    with pytest.raises(SettingError, match="formulas"):
        environments.make("ToyGrid", formulas=4)


def test_tasks_without_a_formula_are_none():
    """Levels and test sets of the inner environment lack the number of the formula."""
    world = environments.make("GoTo", facts=1, formulas=4)
    level = environments.make("BabyAI-GoToLocal-v0").task_space
    assert world.single_task(level) is None
    assert world.test_sets == {}
    only = world.task_space.restricted(**{d.name: d.low for d in world.task_space.dimensions})
    np.testing.assert_array_equal(world.single_task(only), world.task_space.low)


def test_easy_tasks_are_those_of_the_environment():
    world = environments.make("GoTo", facts=1, formulas=16)
    inner = environments.make("GoTo").easy_space
    np.testing.assert_array_equal(world.easy_space.low, [0, *inner.low])
    np.testing.assert_array_equal(world.easy_space.high, [1, *inner.high])
