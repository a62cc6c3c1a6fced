"""Students: they know observations and actions, no teacher."""

from didact.students.base import Rollout, Student
from didact.students.config import NetworkConfig, PPOConfig
from didact.students.networks import ActorCritic
from didact.students.policies import Policy, card, load_policy, save_policy
from didact.students.ppo import PPOState, ppo
from didact.students.random_actions import random_actions
from didact.students.recordings import Recording, open_recording
from didact.students.windows import Window

__all__ = [
    "ActorCritic",
    "NetworkConfig",
    "PPOConfig",
    "PPOState",
    "Policy",
    "Recording",
    "Rollout",
    "Student",
    "Window",
    "card",
    "load_policy",
    "open_recording",
    "ppo",
    "random_actions",
    "save_policy",
]
