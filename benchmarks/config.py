"""Settings of the benchmarks. This module does not import JAX."""

import dataclasses
from pathlib import Path
from typing import Annotated

from didact.benchmarks.speed.commits_worker import CASES
from didact.common.setting_types import NotNegative, Positive, PositiveShare, Range, Seed, Share
from didact.experiments.config import Count
from didact.experiments.config import Steps as TrainingSteps

Steps = Annotated[int, Range(1, 10**8)]


@dataclasses.dataclass(frozen=True)
class ThroughputConfig:
    """Measure the steps per second of the grid environments, compared with other packages."""

    num_envs: tuple[Count, ...] = (128, 1024, 8192)
    """numbers of parallel environments; the table has a section for each"""
    seconds: Annotated[float, Range(0, 1e6)] = 2.0
    """total timing per row, over all repeats"""
    repeats: Annotated[int, Range(1, 1000)] = 5
    """number of repeats; the repeats of all rows are interleaved"""
    levels: tuple[str, ...] = (
        "BabyAI-GoToLocal-v0",
        "BabyAI-GoToLocal-v0/packed",
        "MiniGrid-DoorKey-8x8-v0",
        "BabyAI-BossLevel-v0",
    )
    """environments to measure; the suffix `/packed` packs each cell of the view into one byte"""
    peers: tuple[str, ...] = ("envpool", "xminigrid", "minigrid")
    """packages to compare with on the same levels; unavailable ones are skipped, with a reason"""
    threads: Annotated[int, Range(0, 1024)] = 0
    """number of threads for envpool; 0 uses one per core"""
    training: bool = True
    """also measure a whole training and the share of its components"""
    training_num_envs: Count = 1024
    """number of parallel environments of that training, a multiple of 16"""
    seed: Seed = 0
    """random seed of the levels and actions"""


@dataclasses.dataclass(frozen=True)
class BabyAIConfig:
    """Train and test a student on each of the BabyAI paper's 19 levels, with a short budget."""

    levels: tuple[str, ...] = (
        "BabyAI-GoToObj-v0",
        "BabyAI-GoToRedBallGrey-v0",
        "BabyAI-GoToRedBall-v0",
        "BabyAI-GoToLocal-v0",
        "BabyAI-PutNextLocal-v0",
        "BabyAI-PickupLoc-v0",
        "BabyAI-GoToObjMaze-v0",
        "BabyAI-GoTo-v0",
        "BabyAI-Pickup-v0",
        "BabyAI-UnblockPickup-v0",
        "BabyAI-Open-v0",
        "BabyAI-Unlock-v0",
        "BabyAI-PutNextS7N4-v0",
        "BabyAI-Synth-v0",
        "BabyAI-SynthLoc-v0",
        "BabyAI-GoToSeq-v0",
        "BabyAI-SynthSeq-v0",
        "BabyAI-GoToImpUnlock-v0",
        "BabyAI-BossLevel-v0",
    )
    """levels; a student is trained from scratch on each"""
    steps: TrainingSteps = 3_000_000
    """environment steps per level"""
    seed: Seed = 0
    """random seed of each training"""
    num_envs: Count = 1024
    """number of parallel environments"""
    num_evaluations: Annotated[int, Range(1, 10_000)] = 8
    """number of evaluations during each training"""
    episodes: Count = 512
    """episodes per evaluation"""
    out: str = "runs/babyai"
    """folder for the results; levels with results for the same settings are not trained again"""


@dataclasses.dataclass(frozen=True)
class ExpertsConfig:
    """Compare the privileged expert with BabyAI's bot on official levels."""

    levels: tuple[str, ...] = ()
    """environment ids of the `minigrid` package (BabyAI or MiniGrid); all BabyAI ids if empty"""
    episodes: Count = 50
    """episodes per id, each on its own level"""
    seed: Seed = 1000
    """seed of the first level of each id; consecutive seeds follow"""
    bot: bool = True
    """also run BabyAI's bot, which takes most of the time"""


