"""Continuous actions in every algorithm, against NumPy and SciPy."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_policy
import squashed
from small_policy import JOINTS, NUMBERS, played, shaken

from didact.environments import Continuous, SettingError
from didact.students import (
    DistillConfig,
    NetworkConfig,
    PPOConfig,
    SquashedNormal,
    behaviour_cloning,
    distill,
    experts,
    kickstart,
    ppo,
)
from didact.students.algorithms import losses
from didact.students.data.recordings import RecordingWriter, open_recording
from didact.students.data.shards import Shard

pytestmark = pytest.mark.slow

T, N, E = 5, 6, 2
LOW, HIGH = np.array(JOINTS.low), np.array(JOINTS.high)
SMALL = NetworkConfig(hidden=8, memory=5)
CONFIG = PPOConfig(
    network=SMALL, num_minibatches=1, scale_rewards=False, discount=0.9, entropy_coefficient=0.02
)


def normals(mean, std):
    arrays = jnp.asarray(mean, jnp.float32), jnp.log(jnp.asarray(std, jnp.float32))
    return SquashedNormal(*arrays, JOINTS.low, JOINTS.high)


def actions(rng, *shape):
    """Some of them at a bound."""
    action = LOW + (HIGH - LOW) * rng.random((*shape, 2))
    action = np.where(rng.random(action.shape) < 0.1, LOW, action)
    return np.float32(np.where(rng.random(action.shape) < 0.1, HIGH, action))


def surrogate(ratio, advantage, clip):
    """PPO's, term by term."""
    advantage = advantage / np.sqrt(np.mean(advantage**2))
    total = 0.0
    for r, a in zip(ratio.ravel(), advantage.ravel(), strict=True):
        total += min(r * a, min(max(r, 1 - clip), 1 + clip) * a)
    return -total / ratio.size


def test_the_terms_of_ppo():
    rng = np.random.default_rng(0)
    mean, std = rng.normal(size=(T, N, 2)), rng.uniform(0.3, 2, (T, N, 2))
    action, advantage = actions(rng, T, N), rng.normal(size=(T, N))
    log_prob = squashed.log_prob(action, mean, std, LOW, HIGH)
    before = log_prob + 0.3 * rng.normal(size=(T, N))  # of the policy that acted
    zero = jnp.zeros((T, N))
    batch = losses.Batch(
        *({}, zero > 0, (), jnp.asarray(action), {"log_prob": jnp.float32(before)}),
        *(jnp.float32(advantage), zero, zero + 1),
    )
    outputs = losses.Outputs(normals(mean, std), zero)
    now = losses.TrainingProgress(jnp.int32(0), jnp.float32(0), {})
    loss, metrics = losses.clipped_policy_loss(0.2)(outputs, batch, now)
    ratio = np.exp(log_prob - before)
    assert float(loss) == pytest.approx(surrogate(ratio, advantage, 0.2), rel=2e-3)
    assert float(metrics["clip_fraction"]) == pytest.approx(np.mean(abs(ratio - 1) > 0.2))
    expected = np.mean(ratio - 1 - np.log(ratio))
    assert float(metrics["approximate_kl"]) == pytest.approx(expected, rel=5e-3)
    _, metrics = losses.entropy_loss(losses.linear(1.0, 1.0))(outputs, batch, now)
    entropy = squashed.each_entropy(mean, std, LOW, HIGH).sum(-1).mean()
    assert float(metrics["entropy"]) == pytest.approx(entropy, abs=5e-3)


@pytest.fixture(scope="module")
def example():
    """A student of continuous actions, away from where it starts, and its rollout."""
    student = ppo(NUMBERS, JOINTS, CONFIG, num_updates=9)
    student = student._replace(act=jax.jit(student.act), learn=jax.jit(student.learn))
    state = jax.jit(student.init)(jax.random.key(0))
    state = state._replace(params=shaken(state.params))
    return student, state, played(student, state, seen())


def seen():
    return {k: v.reshape(T, N, 3) for k, v in small_policy.numbers(T * N).items()}


