"""PLR, robust PLR and ACCEL."""

import functools

import asynchronous
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import Box, Dimension, SettingError
from didact.environments.grid.mazes import Blocks, Levels
from didact.teachers import FOREIGN, Outcomes, Proposals, max_mc, no_returns, propose, testing
from didact.teachers.replay import accel, plr, plr_robust
from didact.teachers.replay.level_buffer import replay_probabilities

BOX = Box((Dimension("x", 0, 1), Dimension("y", -5, 5), Dimension("n", 0, 9, integer=True)))
MAZES = Levels(5, 5, Blocks(0, 20))
SCORES = ("value", "positive_value_loss", "mean_negative_advantage", "max_negative_advantage")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "settings", "space"),
    [
        (plr, {"capacity": 32}, BOX),
        pytest.param(plr, {"capacity": 32}, MAZES, marks=pytest.mark.slow),
        pytest.param(
            plr_robust,
            {"capacity": 200, "minimum_fill": 0.2, "score": "learnability"},
            BOX,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            accel, {"capacity": 32, "score": "traced", "edits": 2}, MAZES, marks=pytest.mark.slow
        ),
        pytest.param(accel, {"capacity": 32, "edits": 2}, BOX, marks=pytest.mark.slow),
    ],
)
def test_conformance(make, settings, space):
    testing.check(functools.partial(make, **settings), space)


@pytest.mark.parametrize("score", [*SCORES[1:], "max_mc", "learnability", "traced"])
def test_every_score_can_be_used(score):
    teacher = plr(BOX, capacity=8, score=score)
    state, _ = observed(teacher, teacher.init(jax.random.key(0)), rows(np.random.default_rng(0), 8))
    assert np.isfinite(state.buffer.scores).all()
    assert state.buffer.filled.all()


def rows(rng, n, tasks=None, tag=None, capacity=8, **given):
    """n finished episodes; new levels by default."""
    tasks = BOX.sample(jax.random.key(int(rng.integers(1 << 30))), n) if tasks is None else tasks
    tag = np.full(n, capacity) if tag is None else np.asarray(tag)
    success = given.get("success", rng.integers(0, 2, n)).astype(np.float32)
    returns = given.get("returns", success * rng.random(n)).astype(np.float32)
    scores = {name: rng.random(n).astype(np.float32) for name in SCORES} | given.get("scores", {})
    weights = given.get("weights", np.ones(n)).astype(np.float32)
    outcomes = Outcomes(returns, success, np.full(n, 9, np.float32), weights, scores)
    return Proposals.of(jnp.asarray(tasks), 1.0, tag), outcomes


def observed(teacher, state, *calls):
    observe = jax.jit(teacher.observe)
    for proposals, outcomes in calls:
        state = observe(state, proposals, outcomes)
    return state, jax.tree.map(np.asarray, state.buffer)


def test_the_life_of_a_level_by_hand():
    """Three levels in three slots: entering, rising, stale outcomes, eviction."""
    teacher = plr(BOX, capacity=3, score="positive_value_loss", minimum_fill=1.0)
    tasks = np.array([[i / 8, i, i] for i in range(5)], np.float32)
    rng = np.random.default_rng(0)

    def call(levels, tags, scores):
        pvl = {"positive_value_loss": np.array(scores, np.float32)}
        return rows(rng, len(levels), tasks[list(levels)], tags, scores=pvl)

    start = teacher.init(jax.random.key(0))
    state, buffer = observed(teacher, start, call([0, 1, 0], [3, 3, 3], [0.2, 0.6, 0.4]))
    # Two episodes of level 0 are averaged; the better level gets the first slot.
    np.testing.assert_array_equal(buffer.tasks[:2], tasks[[1, 0]])
    np.testing.assert_allclose(buffer.scores[:2], [0.6, 0.3])
    assert buffer.attempts.tolist() == [1, 2, 0]
    assert buffer.filled.tolist() == [True, True, False]
    # Level 1 is replayed twice; level 0 comes once more as a new level; level 2 is new.
    state, buffer = observed(teacher, state, call([1, 1, 0, 2], [0, 0, 3, 3], [0.1, 0.3, 0.9, 0.5]))
    np.testing.assert_array_equal(buffer.tasks, tasks[[1, 0, 2]])
    np.testing.assert_allclose(buffer.scores, [0.2, 0.9, 0.5])
    assert buffer.attempts.tolist() == [3, 3, 1]
    assert buffer.seen.tolist() == [7, 7, 7]
    # Level 3 evicts level 1, whose P(level) is least: .2 has the last rank, and none is stale.
    state, buffer = observed(teacher, state, call([3], [3], [0.2]))
    np.testing.assert_array_equal(buffer.tasks, tasks[[3, 0, 2]])
    # An episode of level 1 that was proposed before ends only now: its slot has another level.
    state, buffer = observed(teacher, state, call([1], [0], [5.0]))
    np.testing.assert_array_equal(buffer.tasks, tasks[[3, 0, 2]])
    np.testing.assert_allclose(buffer.scores, [0.2, 0.9, 0.5])
    assert buffer.attempts.tolist() == [1, 3, 1]
    # A worse level than that of least P(level) does not enter.
    _, buffer = observed(teacher, state, call([4], [3], [0.1]))
    np.testing.assert_array_equal(buffer.tasks, tasks[[3, 0, 2]])


