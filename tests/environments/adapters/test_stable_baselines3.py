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


def test_ppo_trains_with_a_teacher(tmp_path):
    """The teacher observes every episode that stable-baselines3 counts, and is restored."""
    import didact
    from didact.environments.adapters.stable_baselines3 import SB3VecEnv

    envs = didact.make_vec("ToyGrid", 4, teacher="alp_gmm", teacher_settings={"fit_rate": 20})
    student = sb3.PPO("MultiInputPolicy", SB3VecEnv(envs), n_steps=16, batch_size=32, seed=0)
    student.learn(128)
    observed = int(envs.state_dict()["teacher.count"])
    assert observed == 128  # episodes of the toy take one step
    assert len(student.ep_info_buffer) == 100
    assert len(student.ep_success_buffer) == 100
    returns = [episode["r"] for episode in student.ep_info_buffer]
    # The toy's reward is 1 for a success, else 0.
    np.testing.assert_array_equal(np.array(student.ep_success_buffer), np.array(returns) > 0)
    other = didact.make_vec("ToyGrid", 4, teacher="alp_gmm", teacher_settings={"fit_rate": 20})
    other.load_teacher(envs.save_teacher(tmp_path / "teacher.npz"))
    assert int(other.state_dict()["teacher.count"]) == observed
    with pytest.raises(didact.environments.SettingError, match="autoreset_mode"):
        SB3VecEnv(gymnasium.make_vec("CartPole-v1", 2, vectorization_mode="sync"))
