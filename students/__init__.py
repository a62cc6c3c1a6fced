"""Students: they know observations and actions, no teacher."""

from didact.students.archives import export_policy, import_policy
from didact.students.base import Rollout, Student
from didact.students.cards import card
from didact.students.config import NetworkConfig, PPOConfig
from didact.students.folders import save_policy
from didact.students.hub import pull_policy, push_policy
from didact.students.networks import ActorCritic
from didact.students.policies import Policy, load_policy
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
    "export_policy",
    "import_policy",
    "load_policy",
    "ppo",
    "pull_policy",
    "push_policy",
    "random_actions",
    "save_policy",
]
