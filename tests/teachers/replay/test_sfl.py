"""Sampling for learnability, and NCC: candidates that are looked at, and what is trained on."""

import functools

import asynchronous
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

from didact.environments import Box, Dimension, SettingError
from didact.environments.grid.mazes import Blocks, Levels
from didact.teachers import propose, testing
from didact.teachers.replay import candidates as rounds
from didact.teachers.replay import ncc, sfl

pytestmark = pytest.mark.slow

BOX = Box((Dimension("p", 0, 1), Dimension("n", 0, 9, integer=True)))
MAZES = Levels(5, 5, Blocks(0, 20))
SMALL = {"candidates": 8, "tries": 2}


@pytest.mark.parametrize(
    ("make", "settings", "space"),
    [
        pytest.param(sfl, {"keep": 3, **SMALL}, BOX, marks=pytest.mark.slow),
        pytest.param(sfl, {"keep": 3, **SMALL}, MAZES, marks=pytest.mark.slow),
        (sfl, {"keep": 3, "edited": 0.5, "learn_from_looks": True, **SMALL}, MAZES),
        pytest.param(sfl, {"keep": 3, "edited": 0.5, **SMALL}, BOX, marks=pytest.mark.slow),
        pytest.param(ncc, {"capacity": 32, **SMALL}, BOX, marks=pytest.mark.slow),
        pytest.param(ncc, {"capacity": 32, **SMALL}, MAZES, marks=pytest.mark.slow),
    ],
)
def test_conformance(make, settings, space):
    testing.check(functools.partial(make, **settings), space, rounds=6)


def play(tasks, rng):
    """Episodes succeed with the probability p after 5 steps; failures take 40."""
    success = rng.random(len(tasks)) < tasks[:, 0]
    return success, np.where(success, 5, 40)


def lived(teacher, rollouts, n=32, steps=10, watch=None, **more):
    worlds = asynchronous.Worlds(teacher, n, steps, play, rows=more.pop("rows", 4 * n), **more)
    for _ in range(rollouts):
        before = worlds.state
        worlds.rollout()
        if watch is not None:
            watch(before, worlds.state)
    return worlds


@pytest.mark.parametrize("rows", [128, 12])  # all outcomes, or a thinned part of them
def test_success_rates_are_unbiased(rows):
    """Although failures take eight times as long as successes, and environments are parallel."""
    found, early = [], []

    def watch(before, after):
        if int(after.candidates.rounds) > int(before.candidates.rounds) > 0:
            tasks, p, attempts = map(np.asarray, rounds.evaluated(before.candidates))
            found.append(np.stack([tasks[:, 0], p, attempts], axis=1))
        if int(after.candidates.rounds) > int(before.candidates.rounds):
            # What would have been known at the end of the round itself.
            tasks, p, attempts = map(np.asarray, rounds.evaluated(after.candidates))
            early.append(np.stack([tasks[:, 0], p, attempts], axis=1))

    teacher = sfl(BOX, candidates=40, tries=3, keep=5, look_share=0.9)
    lived(teacher, 500, watch=watch, rows=rows)
    assert len(found) > 15

    def bias(parts):
        p, rate, attempts = np.concatenate(parts).T
        # Successes and expected successes of all episodes, so that every episode counts alike.
        return np.sum((rate - p) * attempts) / np.sum(attempts)

    assert abs(bias(found)) < 0.015
    assert bias(early) > 0.03


def test_looks_and_training():
    teacher = sfl(BOX, candidates=40, tries=4, keep=8, look_share=0.4, kept_share=0.5)

    def kind_of(tag):
        return "look" if tag < 80 else "kept" if tag < 88 else "random"

    worlds = lived(teacher, 150, kind_of=kind_of)
    worlds.steps.clear()
    worlds.played.clear()
    for _ in range(250):
        worlds.rollout()
    total = sum(worlds.steps.values())
    shares = [worlds.steps[kind] / total for kind in ("look", "kept", "random")]
    np.testing.assert_allclose(shares, [0.4, 0.3, 0.3], atol=0.03)
    for _, learn, tag, *_ in worlds.played:
        assert learn == (kind_of(tag) != "look")
    # Levels that were kept are learnable; the mean of p (1 - p) over random ones is .167.
    kept = np.array([task[0] for task, _, tag, *_ in worlds.played if kind_of(tag) == "kept"])
    assert np.mean(kept * (1 - kept)) > 0.195
    assert all(BOX.contains(np.asarray(worlds.state.kept)))


