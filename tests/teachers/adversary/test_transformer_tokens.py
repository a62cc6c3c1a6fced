"""Sentences are tasks; their probabilities sum to 1; samples have these probabilities."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from didact.environments import Box, Dimension, SettingError
from didact.environments.grid.mazes.task_space import Levels
from didact.teachers.adversary.transformer.model import Transformer, draw, log_probabilities
from didact.teachers.adversary.transformer.tokens import Tokens

# Eleven values to the base of 4 are two digits, and the second of the last one is cut short.
SPACE = Box(
    (
        Dimension("two_digits", -3, 7, integer=True),
        Dimension("fixed", 5, 5),
        Dimension("few", 0, 2, integer=True),
        Dimension("real", -1, 1),
    )
)
CELLS = 11 * 3 * 4
LANGUAGE = Tokens(SPACE, 4)
SENTENCES = jnp.array(list(itertools.product(range(4), repeat=4)), jnp.int32)
MODEL = Transformer(LANGUAGE.length, 4, 8, 2, 2)


def parameters(seed=None):
    """Of a new network, or of one with opinions."""
    new = jax.jit(MODEL.init)(jax.random.key(0), SENTENCES[:1])
    if seed is None:
        return new
    noise = np.random.default_rng(seed)
    return jax.tree.map(lambda x: x + 0.4 * noise.normal(size=x.shape).astype(np.float32), new)


chances = jax.jit(lambda p: jnp.exp(log_probabilities(MODEL, p, LANGUAGE, SENTENCES)))


def allowed(sentences):
    """By arithmetic on digits."""
    first, second, few, _ = np.asarray(sentences).T
    return (4 * first + second <= 10) & (few <= 2)


def test_probabilities_sum_to_1_over_the_tasks():
    told = np.asarray(chances(parameters(1)), float)
    assert np.sum(allowed(SENTENCES)) == CELLS
    assert not np.any(told[~allowed(SENTENCES)] > 0)  # 0 at the first mistake, nothing after it
    assert np.all(told[allowed(SENTENCES)] > 0)
    assert told[allowed(SENTENCES)].sum() == pytest.approx(1, abs=1e-5)
    assert (
        told[allowed(SENTENCES)].max() > 5 * told[allowed(SENTENCES)].min()
    )  # it does have opinions


def test_a_new_network_has_no_opinion():
    told = np.asarray(chances(parameters()))
    np.testing.assert_allclose(told[allowed(SENTENCES)], 1 / CELLS, rtol=1e-5)
    assert LANGUAGE.log_cells == pytest.approx(np.log(CELLS))


@pytest.mark.parametrize("seed", [1, 2])
def test_samples_have_their_probabilities(seed):
    """Drawn with kept keys and values, one by one; the probabilities are of all at once."""
    n = 40_000
    tokens = jax.jit(lambda p, key: draw(MODEL, p, LANGUAGE, key, n))(
        parameters(seed), jax.random.key(seed)
    )
    expected = np.asarray(chances(parameters(seed)), float)
    counts = np.bincount(np.asarray(tokens) @ [64, 16, 4, 1], minlength=256)
    there = allowed(SENTENCES)
    assert counts[~there].sum() == 0
    expected = n * expected[there] / expected[there].sum()
    assert chisquare(counts[there], expected).pvalue > 1e-3


def test_no_position_sees_what_comes_later():
    apply = jax.jit(MODEL.apply)
    scores = apply(parameters(1), SENTENCES)
    for at in range(4):
        changed = SENTENCES.at[:, at].set((SENTENCES[:, at] + 1) % 4)
        other = apply(parameters(1), changed)
        np.testing.assert_array_equal(scores[:, : at + 1], other[:, : at + 1])
        if at < 3:
            assert not np.allclose(scores[:, at + 1], other[:, at + 1])


def test_sentences_say_every_task_once():
    tokens = SENTENCES[allowed(SENTENCES)]
    tasks = np.asarray(LANGUAGE.tasks(tokens, jnp.full((CELLS, 4), 0.5)))
    reals = [-0.75, -0.25, 0.25, 0.75]
    expected = itertools.product(range(-3, 8), [5], range(3), reals)
    np.testing.assert_allclose(tasks, list(expected), atol=1e-6)


dimensions = st.one_of(
    st.builds(
        lambda low, extent: (low, low + extent, True),
        st.integers(-1000, 1000),
        st.sampled_from([0, 1, 2, 6, 31, 32, 33, 100, 5000, 2**20 - 1, 2**20, 2**23]),
    ),
    st.builds(
        lambda low, extent: (low, low + extent, False),
        st.floats(-1e4, 1e4, width=32),
        st.sampled_from([0.0, 1e-6, 0.3, 1.0, 250.0, 1e30]),
    ),
)


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(
    st.lists(dimensions, min_size=1, max_size=4), st.sampled_from([2, 7, 32]), st.integers(0, 99)
)
def test_every_sentence_of_any_box_is_a_task(bounds, base, seed):
    space = Box(tuple(Dimension(f"d{i}", *b) for i, b in enumerate(bounds)))
    language = Tokens(space, base)
    assert language.length <= len(bounds) * 20
    rng = np.random.default_rng(seed)
    n = 32
    tokens = np.zeros((n, language.length), np.int32)
    for at in range(language.length):
        begun = language.begun(jnp.asarray(tokens))[:, at]
        fine = np.isfinite(language.log_counts(begun, at))
        assert fine.any(axis=1).all()
        # The least and the greatest of what may follow, and something between.
        tokens[:, at] = [rng.choice(np.flatnonzero(row)) for row in fine]
        tokens[0, at] = np.flatnonzero(fine[0])[0]
        tokens[1, at] = np.flatnonzero(fine[1])[-1]
    within = rng.random((n, space.size)).astype(np.float32)
    within[0], within[1] = 0, np.nextafter(np.float32(1), np.float32(0))
    tasks = np.asarray(language.tasks(jnp.asarray(tokens), jnp.asarray(within)))
    assert np.all(space.contains(jnp.asarray(tasks)))
    np.testing.assert_array_equal(tasks[0], space.low)
    span = np.asarray(space.high, float) - space.low
    away = np.abs(tasks[1].astype(float) - space.high)
    assert np.all(away <= np.where(space.integer, 0, 1e-5 * span + 1e-3 * (span < 1)))


@pytest.mark.parametrize("values", [11, 32, 33, 1000])
def test_whole_numbers_are_equally_likely_at_first(values):
    """The counts, multiplied along the digits, by NumPy."""
    language = Tokens(Box((Dimension("n", 1, values, integer=True),)), 6)
    at = np.arange(values)
    digits = np.stack([at // int(w) % 6 for w in language.worth], axis=1)
    total = np.ones(values)
    for position in range(language.length):
        begun = language.begun(jnp.asarray(digits, jnp.int32))[:, position]
        counts = np.exp(np.asarray(language.log_counts(begun, position), float))
        total *= counts[at, digits[:, position]] / counts.sum(axis=1)
    np.testing.assert_allclose(total, 1 / values, rtol=1e-5)


def test_spaces_that_are_no_box_are_refused():
    with pytest.raises(SettingError, match=r"^space is .*Levels.*Box"):
        Tokens(Levels(), 8)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match=r"^bins is 1, but must be"):
        Tokens(SPACE, 1)