def test_regret_needs_the_highest_return():
    """Against `max_mc` on the same episodes, and reset where a level is replaced."""
    teacher = plr(BOX, capacity=2, minimum_fill=1.0)
    rng = np.random.default_rng(1)
    tasks = np.array([[0.1, 1, 1], [0.2, 2, 2]], np.float32)
    state, buffer = observed(teacher, teacher.init(jax.random.key(0)), rows(rng, 2, tasks, [2, 2]))
    order = [int(np.flatnonzero((buffer.tasks == task).all(1))[0]) for task in tasks]
    highest = no_returns(2).at[np.array(order)].set(buffer.highest[np.array(order)])
    for _ in range(5):
        slots = rng.integers(0, 2, 6)
        call = rows(rng, 6, buffer.tasks[slots], slots)
        state, buffer = observed(teacher, state, call)
        estimates, highest = max_mc(highest, *call)
        np.testing.assert_array_equal(buffer.highest, highest)
        for slot in set(slots.tolist()):
            # `max_mc` scores all episodes by the highest return up to and including this call.
            expected = np.mean(np.asarray(estimates)[slots == slot])
            assert buffer.scores[slot] == pytest.approx(expected, abs=1e-6)
    better = rows(rng, 1, np.array([[0.9, 0, 0]]), [2], returns=np.array([0.05]),
                  scores={"value": np.array([-9.0], np.float32)})  # fmt: skip
    _, buffer = observed(teacher, state, better)
    assert np.sort(buffer.highest)[0] == pytest.approx(0.05)


def test_learnability_by_the_rule_of_succession():
    teacher = plr(BOX, capacity=4, score="learnability", rate=0.25)
    task = np.array([[0.5, 0, 3]], np.float32)
    state, seen = teacher.init(jax.random.key(0)), []
    estimate = 0.0
    for number, success in enumerate([1, 1, 0, 1, 1, 1, 0], 1):
        tag = [4] if number == 1 else [0]
        call = rows(np.random.default_rng(0), 1, task, tag, success=np.array([success]))
        state, buffer = observed(teacher, state, call)
        estimate += max(0.25, 1 / number) * (success - estimate)
        m = min(number, 4)
        p = (estimate * m + 1) / (m + 2)
        seen.append(buffer.scores[0])
        assert buffer.scores[0] == pytest.approx(p * (1 - p), abs=1e-6)
    assert seen[0] == pytest.approx(2 / 9)


