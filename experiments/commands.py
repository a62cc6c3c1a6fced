"""The commands and their options: dataclasses, from which the help pages are made."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from didact.experiments.compose import Compose
from didact.experiments.config import KickstartConfig, TrainConfig
from didact.experiments.distill import Distill
from didact.experiments.play import Play
from didact.experiments.policies import Policies
from didact.experiments.record import Record
from didact.experiments.transcripts import Transcript
from didact.students.config import DistillConfig, NetworkConfig, PPOConfig

RANDOM = "random"


@dataclasses.dataclass(frozen=True)
class Network(NetworkConfig):
    __doc__ = NetworkConfig.__doc__

    def __post_init__(self):
        """Nothing here: `NetworkConfig` checks itself where its one sentence is printed."""


@dataclasses.dataclass(frozen=True)
class PPO(PPOConfig):
    __doc__ = PPOConfig.__doc__

    network: Network = dataclasses.field(default_factory=Network)
    """sizes of the network"""

    def __post_init__(self):
        """Nothing here: `PPOConfig` checks itself where its one sentence is printed."""


@dataclasses.dataclass(frozen=True)
class Distillation(DistillConfig):
    __doc__ = DistillConfig.__doc__

    network: Network = dataclasses.field(default_factory=Network)
    """sizes of the network"""

    def __post_init__(self):
        """Nothing here, as in `PPO`."""


@dataclasses.dataclass(frozen=True)
class Kickstart(KickstartConfig):
    __doc__ = KickstartConfig.__doc__

    def __post_init__(self):
        """Nothing here, as in `PPO`."""


@dataclasses.dataclass(frozen=True)
class Train(TrainConfig):
    __doc__ = TrainConfig.__doc__

    ppo: PPO = dataclasses.field(default_factory=PPO)
    """settings of PPO"""
    distill: Distillation = dataclasses.field(default_factory=Distillation)
    """settings of distillation"""
    kickstart: Kickstart = dataclasses.field(default_factory=Kickstart)
    """how strongly experts draw PPO"""
    resume: Path | None = None
    """go on with the run in this folder; its own settings are used"""
    checkpoint: int | None = None
    """with --resume: the updates of the checkpoint to go on from, and later ones are removed; the
    latest if not given"""
    json: bool = False
    """print the result as JSON"""

    def __post_init__(self):
        """Nothing here: `TrainConfig` checks itself where its one sentence is printed."""

    def checked(self) -> TrainConfig:
        """The settings, if all of them have a meaning.

        Raises:
            SettingError: one of them has none.
        """
        parts: dict[str, Any] = {"kickstart": KickstartConfig(**_fields(self.kickstart))}
        for name, kind in (("ppo", PPOConfig), ("distill", DistillConfig)):
            part = getattr(self, name)
            network: Any = NetworkConfig(**_fields(part.network))
            settings = _fields(part) | {"network": network}
            parts[name] = kind(**settings)
        return TrainConfig(**_fields(self, TrainConfig) | parts)


def _fields(values: Any, kind: Any = None) -> dict[str, Any]:
    """The fields that `kind` has; all, if None."""
    return {f.name: getattr(values, f.name) for f in dataclasses.fields(kind or values)}


@dataclasses.dataclass(frozen=True)
class Acting:
    """What a policy plays, and how."""

    policy: tyro.conf.Positional[str]
    """the name of a policy (`didact list policies`), a run folder or a policy folder"""
    env: str | None = None
    """environment; the one it was trained in if not given"""
    env_settings: tuple[str, ...] = ()
    """settings of --env: NAME=VALUE, as in phrasing=test; those of training if both are left out"""
    greedy: bool = False
    """take the most probable action instead of sampling"""
    tasks: tuple[str, ...] = ()
    """narrow the task space: NAME=VALUE or NAME=LOW..HIGH"""
    seed: int = 0
    """of levels and actions"""
    json: bool = False
    """print the result as JSON"""


@dataclasses.dataclass(frozen=True)
class Evaluate(Acting):
    """Measure how often a policy does what it is told."""

    policy: tyro.conf.Positional[str]
    """the name of a policy, a run folder or a policy folder; or `random`, for random actions"""
    episodes: int = 500
    """whole episodes, each on a new level"""
    engine: Literal["didact", "minigrid", "envpool"] = "didact"
    """whose worlds to play in: ours, the official minigrid package's, or envpool's"""
    official: bool = False
    """the same as --engine minigrid"""


@dataclasses.dataclass(frozen=True)
class Watch(Acting):
    """Make a video of a policy's episodes, with the instruction written on it."""

    out: Path | None = None
    """a .gif or .mp4 file; if not given watch.gif in the folder, or NAME.gif here"""
    episodes: int = 6
    """episodes, one after another"""


