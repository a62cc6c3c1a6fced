"""Losses against plain NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.students.algorithms import losses
from didact.students.algorithms.losses import Outputs
from didact.students.networks import Categorical

T, N, ACTIONS = 9, 6, 4


def reference_advantages(
    reward, value, terminated, truncated, final_value, last_value, discount, gae_lambda
):
    """Each advantage as the sum that defines it, term by term, up to the end of its episode."""
    steps, worlds = reward.shape
    result = np.zeros((steps, worlds))
    for world in range(worlds):
        for begin in range(steps):
            factor = 1.0
            for t in range(begin, steps):
                if terminated[t, world]:
                    after = 0.0
                elif truncated[t, world]:
                    after = final_value[t, world]
                elif t + 1 < steps:
                    after = value[t + 1, world]
                else:
                    after = last_value[world]
                delta = reward[t, world] + discount * after - value[t, world]
                result[begin, world] += factor * delta
                if terminated[t, world] or truncated[t, world]:
                    break
                factor *= discount * gae_lambda
    return result


def numbers(seed=0):
    rng = np.random.default_rng(seed)
    terminated = rng.random((T, N)) < 0.2
    truncated = rng.random((T, N)) < 0.2
    # The last worlds: no end at all, and an end in the very last step of each kind.
    terminated[:, 3:] = truncated[:, 3:] = False
    terminated[-1, 4] = truncated[-1, 5] = True
    terminated[2, 0] = truncated[2, 0] = True  # both at once: it is over
    return {
        "reward": rng.normal(size=(T, N)),
        "value": rng.normal(size=(T, N)),
        "terminated": terminated,
        "truncated": truncated,
        "final_value": rng.normal(size=(T, N)) * (truncated & ~terminated),
        "last_value": rng.normal(size=N),
    }


@pytest.mark.parametrize("gae_lambda", [0.0, 0.8, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_advantages_are_the_sums_that_define_them(seed, gae_lambda):
    given = numbers(seed)
    expected = reference_advantages(**given, discount=0.9, gae_lambda=gae_lambda)
    given = {k: jnp.asarray(v, bool if v.dtype == bool else jnp.float32) for k, v in given.items()}
    found = losses.advantages(**given, discount=0.9, gae_lambda=gae_lambda)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_finished_episode_hears_nothing_of_the_next():
    given = numbers()
    given["terminated"][4] = True
    found = losses.advantages(**given, discount=0.99, gae_lambda=0.95)
    later = given | {"reward": given["reward"] + 100 * (np.arange(T) > 4)[:, None]}
    np.testing.assert_array_equal(
        found[:5], losses.advantages(**later, discount=0.99, gae_lambda=0.95)[:5]
    )


def batch(seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(T, N, ACTIONS)).astype(np.float32)
    value = jnp.asarray(rng.normal(size=(T, N)), jnp.float32)
    outputs = Outputs(Categorical(jnp.asarray(logits)), value)
    made = losses.Batch(
        observation={},
        start=jnp.zeros((T, N), bool),
        carry=(),
        action=jnp.asarray(rng.integers(ACTIONS, size=(T, N))),
        extras={
            "log_prob": jnp.asarray(rng.normal(size=(T, N)) - 1.5, jnp.float32),
            "value": jnp.asarray(rng.normal(size=(T, N)), jnp.float32),
        },
        advantage=jnp.asarray(3 + 2 * rng.normal(size=(T, N)), jnp.float32),
        target=jnp.asarray(rng.normal(size=(T, N)), jnp.float32),
        weight=jnp.ones((T, N)),
    )
    return outputs, made


def at(progress):
    """A moment of the training."""
    return losses.TrainingProgress(jnp.int32(0), jnp.float32(progress), {})


def probabilities(logits):
    e = np.exp(np.asarray(logits, float) - np.max(logits, axis=-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def test_clipped_policy():
    outputs, made = batch()
    loss, metrics = losses.clipped_policy_loss(0.2)(outputs, made, at(0))
    advantage = np.asarray(made.advantage, float)
    advantage = advantage / np.sqrt(np.mean(advantage**2))
    p = np.take_along_axis(
        probabilities(outputs.distribution.logits), np.asarray(made.action)[..., None], -1
    )
    ratio = p[..., 0] / np.exp(np.asarray(made.extras["log_prob"], float))
    each = []
    for r, a in zip(ratio.ravel(), advantage.ravel(), strict=True):
        inside = r if abs(r - 1) <= 0.2 else (1.2 if r > 1 else 0.8)
        each.append(min(r * a, inside * a))
    assert float(loss) == pytest.approx(-np.mean(each), rel=1e-4)
    assert float(metrics["clip_fraction"]) == pytest.approx(np.mean(abs(ratio - 1) > 0.2))
    assert float(metrics["approximate_kl"]) == pytest.approx(
        np.mean(ratio - 1 - np.log(ratio)), rel=1e-3
    )


def test_steps_without_advantage_are_left_alone():
    """Nothing pushes them, however good or bad the other steps of the batch were."""
    for others in (2.0, -2.0):
        made = batch()[1]._replace(
            action=jnp.zeros((1, 3), jnp.int32),
            extras={"log_prob": jnp.log(jnp.full((1, 3), 0.5))},
            advantage=jnp.array([[0.0, others, others]]),
            weight=jnp.ones((1, 3)),
        )

        def loss(logits, made=made):
            return losses.clipped_policy_loss(0.2)(
                Outputs(Categorical(logits), jnp.zeros((1, 3))), made, at(0)
            )[0]

        gradient = jax.grad(loss)(jnp.zeros((1, 3, 2)))
        np.testing.assert_array_equal(gradient[0, 0], 0)
        assert (jnp.abs(gradient[0, 1:]) > 0.1).all()


def test_advantages_are_scaled_by_the_rows_that_are_learned_from():
    """Also in a minibatch with fewer of them than the others: they count less, not otherwise."""
    outputs, made = batch()
    term, parts = losses.clipped_policy_loss(0.2), []
    for learned, scale in ((N, 1.0), (N // 2, 1.0), (N // 2, 2.0)):
        weight = made.weight.at[:, learned:].set(0) * scale
        parts.append(float(term(outputs, made._replace(weight=weight), at(0))[0]))
    half = jax.tree.map(lambda x: x[:, : N // 2], (outputs, made._replace(carry=())))
    alone = float(term(*half, at(0))[0])
    np.testing.assert_allclose(parts[1:], [alone / 2, alone], rtol=1e-5)
    assert parts[0] != pytest.approx(alone, rel=1e-3)


def test_clipped_policy_stops_at_the_clip():
    """Where the ratio is beyond the clip on the side the advantage asks for, nothing pulls."""
    action = jnp.zeros((1, 2), jnp.int32)
    made = batch()[1]._replace(
        action=action,
        extras={"log_prob": jnp.log(jnp.array([[0.1, 0.9]]))},
        advantage=jnp.array([[1.0, -1.0]]),  # ratios 5 and 0.56: both already too far
        weight=jnp.ones((1, 2)),
    )

    def loss(logits):
        return losses.clipped_policy_loss(0.2)(
            Outputs(Categorical(logits), jnp.zeros((1, 2))), made, at(0)
        )[0]

    np.testing.assert_array_equal(jax.grad(loss)(jnp.zeros((1, 2, 2))), 0)


def test_value_error():
    outputs, made = batch()
    loss, metrics = losses.value_loss()(outputs, made, at(0))
    error = np.asarray(outputs.value, float) - np.asarray(made.target, float)
    assert float(loss) == pytest.approx(0.5 * np.mean(error**2), rel=1e-5)
    target, value = np.asarray(made.target, float), np.asarray(made.extras["value"], float)
    explained = 1 - np.var(target - value) / np.var(target)
    assert float(metrics["explained_variance"]) == pytest.approx(explained, rel=1e-4)


@pytest.mark.parametrize(("progress", "weight"), [(0.0, 0.5), (0.25, 0.4), (1.0, 0.1)])
def test_negative_entropy(progress, weight):
    outputs, made = batch()
    p = probabilities(outputs.distribution.logits)
    entropy = -np.mean(np.sum(p * np.log(p), -1))
    loss, metrics = losses.entropy_loss(losses.linear(0.5, 0.1))(outputs, made, at(progress))
    assert float(metrics["entropy"]) == pytest.approx(entropy, rel=1e-5)
    assert float(loss) == pytest.approx(-weight * entropy, rel=1e-5)


def test_total_is_the_weighted_sum():
    outputs, made = batch()
    parts = [losses.clipped_policy_loss(0.1), losses.value_loss()]

    def extra(outputs, batch, now):
        return 7 * now.progress, {"extra": now.progress}

    loss, metrics = losses.weighted_sum([(1.0, parts[0]), (0.25, parts[1]), (2.0, extra)])(
        outputs, made, at(0.5)
    )
    alone = [float(part(outputs, made, at(0.5))[0]) for part in parts]
    assert float(loss) == pytest.approx(alone[0] + 0.25 * alone[1] + 2.0 * 3.5, rel=1e-6)
    assert set(metrics) >= {"policy_loss", "value_loss", "explained_variance", "extra"}


@pytest.mark.slow
def test_rows_without_weight_do_not_count():
    """Terms and metrics are those of the other rows alone, whatever stands in these."""
    outputs, made = batch()
    weight = np.random.default_rng(1).random((T, N)) < 0.6
    kept = np.flatnonzero(weight)

    def only(x):
        return x.reshape(T * N, *x.shape[2:])[kept][None]

    def spoilt(x):
        wild = jnp.full(x.shape, 1e30 if jnp.issubdtype(x.dtype, jnp.floating) else 0, x.dtype)
        return jnp.where(weight.reshape(T, N, *[1] * (x.ndim - 2)), x, wild)

    term = losses.weighted_sum(
        [
            (1.0, losses.clipped_policy_loss(0.2)),
            (0.5, losses.value_loss()),
            (1.0, losses.entropy_loss(losses.linear(0.1, 0.0))),
        ]
    )
    bare = made._replace(weight=(), carry=())
    alone = jax.tree.map(only, bare)._replace(weight=jnp.ones((1, len(kept))))
    expected = term(jax.tree.map(only, outputs), alone, at(0))
    # Weights are 1 on average.
    all_rows = jax.tree.map(spoilt, bare)._replace(weight=jnp.asarray(weight / weight.mean()))

    def loss(logits, value):
        spoilt_outputs = jax.tree.map(spoilt, Outputs(Categorical(logits), value))
        return term(spoilt_outputs, all_rows, at(0))

    run = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)
    found, gradients = run(outputs.distribution.logits, outputs.value)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5), found, expected
    )
    for gradient in gradients:
        assert (np.asarray(gradient)[~weight] == 0).all()
        assert (np.asarray(gradient)[weight] != 0).any(-1).all()
