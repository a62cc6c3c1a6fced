"""The batched mixtures against scikit-learn, which fits one at a time in float64."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from didact.teachers.progress import gaussian_mixtures

SIZES = np.arange(2, 7)


@pytest.fixture(autouse=True)
def one_thread():
    """On so little data, scikit-learn's threads only wait for one another."""
    with threadpool_limits(1):
        yield


def blobs(seed, n=300, d=3, k=4):
    """Rows from k random Gaussians in the unit cube, each with its own shape."""
    rng = np.random.default_rng(seed)
    centres, shapes = rng.random((k, d)), rng.normal(size=(k, d, d)) * 0.08
    which = rng.integers(k, size=n)
    rows = centres[which] + np.einsum("nij,nj->ni", shapes[which], rng.normal(size=(n, d)))
    return rows.astype(np.float32)


def reference(rows, mixture, size, tolerance, iterations):
    """scikit-learn started from the parameters of one of ours."""
    model = GaussianMixture(
        size,
        tol=tolerance,
        reg_covar=1e-6,
        max_iter=iterations,
        weights_init=np.asarray(mixture.weights[:size], np.float64),
        means_init=np.asarray(mixture.means[:size], np.float64),
        precisions_init=np.linalg.inv(np.asarray(mixture.covariances[:size], np.float64)),
    )
    # It wants weights that sum to 1 in float64.
    model.weights_init /= model.weights_init.sum()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(rows.astype(np.float64))


climb = jax.jit(gaussian_mixtures.run_em, static_argnums=(3, 4, 5))


def clusters(seed, rows, sizes, iterations=5):
    key, rows, mask = jax.random.key(seed), jnp.asarray(rows), jnp.ones(len(rows), bool)
    centres = gaussian_mixtures.first_centres(key, rows, mask, sizes)
    return gaussian_mixtures.kmeans(centres, rows, mask, sizes, iterations)


