"""The expert that sees everything: what it ends, how fast, and from where."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from solver_references import (
    BABYAI,
    BEYOND_THE_BOT,
    Room,
    as_states,
    bot_steps,
    lost,
    official_levels,
    random_walk,
    solved,
)

from didact.environments import make
from didact.environments.grid import rules
from didact.environments.grid.solver import planner
from didact.environments.language import vocabulary

MIXED = (
    "BabyAI-BlockedUnlockPickup-v0",
    "BabyAI-BossLevel-v0",
    "BabyAI-GoToSeqS5R2-v0",
    "BabyAI-KeyInBox-v0",
    "BabyAI-KeyCorridorS4R3-v0",
    "BabyAI-MiniBossLevel-v0",
    "BabyAI-MoveTwoAcrossS5N2-v0",
    "BabyAI-OpenDoorsOrderN4-v0",
    "BabyAI-PickupAbove-v0",
    "BabyAI-PutNextS5N2Carrying-v0",
    "BabyAI-SynthSeq-v0",
    "BabyAI-UnblockPickup-v0",
    "BabyAI-UnlockToUnlock-v0",
)
# The second door of their missions must be opened by the step that opens the first.
IMPOSSIBLE_IN_TWO = ("BabyAI-OpenDoorsOrderN2Debug-v0", "BabyAI-OpenDoorsOrderN4Debug-v0")


@pytest.fixture(scope="module")
def mixed():
    """Official levels of many kinds on one map, and what plays them to the end."""
    levels = [level for name in MIXED for level in official_levels(name, range(6))]
    world, state = as_states(levels)
    return levels, world, state, jax.jit(functools.partial(planner.solve, world))


@pytest.mark.slow
def test_missions_of_every_kind_are_fulfilled_no_slower_than_by_the_bot(mixed):
    levels, _, state, solve = mixed
    success, steps = (np.asarray(x) for x in solve(state))
    assert success.all(), [levels[i].mission for i in np.flatnonzero(~success)]
    ours, theirs = [], []
    for level, own in zip(levels, steps, strict=True):
        if not any(name in level.spec.id for name in BEYOND_THE_BOT):
            bot = bot_steps(level)
            if bot is not None:
                ours.append(own)
                theirs.append(bot)
    assert len(theirs) > 50
    assert np.mean(ours) <= np.mean(theirs)


@pytest.mark.slow
def test_it_goes_on_from_wherever_random_steps_led(mixed):
    levels, world, state, solve = mixed
    met = ended = 0
    for seed in range(3):
        state_now, alive = random_walk(world, state, jax.random.key(seed), 30)
        open_ = alive & ~lost(state_now)
        success, _ = solve(state_now)
        met += open_.sum()
        ended += (np.asarray(success) & open_).sum()
    assert met > 2 * len(levels)
    assert ended >= 0.99 * met


@pytest.mark.slow
def test_an_episode_is_the_steps_of_act(mixed):
    _, world, state, solve = mixed
    success, steps = (np.asarray(x) for x in solve(state, 40))
    act = jax.jit(planner.expert(world))
    step = jax.jit(lambda state, actions: world.step(None, state, actions))
    ended, lengths = np.zeros_like(success), np.zeros_like(steps)
    over = np.zeros_like(success)
    for t in range(1, 41):
        state, timestep = step(state, act(state))
        ended |= np.asarray(timestep.success) & ~over
        lengths[~over] = t
        over |= np.asarray(timestep.terminated | timestep.truncated)
    assert over.any()
    assert not over.all()
    assert np.array_equal(ended, success)
    assert np.array_equal(lengths, steps)


@pytest.mark.slow
def test_an_action_depends_on_nothing_but_its_own_world(mixed):
    _, world, state, _ = mixed
    act = jax.jit(planner.expert(world))
    order = np.random.default_rng(0).permutation(len(state.steps))
    shuffled = act(jax.tree.map(lambda x: x[order], state))
    assert np.array_equal(shuffled, act(state)[order])
    halves = jax.tree.map(lambda x: x[:76].reshape(2, 38, *x.shape[1:]), state)
    assert np.array_equal(
        jax.jit(jax.vmap(planner.expert(world)))(halves).reshape(-1), act(state)[:76]
    )


def test_who_is_done_says_so(mixed):
    _, world, state, _ = mixed
    finished = state._replace(goal=state.goal._replace(done=jnp.ones_like(state.goal.done)))
    assert np.all(np.asarray(jax.jit(planner.expert(world))(finished)) == rules.DONE)


def played(name, count, seed=0):
    """Levels of ours: the environment, their state, and the expert's success and steps."""
    environment, key = make(name), jax.random.key(seed)
    tasks = environment.task_space.sample(jax.random.fold_in(key, 1), count)
    state = jax.device_get(jax.jit(environment.reset)(key, tasks)[0])
    return environment, state, *solved(environment, state)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "count", "excess"),
    [("BabyAI-GoToLocalS6N4-v0", 200, 1.0), ("BabyAI-PutNextLocalS5N3-v0", 40, 1.02)],
)
def test_ways_in_a_room_are_the_shortest(name, count, excess):
    environment, state, success, steps = played(name, count)
    assert success.all()
    least = [Room(state, i, environment.width).least_steps() for i in range(count)]
    assert np.all(steps >= least)
    assert steps.sum() <= excess * np.sum(least)


@pytest.mark.slow
@pytest.mark.parametrize("name", BABYAI)
def test_every_level_is_ended(name):
    _, state, success, _ = played(name, 256, seed=5)
    if name in IMPOSSIBLE_IN_TWO:
        text = [vocabulary.decode(m) for m in state.mission]
        two = np.array(["then" in t or "after" in t for t in text])
        assert not success[two].any()
        success = success[~two]
    assert success.mean() >= 0.995, np.flatnonzero(~success)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in BABYAI if not any(b in n for b in BEYOND_THE_BOT)])
def test_no_level_takes_longer_than_the_bot(name):
    levels = official_levels(name, range(2000, 2040))
    world, state = as_states(levels)
    success, steps = solved(world, state)
    theirs = np.array([bot_steps(level) or 0 for level in levels])
    both = success & (theirs > 0)
    assert both.any()
    assert steps[both].mean() <= theirs[both].mean()
    assert success[theirs > 0].mean() >= 0.995
