"""Regret estimates against plain Python."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.teachers import FOREIGN, Outcomes, Proposals, max_mc, no_returns


def test_max_mc_keeps_the_highest_return_of_each_level():
    """Some calls with several episodes of a level each, foreign ones and rows of weight 0."""
    rng = np.random.default_rng(0)
    score = jax.jit(max_mc)
    highest, by_hand = no_returns(4), {}
    for _ in range(20):
        tag = rng.integers(-1, 4, 12)
        returns, value = rng.normal(size=12).astype(np.float32), rng.normal(size=12)
        weights = (rng.random(12) < 0.7).astype(np.float32)
        returns[rng.random(12) < 0.05] = np.nan
        rows = Outcomes(returns, returns > 0, returns, weights, {"value": jnp.asarray(value)})
        proposals = Proposals.of(jnp.zeros((12, 1)), tag=tag)
        for t, r, w in zip(tag, returns, weights, strict=True):
            if w and t != FOREIGN and np.isfinite(r):
                by_hand[t] = max(by_hand.get(t, -np.inf), float(r))
        scores, highest = score(highest, proposals, jax.tree.map(jnp.asarray, rows))
        for i in np.flatnonzero((weights > 0) & np.isfinite(returns)):
            best = returns[i] if tag[i] == FOREIGN else by_hand[tag[i]]
            assert float(scores[i]) == pytest.approx(best - value[i], abs=1e-5)
    assert {t: float(highest[t]) for t in range(4)} == pytest.approx(by_hand)


def test_the_mean_of_r_minus_v_over_the_steps():
    """The definition of the paper, for one episode of three steps with two before it."""
    values = np.array([0.2, 0.5, 0.6])
    rows = Outcomes(
        jnp.array([0.3, 0.9, 0.7]),
        jnp.ones(3),
        jnp.array([5.0, 4, 3]),
        jnp.ones(3),
        {"value": jnp.array([0.0, 0.0, values.mean()])},
    )
    scores, _ = max_mc(no_returns(1), Proposals.of(jnp.zeros((3, 2))), rows)
    assert float(scores[2]) == pytest.approx(np.mean([0.9 - v for v in values]))


def test_a_level_that_takes_the_place_of_another_begins_anew():
    highest = jnp.array([0.9, 0.4]).at[0].set(-jnp.inf)
    one = jnp.ones(1)
    rows = Outcomes(one * 0.1, one, one, one, {"value": one * 0})
    _, highest = max_mc(highest, Proposals.of(jnp.zeros((1, 1)), tag=0), rows)
    np.testing.assert_allclose(highest, [0.1, 0.4], atol=1e-6)
