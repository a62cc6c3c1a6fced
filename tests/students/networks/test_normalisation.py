"""Running statistics of observations and returns against NumPy."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_policy
from small_policy import JOINTS, NUMBERS, modules, played
from two_devices import MASKS, rollout_of

from didact.environments import ArraySpace, Discrete
from didact.students import NetworkConfig, Policy, PPOConfig, card, load_policy, ppo, save_policy
from didact.students.algorithms.learner import discounted
from didact.students.networks import normalisation
from didact.students.networks.normalisation import LIMIT, MEMORY, Normalise, update

EMPTY = {"mean": jnp.zeros(3), "variance": jnp.ones(3), "count": jnp.zeros(())}
SMALL = NetworkConfig(hidden=8, memory=5)
CONFIG = PPOConfig(network=SMALL, num_minibatches=1)


def weighted(values, weights):
    """Mean and variance of rows [m, k] with weights [m]."""
    mean = np.average(values, axis=0, weights=weights)
    return mean, np.average((values - mean) ** 2, axis=0, weights=weights)


@pytest.mark.parametrize("weighs", [False, True])
def test_batch_by_batch_is_all_at_once(weighs):
    rng = np.random.default_rng(0)
    statistics, rows, counts = EMPTY, [], []
    for scale in (1.0, 5.0, 0.1, 30.0):
        values = rng.normal(scale, scale, (4, 6, 3))
        weights = rng.random((4, 6)) * (rng.random((4, 6)) < 0.6) if weighs else np.ones((4, 6))
        given = np.where(weights[..., None] > 0, values, np.nan)  # it does not matter
        statistics = update(statistics, jnp.float32(given), jnp.float32(weights))
        rows.append(values.reshape(-1, 3))
        counts.append(weights.ravel())
        mean, variance = weighted(np.concatenate(rows), np.concatenate(counts))
        np.testing.assert_allclose(statistics["mean"], mean, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(statistics["variance"], variance, rtol=1e-4)
        assert float(statistics["count"]) == pytest.approx(np.sum(counts), rel=1e-5)
    same = update(statistics, jnp.full((2, 3), jnp.inf), jnp.zeros(2))
    jax.tree.map(np.testing.assert_array_equal, same, statistics)


def test_old_values_are_forgotten_slowly():
    """After MEMORY steps, a batch of as many counts as much as all before it."""
    old = {"mean": jnp.zeros(3), "variance": jnp.ones(3), "count": jnp.float32(50 * MEMORY)}
    new = update(old, jnp.full((1, 3), 4.0), jnp.full(1, MEMORY))
    np.testing.assert_allclose(new["mean"], 2)
    np.testing.assert_allclose(new["variance"], 0.5 + 4)  # within, and between the two means


def test_values_are_scaled_and_clipped():
    rng = np.random.default_rng(0)
    values = rng.normal(3, 20, (5, 4, 3)).astype(np.float32)
    values[..., 2] = 7.0  # does not vary
    values[0, 0, 0] = 1e6
    statistics = {k: np.zeros(3) for k in ("mean", "variance")} | {"count": 20.0}
    statistics["mean"], statistics["variance"] = np.array([3, 2.5, 7]), np.array([400.0, 90, 0])
    found = Normalise().apply({"params": jax.tree.map(jnp.float32, statistics)}, values)
    scaled = (values - statistics["mean"]) / np.sqrt(statistics["variance"] + 1e-8)
    np.testing.assert_allclose(found, np.clip(scaled, -LIMIT, LIMIT), rtol=1e-4, atol=1e-5)
    assert float(found[0, 0, 0]) == LIMIT
    np.testing.assert_array_equal(found[..., 2], 0)


def statistics_of(state, name="numbers"):
    return modules(state.params)[f"encoders_{name}"]["normalisation"]


@pytest.fixture(scope="module")
def trained():
    """A student of vectors and of a single number after two updates, and what it saw."""
    spaces = NUMBERS | {"speed": ArraySpace((), np.float32, 0, 1)}
    student = ppo(spaces, JOINTS, CONFIG, num_updates=9)
    student = student._replace(act=jax.jit(student.act), learn=jax.jit(student.learn))
    states, rollouts = [jax.jit(student.init)(jax.random.key(0))], []
    rng = np.random.default_rng(0)
    for i in range(2):
        seen = {
            "numbers": rng.normal([1, -5, 100], [1, 0.1, 30], (4, 6, 3)).astype(np.float32),
            "speed": rng.random((4, 6)).astype(np.float32),
        }
        learn = rng.random((4, 6)) < 0.7
        rollouts.append(played(student, states[-1], seen, seed=i, learn=learn))
        states.append(student.learn(states[-1], rollouts[-1], jax.random.key(i))[0])
    return spaces, student, states, rollouts


def test_students_learn_the_statistics_of_what_they_may_learn_from(trained):
    """No gradient reaches them: the optimiser leaves them alone."""
    _, _, states, rollouts = trained
    weights = np.concatenate([np.ravel(r.learn) for r in rollouts])
    for name in ("numbers", "speed"):
        values = np.concatenate([np.asarray(r.observation[name]).ravel() for r in rollouts])
        mean, variance = weighted(values.reshape(len(weights), -1), weights)
        found = statistics_of(states[-1], name)
        np.testing.assert_allclose(found["mean"], mean, rtol=1e-4)
        np.testing.assert_allclose(found["variance"], variance, rtol=1e-3)
        assert float(found["count"]) == weights.sum()
        np.testing.assert_array_equal(statistics_of(states[0], name)["count"], 0)


def test_the_unit_of_an_observation_does_not_matter(trained):
    """With statistics of its own unit, the same network says the same of it."""
    _, student, states, rollouts = trained
    observation = {name: x[0] for name, x in rollouts[1].observation.items()}
    carry = student.initial_carry(6)
    expected = student.apply(states[-1], carry, observation)
    inner = modules(states[-1].params)["encoders_numbers"]
    old, unit = inner["normalisation"], jnp.array([1000.0, 0.1, 1.0])
    inner["normalisation"] = {
        "mean": old["mean"] * unit,
        "variance": old["variance"] * unit**2,
        "count": old["count"],
    }
    other = student.apply(
        states[-1], carry, observation | {"numbers": observation["numbers"] * unit}
    )
    inner["normalisation"] = old
    for a, b in zip(*map(jax.tree.leaves, (expected, other)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_statistics_are_saved_with_a_policy(trained, tmp_path):
    spaces, student, states, _ = trained
    made = Policy(card("Somewhere", spaces, JOINTS, SMALL), jax.device_get(states[-1].params))
    loaded = load_policy(save_policy(tmp_path / "policy", made.card, made.params))
    found, expected = statistics_of(loaded), statistics_of(states[-1])
    jax.tree.map(np.testing.assert_array_equal, dict(found), dict(expected))
    seen = {"numbers": np.float32([[1, -5, 100]]), "speed": np.float32([0.5])}
    expected, _, _ = student.act_greedily(states[-1], student.initial_carry(1), seen, None)
    np.testing.assert_allclose(loaded.act(seen)[0], expected, rtol=1e-5)
    fresh, _, _ = student.act_greedily(
        states[-1]._replace(params=states[0].params), student.initial_carry(1), seen, None
    )
    assert np.abs(fresh - expected).max() > 1e-4


def test_normalisation_can_be_left_out():
    config = dataclasses.replace(
        CONFIG, network=dataclasses.replace(SMALL, normalise_observations=False)
    )
    student = ppo(NUMBERS, JOINTS, config, num_updates=9)
    state = jax.jit(student.init)(jax.random.key(0))
    assert "normalisation" not in modules(state.params)["encoders_numbers"]
    assert normalisation.after(state.params, [], {}, jnp.ones((1, 1))) is state.params


@pytest.mark.slow
def test_statistics_over_two_devices(two_devices):
    """Those of all environments, with the weights of each; after the same rollout twice."""
    for name in ("all", "mixed", "one device"):
        rollout = rollout_of(MASKS[name])
        values = np.asarray(rollout.observation["numbers"], float).reshape(-1, 3)
        mean, variance = weighted(values, np.ravel(MASKS[name]))
        found = two_devices[name]["statistics"]
        np.testing.assert_allclose(found["mean"], mean, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found["variance"], variance, rtol=1e-4)
        assert found["count"] == 2 * np.sum(MASKS[name])
    assert two_devices["nothing"]["statistics"]["count"] == 0


def test_returns_are_summed_within_episodes():
    rollout = rollout_of(MASKS["all"])
    expected = np.zeros(rollout.reward.shape)
    for t, n in np.ndindex(*expected.shape):
        goes_on = t > 0 and not rollout.start[t, n]
        before = expected[t - 1, n] if goes_on else 0.0
        expected[t, n] = rollout.reward[t, n] + 0.9 * before
    np.testing.assert_allclose(discounted(rollout, 0.9), expected, rtol=1e-5, atol=1e-6)


def rewarded(scale, config=CONFIG, actions=JOINTS, learn="mixed"):
    """The states of a student that learned from the same rollout three times."""
    student = ppo(NUMBERS, actions, config, num_updates=9)
    state, update = jax.jit(student.init)(jax.random.key(0)), jax.jit(student.learn)
    rollout = played(student._replace(act=jax.jit(student.act)), state, seen(), learn=MASKS[learn])
    rollout = rollout._replace(
        reward=scale * rollout.reward,
        final_value=jnp.zeros_like(rollout.final_value),
        last_value=jnp.zeros_like(rollout.last_value),
        extras=rollout.extras | {"value": jnp.zeros_like(rollout.reward)},
    )
    states, metrics = [state], []
    for i in range(3):
        # Parameters of the start, so that only what is known of returns changes.
        now = states[-1]._replace(params=state.params, optimiser=state.optimiser)
        after, told = update(now, rollout, jax.random.key(i))
        states.append(after)
        metrics.append(told)
    return rollout, states, metrics


def seen():
    return {k: v.reshape(5, 8, 3) for k, v in small_policy.numbers(40).items()}


def test_rewards_are_divided_by_the_spread_of_returns():
    """So that neither advantages nor the value's error depend on the unit of rewards."""
    rollout, states, metrics = rewarded(1000.0)
    sums = np.asarray(discounted(rollout, CONFIG.discount)).reshape(-1, 1)
    _, variance = weighted(sums, np.ravel(MASKS["mixed"]))
    np.testing.assert_allclose(states[1].returns["variance"], variance, rtol=1e-4)
    assert variance[0] > 1e5
    _, others, told = rewarded(1.0)
    for one, other in zip(metrics[1:], told[1:], strict=True):
        for name in ("value_loss", "policy_loss", "loss", "gradient_norm"):
            np.testing.assert_allclose(one[name], other[name], rtol=1e-3)
    for a, b in zip(*(jax.tree.leaves(s[2].params) for s in (states, others)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
    assert 0.1 < float(metrics[1]["value_loss"]) < 5
    # The first update knows nothing of returns yet: rewards are taken as they are, up to a limit.
    assert float(metrics[0]["value_loss"]) <= 0.5 * (LIMIT / (1 - CONFIG.discount)) ** 2


def test_a_first_reward_is_not_blown_up():
    """After rollouts without any reward their spread is 0."""
    student = ppo(NUMBERS, JOINTS, CONFIG, num_updates=9)
    state, learn = jax.jit(student.init)(jax.random.key(0)), jax.jit(student.learn)
    rollout = rollout_of(MASKS["all"])
    rollout = rollout._replace(extras=rollout.extras | {"value": jnp.zeros((5, 8))})
    state, _ = learn(state, rollout._replace(reward=jnp.zeros((5, 8))), jax.random.key(0))
    assert float(state.returns["variance"][0]) == 0
    rare = jnp.zeros((5, 8)).at[2, 3].set(1.0)
    _, metrics = learn(state, rollout._replace(reward=rare), jax.random.key(0))
    assert float(metrics["value_loss"]) < 0.5 * LIMIT**2


@pytest.mark.parametrize(
    ("scale", "actions", "expected"),
    [
        (None, JOINTS, True),
        (None, Discrete(3), False),
        (False, JOINTS, False),
        (True, Discrete(3), True),
    ],
)
def test_whose_rewards_are_scaled(scale, actions, expected):
    student = ppo(NUMBERS, actions, dataclasses.replace(CONFIG, scale_rewards=scale), num_updates=1)
    state = jax.eval_shape(student.init, jax.random.key(0))
    assert bool(state.returns) == expected
    # Evaluations act with a student of default settings.
    actor = ppo(NUMBERS, actions, CONFIG, num_updates=1)
    seen = {name: jnp.zeros((2, *space.shape)) for name, space in NUMBERS.items()}
    _, _, extras = jax.eval_shape(actor.act, state, actor.initial_carry(2), seen, jax.random.key(0))
    assert ("reward_scale" in extras) == expected