def test_traced_by_hand():
    """Value loss plus prediction error; progress is credited to the levels of the call before."""
    teacher = plr(BOX, capacity=3, score="traced", minimum_fill=1.0)
    tasks = np.array([[i / 8, i, i] for i in range(3)], np.float32)
    rng = np.random.default_rng(0)

    def call(levels, tags, losses, errors):
        scores = {"positive_value_loss": losses, "transition_error": errors}
        scores = {k: np.array(v, np.float32) for k, v in scores.items()}
        return rows(rng, len(levels), tasks[list(levels)], tags, scores=scores)

    first = call([0, 1, 2], [3, 3, 3], [0.9, 0.6, 0.3], [0.2, 0.2, 0.2])
    state, buffer = observed(teacher, teacher.init(jax.random.key(0)), first)
    np.testing.assert_allclose(buffer.scores, [1.1, 0.8, 0.5], atol=1e-6)
    state, buffer = observed(teacher, state, call([0], [0], [0.5], [0.1]))
    np.testing.assert_allclose(buffer.scores, [0.6, 0.8, 0.5], atol=1e-6)
    # Levels 1 and 2 became easier by .3 and .1 after level 0 was played: .2 on average.
    state, buffer = observed(teacher, state, call([1, 2], [1, 2], [0.4, 0.3], [0.1, 0.1]))
    np.testing.assert_allclose(buffer.scores, [0.6 + 0.2, 0.5, 0.4], atol=1e-6)
    # Level 0 is played again: its credit ends; it became harder, which 1 and 2 are charged with.
    state, buffer = observed(teacher, state, call([0], [0], [0.8], [0.1]))
    np.testing.assert_allclose(buffer.scores, [0.9, 0.5 - 0.3, 0.4 - 0.3], atol=1e-6)
    # Without predictions, the value loss alone.
    _, buffer = observed(teacher, state, (
        lambda c: (c[0], c[1]._replace(scores={"positive_value_loss": np.array([0.7])}))
    )(call([1], [1], [0.7], [0.0])))  # fmt: skip
    assert buffer.scores[1] == pytest.approx(0.7)


def test_the_order_within_a_call_does_not_matter():
    rng = np.random.default_rng(2)
    teacher = accel(BOX, capacity=8, score="positive_value_loss")
    first = rows(rng, 8)
    state, buffer = observed(teacher, teacher.init(jax.random.key(0)), first)
    slots = rng.integers(0, 8, 10)
    tasks = np.concatenate([buffer.tasks[slots], BOX.sample(jax.random.key(5), 10)])
    call = rows(rng, 20, tasks, [*slots, *rng.integers(8, 10, 10)])
    _, one = observed(teacher, state, call)
    order = rng.permutation(20)
    _, other = observed(teacher, state, jax.tree.map(lambda x: jnp.asarray(x)[order], call))
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_episodes_of_others_are_ignored():
    rng = np.random.default_rng(3)
    teacher = plr(BOX, capacity=8)
    state, _ = observed(teacher, teacher.init(jax.random.key(0)), rows(rng, 6))
    after, _ = observed(teacher, state, rows(rng, 6, tag=[FOREIGN] * 6))
    for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(after), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_is_proposed():
    """New levels until the buffer is half full; then replayed ones by P(level)."""
    rng = np.random.default_rng(4)
    n = 20_000
    teacher = accel(BOX, capacity=8, replay_share=0.6, temperature=1.0, edits=1)
    ask = jax.jit(lambda state, key: propose(teacher, state, key, n)[0])
    state, buffer = observed(teacher, teacher.init(jax.random.key(0)), rows(rng, 3))
    tasks, learn, tag = (np.asarray(x) for x in ask(state, jax.random.key(1)))
    assert (tag == 8).all()
    assert (learn == 0).all()
    state, buffer = observed(teacher, state, rows(rng, 3))
    tasks, learn, tag = (np.asarray(x) for x in ask(state, jax.random.key(2)))
    replayed, new, edited = tag < 8, tag == 8, tag == 9
    np.testing.assert_array_equal(learn, replayed)
    shares = [replayed.mean(), new.mean(), edited.mean()]
    np.testing.assert_allclose(shares, [0.6 / 1.6, 0.4 / 1.6, 0.6 / 1.6], atol=0.015)
    np.testing.assert_array_equal(tasks[replayed], buffer.tasks[tag[replayed]])
    p = np.asarray(replay_probabilities(state.buffer, 1.0, 0.3))
    np.testing.assert_allclose(np.bincount(tag[replayed], minlength=8) / replayed.sum(), p,
                               atol=0.02)  # fmt: skip
    # An edited level differs from a level of the buffer in exactly one parameter at most, and the
    # parents are drawn like replayed levels.
    different = (tasks[edited][:, None] != buffer.tasks[buffer.filled]).sum(-1)
    assert different.min(axis=1).max() == 1
    parent = np.flatnonzero(buffer.filled)[different.argmin(axis=1)]
    np.testing.assert_allclose(np.bincount(parent, minlength=8) / edited.sum(), p, atol=0.02)
    assert not (tasks[new][:, None] == buffer.tasks).all(-1).any()


