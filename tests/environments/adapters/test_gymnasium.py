"""Our worlds through gymnasium: its own checks, and the same steps as without it."""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import didact.environments as environments

NAMES = [
    "didact/BabyAI-GoToLocal-v0",
    "didact/BabyAI-MiniBossLevel-v0",
    "didact/ToyGrid",
    "didact/Pendulum",
]


def test_every_environment_is_known_to_gymnasium():
    for entry in environments.registered():
        assert f"didact/{entry.name.replace('/', '-')}" in gymnasium.registry


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore:.*not have a render FPS.*")
@pytest.mark.filterwarnings("ignore:.*symmetric and normalized space.*")  # as Pendulum-v1
@pytest.mark.filterwarnings("error")
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
    told = {"room_size": 6, "rows": 1, "columns": 2, "distractors": 3, "open_doors": 1}
    told |= {"red_ball": 1, "grey_distractors": 1}
    again = world.reset(seed=0, options={"task": told})[1]
    assert again == info
    for wrong, message in (
        (task + 100, "room_size is 106.0, but must be a whole number from 4 to 8"),
        (
            task + np.array([0, 0, 0, 0.5, 0, 0, 0]),
            "distractors is 3.5, but must be a whole number",
        ),
        ("hard", "task is 'hard', but must be a JSON object"),
        ({"room_size": 6}, "task, missing name, is 'rows'"),
        (told | {"rows": 9}, "rows is 9, but must be a whole number from 1 to 3"),
        (["big"] * 7, "task is .*, but must be 7 numbers, .*: room_size, rows"),
        (task[:3], r"shape of the task is \(3,\), but must be that of 7 numbers"),
    ):
        with pytest.raises(environments.SettingError, match=message):
            world.reset(options={"task": wrong})


def test_many_worlds_start_anew_in_the_step_in_which_they_end():
    n = 16
    worlds = gymnasium.make_vec("didact/BabyAI-GoToObjS4-v0", num_envs=n)
    observation, _ = worlds.reset(seed=0)
    assert worlds.observation_space.contains(observation)
    rng, ended, length = np.random.default_rng(0), 0, np.zeros(n, int)
    inner = worlds.unwrapped._worlds.environment
    step = jax.jit(inner.step)
    for _ in range(60):
        actions = rng.choice(3, n)
        before = jax.tree.map(jnp.array, worlds.unwrapped._worlds.state)
        expected = jax.device_get(step(None, before, jnp.asarray(actions))[1].observation)
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
            for name, value in last.items():  # of the episode that ended, not of the next one
                np.testing.assert_array_equal(value, expected[name][i])
            ended += 1
        assert (truncated == (length == 16)).all()
        length[done] = 0
    assert ended > 50


def leaves(worlds):
    return [np.asarray(x) for x in jax.tree.leaves(worlds.unwrapped._worlds.state)]


@pytest.mark.slow
def test_some_worlds_can_be_started_anew():
    """As gymnasium's own vector environments do with `reset_mask`: the others go on."""
    n = 6
    worlds = gymnasium.make_vec("didact/BabyAI-GoToLocal-v0", num_envs=n)
    mask = np.arange(n) % 3 == 0
    with pytest.raises(gymnasium.error.ResetNeeded):
        worlds.reset(options={"reset_mask": mask})
    worlds.reset(seed=0)
    for _ in range(5):
        observation = worlds.step(np.full(n, 1))[0]
    before, seen = leaves(worlds), {name: x.copy() for name, x in observation.items()}
    options = {"reset_mask": mask}
    after, _ = worlds.reset(options=options)
    assert worlds.observation_space.contains(after)
    assert "reset_mask" in options  # gymnasium's wrappers look at it afterwards
    for old, new in zip(before, leaves(worlds), strict=True):
        np.testing.assert_array_equal(old[~mask], new[~mask])
    for name in seen:
        np.testing.assert_array_equal(seen[name][~mask], after[name][~mask])
    assert worlds.unwrapped._worlds.state.steps.tolist() == [0 if m else 5 for m in mask]
    assert (before[0][mask] != leaves(worlds)[0][mask]).any()  # other maps
    # Steps, and masks after them, go on from there.
    stepped = worlds.step(np.full(n, 0))[0]
    again, _ = worlds.reset(options={"reset_mask": ~mask})
    for name in again:
        np.testing.assert_array_equal(again[name][mask], stepped[name][mask])
    for wrong in (mask.tolist(), mask[1:], mask.astype(int), np.zeros(n, bool)):
        with pytest.raises(environments.SettingError, match=r"reset_mask is .* of 6 booleans"):
            worlds.reset(options={"reset_mask": wrong})


def test_many_worlds_are_drawn_as_each_of_them():
    worlds = gymnasium.make_vec("didact/ToyGrid", num_envs=2, render_mode="rgb_array")
    worlds.reset(seed=0)
    assert [picture.dtype for picture in worlds.render()] == [np.uint8] * 2
    worlds = gymnasium.make_vec("didact/BabyAI-GoToObjS4-v0", num_envs=2, render_mode="ansi")
    worlds.reset(seed=0)
    state, environment = worlds.unwrapped._worlds.state, worlds.unwrapped.environment
    assert worlds.render() == tuple(environment.render_ansi(state, i) for i in range(2))
    for name, mode in (("ToyGrid", "ansi"), ("GoTo", "human")):
        with pytest.raises(environments.SettingError, match=f"render_mode is '{mode}'"):
            gymnasium.make_vec(f"didact/{name}", num_envs=2, render_mode=mode)


