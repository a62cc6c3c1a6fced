"""Reinforcement learning algorithms, and a random baseline."""

from didact.students.algorithms.learner import AuxiliaryLoss, LearnerState
from didact.students.algorithms.ppo import ppo
from didact.students.algorithms.random_actions import random_actions
from didact.students.algorithms.sac import sac

__all__ = ["AuxiliaryLoss", "LearnerState", "ppo", "random_actions", "sac"]