@dataclasses.dataclass(frozen=True)
class KickstartingConfig:
    """Compare students trained with and without experts of single tasks."""

    env: str = "MiniSynth"
    """environment that contains the tasks"""
    tasks: tuple[str, ...] = ("go-to", "open", "pick-up", "put-next", "both", "sequence")
    """instruction tasks; an expert is trained for each, and students learn all of them"""
    students: tuple[str, ...] = ("scratch", "constant", "annealed", "population", "distilled")
    """students to train: from rewards alone; kickstarted with a constant lambda, with lambda
    annealed to 0, or with lambda also tuned by population-based training; or distilled from the
    experts alone"""
    steps: TrainingSteps = 3_000_000
    """environment steps per seed"""
    expert_steps: TrainingSteps = 1_500_000
    """environment steps per expert (three times as many for put-next), which is distilled from the
    solver; too few give weak experts"""
    seeds: Annotated[int, Range(1, 65_536)] = 5
    """number of seeds per student, and size of the population"""
    seed: Seed = 0
    """first random seed"""
    num_envs: Count = 1024
    """number of parallel environments per seed"""
    weight: NotNegative = 1.0
    """initial weight of the imitation loss (lambda)"""
    anneal_until: PositiveShare = 0.5
    """fraction of the training after which lambda is annealed to 0, for students that anneal it"""
    expert_action_probability: Share = 0.0
    """initial probability that an expert acts instead of a kickstarted student"""
    expert_actions_until: PositiveShare = 0.1
    """fraction of the training after which only students act"""
    num_evaluations: Annotated[int, Range(1, 10_000)] = 24
    """number of evaluations during each training, denser at the start"""
    episodes: Count = 50
    """episodes per task and evaluation"""
    out: str = "runs/kickstarting"
    """folder for the experts, and for the results as JSON and PNG; existing results are reused"""


@dataclasses.dataclass(frozen=True)
class FeedbackConfig:
    """Train students with and without language feedback, and test them with and without it."""

    env: str = "MiniSynth"
    """environment that contains the tasks"""
    conditions: tuple[str, ...] = (
        *("none", "hindsight-template", "foresight-template", "both-template"),
        *("hindsight-pool", "foresight-pool", "both-pool", "wrong-pool"),
    )
    """feedback during training: none, hindsight, foresight, both or wrong (both, but always
    incorrect), phrased by fixed templates or by a pool of paraphrases"""
    train_tasks: tuple[str, ...] = ("go-to", "open", "pick-up")
    """instruction tasks to train on, named as in `didact benchmark kickstarting`"""
    test_tasks: tuple[str, ...] = ("both", "sequence")
    """held-out instruction tasks, to test on and to adapt to"""
    anneal_help: Share = 0.0
    """fraction of the training after which feedback is annealed to zero; 0 draws a message rate
    from 0 to 1 for each episode, throughout the training"""
    steps: TrainingSteps = 2_000_000
    """environment steps per seed"""
    seeds: Annotated[int, Range(2, 65_536)] = 5
    """number of seeds per condition, run side by side in one program"""
    seed: Seed = 0
    """first random seed"""
    num_envs: Count = 256
    """number of parallel environments per seed"""
    adapt_envs: Count = 64
    """number of parallel environments per seed during adaptation"""
    adapt_updates: tuple[Annotated[int, Range(1, 10**6)], ...] = (2, 8)
    """numbers of updates on the held-out tasks after which to test again"""
    episodes: Count = 200
    """episodes per task, test and seed"""
    out: str = "runs/feedback"
    """folder for the results; conditions with results for the same settings are not run again"""


@dataclasses.dataclass(frozen=True)
class SACBenchmarkConfig:
    """Compare SAC with Stable-Baselines3 on Pendulum-v1, at the same settings.

    Both alternate between one step in one environment and one gradient step. Training times exclude
    compilation. Policies are tested with greedy actions.
    """

    seeds: Annotated[int, Range(2, 1000)] = 5
    """number of seeds per library"""
    seed: Seed = 0
    """first random seed"""
    steps: Steps = 10_000
    """environment steps per training, a multiple of 10"""
    learning_rate: Positive = 1e-3
    """learning rate of both; all other settings are the defaults of Stable-Baselines3"""
    episodes: Steps = 100
    """test episodes per training"""
    peer: bool = True
    """also train with Stable-Baselines3; requires pip install -e '.[sb3]'"""
    out: str = "runs/sac"
    """folder for the results as JSON; seeds whose results are there already, for the same settings,
    are not trained again"""


@dataclasses.dataclass(frozen=True)
class CommitsConfig:
    """Compare the speed of this checkout with that of another one.

    Both run at once in processes of their own, and take turns. The other checkout needs its own
    virtual environment: run `make install` in it first.
    """

    old: Path = Path("../old")
    """the other checkout, with a virtual environment in its folder .venv"""
    rounds: Annotated[int, Range(3, 1000)] = 9
    """times that each case is timed in each checkout"""
    cases: tuple[str, ...] = tuple(CASES)
    """what to time: environments by id, GoTo with feedback, or training"""
