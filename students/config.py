"""Student settings, as dataclasses whose annotations define the allowed values.

Instances are not validated on creation; `didact.common.settings.checked` validates them when a
student is made.
"""

import dataclasses
from typing import Annotated, Any, Literal

from didact.common.setting_types import NotNegative, Positive, PositiveShare, Range, Share

Size = Annotated[int, Range(1, 8192)]
Count = Annotated[int, Range(1, 65_536)]


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the actor-critic."""

    cell_embedding: Size = 32
    """width of the cell embedding, which the instruction modulates"""
    cell_features: Size = 8
    """features per cell after modulation"""
    token_embedding: Size = 32
    """width of the token embedding"""
    instruction_features: Size = 64
    """width of the recurrent instruction encoding"""
    hidden: Size = 128
    """width of the hidden layers"""
    memory: Annotated[int, Range(0, 8192)] = 128
    """units of the recurrent memory; 0 disables it"""
    max_instructions: Size = 64
    """maximum number of distinct instructions per batch for the fast path"""
    pixel_channels: tuple[Size, ...] = (16, 32, 32)
    """channels of each stage of the residual network for images"""
    normalise_observations: bool = True
    """normalise real-valued vectors by running statistics; tokens, cells and images never are"""
    initial_std: Annotated[float, Range(0.02, 2)] = 0.5
    """initial standard deviation of continuous actions, before squashing"""


@dataclasses.dataclass(frozen=True)
class LearnerConfig:
    """Optimisation settings shared by all students with the actor-critic."""

    learning_rate: Positive = 2e-3
    """initial Adam learning rate"""
    final_learning_rate: NotNegative = 1e-4
    """final learning rate; annealed linearly. If it is above the initial one, that is kept"""
    num_epochs: Count = 1
    """passes over each rollout"""
    num_minibatches: Count = 16
    """minibatches per epoch; the environments are split among them"""
    value_coefficient: NotNegative = 0.5
    """weight of the value loss"""
    discount: Share = 0.99
    """discount factor gamma"""
    gae_lambda: Share = 0.95
    """lambda of generalised advantage estimation"""
    max_grad_norm: Positive = 0.5
    """maximum global norm of gradients; larger ones are clipped"""
    scale_rewards: bool | None = None
    """divide rewards by the running standard deviation of rewards discounted since the start of the
    episode or, if later, the rollout; None enables it for continuous actions only"""
    network: NetworkConfig = dataclasses.field(default_factory=NetworkConfig)
    """sizes of the network"""


@dataclasses.dataclass(frozen=True)
class PPOConfig(LearnerConfig):
    """Settings of PPO."""

    clip: Positive = 0.2
    """clipping range of the probability ratio around 1"""
    entropy_coefficient: NotNegative = 0.01
    """initial weight of the entropy bonus"""
    final_entropy_coefficient: NotNegative = 0.001
    """final weight of the entropy bonus; annealed linearly. If it is above the initial one, that is
    kept"""


@dataclasses.dataclass(frozen=True)
class DistillConfig(LearnerConfig):
    """Settings of distillation."""

    distance: Literal["cross_entropy", "kl"] = "kl"
    """distance from the experts' distributions to the student's; both have the same gradient"""
    expert_action_probability: Share = 1.0
    """initial probability that an expert acts in place of the student; annealed linearly to 0"""
    expert_actions_until: PositiveShare = 0.5
    """fraction of the training after which the student acts alone"""


@dataclasses.dataclass(frozen=True)
class SACConfig:
    """Settings of soft actor-critic; the defaults are those of Stable-Baselines3."""

    learning_rate: Positive = 3e-4
    """Adam learning rate of the actor, the critics and the entropy coefficient"""
    discount: Share = 0.99
    """discount factor gamma"""
    batch_size: Count = 256
    """transitions per gradient step, over all devices"""
    updates_per_step: Positive = 1.0
    """gradient steps per environment step"""
    replay_capacity: Annotated[int, Range(1, 2**29)] = 1_000_000
    """maximum number of transitions in the replay buffer"""
    learning_starts: Annotated[int, Range(1, 2**29)] = 100
    """transitions collected with uniformly random actions before the first gradient step"""
    target_rate: Share = 0.005
    """Polyak averaging rate tau of the target critics, per gradient step"""
    initial_alpha: Positive = 1.0
    """initial entropy coefficient alpha"""
    tune_alpha: bool = True
    """tune the entropy coefficient towards the target entropy"""
    target_entropy: float | None = None
    """target entropy in nats, for actions scaled to [-1, 1]; None for minus the action dimension"""
    network: NetworkConfig = dataclasses.field(
        default_factory=lambda: NetworkConfig(hidden=256, memory=0, normalise_observations=False)
    )
    """sizes of the networks; memory must be 0"""


# Training settings that suit a built-in student better than the general defaults.
TRAINING_DEFAULTS: dict[str, dict[str, Any]] = {
    "ppo": {},
    "distill": {},
    "sac": {"num_envs": 16, "rollout_length": 16, "chunk": 8},
}