def test_the_loss_of_ppo(example):
    """Of one minibatch: metrics are those before the step, so its policy can be read."""
    student, state, rollout = example
    distribution, value, _ = student.read(state, rollout.carry, rollout.observation, rollout.start)
    mean, std = (
        np.asarray(distribution.mean, float),
        np.exp(np.asarray(distribution.log_std, float)),
    )
    log_prob = squashed.log_prob(rollout.action, mean, std, LOW, HIGH)
    np.testing.assert_allclose(rollout.extras["log_prob"], log_prob, rtol=1e-3, atol=2e-3)
    noise = 0.3 * np.random.default_rng(0).normal(size=(T, N))
    extras = rollout.extras | {"log_prob": jnp.float32(log_prob + noise)}
    _, metrics = student.learn(state, rollout._replace(extras=extras), jax.random.key(0))
    advantage = np.zeros((T + 1, N))
    value = np.asarray(value, float)
    for t in reversed(range(T)):
        after = np.asarray(rollout.last_value) if t == T - 1 else value[t + 1]
        after = np.where(rollout.truncated[t], rollout.final_value[t], after)
        after = np.where(rollout.terminated[t], 0, after)
        over = np.asarray(rollout.terminated[t] | rollout.truncated[t])
        delta = np.asarray(rollout.reward[t]) + 0.9 * after - value[t]
        advantage[t] = delta + 0.9 * CONFIG.gae_lambda * ~over * advantage[t + 1]
    policy = surrogate(np.exp(-noise), advantage[:T], CONFIG.clip)
    worth = 0.5 * np.mean(advantage[:T] ** 2)  # value - target is minus the advantage
    entropy = squashed.each_entropy(mean, std, LOW, HIGH).sum(-1).mean()
    assert float(metrics["policy_loss"]) == pytest.approx(policy, rel=5e-3, abs=1e-3)
    assert float(metrics["value_loss"]) == pytest.approx(worth, rel=1e-3)
    assert float(metrics["entropy"]) == pytest.approx(entropy, abs=5e-3)
    total = policy + CONFIG.value_coefficient * worth - CONFIG.entropy_coefficient * entropy
    assert float(metrics["loss"]) == pytest.approx(total, rel=5e-3, abs=2e-3)


def test_actions_follow_the_distribution(example):
    """What is acted is within the bounds, and greedy actions are the image of the mean."""
    student, state, rollout = example
    action = np.asarray(rollout.action)
    assert action.shape == (T, N, 2)
    assert action.dtype == np.float32
    assert ((action >= np.float32(LOW)) & (action <= np.float32(HIGH))).all()
    now = {name: x[0] for name, x in rollout.observation.items()}
    distribution, _, _ = student.apply(state, rollout.carry, now)
    greedy, _, _ = student.act_greedily(state, rollout.carry, now, None)
    expected = LOW + (HIGH - LOW) * (np.tanh(np.asarray(distribution.mean)) + 1) / 2
    np.testing.assert_allclose(greedy, expected, rtol=1e-5, atol=1e-6)
    many = jax.vmap(lambda key: student.act(state, rollout.carry, now, key)[0])
    drawn = np.asarray(jax.jit(many)(jax.random.split(jax.random.key(0), 4000)))
    before = np.arctanh(np.clip(2 * (drawn - LOW) / (HIGH - LOW) - 1, -0.999999, 0.999999))
    np.testing.assert_allclose(before.mean(0), distribution.mean, atol=0.05)
    np.testing.assert_allclose(before.std(0), np.exp(distribution.log_std), rtol=0.06)


@pytest.mark.parametrize("distance", ["cross_entropy", "kl"])
def test_kickstarting_by_continuous_experts(distance):
    rng = np.random.default_rng(1)
    mean, std = rng.normal(size=(T, N, 2)), rng.uniform(0.3, 1, (T, N, 2))
    advised, spread = rng.normal(size=(T, N, E, 2)), rng.uniform(0.1, 1, (T, N, E, 2))
    known = rng.random((T, N, E)) < 0.6
    extras = {"kickstart_advice": normals(advised, spread), "kickstart_known": jnp.asarray(known)}
    zero = jnp.zeros((T, N))
    batch = losses.Batch({}, zero > 0, (), zero, extras, zero, zero, zero + 1)
    now = losses.TrainingProgress(jnp.int32(0), jnp.float32(0), {"kickstart": jnp.float32(2.0)})
    nobody = experts.of_function(lambda seen: normals(np.zeros((N, 2)), 1.0))
    term = kickstart([nobody] * E, 0.5, distance=distance).term
    loss, metrics = term(losses.Outputs(normals(mean, std), zero), batch, now)
    apart = squashed.kl(advised, spread, mean[:, :, None], std[:, :, None])
    if distance == "cross_entropy":
        apart += squashed.each_entropy(advised, spread, LOW, HIGH).sum(-1)
    expected = (apart * known).sum() / (T * N)
    assert float(metrics["kickstart_loss"]) == pytest.approx(expected, rel=1e-3)
    assert float(loss) == pytest.approx(2.0 * 0.5 * expected, rel=1e-3)
    gap = np.abs(np.tanh(advised) - np.tanh(mean[:, :, None])).mean(-1) / 2
    agreement = ((1 - gap) * known).sum() / known.sum()
    assert float(metrics["kickstart_agreement"]) == pytest.approx(agreement, rel=1e-4)


def linear(numbers):
    """A policy: each actuator follows a sum of the numbers, in the units of `SquashedNormal`."""
    return numbers @ np.array([[0.8, 0.0], [-0.5, 0.4], [0.0, -0.9]])


