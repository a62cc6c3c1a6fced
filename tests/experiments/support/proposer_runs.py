"""A training that takes a moment, whose tasks somebody proposes."""

from typing import Any

from didact.students import NetworkConfig, PPOConfig

SETTINGS: dict[str, Any] = {
    "env": "Counting",
    "teacher": "pool",
    "teacher_settings": ("capacity=24",),
    "proposer": "scripted",
    "propose_every": 0.2,
    "propose_tasks": 6,
    "num_envs": 16,
    "rollout_length": 4,
    "chunk": 2,
    "steps": 64 * 20,
    "warm_up": 0,
    "checkpoint_every": 0.3,
    "evaluate_every": 1.0,
    "ppo": PPOConfig(num_minibatches=2, network=NetworkConfig(hidden=16, memory=8)),
}
