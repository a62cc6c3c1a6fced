"""Algorithms that learn from rewards."""

from didact.students.algorithms.learner import LearnerState, Lesson
from didact.students.algorithms.ppo import ppo
from didact.students.algorithms.random_actions import random_actions
from didact.students.algorithms.sac import sac

__all__ = ["LearnerState", "Lesson", "ppo", "random_actions", "sac"]
