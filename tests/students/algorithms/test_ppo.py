"""PPO against a step written by hand."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small_policy import ACTIONS, NETWORK, SPACES, observation, played, shaken

from didact.environments import SettingError
from didact.students import NetworkConfig, PPOConfig, Rollout, ppo

T, N = 5, 6
CONFIG = PPOConfig(
    network=NETWORK, num_minibatches=1, num_epochs=1, max_grad_norm=0.05, discount=0.9
)


def student(**more):
    return ppo(SPACES, ACTIONS, dataclasses.replace(CONFIG, **more), num_updates=10)


def seen():
    return {k: v.reshape(T, N, *v.shape[1:]) for k, v in observation(T * N).items()}


@pytest.fixture(scope="module")
def example():
    made = student()
    state = jax.jit(made.init)(jax.random.key(0))
    # Away from the start, where the policy is nearly uniform and most gradients are small.
    state = state._replace(params=shaken(state.params))
    carry = np.random.default_rng(1).normal(size=(N, NETWORK.memory)) / 3
    acting = made._replace(act=jax.jit(made.act))
    return made, state, played(acting, state, seen(), carry=jnp.asarray(carry, jnp.float32))


def test_before_any_update_the_policy_is_the_one_that_acted(example):
    """Log-probabilities recomputed over sequences are those of acting: every ratio is 1."""
    made, state, rollout = example
    _, metrics = jax.jit(made.learn)(state, rollout, jax.random.key(1))
    assert float(metrics["approximate_kl"]) == pytest.approx(0, abs=1e-6)
    assert float(metrics["clip_fraction"]) == 0
    # All ratios are 1: the surrogate is minus the mean of the scaled advantages.
    advantage = advantages_by_hand(rollout, CONFIG)
    expected = -advantage.mean() / np.sqrt(np.mean(advantage**2))
    assert float(metrics["policy_loss"]) == pytest.approx(expected, abs=1e-5)


def advantages_by_hand(rollout, config):
    """Generalised advantages, step by step from the last."""
    value = np.asarray(rollout.extras["value"], float)
    advantage = np.zeros((T + 1, N))
    for t in reversed(range(T)):
        after = np.asarray(rollout.last_value) if t == T - 1 else value[t + 1]
        after = np.where(rollout.truncated[t], rollout.final_value[t], after)
        after = np.where(rollout.terminated[t], 0, after)
        over = np.asarray(rollout.terminated[t] | rollout.truncated[t])
        delta = np.asarray(rollout.reward[t]) + config.discount * after - value[t]
        carried = config.discount * config.gae_lambda * ~over * advantage[t + 1]
        advantage[t] = delta + carried
    return advantage[:T]


def hand_written_step(made, state, rollout, config, learning_rate, entropy_coefficient):
    """One minibatch of all worlds: gradients by way of acting step by step, Adam by optax."""
    advantage, value = advantages_by_hand(rollout, config), np.asarray(rollout.extras["value"])
    target = jnp.asarray(advantage + value, jnp.float32)
    normal = jnp.asarray(advantage / np.sqrt(np.mean(advantage**2)), jnp.float32)

    def loss(params):
        now = state._replace(params=params)
        carry, ratios, values, entropies = rollout.carry, [], [], []
        for t in range(T):
            carry = jnp.where(rollout.start[t][:, None], 0, carry)
            seen = {name: x[t] for name, x in rollout.observation.items()}
            distribution, value, carry = made.apply(now, carry, seen)
            log_probs = jax.nn.log_softmax(distribution.logits)
            chosen = log_probs[jnp.arange(N), rollout.action[t]]
            ratios.append(jnp.exp(chosen - rollout.extras["log_prob"][t]))
            entropies.append(-(jnp.exp(log_probs) * log_probs).sum(-1))
            values.append(value)
        ratio, values = jnp.stack(ratios), jnp.stack(values)
        clipped = jnp.clip(ratio, 1 - config.clip, 1 + config.clip)
        return (
            -jnp.minimum(ratio * normal, clipped * normal).mean()
            + config.value_coefficient * 0.5 * ((values - target) ** 2).mean()
            - entropy_coefficient * jnp.stack(entropies).mean()
        )

    gradient = jax.jit(jax.grad(loss))(state.params)
    norm = np.sqrt(sum(float((x**2).sum()) for x in jax.tree.leaves(gradient)))
    assert norm > config.max_grad_norm  # or the clipping would go untested
    gradient = jax.tree.map(lambda x: x * (config.max_grad_norm / norm), gradient)
    adam = optax.adam(learning_rate, eps=1e-5)
    change, _ = adam.update(gradient, adam.init(state.params))
    return optax.apply_updates(state.params, change), norm


def test_one_minibatch_is_the_step_written_by_hand(example):
    made, state, rollout = example
    after, metrics = jax.jit(made.learn)(state, rollout, jax.random.key(1))
    expected, norm = hand_written_step(
        made, state, rollout, CONFIG, CONFIG.learning_rate, CONFIG.entropy_coefficient
    )
    assert float(metrics["gradient_norm"]) == pytest.approx(norm, rel=1e-3)
    moved = 0.0
    for new, old, hand in zip(
        *map(jax.tree.leaves, (after.params, state.params, expected)), strict=True
    ):
        moved = max(moved, float(jnp.abs(new - old).max()))
        np.testing.assert_allclose(new - old, hand - old, rtol=2e-2, atol=2e-5)
    assert moved > CONFIG.learning_rate / 2
    assert int(after.updates) == 1


def test_minibatches_and_epochs_use_every_world_once_each(example):
    """Worlds that would move the parameters are all met: none can be left out unseen."""
    _, state, rollout = example
    learn = jax.jit(student(num_minibatches=3, num_epochs=2).learn)
    after, _ = learn(state, rollout, jax.random.key(1))
    # Steps taken by Adam: minibatches times epochs.
    counts = [int(x) for x in jax.tree.leaves(after.optimiser) if x.dtype == jnp.int32]
    assert counts == [6] * len(counts)
    for world in range(N):
        reward = rollout.reward.at[:, world].add(3.0)
        other, _ = learn(state, rollout._replace(reward=reward), jax.random.key(1))
        difference = jax.tree.map(lambda a, b: jnp.abs(a - b).max(), after.params, other.params)
        assert max(map(float, jax.tree.leaves(difference))) > 1e-5


def test_rates_fall_over_the_training(example):
    """The size of Adam's first step is the learning rate; at the end it is the final one."""
    _, state, rollout = example
    made = ppo(
        SPACES,
        ACTIONS,
        dataclasses.replace(CONFIG, learning_rate=1e-2, final_learning_rate=1e-4),
        num_updates=4,
    )
    learn = jax.jit(made.learn)
    sizes = []
    for i in range(6):
        after, _ = learn(state, rollout, jax.random.key(i))
        change = jax.tree.map(lambda a, b: jnp.abs(a - b).max(), after.params, state.params)
        sizes.append(max(map(float, jax.tree.leaves(change))))
        # The same parameters and moments, only later in the training.
        fresh = [
            new if new.dtype == jnp.int32 else old
            for new, old in zip(
                *map(jax.tree.leaves, (after.optimiser, state.optimiser)), strict=True
            )
        ]
        # The step count inside Adam corrects its moments: keep that at its start.
        optimiser = jax.tree.unflatten(jax.tree.structure(state.optimiser), fresh)
        adam = optimiser[1][0]._replace(count=jnp.zeros((), jnp.int32))
        optimiser = (optimiser[0], (adam, optimiser[1][1]))
        state = state._replace(optimiser=optimiser, updates=after.updates)
    expected = np.interp(np.arange(6), [0, 4], [1e-2, 1e-4])
    np.testing.assert_allclose(sizes, expected, rtol=0.02, atol=1e-6)