def test_looks_can_be_free():
    teacher = sfl(BOX, candidates=40, tries=4, keep=8, learn_from_looks=True)
    worlds = lived(teacher, 300, kind_of=lambda tag: "look" if tag < 80 else "other")
    assert all(learn == 1 for _, learn, *_ in worlds.played)
    assert worlds.steps["look"] / sum(worlds.steps.values()) == pytest.approx(0.5, abs=0.1)
    assert int(worlds.state.candidates.rounds) > 5


def test_the_best_are_kept():
    checked = []

    def watch(before, after):
        if int(after.candidates.rounds) > max(int(before.candidates.rounds), 0):
            # The state before has all outcomes but those of this rollout.
            checked.append((before, after))

    teacher = sfl(BOX, candidates=20, tries=3, keep=6, look_share=0.9)
    lived(teacher, 60, watch=watch)
    assert len(checked) > 4
    for before, after in checked[1:]:
        tasks, p, attempts = map(np.asarray, rounds.evaluated(before.candidates))
        scores = np.where(attempts > 0, p * (1 - p), -1)
        # Late outcomes of this rollout may have changed some; the scores are those of the levels.
        np.testing.assert_array_equal(np.sort(after.scores)[::-1], after.scores)
        kept = {tuple(x) for x in np.asarray(after.kept).tolist()}
        assert kept <= {tuple(x) for x in tasks.tolist()}
        best = np.sort(scores)[::-1][:6]
        assert np.abs(np.asarray(after.scores) - best).max() < 0.26
        assert np.mean(np.abs(np.asarray(after.scores) - best)) < 0.08


def test_only_levels_that_were_played_are_kept():
    """With outcomes of two of four candidates, the student trains on these two."""
    teacher = sfl(BOX, candidates=4, tries=2, keep=4, kept_share=0.9, edited=1.0, edits=1)
    state = teacher.init(jax.random.key(0))
    tasks = state.candidates.tasks.at[4:].set(BOX.sample(jax.random.key(1), 4))
    attempts = jnp.array([8, 0, 0, 0, 0, 5, 0, 4])  # the current round, which is over, and the last
    state = state._replace(
        candidates=state.candidates._replace(
            tasks=tasks, attempts=attempts, successes=attempts / 2, rounds=jnp.int32(2)
        )
    )
    proposals, _ = propose(teacher, state, jax.random.key(2), 1)
    nothing = asynchronous.Outcomes(*np.zeros((4, 1), np.float32), {})
    state = teacher.observe(state, proposals, nothing)
    played = {tuple(x) for x in np.asarray(tasks[jnp.array([5, 7])]).tolist()}
    assert state.scores.tolist() == [0.25, 0.25, -1, -1]
    proposals, _ = propose(teacher, state, jax.random.key(3), 400)
    kept = (np.asarray(proposals.tag) >= 8) & (np.asarray(proposals.tag) < 12)
    assert kept.sum() > 100
    assert {tuple(x) for x in np.asarray(proposals.tasks)[kept].tolist()} == played
    assert teacher.picture(state)["probabilities"].tolist() == [0.5, 0.5, 0, 0]
    # Edits begin with these, too: one of two parameters remains.
    new = np.asarray(state.candidates.tasks[4:])
    common = (new[:, None] == np.array([*played], np.float32)).sum(-1).max(axis=1)
    assert (common >= 1).all()


def test_a_new_level_of_ncc_has_the_average_weight():
    teacher = ncc(BOX, capacity=4, candidates=2, tries=2)
    state = teacher.init(jax.random.key(0))
    attempts = jnp.array([4, 0, 2, 0])
    tasks = state.candidates.tasks.at[2:].set(BOX.sample(jax.random.key(1), 2))
    state = state._replace(
        log_weights=jnp.array([5.0, 0, 0, 0]),
        candidates=state.candidates._replace(
            tasks=tasks, attempts=attempts, successes=attempts / 2, rounds=jnp.int32(2)
        ),
    )
    proposals, _ = propose(teacher, state, jax.random.key(2), 1)
    nothing = asynchronous.Outcomes(*np.zeros((4, 1), np.float32), {})
    after = teacher.observe(state, proposals, nothing)
    changed = np.flatnonzero(np.asarray(after.log_weights != state.log_weights))
    assert len(changed) == 1
    average = np.mean(np.exp([5.0, 0, 0, 0]))
    np.testing.assert_allclose(np.exp(after.log_weights[changed]), average, rtol=1e-5)


