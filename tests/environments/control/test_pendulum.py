"""The pendulum, compared with gymnasium's from the same states with the same actions."""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from didact.environments import make

PENDULUM = make("Pendulum")
OURS = PENDULUM.evaluation_tasks["gymnasium"]
STEP = jax.jit(PENDULUM.step)
TASKS = {
    "gymnasium": OURS,
    "long": np.array([9.81, 1.7, 0.6, 3.5], np.float32),
    "heavy": np.array([3, 0.9, 2, 1.2], np.float32),
}


def official(task):
    """Gymnasium's pendulum with the physics of a task."""
    world = gymnasium.make("Pendulum-v1", disable_env_checker=True).unwrapped
    world.g, world.l, world.m, world.max_torque = (float(x) for x in task)
    return world


@pytest.mark.parametrize("name", TASKS)
def test_every_step_is_gymnasiums(name):
    n, task = 64, TASKS[name]
    world = official(task)
    state, _ = PENDULUM.reset(jax.random.key(0), jnp.tile(task, (n, 1)))
    generator = np.random.default_rng(0)
    for _ in range(60):
        # Some are out of bounds: both clip.
        actions = generator.normal(0, 1.5, (n, 1)).astype(np.float32)
        angle, speed = np.asarray(state.angle, float), np.asarray(state.speed, float)
        state, seen = STEP(None, state, actions)
        for i in range(n):
            world.state = np.array([angle[i], speed[i]])
            scaled = np.clip(actions[i], -2, 2) * (world.max_torque / 2)
            observation, reward, terminated, truncated, _ = world.step(scaled)
            np.testing.assert_allclose(seen.observation["observation"][i], observation, atol=1e-5)
            assert seen.reward[i] == pytest.approx(reward, abs=1e-4)
            assert not terminated
            assert not truncated


def test_an_episode_is_gymnasiums():
    """From one start on its own way, and cut off in the same step."""
    world = gymnasium.make("Pendulum-v1")
    world.reset(seed=0)
    state, _ = PENDULUM.reset(jax.random.key(0), jnp.asarray(OURS)[None])
    # It swings below: near upright a float32 and a float64 would part.
    world.unwrapped.state = np.array([2.5, 0.5])
    state = state._replace(angle=jnp.array([2.5]), speed=jnp.array([0.5]))
    generator, total, ours = np.random.default_rng(0), 0.0, 0.0
    for step in range(200):
        action = generator.uniform(-0.5, 0.5, 1).astype(np.float32)
        observation, reward, terminated, truncated, _ = world.step(action)
        state, seen = STEP(None, state, action[None])
        np.testing.assert_allclose(seen.observation["observation"][0], observation, atol=1e-3)
        total, ours = total + float(reward), ours + float(seen.reward[0])
        assert (terminated, truncated) == (bool(seen.terminated[0]), bool(seen.truncated[0]))
        assert truncated == (step == 199)
    assert ours == pytest.approx(total, abs=0.05)


def test_starts_are_distributed_as_gymnasiums():
    n = 4000
    state, seen = jax.jit(PENDULUM.reset)(jax.random.key(0), jnp.tile(OURS, (n, 1)))
    world = gymnasium.make("Pendulum-v1").unwrapped
    states = np.array([(world.reset(seed=i), world.state)[1] for i in range(n)])
    for ours, theirs in ((state.angle, states[:, 0]), (state.speed, states[:, 1])):
        assert scipy.stats.ks_2samp(np.asarray(ours), theirs).pvalue > 0.01
    assert abs(np.corrcoef(state.angle, state.speed)[0, 1]) < 0.05
    observation = np.asarray(seen.observation["observation"])
    np.testing.assert_allclose(observation[:, 0], np.cos(state.angle), atol=1e-6)
    np.testing.assert_allclose(observation[:, 1], np.sin(state.angle), atol=1e-6)


def test_spaces_are_gymnasiums():
    world = official(OURS)
    space = PENDULUM.observation_space["observation"]
    assert world.observation_space.shape == space.shape
    assert float(world.observation_space.high[2]) == space.high
    np.testing.assert_array_equal(PENDULUM.action_space.lows, world.action_space.low)
    np.testing.assert_array_equal(PENDULUM.action_space.highs, world.action_space.high)


@pytest.mark.parametrize("column", range(4))
def test_every_number_of_a_task_changes_the_motion(column):
    task = jnp.tile(OURS, (2, 1)).at[1, column].mul(0.8)
    state, _ = PENDULUM.reset(jax.random.split(jax.random.key(0), 2)[jnp.array([0, 0])], task)
    state, _ = STEP(None, state, jnp.ones((2, 1)))
    assert abs(float(state.speed[0] - state.speed[1])) > 1e-3


def test_a_success_stands_upright_at_the_end():
    """A proportional and derivative controller on the easiest task, and one that lets it fall."""
    n = 8
    easy = jnp.tile(jnp.array([2, 0.8, 0.5, 4.0]), (n, 1))
    state, seen = PENDULUM.reset(jax.random.key(0), easy)
    fallen, _ = PENDULUM.reset(jax.random.key(0), easy)
    upright = []
    for _ in range(200):
        angle = (state.angle + jnp.pi) % (2 * jnp.pi) - jnp.pi
        assert not seen.success.any()
        state, seen = STEP(None, state, -(4 * angle + state.speed)[:, None])
        fallen, other = STEP(None, fallen, jnp.zeros((n, 1)))
        upright.append(np.abs(np.arctan2(*seen.observation["observation"][:, [1, 0]].T)) < 0.3)
    assert seen.success.all()
    assert np.all(upright[-20:])
    assert other.truncated.all()
    assert not other.success.any()
    # Knocked over a second before the end it is none.
    late = state._replace(steps=jnp.full(n, 180), upright=jnp.zeros(n, jnp.int32))
    for _ in range(19):
        late, seen = STEP(None, late, jnp.zeros((n, 1)))
    assert not seen.success.any()


def test_the_picture_shows_the_rod_and_the_torque():
    state, _ = PENDULUM.reset(jax.random.key(0), jnp.asarray(OURS)[None])
    up = state._replace(angle=jnp.zeros(1))
    left = state._replace(angle=jnp.array([np.pi / 2]))
    pushed = up._replace(torque=jnp.array([2.0]))
    up, left, pushed = (PENDULUM.render(x, 0) for x in (up, left, pushed))
    red = lambda picture: np.argwhere((picture[..., 0] > 150) & (picture[..., 2] < 100))  # noqa: E731
    assert red(up)[:, 0].mean() < 128  # above the middle
    assert abs(red(up)[:, 1].mean() - 128) < 2
    assert red(left)[:, 1].mean() < 128  # an angle to the left is positive
    assert (up != pushed).any()