@dataclasses.dataclass(frozen=True)
class List:
    """Name what there is."""

    what: tyro.conf.Positional[Literal["envs", "teachers", "proposers", "students", "policies"]]
    """what to list"""
    json: bool = False
    """print as JSON, environments with the schema of their tasks"""


@dataclasses.dataclass(frozen=True)
class JSON:
    json: bool = False
    """print the result as JSON"""


def commands() -> Any:
    """The type of all subcommands. Benchmarks are above this folder, so only functions see them."""
    from didact.benchmarks.config import (
        BabyAIConfig,
        CurriculumConfig,
        ExpertsConfig,
        FeedbackConfig,
        KickstartingConfig,
        ThroughputConfig,
    )

    @dataclasses.dataclass(frozen=True)
    class Throughput(JSON, ThroughputConfig):
        __doc__ = ThroughputConfig.__doc__

    @dataclasses.dataclass(frozen=True)
    class Curriculum(JSON, CurriculumConfig):
        __doc__ = CurriculumConfig.__doc__

    @dataclasses.dataclass(frozen=True)
    class BabyAI(JSON, BabyAIConfig):
        __doc__ = BabyAIConfig.__doc__

    @dataclasses.dataclass(frozen=True)
    class Experts(JSON, ExpertsConfig):
        __doc__ = ExpertsConfig.__doc__

    @dataclasses.dataclass(frozen=True)
    class Kickstarting(JSON, KickstartingConfig):
        __doc__ = KickstartingConfig.__doc__

    @dataclasses.dataclass(frozen=True)
    class Feedback(JSON, FeedbackConfig):
        __doc__ = FeedbackConfig.__doc__

    @dataclasses.dataclass(frozen=True)
    class Benchmark:
        """Measure speed, compare teachers, students or experts, or see which levels are learned."""

        what: (
            Annotated[Throughput, tyro.conf.subcommand("throughput")]
            | Annotated[Curriculum, tyro.conf.subcommand("curriculum")]
            | Annotated[BabyAI, tyro.conf.subcommand("babyai")]
            | Annotated[Experts, tyro.conf.subcommand("experts")]
            | Annotated[Kickstarting, tyro.conf.subcommand("kickstarting")]
            | Annotated[Feedback, tyro.conf.subcommand("feedback")]
        )

    return (
        Annotated[Train, tyro.conf.subcommand("train")]
        | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
        | Annotated[Watch, tyro.conf.subcommand("watch")]
        | Annotated[Play, tyro.conf.subcommand("play")]
        | Annotated[Distill, tyro.conf.subcommand("distill")]
        | Annotated[Record, tyro.conf.subcommand("record")]
        | Annotated[Compose, tyro.conf.subcommand("compose")]
        | Annotated[List, tyro.conf.subcommand("list")]
        | Annotated[Transcript, tyro.conf.subcommand("transcript")]
        | Annotated[Policies, tyro.conf.subcommand("policies")]
        | Annotated[Benchmark, tyro.conf.subcommand("benchmark")]
    )
