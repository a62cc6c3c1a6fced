"""Settings of students, as dataclasses whose annotations say what is allowed.

Making one checks nothing; `didact.common.settings.checked` does, where a student is made.
"""

import dataclasses
from typing import Annotated, Literal

from didact.common.setting_types import NotNegative, Positive, PositiveShare, Range, Share

Size = Annotated[int, Range(1, 8192)]
Count = Annotated[int, Range(1, 65_536)]


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the actor-critic."""

    cell_embedding: Size = 32
    """width of a cell code's embedding, which the instruction modulates"""
    cell_features: Size = 8
    """features of each cell after the modulation"""
    token_embedding: Size = 32
    """width of a token's embedding"""
    instruction_features: Size = 64
    """width of the recurrent encoding of an instruction"""
    hidden: Size = 128
    """width of the layer after the view"""
    memory: Annotated[int, Range(0, 8192)] = 128
    """units of the recurrent memory; 0 for none"""
    max_instructions: Size = 64
    """distinct instructions in a batch up to which the fast path is taken"""
    pixel_channels: tuple[Size, ...] = (16, 32, 32)
    """channels of each stage of the residual network that reads pictures"""
    normalise_observations: bool = True
    """normalise real vectors by running statistics; tokens, cells and pictures never are"""
    initial_std: Annotated[float, Range(0.02, 2)] = 0.5
    """standard deviation of continuous actions at the start, before squashing"""


@dataclasses.dataclass(frozen=True)
class LearnerConfig:
    """Settings of how a student descends on its losses."""

    learning_rate: Positive = 2e-3
    """Adam's step size at the start"""
    final_learning_rate: NotNegative = 1e-4
    """and at the end; it falls linearly"""
    num_epochs: Count = 1
    """passes over each rollout"""
    num_minibatches: Count = 16
    """parts of the worlds into which a rollout is cut"""
    value_coefficient: NotNegative = 0.5
    """weight of the value's error"""
    discount: Share = 0.99
    """gamma"""
    gae_lambda: Share = 0.95
    """lambda of the generalised advantage"""
    max_grad_norm: Positive = 0.5
    """gradients are scaled down to this norm"""
    scale_rewards: bool | None = None
    """divide rewards by the running standard deviation of discounted returns; None: where actions
    are continuous"""
    network: NetworkConfig = dataclasses.field(default_factory=NetworkConfig)
    """sizes of the network"""


@dataclasses.dataclass(frozen=True)
class PPOConfig(LearnerConfig):
    """Settings of PPO."""

    clip: Positive = 0.2
    """how far the probability ratio may leave 1"""
    entropy_coefficient: NotNegative = 0.01
    """weight of the entropy at the start"""
    final_entropy_coefficient: NotNegative = 0.001
    """and at the end; it falls linearly"""


@dataclasses.dataclass(frozen=True)
class DistillConfig(LearnerConfig):
    """Settings of distillation."""

    distance: Literal["cross_entropy", "kl"] = "kl"
    """from the experts' distributions to the student's; the gradient is the same"""
    expert_action_probability: Share = 1.0
    """how often experts act in the student's place at the start; it falls linearly to 0"""
    expert_actions_until: PositiveShare = 0.5
    """part of the training after which the student acts alone"""


@dataclasses.dataclass(frozen=True)
class SACConfig:
    """Settings of soft actor-critic; the defaults are those of Stable-Baselines3."""

    learning_rate: Positive = 3e-4
    """Adam's step size, of the actor, the critics and the entropy's weight"""
    discount: Share = 0.99
    """gamma"""
    batch_size: Count = 256
    """transitions in a gradient step, over all devices"""
    updates_per_step: Positive = 1.0
    """gradient steps for each environment step"""
    replay_capacity: Annotated[int, Range(1, 2**30)] = 1_000_000
    """transitions in the replay buffer"""
    learning_starts: Annotated[int, Range(1, 2**30)] = 100
    """transitions before the first gradient step; actions are uniform until then"""
    target_rate: Share = 0.005
    """tau: how far the target critics move towards the critics in each gradient step"""
    initial_alpha: Positive = 1.0
    """weight of the entropy at the start"""
    tune_alpha: bool = True
    """tune the weight of the entropy towards the target entropy"""
    target_entropy: float | None = None
    """in nats, of actions scaled to -1..1; None: minus the number of actuators"""
    network: NetworkConfig = dataclasses.field(
        default_factory=lambda: NetworkConfig(hidden=256, memory=0, normalise_observations=False)
    )
    """sizes of the networks; there is no memory"""
