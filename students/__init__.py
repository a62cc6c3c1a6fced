"""Students: they know observations and actions, no teacher."""

from didact.students.base import Rollout, Student
from didact.students.config import NetworkConfig, PPOConfig
from didact.students.networks import ActorCritic
from didact.students.policies import Policy, card, load_policy, save_policy
from didact.students.ppo import PPOState, ppo
from didact.students.random_actions import random_actions

__all__ = [
    "ActorCritic",
    "NetworkConfig",
    "PPOConfig",
    "PPOState",
    "Policy",
    "Rollout",
    "Student",
    "card",
    "load_policy",
    "ppo",
    "random_actions",
    "save_policy",
]