def starts(seed):
    rows = blobs(seed)
    mask = jnp.ones(len(rows), bool)
    explained = clusters(seed, rows, SIZES)
    return rows, mask, gaussian_mixtures.maximisation(explained, jnp.asarray(rows), 1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_equals_scikit_learn_from_the_same_start(seed):
    rows, mask, start = starts(seed)
    ours, mean = climb(start, jnp.asarray(rows), mask, 1e-6, 0.0, 20)
    for m, size in enumerate(SIZES):
        theirs = reference(rows, jax.tree.map(lambda leaf, m=m: leaf[m], start), size, 0.0, 20)
        np.testing.assert_allclose(ours.weights[m, :size], theirs.weights_, atol=1e-3)
        np.testing.assert_allclose(ours.means[m, :size], theirs.means_, atol=1e-3)
        np.testing.assert_allclose(ours.covariances[m, :size], theirs.covariances_, atol=1e-4)
        np.testing.assert_allclose(mean[m], theirs.score(rows), atol=1e-3)
        aic = 2 * gaussian_mixtures.parameters(SIZES, 3)[m] - 2 * len(rows) * float(mean[m])
        np.testing.assert_allclose(aic, theirs.aic(rows), atol=0.6)
        assert np.all(np.asarray(ours.weights[m, size:]) == 0)


def test_stops_where_scikit_learn_stops():
    rows, mask, start = starts(3)
    ours, _ = climb(start, jnp.asarray(rows), mask, 1e-6, 1e-3, 100)
    stops = []
    for m, size in enumerate(SIZES):
        one = jax.tree.map(lambda leaf, m=m: leaf[m], start)
        theirs = reference(rows, one, size, 1e-3, 100)
        stops.append(theirs.n_iter_)
        # A change near the tolerance may be on either side of it in float32.
        near = [reference(rows, one, size, 0.0, theirs.n_iter_ + i).means_ for i in (-1, 0, 1)]
        apart = [np.abs(np.asarray(ours.means[m, :size]) - means).max() for means in near]
        assert min(apart) < 2e-4
    assert len(set(stops)) > 1
    assert max(stops) < 100


def test_parameters_are_those_that_scikit_learn_counts():
    for d in (1, 2, 5):
        for size in (1, 4, 9):
            model = GaussianMixture(size).fit(np.random.default_rng(0).random((50, d)))
            assert gaussian_mixtures.parameters(np.array([size]), d)[0] == model._n_parameters()


def test_fits_as_well_as_scikit_learn_from_its_own_start():
    ours, theirs = [], []
    fit = jax.jit(lambda key, rows: gaussian_mixtures.fit(key, rows, jnp.ones(300, bool), SIZES))
    for seed in range(24):
        rows = blobs(seed, d=1 + seed % 4, k=3 + seed % 3)
        ours.append(np.asarray(fit(jax.random.key(seed), jnp.asarray(rows))[1]))
        theirs.append(
            [GaussianMixture(int(k), random_state=seed).fit(rows).score(rows) for k in SIZES]
        )
    assert np.mean(ours) >= np.mean(theirs) - 0.02


@pytest.mark.slow
@pytest.mark.parametrize("d", [2, 7, 20])
def test_best_of_ten_starts_is_scikit_learns(d):
    rng = np.random.default_rng(d)
    centres, shapes = rng.random((4, d)), rng.normal(size=(4, d, d)) * 0.1 / np.sqrt(d)
    which = rng.integers(4, size=1000)
    noise = np.einsum("nij,nj->ni", shapes[which], rng.normal(size=(1000, d)))
    rows = (centres[which] + noise).astype(np.float32)
    fit = jax.jit(
        lambda key: gaussian_mixtures.fit(
            key,
            jnp.asarray(rows),
            jnp.ones(1000, bool),
            np.full(10, 4),
            tolerance=1e-6,
            iterations=300,
        )
    )
    ours = np.asarray(fit(jax.random.key(0))[1])
    model = GaussianMixture(4, tol=1e-6, max_iter=300, n_init=10, random_state=0).fit(rows)
    assert ours.max() >= model.score(rows) - 1e-3


@pytest.mark.parametrize("n", [200, 3000])
def test_keeps_components_as_tight_as_the_floor(n):
    """Two values of progress, 0 and 1, are components without any extent in that column."""
    rng = np.random.default_rng(0)
    rows = rng.random((n, 3)).astype(np.float32)
    rows[:, 2] = rng.random(n) < 0.1
    sizes = np.repeat(SIZES, 5)  # a third of all starts, also theirs, splits another column in two
    fit = jax.jit(
        lambda key: gaussian_mixtures.fit(key, jnp.asarray(rows), jnp.ones(n, bool), sizes)
    )
    mixtures, mean = fit(jax.random.key(0))
    assert np.all(np.isfinite(mean))
    best = np.max(np.reshape(mean, (len(SIZES), 5)), axis=1)
    models = [GaussianMixture(int(k), n_init=5, random_state=0) for k in SIZES]
    np.testing.assert_allclose(best, [m.fit(rows).score(rows) for m in models], atol=0.15)
    used = np.asarray(mixtures.weights) > 0
    assert np.all(np.linalg.eigvalsh(np.asarray(mixtures.covariances))[used] > 0)
    floor = np.asarray(mixtures.covariances)[used][:, 2, 2]
    np.testing.assert_allclose(floor.min(), 1e-6, rtol=0.02)


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_covariances_are_exact_far_from_the_center(scale):
    """In a difference of squares, these components would lose their digits."""
    rng = np.random.default_rng(0)
    centres = scale * np.array([[-1, 0], [1, 0], [1, 1]])
    label = np.arange(300) % 3
    rows = np.float32(centres[label] + rng.normal(size=(300, 2)) * [1e-3, 0.1])
    explained = jnp.asarray(np.eye(3)[label].T[None], jnp.float32)
    found = jax.jit(gaussian_mixtures.maximisation)(explained, jnp.asarray(rows), 1e-6)
    for k in range(3):
        exact = np.cov(rows[label == k].T.astype(float), bias=True) + 1e-6 * np.eye(2)
        np.testing.assert_allclose(found.covariances[0, k], exact, rtol=0.03, atol=3e-8 * scale)


@pytest.mark.slow
def test_sizes_do_not_affect_each_other():
    # Sizes are fitted in two batches, whose results are put back into the order of the sizes.
    rows, mask, key = jnp.asarray(blobs(1)), jnp.ones(300, bool), jax.random.key(0)
    together, mean = gaussian_mixtures.fit(key, rows, mask, np.array([5, 2, 3]))
    for m, size in ((1, 2), (2, 3)):
        alone, mean_alone = gaussian_mixtures.fit(key, rows, mask, np.array([5, size]))
        np.testing.assert_allclose(mean[m], mean_alone[1], atol=1e-4)
        np.testing.assert_allclose(together.means[m], alone.means[1], atol=1e-3)
        assert np.sum(np.asarray(together.weights[m]) > 0) == size


def test_restarts_have_different_first_centers():
    found = clusters(0, blobs(0), np.array([1, 3, 3]), iterations=0)
    assert np.all(np.asarray(found[0, 0]) == 1)
    assert not np.array_equal(found[1], found[2])  # restarts differ


def test_masked_rows_do_not_count():
    rows = jnp.asarray(blobs(0))
    mask = jnp.arange(300) < 200
    fit = jax.jit(lambda rows: gaussian_mixtures.fit(jax.random.key(0), rows, mask, SIZES))
    same = jax.tree.map(
        np.array_equal, fit(rows), fit(jnp.where(mask[:, None], rows, 1e6 * rows + 3))
    )
    assert all(jax.tree.leaves(same))
    # And the likelihood is of the 200 rows, not of 300.
    mixtures, mean = fit(rows)
    for m, size in enumerate(SIZES):
        theirs = GaussianMixture(int(size)).fit(rows[:200])
        theirs.weights_ = np.asarray(mixtures.weights[m, :size])
        theirs.means_ = np.asarray(mixtures.means[m, :size])
        precisions = np.linalg.inv(np.asarray(mixtures.covariances[m, :size], np.float64))
        theirs.precisions_cholesky_ = np.linalg.cholesky(precisions)
        np.testing.assert_allclose(mean[m], theirs.score(rows[:200]), atol=1e-3)


def test_clusters_are_those_of_separate_blobs():
    rng = np.random.default_rng(1)
    centres = np.array([[0, 0], [1, 0], [0, 1], [1, 1], [0.5, 2]], np.float32)
    label = rng.integers(5, size=400)
    rows = jnp.asarray(centres[label] + 0.02 * rng.normal(size=(400, 2)), jnp.float32)
    explained = clusters(0, rows, np.array([2, 5]))
    found = np.asarray(explained[1])
    assert np.all(found.sum(0) == 1)
    joint = found @ np.eye(5)[label]
    assert np.all((joint > 0).sum(axis=0) == 1)  # each blob lies in one cluster
    assert np.all((joint > 0).sum(axis=1) == 1)
    assert np.all(np.asarray(explained[0, 2:]) == 0)