def test_extra_terms_are_minimised_too(example):
    _, state, rollout = example

    def pull(outputs, batch, now):
        loss = jnp.mean(outputs.value**2)
        return loss, {"pull": loss}

    made = ppo(SPACES, ACTIONS, CONFIG, num_updates=10, extra_terms=[(100.0, pull)])
    learn = jax.jit(made.learn)
    losses = []
    for i in range(5):
        state, metrics = learn(state, rollout, jax.random.key(i))
        losses.append(float(metrics["pull"]))
    assert losses[-1] < losses[0]


def test_each_minibatch_has_a_key_of_its_own(example):
    _, state, rollout = example

    def draw(outputs, batch, now):
        drawn = jax.random.uniform(now.key)
        return jnp.zeros(()), {"drawn": drawn, "square": drawn**2}

    config = dataclasses.replace(CONFIG, num_minibatches=3, num_epochs=2)
    made = ppo(SPACES, ACTIONS, config, num_updates=10, extra_terms=[(1.0, draw)])
    _, metrics = jax.jit(made.learn)(state, rollout, jax.random.key(0))
    variance = metrics["square"] - metrics["drawn"] ** 2
    assert 0.02 < float(variance) < 0.25  # 1/12 for many independent draws


def test_the_same_key_takes_the_same_actions(example):
    made, state, rollout = example
    now = {name: x[0] for name, x in rollout.observation.items()}
    act = jax.jit(made.act)
    one = act(state, rollout.carry, now, jax.random.key(3))
    two = act(state, rollout.carry, now, jax.random.key(3))
    jax.tree.map(np.testing.assert_array_equal, one, two)


