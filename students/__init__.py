"""Students: they know observations and actions, no teacher."""

from didact.students import experts
from didact.students.archives import export_policy, import_policy
from didact.students.base import Rollout, Student
from didact.students.cards import card
from didact.students.clone import Cloner, clone
from didact.students.config import (
    DistillConfig,
    LearnerConfig,
    NetworkConfig,
    PPOConfig,
    SACConfig,
)
from didact.students.distill import distill
from didact.students.experts import Expert
from didact.students.folders import save_policy
from didact.students.hindsight import hindsight
from didact.students.hub import pull_policy, push_policy
from didact.students.kickstart import kickstart
from didact.students.learner import LearnerState, Lesson
from didact.students.networks import (
    ActorCritic,
    Categorical,
    Distribution,
    Product,
    SquashedNormal,
    encoders,
)
from didact.students.policies import Policy, load_policy
from didact.students.ppo import ppo
from didact.students.random_actions import random_actions
from didact.students.recordings import Recording, open_recording
from didact.students.sac import sac
from didact.students.windows import Window

__all__ = [
    "ActorCritic",
    "Categorical",
    "Cloner",
    "DistillConfig",
    "Distribution",
    "Expert",
    "LearnerConfig",
    "LearnerState",
    "Lesson",
    "NetworkConfig",
    "PPOConfig",
    "Policy",
    "Product",
    "Recording",
    "Rollout",
    "SACConfig",
    "SquashedNormal",
    "Student",
    "Window",
    "card",
    "clone",
    "distill",
    "encoders",
    "experts",
    "export_policy",
    "hindsight",
    "import_policy",
    "kickstart",
    "load_policy",
    "open_recording",
    "ppo",
    "pull_policy",
    "push_policy",
    "random_actions",
    "sac",
    "save_policy",
]