def edits_between(one, other):
    """The least number of edits that leads from a maze to another one, or None if unknown.

    Toggled walls, and a move of the agent or the goal to a cell, which also removes its wall.
    """
    moved_agent = (one.agent, one.direction) != (other.agent, other.direction)
    moved_goal = one.goal != other.goal
    walls = one.walls.reshape(-1).copy()
    if moved_agent:
        walls[other.agent] = False
    if moved_goal:
        walls[other.goal] = False
    return moved_agent + moved_goal + int((walls != other.walls.reshape(-1)).sum())


@pytest.mark.parametrize("edits", [1, 3])
def test_edited_mazes_differ_by_the_edits(edits):
    teacher = accel(MAZES, capacity=6, edits=edits, score="positive_value_loss")
    tasks = MAZES.sample(jax.random.key(0), 6)
    call = rows(np.random.default_rng(0), 6, tasks, [6] * 6)
    state, _ = observed(teacher, teacher.init(jax.random.key(0)), call)
    found, _, tag = jax.jit(lambda s, k: propose(teacher, s, k, 300)[0])(state, jax.random.key(3))
    children = np.asarray(found)[np.asarray(tag) == 7]
    assert len(children) > 60
    parents = [MAZES.unpack(np.asarray(task)) for task in state.buffer.tasks]
    counts = [
        min(edits_between(parent, MAZES.unpack(child)) for parent in parents) for child in children
    ]
    assert max(counts) == edits
    if edits == 1:
        assert set(counts) <= {0, 1}  # 0: the agent was moved to its cell and direction
        assert np.mean(np.array(counts) == 1) > 0.9
    # Independently of the teacher: the edits that the space makes.
    again = MAZES.mutate(jax.random.key(9), tasks, edits=edits)
    pairs = zip(np.asarray(tasks), np.asarray(again), strict=True)
    assert max(edits_between(MAZES.unpack(a), MAZES.unpack(b)) for a, b in pairs) <= edits


def test_edits_of_a_box():
    tasks = BOX.sample(jax.random.key(0), 500)
    for edits in (1, 2, 3, 9):
        edited = np.asarray(BOX.mutate(jax.random.key(1), tasks, edits=edits))
        changed = (edited != np.asarray(tasks)).sum(axis=1)
        assert changed.max() == min(edits, 3)
        assert np.all(BOX.contains(edited))
        # The two real parameters are chosen as often as any, and then change unless at a bound.
        real = (edited != np.asarray(tasks))[:, :2].mean()
        assert real == pytest.approx(min(edits, 3) / 3, abs=0.08)


def test_shares_are_those_of_the_steps():
    """New levels take 40 steps and replayed ones 4; 80 % of the steps are in replayed levels.

    By episodes, 80 % would have been 29 % of the steps.
    """
    space = Box((Dimension("x", 0, 1),))
    known = set()

    def play(tasks, rng):
        old = np.array([tuple(task) in known for task in tasks])
        known.update(map(tuple, tasks))
        return np.ones(len(tasks)), np.where(old, 4, 40)

    teacher = plr_robust(space, capacity=20, score="positive_value_loss")
    worlds = asynchronous.Worlds(
        teacher, 32, 16, play, rows=200, scores=SCORES,
        kind_of=lambda tag: "replayed" if tag < 20 else "new",
    )  # fmt: skip
    for _ in range(30):
        worlds.rollout()
    worlds.steps.clear()
    for _ in range(60):
        worlds.rollout()
    share = worlds.steps["replayed"] / sum(worlds.steps.values())
    assert share == pytest.approx(0.8, abs=0.03)
    assert sum(worlds.steps.values()) == 60 * 32 * 16


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"capacity": 0}, "capacity"),
        ({"replay_share": 1.5}, "replay_share"),
        ({"temperature": 0}, "temperature"),
        ({"staleness": -0.1}, "staleness"),
        ({"minimum_fill": 0}, "minimum_fill"),
        ({"rate": 0}, "rate"),
        ({"score": "learnability", "rate": 1}, "rate is 1, .* below 1 for the score learnability"),
    ],
)
def test_settings_out_of_range(settings, word):
    for make in (plr, plr_robust, accel):
        with pytest.raises(SettingError, match=word):
            make(BOX, **settings)
    with pytest.raises(SettingError, match="edits"):
        accel(BOX, edits=0)


def test_a_score_that_the_student_does_not_provide():
    teacher = plr(BOX, capacity=4, score="max_luck")
    call = rows(np.random.default_rng(0), 4)
    with pytest.raises(SettingError, match=r"score.*max_luck.*positive_value_loss"):
        teacher.observe(teacher.init(jax.random.key(0)), *call)
