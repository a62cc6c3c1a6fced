"""What stable-baselines3 is given at the end of an episode, without the package itself."""

import sys
import types

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics

MODULE = "didact.environments.adapters.stable_baselines3"


class Coins(VectorEnv):
    """Two worlds that end in every step, the first with success."""

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012
    num_envs = 2
    single_observation_space = gymnasium.spaces.Box(0, 1, (1,))
    single_action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return np.zeros((2, 1), np.float32), {}

    def step(self, actions):
        over, last = np.ones(2, bool), np.empty(2, object)
        last[:] = [np.ones(1), np.ones(1)]
        infos = {"success": np.array([True, False]), "final_obs": last, "_final_obs": over}
        return np.zeros((2, 1), np.float32), np.array([3.0, 4.0]), over, ~over, infos


@pytest.fixture
def adapter(monkeypatch):
    base = types.ModuleType("stable_baselines3.common.vec_env")

    class VecEnv:
        def __init__(self, num_envs, observation_space, action_space):
            self.num_envs, self._seeds = num_envs, []

        def _reset_seeds(self):
            self._seeds = []

    base.VecEnv = VecEnv
    for name in ("stable_baselines3", "stable_baselines3.common"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, base.__name__, base)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    yield __import__(MODULE, fromlist=["SB3VecEnv"]).SB3VecEnv
    sys.modules.pop(MODULE, None)


@pytest.mark.parametrize("recorded", [False, True])
def test_successes_are_those_of_the_environment(adapter, recorded):
    """Gymnasium's statistics of episodes have no success of their own."""
    envs = adapter(RecordEpisodeStatistics(Coins()) if recorded else Coins())
    envs.reset()
    envs.step_async(np.zeros(2, int))
    _, _, done, infos = envs.step_wait()
    assert done.all()
    assert [info["is_success"] for info in infos] == [True, False]
    assert [info["terminal_observation"].tolist() for info in infos] == [[1], [1]]
    assert ["episode" in info for info in infos] == [recorded] * 2
    if recorded:
        assert [(info["episode"]["r"], info["episode"]["l"]) for info in infos] == [(3, 1), (4, 1)]
        assert all(info["episode"]["t"] >= 0 for info in infos)
