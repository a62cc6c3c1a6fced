"""Our worlds through gymnasium: its own checks, and the same steps as without it."""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import didact.environments as environments

NAMES = ["didact/BabyAI-GoToLocal-v0", "didact/BabyAI-MiniBossLevel-v0", "didact/ToyGrid"]


def test_every_environment_is_known_to_gymnasium():
    for entry in environments.registered():
        assert f"didact/{entry.name}" in gymnasium.registry


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("error")
@pytest.mark.filterwarnings("ignore:.*not have a render FPS.*")
def test_gymnasium_finds_nothing_wrong(name):
    world = gymnasium.make(name, render_mode="rgb_array", disable_env_checker=True)
    # The check of pictures makes a world for each way to draw; one grid world stands for all.
    check_env(world.unwrapped, skip_close_check=True, skip_render_check="MiniBoss" in name)
    observation, info = world.reset(seed=3)
    assert world.observation_space.contains(observation)
    again, same = world.reset(seed=3)
    assert info == same
    for key in observation:
        np.testing.assert_array_equal(observation[key], again[key])


def test_one_world_steps_as_ours():
    world = gymnasium.make("didact/BabyAI-GoToLocal-v0")
    ours = environments.make("BabyAI-GoToLocal-v0")
    observation, info = world.reset(seed=5)
    state = jax.device_get(world.unwrapped._worlds.state)
    assert info["mission"].startswith("go to ")
    step, rng = jax.jit(ours.step), np.random.default_rng(0)
    for _ in range(40):
        action = int(rng.integers(7))
        observation, reward, terminated, truncated, info = world.step(action)
        state, seen = step(None, state, jnp.array([action]))
        np.testing.assert_array_equal(observation["image"], seen.observation["image"][0])
        assert (terminated, truncated) == (bool(seen.terminated[0]), bool(seen.truncated[0]))
        assert (reward, info["success"]) == (float(seen.reward[0]), bool(seen.success[0]))
        if terminated or truncated:
            break


def test_a_world_can_be_drawn_as_text():
    world = gymnasium.make("didact/BabyAI-GoToLocal-v0", render_mode="ansi")
    world.reset(seed=0)
    before = world.render()
    assert isinstance(before, str)
    assert before == world.unwrapped.environment.render_ansi(world.unwrapped._worlds.state, 0)
    world.step(0)
    assert world.render() != before
    with pytest.raises(environments.SettingError, match="render_mode is 'ansi'"):
        gymnasium.make("didact/ToyGrid", render_mode="ansi")
    assert gymnasium.make("didact/GoTo").unwrapped.render() is None


def test_a_task_can_be_given():
    world = gymnasium.make("didact/GoTo").unwrapped
    space = world.environment.task_space
    task = space.from_json(
        '{"room_size": 6, "rows": 1, "columns": 2, "distractors": 3, "open_doors": 1,'
        ' "red_ball": 1, "grey_distractors": 1}'
    )
    _, info = world.reset(seed=0, options={"task": task})
    assert info["mission"] == "go to the red ball"
    assert int(world._worlds.state.max_steps[0]) == 36 * 2
    with pytest.raises(environments.SettingError, match="inside the task space"):
        world.reset(options={"task": task + 100})


def test_many_worlds_start_anew_in_the_step_in_which_they_end():
    n = 16
    worlds = gymnasium.make_vec("didact/BabyAI-GoToObjS4-v0", num_envs=n)
    observation, _ = worlds.reset(seed=0)
    assert worlds.observation_space.contains(observation)
    rng, ended, length = np.random.default_rng(0), 0, np.zeros(n, int)
    for _ in range(60):
        actions = rng.choice(3, n)
        observation, reward, terminated, truncated, info = worlds.step(actions)
        assert worlds.observation_space.contains(observation)
        length += 1
        done = terminated | truncated
        assert (info["success"] == (reward > 0)).all()
        np.testing.assert_allclose(
            reward, np.where(terminated, 1 - 0.9 * length / 16, 0), atol=1e-6
        )
        assert ("final_obs" in info) == done.any()
        for i in np.flatnonzero(done):
            last = info["final_obs"][i]
            assert worlds.single_observation_space.contains(last)
            ended += 1
        assert (truncated == (length == 16)).all()
        length[done] = 0
    assert ended > 50


def test_settings_reach_the_environment():
    worlds = gymnasium.make_vec("didact/BabyAI-GoToLocal-v0", num_envs=2, packed=True)
    assert worlds.reset(seed=1)[0]["image"].shape == (2, 7, 7)
    with pytest.raises(TypeError, match="colour"):
        gymnasium.make("didact/GoTo", colour="red")
    with pytest.raises(environments.SettingError, match="num_envs is 0"):
        gymnasium.make_vec("didact/GoTo", num_envs=0)