def test_nothing_goes_before_the_first_reset():
    worlds = gymnasium.make_vec("didact/BabyAI-GoToObjS4-v0", num_envs=2, render_mode="ansi")
    world = gymnasium.make("didact/BabyAI-GoToObjS4-v0", render_mode="ansi").unwrapped
    for early in (
        lambda: worlds.step(np.zeros(2, int)),
        worlds.render,
        lambda: world.step(0),
        world.render,
    ):
        with pytest.raises(gymnasium.error.ResetNeeded, match="call reset first"):
            early()


def test_only_actions_are_taken():
    world = gymnasium.make("didact/BabyAI-GoToObjS4-v0", disable_env_checker=True)
    world.reset(seed=0)
    for wrong, value in ((7, "7"), (-1, "-1"), (2.5, "2.5"), (2.0, "2.0"), ("left", "'left'")):
        with pytest.raises(
            environments.SettingError, match=f"^action is {value}, .* a whole number from 0 to 6"
        ):
            world.step(wrong)
    for wrong in (None, True, [2], [0, 1]):
        with pytest.raises(environments.SettingError, match=r"^action is .* from 0 to 6"):
            world.step(wrong)
    for right in (0, 6, np.int64(2), np.uint8(1), np.array(3), jnp.int32(4)):
        world.step(right)
    assert int(world.unwrapped._worlds.state.steps[0]) == 6  # and none of the wrong ones counted

    worlds = gymnasium.make_vec("didact/BabyAI-GoToObjS4-v0", num_envs=3)
    worlds.reset(seed=0)
    for wrong, message in (
        ([0, 7, 0], "action of world 1 is 7, .* from 0 to 6"),
        ([0, 0, -1], "action of world 2 is -1"),
        ([0.0, 1.0, 2.0], "action of world 0 is 0.0"),
        ([0, 1], r"shape of the actions is \(2,\), but must be \(3,\) for 3 worlds"),
        (2, r"shape of the actions is \(\)"),
        (np.zeros((3, 1), int), r"shape of the actions is \(3, 1\)"),
    ):
        with pytest.raises(environments.SettingError, match=message):
            worlds.step(wrong)
    worlds.step([0, 6, 1])


def test_actions_of_real_numbers_are_clipped_and_checked():
    world = gymnasium.make("didact/Pendulum", disable_env_checker=True)
    assert world.action_space == gymnasium.spaces.Box(-2, 2, (1,), np.float32)
    assert world.metadata["render_fps"] == 20
    task = {"gravity": 10, "length": 1, "mass": 1, "max_torque": 2}
    after = {}
    for action in (2, 3, np.inf, 1e300, -2, -np.inf):
        world.reset(seed=0, options={"task": task})
        after[action] = world.step(np.array([action]))[0]["observation"].tolist()
    assert after[2] == after[3] == after[np.inf] == after[1e300]
    assert after[-2] == after[-np.inf] != after[2]
    steps = lambda: int(world.unwrapped._worlds.state.steps[0])  # noqa: E731
    assert steps() == 1
    for wrong in ([np.nan], 0.5, [0.5, 0.5], ["left"], None, [[0.5]], [True], [1j]):
        with pytest.raises(environments.SettingError, match=r"^action is .* 1 \(of torque\), clip"):
            world.step(wrong)
    assert steps() == 1
    for right in ([0.5], [1], np.array([0.5], np.float64), jnp.ones(1)):
        world.step(right)
    assert steps() == 5

    worlds = gymnasium.make_vec("didact/Pendulum", num_envs=3)
    assert worlds.action_space == gymnasium.spaces.Box(-2, 2, (3, 1), np.float32)
    worlds.reset(seed=0)
    for wrong, message in (
        ([[0.0], [0.0], [np.nan]], r"action of world 2 is \[nan\], .* without NaN"),
        ([0.0, 0.0, 0.0], r"shape of the actions is \(3,\), but must be \(3, 1\) for 3 worlds"),
    ):
        with pytest.raises(environments.SettingError, match=message):
            worlds.step(wrong)
    for _ in range(200):
        _, reward, terminated, truncated, info = worlds.step(worlds.action_space.sample())
    assert (reward < 0).all()
    assert truncated.all()
    assert not terminated.any()
    assert info["final_obs"][0]["observation"].shape == (3,)


def start_of(worlds, **arguments):
    worlds.reset(**arguments)
    return np.concatenate([x.reshape(-1).astype(int) for x in leaves(worlds)])


@pytest.mark.slow
def test_seeds_decide_and_without_one_every_start_is_another():
    name = "didact/BabyAI-GoTo-v0"  # with so many levels that no two are alike
    world = gymnasium.make(name)
    large = [start_of(world, seed=seed) for seed in (5, 2**32 + 5, 2**63, 2**64 + 5, 0)]
    for i, one in enumerate(large):
        assert all((one != other).any() for other in large[i + 1 :])
    np.testing.assert_array_equal(start_of(world, seed=2**63), large[2])
    following = start_of(world)
    assert (following != large[2]).any()
    start_of(world, seed=2**63)
    np.testing.assert_array_equal(start_of(world), following)  # one seed, and all that follows
    with pytest.raises(gymnasium.error.Error, match="greater or equal to zero"):
        world.reset(seed=-1)
    for make, n in ((gymnasium.make, {}), (gymnasium.make_vec, {"num_envs": 2})):
        one, other = (start_of(make(name, **n)) for _ in range(2))
        assert (one != other).any()


def test_settings_reach_the_environment():
    worlds = gymnasium.make_vec("didact/BabyAI-GoToLocal-v0", num_envs=2, packed=True)
    assert worlds.reset(seed=1)[0]["image"].shape == (2, 7, 7)
    with pytest.raises(environments.SettingError, match=r"setting is 'colour', .* phrasing"):
        gymnasium.make("didact/GoTo", colour="red")
    with pytest.raises(environments.SettingError, match="num_envs is 0"):
        gymnasium.make_vec("didact/GoTo", num_envs=0)
