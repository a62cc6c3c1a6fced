"""Actions that are sometimes an expert's: how often, and how likely they were."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats
from squashed import BEYOND, each_log_prob

from didact.students import Categorical, SquashedNormal
from didact.students.algorithms.learner import sample_mixture

CHANCES = np.array([[0.5, 0.2], [0.0, 0.9], [0.0, 0.0], [0.4, 0.6]])
SHARES = np.concatenate([CHANCES, 1 - CHANCES.sum(1, keepdims=True)], 1)  # the last: the student
N, DRAWS = len(CHANCES), 20_000


def drawn(own, advice):
    """Actions and log-probabilities of many draws, [draws, n, ...]."""
    run = jax.jit(jax.vmap(lambda key: sample_mixture(own, advice, jnp.float32(CHANCES), key)))
    return map(np.asarray, run(jax.random.split(jax.random.key(0), DRAWS)))


def test_a_mixture_of_categorical_distributions():
    rng = np.random.default_rng(0)
    own, advice = rng.dirichlet(np.ones(4), N), rng.dirichlet(np.ones(4), (N, 2))
    advice[:, 1, 0] = 0  # what an expert excludes is still done by others
    advice /= advice.sum(-1, keepdims=True)
    mixture = (SHARES[..., None] * np.concatenate([advice, own[:, None]], 1)).sum(1)
    made = map(Categorical.of_probabilities, (jnp.float32(own), jnp.float32(advice)))
    action, log_prob = drawn(*made)
    for i in range(N):
        found = np.bincount(action[:, i], minlength=4) / DRAWS
        np.testing.assert_allclose(found, mixture[i], atol=0.015)
        np.testing.assert_allclose(log_prob[:, i], np.log(mixture[i])[action[:, i]], atol=1e-4)


def test_a_mixture_of_continuous_distributions():
    """Two actuators; the second expert is at a bound of the first one."""
    low, high = np.array([-2.0, -1.0]), np.array([0.5, 1.0])
    mean = np.tile([[-0.8, 0.3], [9.0, -0.5], [0.6, 0.1]], (N, 1, 1))
    std = np.tile([[0.1, 0.2], [0.3, 0.4], [0.5, 0.7]], (N, 1, 1))

    def normals(which):
        arrays = jnp.float32(mean[:, which]), jnp.log(jnp.float32(std[:, which]))
        return SquashedNormal(*arrays, tuple(low.tolist()), tuple(high.tolist()))

    action, log_prob = drawn(normals(2), normals(slice(0, 2)))
    assert action.shape == (DRAWS, N, 2)
    each = each_log_prob(action[:1000, :, None], mean, std, low, high).sum(-1)
    with np.errstate(divide="ignore"):
        expected = special.logsumexp(np.log(SHARES) + each, axis=-1)
    np.testing.assert_allclose(log_prob[:1000], expected, rtol=2e-3, atol=2e-2)
    before = np.arctanh(np.clip(2 * (action - low) / (high - low) - 1, -0.999999, 0.999999))
    for i in range(N):
        # The share of the expert at the bound, where float32 can tell no more.
        at_bound = np.mean(before[:, i, 0] > BEYOND - 0.01)
        assert abs(at_bound - SHARES[i, 1]) < 0.012
        for actuator in range(2):
            points = np.array([-0.9, -0.5, 0.0, 0.4, 1.0])
            cdf = stats.norm.cdf(points[:, None], mean[i, :, actuator], std[i, :, actuator])
            found = (before[:, i, actuator] <= points[:, None]).mean(1)
            np.testing.assert_allclose(found, cdf @ SHARES[i], atol=0.015)


@pytest.mark.slow
def test_experts_that_do_not_act_do_not_matter():
    """However narrow their distributions are: their densities may be huge or nothing."""
    own = SquashedNormal(jnp.zeros((3, 1)), jnp.zeros((3, 1)), (-1.0,), (1.0,))
    advice = jax.tree.map(lambda x: x[:, None], own)
    action, _ = sample_mixture(own, advice, jnp.zeros((3, 1)), jax.random.key(0))
    for mean in (jnp.arctanh(action), action + 50):
        narrow = SquashedNormal(mean[:, None], jnp.full((3, 1, 1), -30.0), (-1.0,), (1.0,))
        again, log_prob = sample_mixture(own, narrow, jnp.zeros((3, 1)), jax.random.key(0))
        np.testing.assert_array_equal(action, again)
        np.testing.assert_allclose(log_prob, own.log_prob(action), rtol=1e-6)


def test_chances_a_little_below_0_are_0():
    """As of schedules that have ended, but for rounding: the logarithm would not be a number."""
    own = Categorical.of_probabilities(jnp.tile(jnp.array([0.5, 0.5, 0.0]), (500, 1)))
    advice = Categorical.of_probabilities(jnp.tile(jnp.array([0.0, 0.0, 1.0]), (500, 1, 1)))
    action, log_prob = sample_mixture(own, advice, jnp.full((500, 1), -1e-7), jax.random.key(0))
    assert set(np.asarray(action).tolist()) == {0, 1}
    np.testing.assert_allclose(log_prob, np.log(0.5), rtol=1e-5)
