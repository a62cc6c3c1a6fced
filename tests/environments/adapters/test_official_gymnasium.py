"""Gymnasium's own environments, seen as ours."""

import gymnasium
import numpy as np
import pytest

from didact.environments import ArraySpace, Continuous, Discrete, SettingError, make
from didact.environments.adapters import OfficialGymnasium


class Shaped:
    """What the adapter reads of an environment."""

    official = None
    max_steps = 30

    def __init__(self, observation_space, action_space):
        self.observation_space, self.action_space = observation_space, action_space


def vector(n):
    return ArraySpace((n,), np.float32, -10, 10)


def test_the_pendulum_is_stepped_as_gymnasium_steps_it():
    worlds = OfficialGymnasium("Pendulum-v1", 3, make("Pendulum"))
    alone = gymnasium.make("Pendulum-v1")
    first, _ = alone.reset(seed=7)
    seen = worlds.reset([0, 2], [5, 7])["observation"]
    assert seen.shape == (2, 3)
    assert seen.dtype == np.float32
    np.testing.assert_array_equal(seen[1], first)
    for i in range(200):
        actions = np.array([[0.3], [-5.0 if i < 3 else 1.5]], np.float32)
        seen, reward, terminated, truncated = worlds.step([0, 2], actions)
        expected = alone.step(np.clip(actions[1], -2, 2))
        np.testing.assert_array_equal(seen["observation"][1], expected[0])
        assert reward[1] == pytest.approx(expected[1])
        assert (terminated[1], truncated[1]) == (expected[2], expected[3])
    assert truncated.all()
    assert reward.dtype == np.float32
    worlds.close()


def test_discrete_actions_and_other_names_of_observations():
    environment = Shaped({"state": vector(4)}, Discrete(2, ("left", "right")))
    worlds = OfficialGymnasium("CartPole-v1", 2, environment)
    seen = worlds.reset([0, 1], [1, 2])
    alone = gymnasium.make("CartPole-v1")
    np.testing.assert_allclose(seen["state"][1], alone.reset(seed=2)[0])
    for _ in range(8):
        seen, reward, terminated, _ = worlds.step([0, 1], [0, 1])
        expected = alone.step(1)
        np.testing.assert_allclose(seen["state"][1], expected[0])
        assert (reward[1], terminated[1]) == (expected[1], expected[2])


def test_actions_are_converted_and_clipped():
    environment = Shaped({"observation": vector(2)}, Continuous((1,), -5, 5))
    worlds = OfficialGymnasium("MountainCarContinuous-v0", 1, environment)
    alone = gymnasium.make("MountainCarContinuous-v0")
    worlds.reset([0], [0])
    alone.reset(seed=0)
    seen, *_ = worlds.step([0], np.array([[5.0]], np.float32))
    expected = alone.step(np.array([1.0], np.float32))
    np.testing.assert_allclose(seen["observation"][0], expected[0])


def test_an_environment_without_a_limit_has_ours():
    environment = Shaped({"observation": vector(1)}, Discrete(2))
    gymnasium.register("Endless-v0", entry_point=lambda **_: Endless())
    try:
        worlds = OfficialGymnasium("Endless-v0", 1, environment)
        worlds.reset([0], [0])
        cut = [bool(worlds.step([0], [1])[3][0]) for _ in range(30)]
    finally:
        del gymnasium.registry["Endless-v0"]
    assert cut == [False] * 29 + [True]


class Endless(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1, 1, (1,))
    action_space = gymnasium.spaces.Discrete(2, start=5)

    def reset(self, *, seed=None, options=None):
        return np.zeros(1, np.float32), {}

    def step(self, action):
        assert action == 6  # the second; the first is 5
        return np.zeros(1, np.float32), 0.0, False, False, {}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Nowhere-v0", "--env is 'Nowhere-v0', but must be an environment of gymnasium"),
        ("didact/Pendulum", "not a didact environment"),
        ("CartPole-v1", r"observations of the shapes \{'observation': \(3,\)\} \(it has .*\(4,\)"),
    ],
)
def test_what_does_not_fit_is_one_sentence(name, message):
    with pytest.raises(SettingError, match=message):
        OfficialGymnasium(name, 1, make("Pendulum"))


def test_other_actions_do_not_fit():
    environment = Shaped({"observation": vector(3)}, Discrete(4))
    with pytest.raises(SettingError, match=r"one with the actions 0, 1, 2, 3 \(it has Box"):
        OfficialGymnasium("Pendulum-v1", 1, environment)
    environment = Shaped({"observation": vector(4)}, Continuous((1,)))
    with pytest.raises(SettingError, match=r"one with the actions 0 \(it has Discrete"):
        OfficialGymnasium("CartPole-v1", 1, environment)
