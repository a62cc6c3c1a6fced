"""What skills are learned from, in a chain whose own task ends episodes half-way."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import Box, Dimension
from didact.experiments.skills.exploration import explore
from didact.experiments.skills.formula_q_learning import q_learning
from didact.experiments.skills.skill_training import discover, train_skills
from didact.students.skills import automaton, compose, tabular, with_formula
from didact.students.skills.deep import GoalLearnerConfig

pytestmark = pytest.mark.slow


def test_a_success_of_the_own_task_is_no_end_of_skills(chain):
    """The way to the end leads through the own goal; values are the discounted distances."""
    world = chain()
    seen = explore(world, 3000, num_envs=16)
    assert set(seen.place) == set(range(5))
    assert not seen.terminated.any()
    table = tabular.learn_table(seen, 5, 2, discount=0.9)
    values = np.asarray(compose(table, automaton("F end"), world.propositions))[0]
    np.testing.assert_allclose(values[:4, 1], 0.9 ** np.array([3, 2, 1, 0]), rtol=1e-4)
    np.testing.assert_array_equal(values.argmax(1)[:4], 1)
    task = with_formula(world, "F end")
    state, at = task.reset(jax.random.key(0), jnp.zeros((1, 1)))
    for _ in range(4):
        action = jnp.argmax(values[at.observation["place"]], -1)
        state, at = task.step(jax.random.key(1), state, action)
    assert at.success.all()


@pytest.mark.parametrize("settings", [{"success": False}, {"can_continue": False}])
def test_other_ends_are_ends_of_skills(chain, settings):
    world = chain(**settings)
    seen = explore(world, 3000, num_envs=16)
    assert set(seen.after) == {0, 1, 2}
    np.testing.assert_array_equal(seen.terminated, seen.after == 2)
    assert len(discover(world, num_envs=16).goals) == 2


def test_a_network_learns_goals_beyond_the_own_one(chain):
    world = chain()
    found = discover(world, num_envs=16)
    assert found.goals.tolist() == [[False, False], [False, True], [True, False]]
    config = GoalLearnerConfig(hidden=32, batch=64, memory=4000, learning_rate=5e-3)
    skills = train_skills(world, found, 16_000, config=config, num_envs=16, exploration=0.5)
    images = jnp.eye(5, dtype=jnp.uint8)[:4, None]
    goal, none = jnp.full(4, 1), jnp.zeros((4, 3), bool)
    values = skills.network.apply(skills.params, images, goal, none)
    np.testing.assert_array_equal(np.argmax(values, 1), 1)  # to the right, at every place
    expected = 0.95 ** np.array([3, 2, 1, 0])
    np.testing.assert_allclose(np.max(values, 1), expected, atol=0.1)


@pytest.mark.parametrize("counterfactual", [True, False])
def test_nothing_follows_the_end_of_a_world(chain, counterfactual):
    """Q-values equal those by hand; places at which worlds end also begin episodes."""
    world = chain(success=False)
    world.task_space = Box((Dimension("start", 0, 3, integer=True),))
    task = with_formula(world, "F end")
    learn = q_learning(task, 4000, counterfactual=counterfactual, exploration=0.9, discount=0.9)
    values = np.asarray(jax.jit(learn)(jax.random.key(0), None))[task.automaton.initial]
    expected = [[0, 0], [0, 0], [0, 0.9], [0, 1]]  # left, right: the end is at place 4
    np.testing.assert_allclose(values[:4], expected, atol=1e-5)
