"""Level replay within the compiled loop, on small mazes."""

import functools

import fakes
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments.grid.mazes import Blocks, Levels, maze_world
from didact.experiments.evaluation.evaluate import evaluator
from didact.experiments.loop import DEVICES, Loop
from didact.students import NetworkConfig, PPOConfig, ppo
from didact.teachers.replay import accel, ncc, plr, plr_robust, sfl
from didact.teachers.replay import candidates as rounds

pytestmark = pytest.mark.slow

N, T = 16, 16
SPACE = Levels(5, 5, Blocks(0, 10))
NETWORK = NetworkConfig(hidden=16, memory=8, cell_embedding=4, instruction_features=4)


@functools.cache
def mazes():
    return maze_world(SPACE, max_steps=20)


def loop_of(teacher, learning_rate=1e-2, n=N):
    world = mazes()
    config = PPOConfig(
        learning_rate=learning_rate, final_learning_rate=0.0, num_minibatches=1, network=NETWORK
    )
    student = ppo(
        world.observation_space, world.action_space, config, num_updates=1000, axes=(DEVICES,)
    )
    return Loop(world, teacher, student, num_envs=n, rollout_length=T, outcomes_per_update=4 * n)


def unchanged(one, other):
    pairs = zip(jax.tree.leaves(one.params), jax.tree.leaves(other.params), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_robust_plr_learns_nothing_from_new_levels():
    """Bitwise: until the buffer is half full, and not after that; also once it has learned."""
    loop = loop_of(plr_robust(SPACE, capacity=200, score="positive_value_loss"))
    state = loop.init(0)
    start = jax.tree.map(np.array, state.student)
    episodes = replayed = 0
    for _ in range(12):
        state, records = loop.chunk(state, 1)
        episodes += int(records.metrics["episodes"][0])
        filled = int(jnp.sum(state.teacher.buffer.filled))
        if filled < 100:
            assert unchanged(start, state.student)
            new = episodes
        else:
            replayed += int(records.metrics["episodes"][0])
    assert new > 20
    assert replayed > 20
    assert not unchanged(start, state.student)
    # With an empty buffer all levels are new again, but the moments of Adam are not 0.
    state = state._replace(teacher=jax.jit(loop.teacher.init)(jax.random.key(1)))
    for _ in range(2):  # the episodes of replayed levels end: 20 steps at most, of 16 in a chunk
        state, _ = loop.chunk(state, 1)
    trained = jax.tree.map(np.array, state.student)
    for _ in range(2):
        state, _ = loop.chunk(state, 1)
        assert int(jnp.sum(state.teacher.buffer.filled)) < 100
        assert unchanged(trained, state.student)


def test_plain_plr_learns_at_once():
    loop = loop_of(plr(SPACE, capacity=200, score="positive_value_loss"))
    state = loop.init(0)
    start = jax.tree.map(np.array, state.student)
    state, _ = loop.chunk(state, 1)
    assert not unchanged(start, state.student)


def test_success_rates_of_looks_are_those_of_an_evaluation():
    """With a student that does not change; its success rate differs from level to level."""
    m, tries = 24, 12
    loop = loop_of(sfl(SPACE, candidates=m, keep=4, tries=tries, look_share=0.9), 1e-12, n=32)
    state = loop.init(0)
    evaluate = jax.jit(evaluator(mazes(), loop.student))
    expected, found = [], []
    for _ in range(200):
        before = state.teacher.candidates
        before = jax.tree.map(np.array, before)
        state, _ = loop.chunk(state, 1)
        now = int(state.teacher.candidates.rounds)
        if now > int(before.rounds) > 0:
            tasks, p, attempts = map(np.asarray, rounds.evaluated(before))
            repeated = jnp.asarray(np.repeat(tasks, 60, axis=0))
            results = evaluate(state.student, jax.random.key(now), repeated)
            expected.append(np.asarray(results.success).reshape(m, 60).mean(1))
            found.append(p)
            assert attempts.min() >= 2
            assert attempts.mean() >= tries - 0.1
        if now == 5:
            break
    expected, found = np.concatenate(expected), np.concatenate(found)
    assert len(found) >= 3 * m
    assert np.mean(found - expected) == pytest.approx(0, abs=0.035)
    assert np.std(expected) > 0.1  # levels do differ
    # The variance of both estimates around a common p.
    noise = np.sqrt(np.mean(expected * (1 - expected)) * (1 / tries + 1 / 60))
    assert np.std(found - expected) < 1.4 * noise
    assert np.corrcoef(found, expected)[0, 1] > 0.6


@pytest.mark.parametrize(
    "teacher",
    [
        lambda space: plr_robust(space, capacity=50, score="max_reward"),
        lambda space: sfl(space, candidates=10, keep=3, tries=2),
    ],
    ids=["plr_robust", "sfl"],
)
def test_every_step_counts(teacher):
    """Steps of episodes that are not learned from are steps of the training."""
    updates, n, steps = 30, 16, 6
    space = fakes.SPACE
    loop = Loop(
        fakes.Counting(), teacher(space), fakes.counting_student(), num_envs=n,
        rollout_length=steps, outcomes_per_update=n * steps,
    )  # fmt: skip
    state, records = loop.chunk(loop.init(0), updates)
    running = np.asarray(state.worlds.state.time)[~np.asarray(state.worlds.over)].sum()
    assert records.metrics["length_sum"].sum() + running == updates * n * steps


@pytest.mark.parametrize(
    "teacher",
    [
        accel(SPACE, capacity=40, edits=2),
        sfl(SPACE, candidates=16, keep=4, tries=2, edited=0.3),
        ncc(SPACE, capacity=40, candidates=16, tries=2),
    ],
    ids=["accel", "sfl", "ncc"],
)
def test_training_resumes_exactly(teacher):
    """Two chunks are one."""
    loop = loop_of(teacher)
    whole, _ = loop.chunk(loop.init(1), 8)
    half, _ = loop.chunk(loop.init(1), 4)
    half, _ = loop.chunk(half, 4)
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(half), strict=True):
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = map(jax.random.key_data, (a, b))
        np.testing.assert_array_equal(a, b)