def test_distillation_of_a_continuous_expert():
    expert = experts.of_function(
        lambda seen: SquashedNormal.of_space(JOINTS, linear(seen["numbers"]), jnp.log(0.3))
    )
    config = DistillConfig(learning_rate=1e-2, num_minibatches=1, network=SMALL)
    student = distill(NUMBERS, JOINTS, expert, config, num_updates=150)
    student = student._replace(act=jax.jit(student.act), learn=jax.jit(student.learn))
    state, apart = jax.jit(student.init)(jax.random.key(0)), []
    for i in range(150):
        given = {k: v.reshape(2, 32, 3) for k, v in small_policy.numbers(64, seed=i).items()}
        state, metrics = student.learn(
            state, played(student, state, given, seed=i), jax.random.key(i)
        )
        apart.append(float(metrics["distill_loss"]))
    assert np.mean(apart[:3]) > 2
    assert np.mean(apart[-10:]) < 0.3 * np.mean(apart[:3])


def test_cloning_recorded_continuous_actions(tmp_path):
    """From files to a policy: a linear one, with noise, is learned."""
    rng = np.random.default_rng(0)
    card = {"environment": "Nowhere", "action_space": JOINTS.to_json()}
    card["observation_space"] = {name: space.to_json() for name, space in NUMBERS.items()}
    writer = RecordingWriter(tmp_path / "r", card)
    for begin in (0, 64):
        numbers = rng.normal(size=(64 * 8, 3)).astype(np.float32)
        before = linear(numbers) + 0.3 * rng.normal(size=(64 * 8, 2))
        action = np.float32(LOW + (HIGH - LOW) * (np.tanh(before) + 1) / 2)
        no, whole = np.zeros(64, bool), np.full(64, 8, np.int32)
        zero = np.zeros(64, np.float32)
        shard = Shard(
            *({"numbers": numbers}, np.clip(action, JOINTS.lows, JOINTS.highs)),
            *(np.zeros(64 * 8, np.float32), np.arange(begin, begin + 64), whole, ~no, no, no),
            *(zero, zero[:, None], np.array([""] * 64)),
        )
        writer.write(shard)
    writer.finish()
    recording = open_recording(tmp_path / "r")
    network = dataclasses.replace(SMALL, hidden=32, memory=0)
    config = DistillConfig(learning_rate=1e-2, num_minibatches=1, network=network)
    cloner = behaviour_cloning(
        recording.observation_space, recording.action_space, config, num_updates=150
    )
    state, learn = jax.jit(cloner.student.init)(jax.random.key(0)), jax.jit(cloner.learn)
    carry, metrics = cloner.student.initial_carry(32), {}
    for i, window in enumerate(recording.batches(32, 8, repeat=True)):
        if i == 150:
            break
        state, carry, metrics = learn(state, carry, window, jax.random.key(i))
    assert float(metrics["clone_agreement"]) > 0.85
    test = {k: jnp.asarray(v) for k, v in small_policy.numbers(200, seed=9).items()}
    distribution, _, _ = cloner.student.apply(state, cloner.student.initial_carry(200), test)
    expected = LOW + (HIGH - LOW) * (np.tanh(linear(test["numbers"])) + 1) / 2
    assert np.abs(np.asarray(distribution.mode()) - expected).mean() < 0.05
    # It learns how much noise there was, too.
    np.testing.assert_allclose(np.exp(distribution.log_std).mean(0), 0.3, rtol=0.25)


def test_policies_with_continuous_actions_as_experts():
    policy = small_policy.made(NUMBERS, JOINTS)
    given = {k: jnp.asarray(v) for k, v in small_policy.numbers(N).items()}
    carry = policy.initial_carry(N)
    plain, _ = experts.of_policy(policy, JOINTS).advise(carry, given)
    np.testing.assert_allclose(plain.mode(), policy.act(given)[0], rtol=1e-5)
    sure, _ = experts.of_policy(policy, JOINTS, temperature=0.5).advise(carry, given)
    np.testing.assert_array_equal(sure.mean, plain.mean)
    np.testing.assert_allclose(np.exp(sure.log_std), 0.5 * np.exp(plain.log_std), rtol=1e-5)
    for other in (Continuous((2,), -1.0, 1.0, JOINTS.names), small_policy.ACTIONS):
        with pytest.raises(SettingError, match=r"actions of the expert is .*the student's"):
            experts.of_policy(policy, other)
    with pytest.raises(SettingError, match="actions of the expert"):
        experts.of_policy(small_policy.made(), JOINTS)


def test_privileged_continuous_actions():
    expert = experts.privileged("solver", JOINTS)
    action = jnp.array([[-0.5, 0.1], [1.0, -2.0], [jnp.nan, 0.0], [0.0, jnp.inf]])
    advice, _ = expert.advise((), {"solver": action})
    np.testing.assert_array_equal(expert.knows({"solver": action}), [True, True, False, False])
    np.testing.assert_allclose(advice.mode()[:2], action[:2], atol=0.026)
    assert np.isfinite(advice.mean).all()
    assert expert.privileged_observations == ("solver",)
