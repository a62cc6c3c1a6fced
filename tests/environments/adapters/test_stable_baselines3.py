"""stable-baselines3 trains on our worlds, which it sees as gymnasium's."""

import gymnasium
import numpy as np
import pytest

import didact.environments  # noqa: F401  (registers its environments)

sb3 = pytest.importorskip(
    "stable_baselines3", reason="needs stable-baselines3: make install-sb3", exc_type=ImportError
)


def test_its_own_checker_finds_no_fault():
    from stable_baselines3.common.env_checker import check_env

    check_env(gymnasium.make("didact/BabyAI-GoToObjS4-v0").unwrapped)


def test_ppo_learns_to_reach_the_only_object():
    """In the smallest room random actions succeed now and then, and PPO soon almost always."""
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.evaluation import evaluate_policy

    def world():
        return gymnasium.make("didact/BabyAI-GoToObjS4-v0")

    worlds = make_vec_env(world, n_envs=8, seed=0)
    student = sb3.PPO(
        "MultiInputPolicy", worlds, n_steps=64, batch_size=128, learning_rate=1e-3, seed=0
    )
    before, _ = evaluate_policy(student, worlds, 40, warn=False)
    student.learn(10_000)
    after, _ = evaluate_policy(student, worlds, 40, warn=False)
    assert np.isfinite(before)
    assert after > before + 0.15
    assert after > 0.7
