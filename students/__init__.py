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
from didact.students.registry import Entry, make, register, registered
from didact.students.sac import sac
from didact.students.windows import Window

register(
    "ppo",
    ppo,
    "PPO with an instructed, recurrent network (Schulman et al., 2017)",
    config=PPOConfig,
    network=lambda config: config.network,
    minibatches=lambda config: config.num_minibatches,
)
register(
    "distill",
    distill,
    "Learns from --experts alone, in its own states (Ross et al., 2011)",
    config=DistillConfig,
    network=lambda config: config.network,
    minibatches=lambda config: config.num_minibatches,
)

register(
    "sac",
    sac,
    "Soft actor-critic with replay, for continuous actions (Haarnoja et al., 2018)",
    config=SACConfig,
    network=lambda config: config.network,
    architecture="actor",
    defaults={"num_envs": 16, "rollout_length": 16, "chunk": 8},
)

__all__ = [
    "ActorCritic",
    "Categorical",
    "Cloner",
    "DistillConfig",
    "Distribution",
    "Entry",
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
    "make",
    "open_recording",
    "ppo",
    "pull_policy",
    "push_policy",
    "random_actions",
    "register",
    "registered",
    "sac",
    "save_policy",
]
