"""Networks of skills: their targets by hand, and that they learn the ways that a search finds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import SettingError
from didact.environments.toys.moving_targets import MovingTargets
from didact.experiments.skills.skill_training import discover, train_skills
from didact.students.skills import automaton, goal_plans, plan_action_values
from didact.students.skills.deep import (
    GoalLearnerConfig,
    GoalNetwork,
    action_values,
    goal_learner,
    goal_of,
)

pytestmark = pytest.mark.slow

GOALS = np.array([[False, False], [False, True], [True, False]])
CONFIG = GoalLearnerConfig(hidden=8, cell=2, batch=64, memory=100)


def test_the_ring_keeps_the_last_steps():
    functions = goal_learner((3, 3), GOALS, 4, 10, CONFIG)
    state = functions.init(jax.random.key(0))
    for t in range(4):
        images = jnp.full((30, 3, 3), t, jnp.uint8)
        zeros = jnp.zeros(30, jnp.int32)
        state = functions.add_experience(state, images, zeros + t, images, zeros, zeros > 0)
    assert int(state.memory.filled) == 100
    values, counts = np.unique(state.memory.action, return_counts=True)
    assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == {0: 10, 1: 30, 2: 30, 3: 30}


def test_values_become_what_a_step_promises():
    """One remembered step: it led to goal 1, or ended the world, or led to a place beyond."""
    config = GoalLearnerConfig(hidden=32, cell=4, batch=64, memory=3, learning_rate=1e-2)
    functions = goal_learner((2, 2), GOALS, 2, 600, config)
    state = functions.init(jax.random.key(1))
    images = jnp.arange(3, dtype=jnp.uint8)[:, None, None] + jnp.zeros((3, 2, 2), jnp.uint8)
    after = images.at[2].set(images[0])  # from the last place one comes to the first
    led_to, over = jnp.array([1, 0, 0]), jnp.array([True, True, False])
    state = functions.add_experience(state, images, jnp.zeros(3, jnp.int32), after, led_to, over)
    learn = jax.jit(functions.learn)
    for t in range(600):
        state, loss = learn(state, jax.random.key(t))
    network = GoalNetwork(3, 2, 32, 4)
    never = jnp.zeros((3, 3), bool)
    values = np.asarray(action_values(network, state.params, images, never))[
        ..., 0
    ]  # [goals, places]
    assert values[1, 0] == pytest.approx(1, abs=0.05)
    assert values[2, 0] == pytest.approx(0, abs=0.05)
    assert values[1, 1] == pytest.approx(0, abs=0.05)
    assert values[0, 1] == pytest.approx(1, abs=0.05)  # nothing held there
    # What lies beyond was tried with one action only, the value of the other is a guess.
    avoided = never.at[:, 1].set(True)
    hindered = np.asarray(action_values(network, state.params, images, avoided))[..., 0]
    assert hindered[2, 0] == pytest.approx(0, abs=0.05)
    assert float(loss) < 0.02


def test_labels_have_the_number_of_their_goal():
    """And those that are no goal have a number of their own."""
    labels = jnp.asarray(GOALS)[jnp.array([2, 0, 1, 1])]
    np.testing.assert_array_equal(goal_of(labels, GOALS), [2, 0, 1, 1])
    np.testing.assert_array_equal(goal_of(jnp.ones((1, 2), bool), GOALS), [3])


def test_steps_to_unknown_labels_reach_no_goal():
    """One step, to labels that are no goal: all goals are as far as from the place beyond."""
    config = GoalLearnerConfig(hidden=16, cell=2, batch=32, memory=1, learning_rate=1e-2)
    functions = goal_learner((2, 2), GOALS, 2, 300, config)
    state = functions.init(jax.random.key(1))
    image, none = jnp.zeros((1, 2, 2), jnp.uint8), jnp.zeros(1, jnp.int32)
    state = functions.add_experience(state, image, none, image, none + 3, none > 0)
    learn = jax.jit(functions.learn)
    for t in range(300):
        state, _ = learn(state, jax.random.key(t))
    values = action_values(GoalNetwork(3, 2, 16, 2), state.params, image, jnp.zeros((1, 3), bool))
    assert float(values[..., 0].max()) < 0.7  # a goal that is reached has 1


@pytest.mark.parametrize(
    ("setting", "value"), [("hidden", 0), ("discount", 1.0), ("learning_rate", 0.0)]
)
def test_settings_without_meaning_are_refused(setting, value):
    with pytest.raises(SettingError, match=f"{setting} is {value}"):
        GoalLearnerConfig(**{setting: value})


def test_ways_to_all_goals_are_learned_and_constraints_are_kept():
    """Zero-shot, beside the shortest ways on the torus; about two minutes."""
    world = MovingTargets()
    skills = train_skills(world, discover(world), 256_000)
    assert len(skills.goals) == 7
    n = 512
    for text, least in (("F(ball & blue)", 0.99), ("!box U (ball & yellow)", 0.95)):
        made = automaton(text)
        plan = goal_plans([made], world.propositions, skills.goals, skills.between)
        state, seen = world.reset(jax.random.key(1), jnp.zeros((n, 1)))
        which, at = jnp.zeros(n, jnp.int32), np.full(n, made.initial)
        things = np.asarray(state.things)
        step = jax.jit(world.step)
        steps, alive, won = np.zeros(n), np.ones(n, bool), np.zeros(n, bool)

        @jax.jit
        def act(image, at, plan=plan, which=which):
            seen = lambda no: action_values(skills.network, skills.params, image, no)  # noqa: E731
            return jnp.argmax(plan_action_values(plan, at, seen, which), -1)

        agent = np.asarray(state.agent)
        for t in range(100):
            action = act(seen.observation["image"], jnp.asarray(at))
            state, seen = step(jax.random.key(t), state, action)
            letters = [
                made.letter(dict(zip(world.propositions, row, strict=True)))
                for row in np.asarray(seen.labels)
            ]
            at = np.where(alive, made.transitions[at, letters], at)
            steps += alive
            won |= alive & made.accepting[at]
            alive &= ~(made.accepting[at] | made.failed[at])
        assert won.mean() >= least
        if text.startswith("F"):
            size, place = world.size, things[:, 0]  # the blue ball
            far = [
                np.abs(a - b) for a, b in zip(divmod(agent, size), divmod(place, size), strict=True)
            ]
            shortest = sum(np.minimum(x, size - x) for x in far)
            assert steps[won].mean() <= 1.2 * shortest.mean()
