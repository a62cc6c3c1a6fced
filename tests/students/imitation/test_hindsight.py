"""Learning from what was done by chance, against plain Python."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import ArraySpace, Discrete, SettingError
from didact.environments.capabilities import AchievedInstructions
from didact.students import NetworkConfig, PPOConfig, Rollout, hindsight, ppo
from didact.students.algorithms import losses
from didact.students.algorithms.losses import Outputs
from didact.students.imitation.hindsight import SCENE, relabel
from didact.students.networks import Categorical

T, N, L = 7, 40, 3
KEY = jax.random.key(0)


def happened(seed=0):
    rng = np.random.default_rng(seed)
    told = rng.integers(1, 200, (T, N, L)).astype(np.uint8)
    return told, rng.random((T, N)) < 0.3, rng.random((T, N)) < 0.2


def written_out(told, fulfilled, start, discount, accepts):
    """For each step, by looking ahead: the first that it takes, or else the last there is."""
    texts, weights = np.zeros_like(told), np.zeros((T, N))
    for n in range(N):
        for t in range(T):
            for later in range(t + 1, T):
                if start[later, n]:
                    break
                if fulfilled[later, n]:
                    texts[t, n], weights[t, n] = told[later, n], discount ** (later - t - 1)
                    if accepts[later, n]:
                        break
    return texts, weights


@pytest.mark.parametrize("discount", [1.0, 0.8])
@pytest.mark.parametrize("nearest", [0.0, 0.5, 1.0])
def test_steps_are_given_what_they_led_to(discount, nearest):
    happening = happened()
    accepts = np.random.default_rng(3).random((T, N)) < nearest
    texts, weights = relabel(*map(jnp.asarray, happening), discount, jnp.asarray(accepts))
    expected_texts, expected = written_out(*happening, discount, accepts)
    np.testing.assert_allclose(weights, expected, rtol=1e-6)
    some = expected > 0
    assert 0.2 < some.mean() < 0.8
    np.testing.assert_array_equal(np.asarray(texts)[some], expected_texts[some])


def nothing(n):
    return {"told": jnp.zeros((n, L), jnp.uint8), "fulfilled": jnp.zeros(n, bool)}


def describe(before, now):
    return now["told"], now["fulfilled"] & (before["told"][:, 0] > 0)


# Says what it is shown.
TELLER = AchievedInstructions(lambda state: state, nothing, describe)


def test_the_loss_is_the_sum_written_out():
    told, fulfilled, start = happened(1)
    rng = np.random.default_rng(2)
    action = rng.integers(4, size=(T, N))
    instruction = rng.integers(1, 200, (T, N, L)).astype(np.uint8)
    extras = {"hindsight_told": jnp.asarray(told), "hindsight_fulfilled": jnp.asarray(fulfilled)}
    zero = jnp.zeros((T, N))
    batch = losses.Batch(
        {"instruction": jnp.asarray(instruction)},
        start,
        (),
        jnp.asarray(action),
        extras,
        zero,
        zero,
        zero + 1,
    )

    def read(observation):
        """A network whose logits are the first tokens."""
        first = observation["instruction"][..., :1].astype(jnp.float32) / 100
        return Outputs(Categorical(first * jnp.arange(4.0)), zero)

    now = losses.TrainingProgress(
        jnp.int32(0), jnp.float32(0), {"hindsight": jnp.float32(2.0)}, KEY, read
    )
    loss, metrics = hindsight(TELLER, 0.5, discount=0.8, nearest=1.0).term(None, batch, now)
    texts, weights = written_out(told, fulfilled, start, 0.8, np.ones((T, N), bool))
    total = 0.0
    for t, n in np.argwhere(weights > 0):
        logits = texts[t, n, 0] / 100 * np.arange(4.0)
        total -= weights[t, n] * (logits[action[t, n]] - np.log(np.exp(logits).sum()))
    assert total > 1
    np.testing.assert_allclose(metrics["hindsight_loss"], total / (T * N), rtol=1e-5)
    np.testing.assert_allclose(loss, 2.0 * 0.5 * total / (T * N), rtol=1e-5)
    np.testing.assert_allclose(metrics["hindsight_share"], (weights > 0).mean(), rtol=1e-6)


@pytest.mark.slow
def test_a_student_learns_what_it_did_by_chance():
    """Without any reward: what it is told afterwards becomes what it does when it is asked."""
    spaces = {
        "image": ArraySpace((7, 7), np.uint8, 0, 127, "cells", (128,)),
        "instruction": ArraySpace((L,), np.uint8, 0, 255, "tokens", role="instruction"),
    }
    config = PPOConfig(
        network=NetworkConfig(hidden=32, memory=0, instruction_features=16),
        num_minibatches=2,
        # It keeps doing everything under the instruction that it has.
        entropy_coefficient=0.05,
        final_entropy_coefficient=0.05,
    )
    lesson = hindsight(TELLER, 1.0, nearest=1.0)
    student = ppo(spaces, Discrete(3), config, num_updates=60, auxiliary_losses=[lesson])
    state = student.init(jax.random.key(0))
    fallen = jax.random.key(1)
    n, view = 64, jnp.arange(49, dtype=jnp.uint8).reshape(1, 7, 7)

    @jax.jit
    def update(state, key):
        carry, rows, last = student.initial_carry(n), [], None
        first = carry
        instruction = jnp.full((n, L), 9, jnp.uint8)
        for t in range(4):
            key, act_key = jax.random.split(key)
            observation = {"image": jnp.tile(view, (n, 1, 1)), "instruction": instruction}
            scene = {"told": jnp.full((n, L), 5, jnp.uint8), "fulfilled": jnp.zeros(n, bool)}
            if last is not None:  # "5", "6" or "7", by what was done before
                scene = {"told": 5 + jnp.tile(last[:, None], (1, L)).astype(jnp.uint8)}
                scene["fulfilled"] = jnp.ones(n, bool)
            last, carry, extras = student.act(state, carry, observation | {SCENE: scene}, act_key)
            rows.append((observation, jnp.full(n, t == 0), last, extras))
        observation, start, action, extras = jax.tree.map(lambda *x: jnp.stack(x), *rows)
        zero = jnp.zeros((4, n))
        rollout = Rollout(
            *(observation, start, action, zero, zero > 0, zero > 0, extras, zero, zero[0], first),
            *(zero + 1, {}),
        )
        return student.learn(state, rollout, key)

    for _ in range(60):
        fallen, key = jax.random.split(fallen)
        state, metrics = update(state, key)
    assert metrics["hindsight_probability"] > 0.9
    for action in range(3):
        observation = {
            "image": view,
            "instruction": jnp.full((1, L), 5 + action, jnp.uint8),
        }
        distribution, _, _ = student.apply(state, student.initial_carry(1), observation)
        assert distribution.probabilities[0, action] > 0.9


@pytest.mark.parametrize("discount", [0.0, 1.5, float("nan")])
def test_a_discount_out_of_range_is_refused(discount):
    with pytest.raises(SettingError, match="above 0 and at most 1"):
        hindsight(TELLER, 1.0, discount=discount)


def test_something_later_is_drawn_anew_in_each_update():
    told, fulfilled, start = happened(4)
    extras = {"hindsight_told": jnp.asarray(told), "hindsight_fulfilled": jnp.asarray(fulfilled)}
    seen = []

    def read(observation):
        seen.append(np.asarray(observation["instruction"]))
        return Outputs(Categorical(jnp.zeros((T, N, 4))), jnp.zeros((T, N)))

    zero = jnp.zeros((T, N))
    observation = {"instruction": jnp.zeros((T, N, L), jnp.uint8)}
    action = jnp.zeros((T, N), jnp.int32)
    batch = losses.Batch(
        *(observation, jnp.asarray(start), (), action, extras, zero, zero, zero + 1)
    )
    for key in (KEY, KEY, jax.random.key(1)):
        now = losses.TrainingProgress(
            jnp.int32(0), jnp.float32(0), {"hindsight": jnp.ones(())}, key, read
        )
        hindsight(TELLER, 1.0).term(None, batch, now)
    np.testing.assert_array_equal(seen[0], seen[1])
    assert (seen[0] != seen[2]).any()


@pytest.mark.parametrize("nearest", [-0.1, 1.5])
def test_a_chance_out_of_range_is_refused(nearest):
    with pytest.raises(SettingError, match="between 0 and 1"):
        hindsight(TELLER, 1.0, nearest=nearest)


def test_all_that_depends_on_the_instruction_is_read_again():
    told, fulfilled, start = map(jnp.asarray, happened(5))
    extras = {"hindsight_told": told, "hindsight_fulfilled": fulfilled}
    seen = {}

    def read(observation):
        seen.update(observation)
        return Outputs(Categorical(jnp.zeros((T, N, 4))), jnp.zeros((T, N)))

    def observations(instruction):
        return {"instruction": instruction, "instruction_vector": instruction.sum(-1)[..., None]}

    zero = jnp.zeros((T, N))
    own = jnp.full((T, N, L), 7, jnp.uint8)
    batch = losses.Batch(
        {"instruction": own, "instruction_vector": own.sum(-1)[..., None], "other": zero},
        *(start, (), jnp.zeros((T, N), jnp.int32), extras, zero, zero, zero + 1),
    )
    now = losses.TrainingProgress(
        jnp.int32(0), jnp.float32(0), {"hindsight": jnp.ones(())}, KEY, read
    )
    vectors = dataclasses.replace(TELLER, observations=observations)
    hindsight(vectors, 1.0).term(None, batch, now)
    assert (seen["instruction"] != own).any()
    np.testing.assert_array_equal(
        seen["instruction_vector"][..., 0], np.asarray(seen["instruction"]).sum(-1)
    )
    assert seen["other"] is zero