def test_edited_candidates_are_copies_of_kept_levels():
    teacher = sfl(BOX, candidates=30, tries=2, keep=4, look_share=0.9, edited=1.0, edits=1)
    worlds = lived(teacher, 80)
    before = worlds.state
    while int(worlds.state.candidates.rounds) == int(before.candidates.rounds):
        before = worlds.state
        worlds.rollout()
    after = worlds.state
    rows = np.asarray(rounds.current(after.candidates))
    new = np.asarray(after.candidates.tasks)[rows]
    different = (new[:, None] != np.asarray(after.kept)).sum(-1).min(axis=1)
    assert set(different.tolist()) <= {0, 1}
    assert np.mean(different == 1) > 0.5


def test_ncc_ascends_to_the_maximum():
    """With fixed scores, the weights become the maximum of y . s + lambda H(y), found by SciPy."""
    teacher = ncc(BOX, capacity=6, candidates=4, entropy=0.05, learning_rate=2.0)
    state = teacher.init(jax.random.key(0))
    scores = np.array([0.25, 0.2, 0.1, 0.02, 0.0, 0.24], np.float32)
    state = state._replace(buffer=state.buffer._replace(scores=scores, filled=np.ones(6, bool)))
    observe = jax.jit(teacher.observe)
    # Episodes in candidates: they change no score, but the weights take a step.
    proposals, _ = teacher.propose(state, jax.random.key(1), 1)
    outcomes = asynchronous.Outcomes(*np.zeros((3, 1), np.float32), np.ones(1, np.float32), {})
    proposals = proposals._replace(tag=np.array([10**6]))
    for _ in range(200):
        state = observe(state, proposals, outcomes)
    found = np.asarray(teacher.picture(state)["probabilities"])

    def loss(y):
        return -(y @ scores.astype(float)) + 0.05 * y @ np.log(np.maximum(y, 1e-12))

    best = optimize.minimize(
        loss, np.full(6, 1 / 6), bounds=[(1e-9, 1)] * 6,
        constraints={"type": "eq", "fun": lambda y: y.sum() - 1}, options={"ftol": 1e-12},
    ).x  # fmt: skip
    np.testing.assert_allclose(found, np.sort(best)[::-1], atol=2e-3)
    assert loss(best) == pytest.approx(loss(np.exp(scores / 0.05) / np.exp(scores / 0.05).sum()))


def test_ncc_gathers_learnable_levels():
    worlds = lived(ncc(BOX, capacity=40, candidates=20, tries=4, look_share=0.5), 400)
    buffer = jax.tree.map(np.asarray, worlds.state.buffer)
    p = buffer.tasks[:, 0]
    assert buffer.filled.all()
    assert np.mean(p * (1 - p)) > 0.2  # of random levels: .167
    weights = np.asarray(worlds.teacher.picture(worlds.state)["probabilities"])
    assert weights.sum() <= 1.0001
    assert len(np.unique(buffer.tasks, axis=0)) == 40


@pytest.mark.parametrize(
    ("make", "settings", "word"),
    [
        (sfl, {"candidates": 0}, "candidates"),
        (sfl, {"keep": 501}, "keep"),
        (sfl, {"tries": 1}, "tries"),
        (sfl, {"look_share": 1}, "look_share"),
        (sfl, {"kept_share": 1}, "kept_share"),
        (sfl, {"edited": 2}, "edited"),
        (sfl, {"edits": 0}, "edits"),
        (ncc, {"capacity": 0}, "capacity"),
        (ncc, {"candidates": 0}, "candidates"),
        (ncc, {"tries": 1}, "tries"),
        (ncc, {"look_share": 0}, "look_share"),
        (ncc, {"entropy": 0}, "entropy"),
        (ncc, {"learning_rate": 21}, "learning_rate"),
        (ncc, {"rate": 0}, "rate"),
    ],
)
def test_settings_out_of_range(make, settings, word):
    with pytest.raises(SettingError, match=word):
        make(BOX, **settings)
