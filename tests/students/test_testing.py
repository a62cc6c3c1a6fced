"""The check of students: ours pass, and each way to break the contract is found."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_policy

from didact.environments import ArraySpace
from didact.students import (
    DistillConfig,
    NetworkConfig,
    PPOConfig,
    SACConfig,
    Student,
    distill,
    experts,
    kickstart,
    ppo,
    sac,
    testing,
)
from didact.students.networks import Categorical, SquashedNormal
from didact.students.random_environment import RandomEnvironment

SMALL = NetworkConfig(hidden=8, memory=5)
PPO = PPOConfig(network=SMALL, num_minibatches=2, num_epochs=2)
DISTILL = DistillConfig(network=SMALL, num_minibatches=2)
SAC = SACConfig(
    network=NetworkConfig(hidden=8, memory=0, normalise_observations=False),
    batch_size=8,
    replay_capacity=128,
    learning_starts=16,
    updates_per_step=0.1,
)


def advisor(actions):
    """An expert that knows of half of the environments, and reads what is shown to it alone."""

    def advise(seen):
        hints = seen["hint"]
        if actions == small_policy.ACTIONS:
            return Categorical(hints[:, :1] * jnp.arange(3.0))
        return SquashedNormal.of_space(actions, 3 * hints, jnp.float32(-1.0))

    expert = experts.of_function(advise)
    return experts.only(expert, lambda seen: seen["hint"][:, 0] > 0)


HINT = {"hint": ArraySpace((2,), np.float32, -1, 1)}


def kickstarted(spaces, actions):
    lesson = kickstart(advisor(actions), 0.5, expert_action_probability=lambda updates: 0.5)
    return ppo(spaces, actions, PPO, num_updates=9, auxiliary_losses=[lesson])


def distilled(spaces, actions):
    return distill(spaces, actions, advisor(actions), DISTILL, num_updates=9)


@pytest.mark.parametrize(
    ("make", "actions"),
    [
        pytest.param(
            functools.partial(ppo, config=PPO, num_updates=9),
            small_policy.JOINTS,
            marks=pytest.mark.slow,
        ),
        pytest.param(kickstarted, small_policy.ACTIONS, marks=pytest.mark.slow),
        pytest.param(distilled, small_policy.JOINTS, marks=pytest.mark.slow),
        (functools.partial(sac, config=SAC), small_policy.JOINTS),
    ],
    ids=["ppo", "kickstarted", "distilled", "sac"],
)
def test_students_keep_the_contract(make, actions):
    testing.check(make, small_policy.NUMBERS, actions, privileged=HINT)


def reinforce(spaces, actions):
    """A linear policy without a value function, by SGD."""
    inputs = sum(space.shape[0] for space in spaces.values())

    class State(NamedTuple):
        params: Any

    def distribution_of(params, observation):
        x = jnp.concatenate([observation[name] for name in sorted(spaces)], -1)
        return Categorical(x @ params)

    def apply(state, carry, observation):
        return distribution_of(state.params, observation), None, carry

    def act(state, carry, observation, key):
        return apply(state, carry, observation)[0].sample(key), carry, {}

    def act_greedily(state, carry, observation, key):
        return apply(state, carry, observation)[0].mode(), carry, {}

    def learn(state, rollout, key):
        def loss(params):
            score = distribution_of(params, rollout.observation).log_prob(rollout.action)
            return -jnp.mean(jnp.where(rollout.learn > 0, rollout.reward * score, 0))

        value, gradient = jax.value_and_grad(loss)(state.params)
        return State(state.params - 0.1 * gradient), {"loss": value}

    def init(key):
        return State(0.1 * jax.random.normal(key, (inputs, actions.n)))

    return Student(init, lambda n: jnp.zeros((n, 0)), apply, act, act_greedily, learn)


def test_a_student_without_a_value_function_keeps_the_contract():
    testing.check(reinforce, small_policy.NUMBERS, small_policy.ACTIONS)


def test_the_random_environment_shows_all_that_the_loop_does():
    """Steps that wait, episodes of one step, and ends by both termination and truncation."""
    student = reinforce(small_policy.NUMBERS, small_policy.ACTIONS)
    spaces = small_policy.NUMBERS, small_policy.ACTIONS, {}
    world = RandomEnvironment(student, *spaces, 8)
    key = jax.random.key(0)
    rollout, _ = world.play(student.init(key), world.begin(key), key, 1.0, 30)
    start, learn, terminated, truncated = (
        np.asarray(x, bool)
        for x in (rollout.start, rollout.learn, rollout.terminated, rollout.truncated)
    )
    over, waits = terminated | truncated, ~learn
    for rows in (waits, terminated & truncated, terminated & ~truncated, truncated & ~terminated):
        assert 0.02 < rows.mean() < 0.3
    assert (start[1:] == (over | waits)[:-1]).all()
    assert start[waits].all()
    assert not over[waits].any()
    assert not np.asarray(rollout.reward)[waits].any()


@pytest.mark.slow
def test_students_that_read_cells_and_sentences():
    config = PPOConfig(network=small_policy.NETWORK, num_minibatches=2)
    testing.check(
        functools.partial(ppo, config=config, num_updates=9),
        small_policy.SPACES,
        small_policy.ACTIONS,
    )


@pytest.fixture(scope="module")
def student():
    return ppo(small_policy.NUMBERS, small_policy.JOINTS, PPO, num_updates=9)


def nan_metric(student):
    def learn(state, rollout, key):
        state, metrics = student.learn(state, rollout, key)
        return state, metrics | {"loss": jnp.nan}

    return student._replace(learn=learn)


def wide_actions(student):
    def act(state, carry, observation, key):
        action, carry, extras = student.act(state, carry, observation, key)
        return 2 * action, carry, extras

    return student._replace(act=act)


def unlearning(student):
    return student._replace(learn=lambda state, rollout, key: (state, {}))


def ignores_the_mask(student):
    def learn(state, rollout, key):
        return student.learn(state, rollout._replace(learn=jnp.ones_like(rollout.learn)), key)

    return student._replace(learn=learn)


def peeks_at_masked_rewards(student):
    """No gradient from rows that must not be learned from, but their rewards scale the step."""

    def learn(state, rollout, key):
        after, metrics = student.learn(state, rollout, key)
        scale = jnp.where(rollout.learn.any(), 1 + 0.1 * jnp.mean(rollout.reward), 0)
        params = jax.tree.map(lambda x, y: x + scale * (y - x), state.params, after.params)
        return after._replace(params=params), metrics

    return student._replace(learn=learn)


def draws_without_a_key(student):
    rng = np.random.default_rng(0)

    def act(state, carry, observation, key):
        shape = jax.ShapeDtypeStruct((), np.uint32)
        seed = jax.experimental.io_callback(lambda: np.uint32(rng.integers(1 << 31)), shape)
        return student.act(state, carry, observation, jax.random.key(seed))

    return student._replace(act=act)


def forgets_to_forget(student):
    def read(state, carry, observation, start):
        return student.read(state, carry, observation, jnp.zeros_like(start))

    return student._replace(read=read)


def value_of_the_wrong_shape(student):
    def apply(state, carry, observation):
        distribution, value, carry = student.apply(state, carry, observation)
        return distribution, value[:, None], carry

    return student._replace(apply=apply)


def samples_greedily(student):
    return student._replace(act_greedily=student.act)


def mixes_environments(student):
    def apply(state, carry, observation):
        observation = {k: x - jnp.mean(x, axis=0) for k, x in observation.items()}
        return student.apply(state, carry, observation)

    return student._replace(apply=apply)


def counts_in_python(student):
    def init(key):
        return student.init(key)._replace(updates=0)

    return student._replace(init=init)


def widens_the_state(student):
    def learn(state, rollout, key):
        state, metrics = student.learn(state, rollout, key)
        return state._replace(updates=state.updates.astype(jnp.float32)), metrics

    return student._replace(learn=learn)


def keeps_its_momentum(student):
    """Without a gradient it stands still, but only as long as it has not learned before."""

    def learn(state, rollout, key):
        after, metrics = student.learn(state, rollout, key)
        drift = jnp.where(state.updates > 1, 1e-3, 0.0)
        return after._replace(params=jax.tree.map(lambda x: x + drift, after.params)), metrics

    return student._replace(learn=learn)


BROKEN = {
    keeps_its_momentum: "a rollout with learn 0 in all rows must not change params",
    nan_metric: "the metric 'loss' is nan, but must be finite",
    wide_actions: "act must lie within the action space",
    unlearning: "2 rollouts of 6 x 8 steps must change params",
    ignores_the_mask: "a rollout with learn 0 in all rows must not change params",
    peeks_at_masked_rewards: "rows with learn 0 must be ignored",
    draws_without_a_key: "act: the same state and key must give the same results",
    forgets_to_forget: "read, compared to apply step by step, must give the same",
    value_of_the_wrong_shape: r"value is float32\[8, 1\], but must be float32\[8\]",
    samples_greedily: "act_greedily, compared to the mode of the distribution",
    mixes_environments: "apply, with fewer environments, must give the same",
    counts_in_python: r"state\.updates has type int, but must be an array",
    widens_the_state: "learn must keep shapes and dtypes: .updates was int32",
}


@pytest.mark.slow
@pytest.mark.parametrize("broken", BROKEN, ids=lambda f: f.__name__)
def test_what_is_broken_is_found(broken, student):
    with pytest.raises(AssertionError, match=BROKEN[broken]) as caught:
        testing.check(lambda *_: broken(student), small_policy.NUMBERS, small_policy.JOINTS)
    assert "\n" not in str(caught.value)


def test_few_numbers_may_differ_and_none_may_be_far_off():
    alike = functools.partial(testing._Check.alike, None, where="it")
    before, after = np.zeros(100, np.float32), np.ones(100, np.float32)
    for change, wrong in ((-2.0, False), (9.0, True), (np.nan, True)):
        other = after.copy()
        other[3] += change  # a step of Adam may change its sign by rounding
        if wrong:
            with pytest.raises(AssertionError, match="it must give the same results: 1 of 100"):
                alike(other, after, before=before)
        else:
            alike(other, after, before=before)
    with pytest.raises(AssertionError, match="6 of 100 numbers differ"):
        alike(after - np.float32(2) * (np.arange(100) < 6), after, before=before)
