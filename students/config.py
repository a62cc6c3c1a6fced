"""Settings of students. Nothing here needs jax, so help pages are quick."""

import dataclasses
from typing import ClassVar, Literal

from didact.environments.errors import SettingError


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the actor-critic."""

    cell_embedding: int = 32
    """width of a cell code's embedding, which the instruction modulates"""
    cell_features: int = 8
    """features of each cell after the modulation"""
    token_embedding: int = 32
    """width of a token's embedding"""
    instruction_features: int = 64
    """width of the recurrent encoding of an instruction"""
    hidden: int = 128
    """width of the layer after the view"""
    memory: int = 128
    """units of the recurrent memory; 0 for none"""
    max_instructions: int = 64
    """distinct instructions in a batch up to which the fast path is taken"""
    pixel_channels: tuple[int, ...] = (16, 32, 32)
    """channels of each stage of the residual network that reads pictures"""
    normalise_observations: bool = True
    """normalise real vectors by running statistics; tokens, cells and pictures never are"""
    initial_std: float = 0.5
    """standard deviation of continuous actions at the start, before squashing"""

    def __post_init__(self):
        sizes = dataclasses.asdict(self)
        sizes |= {"pixel_channels": min(sizes["pixel_channels"], default=0)}
        for name, size in sizes.items():
            if name in ("initial_std", "normalise_observations"):
                continue
            if size < (0 if name == "memory" else 1):
                least = "0 or more" if name == "memory" else "1 or more"
                raise SettingError(f"network.{name}", getattr(self, name), least)
        if not 0.01 <= self.initial_std <= 2:
            raise SettingError("network.initial_std", self.initial_std, "from 0.01 to 2")


@dataclasses.dataclass(frozen=True)
class LearnerConfig:
    """Settings of how a student descends on its losses."""

    learning_rate: float = 2e-3
    """Adam's step size at the start"""
    final_learning_rate: float = 1e-4
    """and at the end; it falls linearly"""
    num_epochs: int = 1
    """passes over each rollout"""
    num_minibatches: int = 16
    """parts of the worlds into which a rollout is cut"""
    value_coefficient: float = 0.5
    """weight of the value's error"""
    discount: float = 0.99
    """gamma"""
    gae_lambda: float = 0.95
    """lambda of the generalised advantage"""
    max_grad_norm: float = 0.5
    """gradients are scaled down to this norm"""
    scale_rewards: bool | None = None
    """divide rewards by the running standard deviation of discounted returns; None: where actions
    are continuous"""
    network: NetworkConfig = dataclasses.field(default_factory=NetworkConfig)
    """sizes of the network"""

    prefix: ClassVar[str] = "learner"  # how its settings are named in errors

    def __post_init__(self):
        for name in ("num_epochs", "num_minibatches"):
            if getattr(self, name) < 1:
                raise SettingError(f"{self.prefix}.{name}", getattr(self, name), "at least 1")
        for name in ("discount", "gae_lambda"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingError(f"{self.prefix}.{name}", getattr(self, name), "from 0 to 1")
        for name, value in dataclasses.asdict(self).items():
            if name in ("learning_rate", "clip", "max_grad_norm") and not 0 < value < float("inf"):
                raise SettingError(f"{self.prefix}.{name}", value, "a positive number")
            weighs = name == "final_learning_rate" or name.endswith("_coefficient")
            if weighs and not 0 <= value < float("inf"):
                raise SettingError(f"{self.prefix}.{name}", value, "a number of at least 0")


@dataclasses.dataclass(frozen=True)
class PPOConfig(LearnerConfig):
    """Settings of PPO."""

    clip: float = 0.2
    """how far the probability ratio may leave 1"""
    entropy_coefficient: float = 0.01
    """weight of the entropy at the start"""
    final_entropy_coefficient: float = 0.001
    """and at the end; it falls linearly"""

    prefix: ClassVar[str] = "ppo"


@dataclasses.dataclass(frozen=True)
class DistillConfig(LearnerConfig):
    """Settings of distillation."""

    distance: Literal["cross_entropy", "kl"] = "kl"
    """from the experts' distributions to the student's; the gradient is the same"""
    lead: float = 1.0
    """how often experts act in the student's place at the start; it falls linearly to 0"""
    lead_until: float = 0.5
    """part of the training after which the student acts alone"""

    prefix: ClassVar[str] = "distill"

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.lead <= 1:
            raise SettingError("distill.lead", self.lead, "from 0 to 1")
        if not 0 < self.lead_until <= 1:
            raise SettingError("distill.lead_until", self.lead_until, "above 0 and at most 1")


@dataclasses.dataclass(frozen=True)
class SACConfig:
    """Settings of soft actor-critic; the defaults are those of Stable-Baselines3."""

    learning_rate: float = 3e-4
    """Adam's step size, of the actor, the critics and the entropy's weight"""
    discount: float = 0.99
    """gamma"""
    batch_size: int = 256
    """transitions in a gradient step, over all devices"""
    updates_per_step: float = 1.0
    """gradient steps for each environment step"""
    replay_capacity: int = 1_000_000
    """transitions in the replay buffer"""
    learning_starts: int = 100
    """transitions before the first gradient step; actions are uniform until then"""
    target_rate: float = 0.005
    """tau: how far the target critics move towards the critics in each gradient step"""
    initial_alpha: float = 1.0
    """weight of the entropy at the start"""
    tune_alpha: bool = True
    """tune the weight of the entropy towards the target entropy"""
    target_entropy: float | None = None
    """in nats, of actions scaled to -1..1; None: minus the number of actuators"""
    network: NetworkConfig = dataclasses.field(
        default_factory=lambda: NetworkConfig(hidden=256, memory=0, normalise_observations=False)
    )
    """sizes of the networks; there is no memory"""

    prefix: ClassVar[str] = "sac"

    def __post_init__(self):
        for name in ("batch_size", "replay_capacity", "learning_starts"):
            if getattr(self, name) < 1:
                raise SettingError(f"sac.{name}", getattr(self, name), "at least 1")
        for name in ("learning_rate", "initial_alpha", "updates_per_step"):
            if not 0 < getattr(self, name) < float("inf"):
                raise SettingError(f"sac.{name}", getattr(self, name), "a positive number")
        for name in ("discount", "target_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingError(f"sac.{name}", getattr(self, name), "from 0 to 1")
        if self.learning_starts > self.replay_capacity:
            allowed = f"at most the replay's capacity, {self.replay_capacity}"
            raise SettingError("sac.learning_starts", self.learning_starts, allowed)
