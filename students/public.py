"""The public names of `didact.students`, and the registration of the built-in students."""

from didact.students.algorithms.learner import AuxiliaryLoss, LearnerState
from didact.students.algorithms.ppo import ppo
from didact.students.algorithms.random_actions import random_actions
from didact.students.algorithms.sac import sac
from didact.students.base import Rollout, Student
from didact.students.config import (
    TRAINING_DEFAULTS,
    DistillConfig,
    LearnerConfig,
    NetworkConfig,
    PPOConfig,
    SACConfig,
)
from didact.students.data.recordings import Recording, open_recording
from didact.students.data.sequences import SequenceBatch
from didact.students.imitation import experts
from didact.students.imitation.behaviour_cloning import BehaviourCloner, behaviour_cloning
from didact.students.imitation.distill import distill
from didact.students.imitation.experts import Expert
from didact.students.imitation.hindsight import hindsight
from didact.students.imitation.kickstart import kickstart
from didact.students.networks import (
    ActorCritic,
    Categorical,
    Distribution,
    Product,
    SquashedNormal,
    encoders,
)
from didact.students.policies.archives import export_policy, import_policy
from didact.students.policies.cards import card
from didact.students.policies.hub import pull_policy, push_policy
from didact.students.policies.policy import Policy, load_policy
from didact.students.policies.storage import save_policy
from didact.students.registry import Entry, make, register, registered

register(
    "ppo",
    ppo,
    "PPO with a recurrent, instruction-conditioned network (Schulman et al., 2017)",
    config=PPOConfig,
    network=lambda config: config.network,
    minibatches=lambda config: config.num_minibatches,
)
register(
    "distill",
    distill,
    "Imitation of --experts on the student's own states (Ross et al., 2011)",
    config=DistillConfig,
    network=lambda config: config.network,
    minibatches=lambda config: config.num_minibatches,
)

register(
    "sac",
    sac,
    "Soft actor-critic with a replay buffer, for continuous actions (Haarnoja et al., 2018)",
    config=SACConfig,
    network=lambda config: config.network,
    architecture="actor",
    defaults=TRAINING_DEFAULTS["sac"],
)

__all__ = [
    "ActorCritic",
    "AuxiliaryLoss",
    "BehaviourCloner",
    "Categorical",
    "DistillConfig",
    "Distribution",
    "Entry",
    "Expert",
    "LearnerConfig",
    "LearnerState",
    "NetworkConfig",
    "PPOConfig",
    "Policy",
    "Product",
    "Recording",
    "Rollout",
    "SACConfig",
    "SequenceBatch",
    "SquashedNormal",
    "Student",
    "behaviour_cloning",
    "card",
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
