"""Distributions over actions against SciPy and plain NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats
from squashed import BEYOND, each_entropy, each_log_prob

from didact.environments import Continuous, Discrete, SettingError
from didact.students import Categorical, Product, SquashedNormal
from didact.students.networks.distributions import agreement, agreement_with, uniform_over

BOUNDS = {"even": (-1.0, 1.0), "asymmetric": (-2.0, 0.5)}
MEANS = (0.0, 0.7, -2.5, 5.0, -8.0)
STDS = (0.05, 0.3, 1.0, 2.0)


def normal(mean, std, low=-1.0, high=1.0):
    """A batch with one actuator for each mean and std."""
    mean, std = np.broadcast_arrays(np.float32(mean), np.float32(std))
    return SquashedNormal(
        jnp.asarray(mean[..., None]), jnp.log(jnp.asarray(std[..., None])), (low,), (high,)
    )


def cells(low, high, number=20_001):
    """Actions between the bounds, and the length that each stands for."""
    edges = np.tanh(np.linspace(-BEYOND, BEYOND, number + 1))
    middles = np.tanh((np.linspace(-BEYOND, BEYOND, number + 1)[:-1]) + BEYOND / number)
    half = (high - low) / 2
    return low + half * (middles + 1), half * np.diff(edges)


@pytest.mark.parametrize("bounds", BOUNDS)
def test_the_density_is_that_of_a_squashed_normal(bounds):
    low, high = BOUNDS[bounds]
    unit = np.array([-0.999, -0.9, -0.3, 0.0, 0.01, 0.5, 0.95, 0.999])
    action = np.float32(low + (high - low) * (unit + 1) / 2)
    mean, std = np.meshgrid(MEANS, STDS, indexing="ij")
    found = normal(mean[..., None], std[..., None], low, high).log_prob(action[:, None])
    expected = each_log_prob(action, mean[..., None], std[..., None], low, high)
    assert found.shape == (len(MEANS), len(STDS), len(unit))
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-3)


@pytest.mark.parametrize("bounds", BOUNDS)
def test_at_the_bounds_there_is_the_mass_beyond(bounds):
    low, high = BOUNDS[bounds]
    mean, std = (x.ravel() for x in np.meshgrid(MEANS, STDS))
    made = normal(mean, std, low, high)
    for action, log_mass in (
        (high, stats.norm.logsf((BEYOND - mean) / std)),
        (low, stats.norm.logcdf((-BEYOND - mean) / std)),
    ):
        for outwards in (0.0, 1e-7, 3.0):  # what is out of bounds counts as the bound
            away = action + outwards * np.sign(action - (low + high) / 2)
            found = made.log_prob(jnp.full((len(mean), 1), away, jnp.float32))
            np.testing.assert_allclose(found, log_mass, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("bounds", BOUNDS)
def test_density_and_masses_add_up_to_1(bounds):
    low, high = BOUNDS[bounds]
    action, length = cells(low, high)
    total = jax.jit(lambda made, action: jnp.exp(made.log_prob(action)))
    for mean in MEANS:
        for std in STDS:
            made = normal(mean, std, low, high)
            density = np.asarray(total(made, jnp.asarray(action[:, None], jnp.float32)), float)
            masses = np.asarray(total(made, jnp.array([[low], [high]])), float)
            # At the edge of the bounds float32 knows distances from them to a few percent.
            assert density @ length + masses.sum() == pytest.approx(1, abs=1e-2), (mean, std)


def test_actuators_are_independent():
    rng = np.random.default_rng(0)
    mean, log_std = rng.normal(size=(2, 7, 3))
    low, high = (-1.0, -2.0, 0.0), (1.0, 0.5, 10.0)
    made = SquashedNormal(*map(jnp.float32, (mean, log_std)), low, high)
    action = np.float32(low + (np.array(high) - low) * rng.random((7, 3)))
    action[0] = low
    action[1, 2] = 10.0
    each = [
        each_log_prob(action[:, i], mean[:, i], np.exp(log_std[:, i]), low[i], high[i])
        for i in range(3)
    ]
    np.testing.assert_allclose(made.log_prob(action), np.sum(each, 0), rtol=1e-4, atol=1e-4)
    alone = [normal(mean[:, i], np.exp(log_std[:, i]), low[i], high[i]) for i in range(3)]
    np.testing.assert_allclose(
        made.entropy(), sum(one.entropy() for one in alone), rtol=1e-5, atol=1e-5
    )
    other = SquashedNormal(jnp.zeros((7, 3)), jnp.zeros((7, 3)), low, high)
    others = [normal(np.zeros(7), 1.0, low[i], high[i]) for i in range(3)]
    apart = sum(one.kl(two) for one, two in zip(alone, others, strict=True))
    np.testing.assert_allclose(made.kl(other), apart, rtol=1e-5)


@pytest.mark.parametrize("bounds", BOUNDS)
def test_the_differential_entropy(bounds):
    """Against the integral of -p log p, with the density in double precision."""
    low, high = BOUNDS[bounds]
    mean, std = (x.ravel() for x in np.meshgrid(MEANS, STDS))
    expected = each_entropy(mean, std, low, high)
    np.testing.assert_allclose(normal(mean, std, low, high).entropy(), expected, atol=5e-3)


def test_the_divergence_is_the_integral():
    for low, high in BOUNDS.values():
        action, length = cells(low, high)
        for p, q in (((0.0, 1.0), (0.5, 0.7)), ((1.0, 0.2), (0.8, 0.5)), ((-1.0, 0.5),) * 2):
            log_p, log_q = (each_log_prob(action, *x, low, high) for x in (p, q))
            expected = np.sum(length * np.exp(log_p) * (log_p - log_q))
            found = normal(*p, low, high).kl(normal(*q, low, high))
            assert float(found) == pytest.approx(expected, abs=2e-4)
    with pytest.raises(SettingError, match="bounds"):
        normal(0, 1).kl(normal(0, 1, -2.0, 2.0))


@pytest.mark.parametrize(("mean", "std"), [(0.0, 0.5), (1.0, 1.0), (6.5, 1.5), (-7.0, 0.5)])
def test_samples_are_squashed_normals(mean, std):
    low, high = BOUNDS["asymmetric"]
    drawn = normal(np.full(20_000, mean), std, low, high).sample(jax.random.key(0))
    action = np.asarray(drawn)[:, 0]
    assert action.dtype == np.float32
    assert low <= action.min() < action.max() <= high
    unit = 2 * (action.astype(float) - low) / (high - low) - 1
    inside = abs(unit) < 1 - 1e-6
    masses = stats.norm.cdf([-BEYOND, -BEYOND], [mean, -mean], std)
    found = [np.mean(~inside & (unit < 0)), np.mean(~inside & (unit > 0))]
    # Near the bounds, compilers round tanh of float32 in different ways.
    np.testing.assert_allclose(found, masses, atol=0.02)
    if inside.all():  # elsewhere float32 cannot resolve the tail
        assert stats.kstest(np.arctanh(unit), stats.norm(mean, std).cdf).pvalue > 1e-3
    middle = low + (high - low) * (np.tanh(mean) + 1) / 2
    np.testing.assert_allclose(normal(mean, std, low, high).mode(), [middle], rtol=1e-5)


def test_gradients_are_finite_everywhere():
    """Also far from what can be sampled, and at the bounds."""
    low, high = BOUNDS["asymmetric"]
    mean = np.array([0.0, 3.0, -1e3, 1e3, 3e4])
    log_std = np.array([-4.0, 0.0, 1.0])
    action = np.array([low, np.nextafter(np.float32(low), np.float32(0)), -1.0, 0.499999, high])
    mean, log_std, action = (x.ravel() for x in np.meshgrid(mean, log_std, action))

    def numbers(mean, log_std, action):
        made = SquashedNormal(mean[:, None], log_std[:, None], (low,), (high,))
        other = normal(np.zeros(mean.shape), 1.0, low, high)
        parts = made.log_prob(action[:, None]), made.entropy(), made.kl(other), other.kl(made)
        return sum(jnp.sum(x) for x in parts), parts

    run = jax.jit(jax.value_and_grad(numbers, argnums=(0, 1), has_aux=True))
    (_, parts), gradients = run(*map(jnp.float32, (mean, log_std, action)))
    for x in (*parts, *gradients):
        assert np.isfinite(x).all(), np.stack([mean, log_std, action], 1)[~np.isfinite(x)]


def test_gradients_of_the_masses():
    mean, std = np.array([0.0, 2.0, 6.0, 9.0]), np.array([0.5, 1.0, 2.0, 1.0])

    def total_of(mean, log_std):
        made = SquashedNormal(mean[:, None], log_std[:, None], (-1.0,), (1.0,))
        return jnp.sum(made.log_prob(jnp.ones((4, 1))))

    by_mean, by_log_std = jax.grad(total_of, argnums=(0, 1))(*map(jnp.float32, (mean, np.log(std))))
    x = (BEYOND - mean) / std
    hazard = np.exp(stats.norm.logpdf(x) - stats.norm.logsf(x))  # of the normal tail
    np.testing.assert_allclose(by_mean, hazard / std, rtol=1e-4)
    np.testing.assert_allclose(by_log_std, hazard * x, rtol=1e-4, atol=1e-5)


def categorical(seed=0, zeros=True):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(5), size=6)
    if zeros:
        p[:3, seed % 2] = 0
        p[5] = np.eye(5)[2]
    p /= p.sum(-1, keepdims=True)
    return p, Categorical.of_probabilities(jnp.asarray(p, jnp.float32))


def test_categorical_probabilities_entropy_and_mode():
    p, made = categorical()
    np.testing.assert_allclose(made.probabilities, p, rtol=1e-5)
    np.testing.assert_allclose(made.entropy(), stats.entropy(p, axis=-1), atol=1e-5)
    np.testing.assert_array_equal(made.mode(), p.argmax(-1))
    for action in range(5):
        with np.errstate(divide="ignore"):
            expected = np.log(p[:, action])
        found = made.log_prob(jnp.full(6, action))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    shifted = Categorical(made.logits + 100)  # logits are not normalised
    np.testing.assert_allclose(shifted.log_prob(made.mode()), made.log_prob(made.mode()), atol=1e-5)


def test_categorical_divergence():
    p, one = categorical(0)
    q, two = categorical(1, zeros=False)
    np.testing.assert_allclose(one.kl(two), special.rel_entr(p, q).sum(-1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(one.kl(one), 0, atol=1e-6)
    np.testing.assert_array_equal(np.isinf(two.kl(one)), (p == 0).any(-1))

    def apart(logits):
        return jnp.sum(one.kl(Categorical(logits)))

    gradient = jax.grad(apart)(two.logits)
    np.testing.assert_allclose(gradient, q - p, atol=1e-6)  # softmax minus the expert


def test_categorical_samples():
    p, made = categorical()
    keys = jax.random.split(jax.random.key(0), 20_000)
    drawn = np.asarray(jax.jit(jax.vmap(made.sample))(keys))
    found = (drawn[..., None] == np.arange(5)).mean(0)
    np.testing.assert_allclose(found, p, atol=0.015)
    assert (found[p == 0] == 0).all()


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_temperature_scales_the_spread(temperature):
    p, made = categorical()
    powers = p ** (1 / temperature)
    powers /= powers.sum(-1, keepdims=True)
    np.testing.assert_allclose(made.tempered(temperature).probabilities, powers, rtol=1e-4)
    one, two = normal(0.3, 0.8).tempered(temperature), normal(0.3, 0.8 * temperature)
    np.testing.assert_allclose(one.log_prob(jnp.array([0.9])), two.log_prob(jnp.array([0.9])))


def product(seed=0):
    return Product((categorical(seed)[1], normal(np.linspace(-1, 1, 6), 0.5 + seed)))


def test_a_product_is_its_parts_side_by_side():
    one, two = product(0), product(1)
    action = one.sample(jax.random.key(0))
    assert [x.shape for x in action] == [(6,), (6, 1)]
    parts = zip(one.parts, two.parts, action, strict=True)
    expected = [(p.log_prob(a), p.entropy(), q.kl(p)) for p, q, a in parts]
    for found, each in zip(
        (one.log_prob(action), one.entropy(), two.kl(one)), zip(*expected, strict=True), strict=True
    ):
        np.testing.assert_allclose(found, sum(each), rtol=1e-6)
    jax.tree.map(np.testing.assert_array_equal, one.mode(), tuple(p.mode() for p in one.parts))
    tempered = [p.tempered(0.5).entropy() for p in one.parts]
    np.testing.assert_allclose(one.tempered(0.5).entropy(), sum(tempered), rtol=1e-6)
    keys = jax.random.split(jax.random.key(1), 4000)
    first, second = jax.jit(jax.vmap(one.sample))(keys)
    correlation = np.corrcoef(np.asarray(first)[:, 3], np.asarray(second)[:, 3, 0])
    assert abs(correlation[0, 1]) < 0.06  # the parts have keys of their own


@pytest.mark.parametrize("made", [categorical()[1], normal(np.arange(6.0), 0.5), product()])
def test_distributions_are_pytrees(made):
    """Compiled, mapped, stacked and scanned over, they say the same."""
    action = made.sample(jax.random.key(0))
    expected = made.log_prob(action), made.entropy(), made.kl(made)

    def numbers(made, action):
        return made.log_prob(action), made.entropy(), made.kl(made)

    for run in (jax.jit(numbers), jax.jit(jax.vmap(numbers))):
        for a, b in zip(run(made, action), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    stacked = jax.tree.map(lambda x, y: jnp.stack([x, y], 1), made, made.tempered(0.5))
    np.testing.assert_allclose(stacked.entropy()[:, 0], expected[1], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        stacked.entropy()[:, 1], made.tempered(0.5).entropy(), rtol=1e-5, atol=1e-5
    )
    _, scanned = jax.lax.scan(lambda carry, row: (carry, (row, row.entropy())), 0, stacked)
    assert jax.tree.structure(scanned[0]) == jax.tree.structure(made)
    np.testing.assert_allclose(scanned[1], stacked.entropy(), rtol=1e-6)


def test_distributions_of_spaces():
    space = Continuous((2,), (-2.0, 0.0), (0.5, 1.0))
    broad = uniform_over(space, 3)
    # Close to uniform: the entropy is that of the box, but for less than a tenth.
    box = np.log(2.5) + np.log(1.0)
    np.testing.assert_allclose(broad.entropy(), np.full(3, box), atol=0.1)
    np.testing.assert_allclose(uniform_over(Discrete(4), 3).probabilities, np.full((3, 4), 0.25))
    action = jnp.array([[-2.0, 0.5], [0.5, 1.0], [-1.0, 0.2]])
    near = SquashedNormal.around(space, action, std=0.1)
    np.testing.assert_allclose(near.mode(), space.clip(action), atol=0.026)  # 1 % of 2.5
    assert (near.log_prob(near.mode()) > broad.log_prob(near.mode()) + 1).all()


def test_agreement():
    p, one = categorical(0)
    q, two = categorical(1)
    np.testing.assert_array_equal(agreement(one, two), p.argmax(-1) == q.argmax(-1))
    low, high = BOUNDS["asymmetric"]
    made = normal(np.zeros(3), 1.0, low, high)  # greedy actions: -0.75
    action = jnp.array([[-0.75], [0.5], [-2.0]])
    np.testing.assert_allclose(agreement_with(made, action), [1, 0.5, 0.5], atol=1e-6)
    both = Product((Categorical(jnp.eye(2)), normal(np.zeros(2), 1.0)))
    told = jnp.array([0, 0]), jnp.array([[0.0], [1.0]])
    np.testing.assert_allclose(agreement_with(both, told), [1, 0.25], atol=1e-6)
