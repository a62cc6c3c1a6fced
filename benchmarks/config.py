"""The settings of the benchmarks."""

import dataclasses

from didact.experiments.config import LLMConfig


@dataclasses.dataclass(frozen=True)
class ThroughputConfig:
    """Measures steps a second of the grid worlds, side by side with other packages."""

    num_envs: tuple[int, ...] = (128, 1024, 8192)
    """How many worlds are stepped together; one section of the table for each number."""
    seconds: float = 2.0
    """How long each row is timed, all its repeats together."""
    repeats: int = 5
    """How many chunks that time is cut into; chunks of all rows take turns."""
    levels: tuple[str, ...] = (
        "BabyAI-GoToLocal-v0",
        "BabyAI-GoToLocal-v0/packed",
        "MiniGrid-DoorKey-8x8-v0",
        "BabyAI-BossLevel-v0",
    )
    """Environments of didact to measure; `/packed` behind a name packs a cell into one byte."""
    peers: tuple[str, ...] = ("envpool", "xminigrid", "minigrid")
    """Packages to compare with on the same levels; what cannot run is left out, with a reason."""
    threads: int = 0
    """Threads that envpool may use; 0 for one for each core."""
    training: bool = True
    """Also measure a whole training, and the share of its pieces."""
    training_num_envs: int = 1024
    """How many worlds that training has, a multiple of 16."""
    seed: int = 0
    """Seed of the levels and of the random actions."""


@dataclasses.dataclass(frozen=True)
class CurriculumConfig:
    """Compares teachers: the same student under each, on a fixed set of tasks, with statistics."""

    env: str = "GoTo"
    """environment whose task space is taught"""
    teachers: tuple[str, ...] = ("alp_gmm", "uniform")
    """teachers to compare, as `pool:scripted` with who proposes tasks; the last is the baseline of
    the tests"""
    steps: int = 1_500_000
    """environment steps of each seed"""
    seeds: int = 8
    """seeds of each teacher, side by side in one program"""
    seed: int = 0
    """the first of them"""
    num_envs: int = 256
    """worlds of each seed"""
    warm_up: float = 0.0
    """success rate in easy tasks before the teacher takes over; 0: no warm-up"""
    test_tasks: int = 256
    """tasks of the fixed test set, drawn uniformly from the task space"""
    num_evaluations: int = 10
    """evaluations along each curve"""
    out: str = "runs/curriculum"
    """folder for the curves as JSON and PNG"""
    llm: LLMConfig = dataclasses.field(default_factory=LLMConfig)
    """the language model that writes tasks for `pool:language-model`"""


@dataclasses.dataclass(frozen=True)
class BabyAIConfig:
    """Trains on each of the BabyAI paper's 19 levels for the same short budget, and tests there."""

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
    """levels, each trained from nothing"""
    steps: int = 3_000_000
    """environment steps on each level"""
    seed: int = 0
    """of each training"""
    num_envs: int = 1024
    """worlds that are stepped together"""
    num_evaluations: int = 8
    """tests along each training"""
    episodes: int = 512
    """whole episodes of each test"""
    out: str = "runs/babyai"
    """folder for the results; levels it already has under the same settings are kept"""


@dataclasses.dataclass(frozen=True)
class ExpertsConfig:
    """Plays official levels with the expert that sees everything, and with BabyAI's own bot."""

    levels: tuple[str, ...] = ()
    """ids of the `minigrid` package, BabyAI's or MiniGrid's own; all of BabyAI's, if empty"""
    episodes: int = 50
    """levels of each id"""
    seed: int = 1000
    """of the first level of each id; the others follow"""
    bot: bool = True
    """also play BabyAI's bot, which takes most of the time"""


@dataclasses.dataclass(frozen=True)
class KickstartingConfig:
    """Trains students with and without the experts of single tasks: how much sooner, how well."""

    env: str = "MiniSynth"
    """environment whose task space the tasks are parts of"""
    tasks: tuple[str, ...] = ("go-to", "open", "pick-up", "put-next", "both", "sequence")
    """instruction tasks; each has an expert, and students learn all of them"""
    students: tuple[str, ...] = ("scratch", "constant", "annealed", "population", "distilled")
    """who learns: from rewards alone; kickstarted with a constant lambda, with one that falls to
    0, with one that a population tunes beside that; or from the experts alone"""
    steps: int = 3_000_000
    """environment steps of each seed"""
    expert_steps: int = 1_500_000
    """environment steps of each expert (of put-next three times as many), which is distilled from
    the solver; few make bad ones"""
    seeds: int = 5
    """seeds of each student; the members of the population"""
    seed: int = 0
    """the first of them"""
    num_envs: int = 1024
    """worlds of each seed"""
    weight: float = 1.0
    """lambda at the start"""
    anneal_until: float = 0.5
    """part of the training after which lambda has fallen to 0, where it falls"""
    expert_action_probability: float = 0.0
    """how often experts act in kickstarted students' place at the start"""
    expert_actions_until: float = 0.1
    """part of the training after which students act alone"""
    num_evaluations: int = 24
    """tests along each training, denser at first"""
    episodes: int = 50
    """episodes of each task in each test"""
    out: str = "runs/kickstarting"
    """folder for the experts, and for results as JSON and PNG; what it already has is kept"""


@dataclasses.dataclass(frozen=True)
class FeedbackConfig:
    """Trains students with and without feedback in words, and tests them with it and alone."""

    env: str = "MiniSynth"
    """environment whose task space the tasks are parts of"""
    conditions: tuple[str, ...] = (
        *("none", "hindsight-template", "foresight-template", "both-template"),
        *("hindsight-pool", "foresight-pool", "both-pool", "wrong-pool"),
    )
    """what is said in training, and how: none, hindsight, foresight, both or wrong (both, but never
    right); always in the same words or in those of a pool"""
    train_tasks: tuple[str, ...] = ("go-to", "open", "pick-up")
    """instruction tasks to learn, as `didact benchmark kickstarting` names them"""
    test_tasks: tuple[str, ...] = ("both", "sequence")
    """instruction tasks that are only tested, and adapted to"""
    anneal_help: float = 0.0
    """part of the training after which feedback has faded out; 0: each episode has a rate of
    messages of its own, from 0 to 1, until the end"""
    steps: int = 2_000_000
    """environment steps of each seed"""
    seeds: int = 5
    """seeds of each condition, side by side in one program"""
    seed: int = 0
    """the first of them"""
    num_envs: int = 256
    """worlds of each seed"""
    adapt_envs: int = 64
    """worlds of each seed while it adapts"""
    adapt_updates: tuple[int, ...] = (2, 8)
    """after how many updates on unseen tasks to test again"""
    episodes: int = 200
    """episodes of each task in each test of each seed"""
    out: str = "runs/feedback"
    """folder for the results; conditions that it has under the same settings are kept"""