@pytest.mark.slow
def test_actions_follow_the_policy(example):
    made, state, rollout = example
    now = {name: jnp.repeat(x[0, :1], 4000, axis=0) for name, x in rollout.observation.items()}
    carry = jnp.repeat(rollout.carry[:1], 4000, axis=0)
    action, _, extras = jax.jit(made.act)(state, carry, now, jax.random.key(0))
    frequency = np.bincount(np.asarray(action), minlength=ACTIONS.n) / 4000
    for a in range(ACTIONS.n):
        told = np.exp(np.asarray(extras["log_prob"])[np.asarray(action) == a])
        np.testing.assert_allclose(told, frequency[a], atol=0.04)
    greedy, _, _ = made.act_greedily(state, carry[:1], jax.tree.map(lambda x: x[:1], now), None)
    assert int(greedy[0]) == frequency.argmax()


def test_step_scores(example):
    made, _, rollout = example
    scores = made.step_scores(rollout)
    np.testing.assert_array_equal(scores["value"], rollout.extras["value"])
    assert float(scores["positive_value_loss"].min()) == 0
    over = np.asarray(rollout.terminated[-1] | rollout.truncated[-1])
    last = np.asarray(rollout.reward[-1]) - np.asarray(rollout.extras["value"][-1])
    after = np.where(over, rollout.final_value[-1], rollout.last_value)
    expected = np.maximum(last + CONFIG.discount * after, 0)
    np.testing.assert_allclose(scores["positive_value_loss"][-1], expected, atol=1e-5)


def test_learns_which_action_pays():
    """A bandit whose paying action depends on the instruction."""
    made = ppo(
        SPACES,
        ACTIONS,
        PPOConfig(
            network=NetworkConfig(cell_embedding=16, hidden=32, memory=8),
            learning_rate=1e-2,
            num_minibatches=2,
        ),
        num_updates=120,
    )
    n = 64
    yes = jnp.ones((1, n), bool)

    def update(state, key):
        word_key, act_key, learn_key = jax.random.split(key, 3)
        word = jax.random.randint(word_key, (n,), 1, 4)
        seen = {
            "image": jnp.zeros((n, 7, 7, 3), jnp.uint8),
            "direction": jnp.zeros(n, jnp.int32),
            "instruction": jnp.zeros((n, 4), jnp.uint8).at[:, 0].set(word.astype(jnp.uint8)),
        }
        carry = made.initial_carry(n)
        action, _, extras = made.act(state, carry, seen, act_key)
        paid = (action == word - 1).astype(jnp.float32)
        zero = jnp.zeros((1, n))
        first = jax.tree.map(lambda x: x[None], (seen, action, paid, extras))
        rollout = Rollout(
            *(first[0], yes, first[1], first[2], yes, ~yes, first[3], zero, zero[0], carry),
            *(jnp.ones((1, n)), {}),
        )
        return made.learn(state, rollout, learn_key)[0], paid.mean()

    keys = jax.random.split(jax.random.key(1), 120)
    _, paid = jax.jit(lambda s: jax.lax.scan(update, s, keys))(
        jax.jit(made.init)(jax.random.key(0))
    )
    assert float(paid[:5].mean()) < 0.6
    assert float(paid[-10:].mean()) > 0.9


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_epochs", 0),
        ("num_minibatches", 0),
        ("discount", 1.5),
        ("gae_lambda", -0.1),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("final_learning_rate", -1e-4),
        ("clip", 0.0),
        ("max_grad_norm", -1.0),
        ("value_coefficient", float("inf")),
        ("entropy_coefficient", float("nan")),
    ],
)
def test_settings_are_checked(name, value):
    with pytest.raises(SettingError, match=f"ppo.{name} is {value}"):
        ppo(SPACES, ACTIONS, dataclasses.replace(CONFIG, **{name: value}), num_updates=1)


def test_the_number_of_updates_is_checked():
    with pytest.raises(SettingError, match="num_updates is 0"):
        ppo(SPACES, ACTIONS, CONFIG, num_updates=0)
