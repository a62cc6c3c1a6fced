"""Settings of the benchmarks. This module does not import JAX."""

import dataclasses
from pathlib import Path
from typing import Annotated

from didact.benchmarks.speed.commits_worker import CASES
from didact.common.setting_types import Positive, Range, Seed
from didact.experiments.config import LLMConfig
from didact.students.config import NetworkConfig, PPOConfig

Steps = Annotated[int, Range(1, 10**8)]
TEACHING_PPO = PPOConfig(
    learning_rate=1e-3,
    num_epochs=2,
    num_minibatches=4,
    discount=1.0,
    scale_rewards=True,
    network=NetworkConfig(hidden=128, memory=0),
)


@dataclasses.dataclass(frozen=True)
class ThroughputConfig:
    """Measure the steps per second of the grid environments, compared with other packages."""

    num_envs: tuple[int, ...] = (128, 1024, 8192)
    """numbers of parallel environments; the table has a section for each"""
    seconds: float = 2.0
    """total timing per row, over all repeats"""
    repeats: int = 5
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
    threads: int = 0
    """number of threads for envpool; 0 uses one per core"""
    training: bool = True
    """also measure a whole training and the share of its components"""
    training_num_envs: int = 1024
    """number of parallel environments of that training, a multiple of 16"""
    seed: int = 0
    """random seed of the levels and actions"""


@dataclasses.dataclass(frozen=True)
class CurriculumConfig:
    """Compare teachers: train the same student with each and test it on a fixed set of tasks.

    With --suite, everything but the teachers is decided by a suite: worlds in which teachers
    differ, with test tasks and controls (see docs/suites.md). Without it, any environment will do.
    """

    suite: str | None = None
    """suite to run, see `didact list suites`, or a file of your own"""
    budget: str = "small"
    """budget of the suite: small or paper"""
    env: str | None = None
    """environment to train in without a suite; defaults to GoTo"""
    teachers: tuple[str, ...] = ()
    """teachers to compare, with a proposer as in `pool:scripted` and settings as in
    `"alp_gmm fit_rate=100"`; without a suite, the last one is the baseline of the statistical
    tests. Defaults to those of the suite, or to alp_gmm and uniform"""
    steps: int | None = None
    """environment steps per seed; defaults to those of the suite, or to 1,500,000"""
    seeds: int | None = None
    """number of seeds per teacher, run side by side in one program; defaults to those of the suite,
    or to 8"""
    seed: int = 0
    """first random seed"""
    num_envs: int | None = None
    """number of parallel environments per seed; defaults to 256"""
    warm_up: float | None = None
    """success rate on easy tasks at which the teacher takes over; 0, the default, disables it"""
    train_config: Path | None = None
    """YAML or JSON file with other training settings, as for `didact train --config`; the options
    of this command take precedence"""
    test_tasks: int | None = None
    """number of test tasks, sampled uniformly from the task space; defaults to 256"""
    num_evaluations: int = 10
    """number of evaluations during each training"""
    out: str = "runs/curriculum"
    """folder for the learning curves as JSON and PNG; teachers whose results are there already, for
    the same settings, are not trained again"""
    workers: Annotated[int, Range(1, 256)] = 1
    """number of teachers of a suite that are trained at the same time, each in its own process"""
    dry_run: bool = False
    """only print the command of each teacher of a suite, such as for the tasks of a job array; then
    run the whole command again, which reads their results"""
    llm: LLMConfig = dataclasses.field(default_factory=LLMConfig)
    """settings of the language model for `pool:language-model`"""


# The settings of PPO for mazes in JaxUED, as far as the student has them: it has a GRU instead of
# an LSTM, does not clip the value loss, and does not center advantages.
MAZE_PPO = PPOConfig(
    learning_rate=1e-4,
    final_learning_rate=0.0,
    num_epochs=5,
    num_minibatches=1,
    discount=0.995,
    gae_lambda=0.98,
    entropy_coefficient=1e-3,
    final_entropy_coefficient=1e-3,
    network=NetworkConfig(memory=256),
)


@dataclasses.dataclass(frozen=True)
class MazesConfig:
    """Compare teachers on 13x13 mazes, by the protocol of unsupervised environment design.

    Students with a 5x5 view are trained on levels that each teacher chooses, and tested in eight
    mazes of the literature and in the worst of many solvable levels. Every step counts, also those
    in levels that are only looked at. Each training can be interrupted; the same command continues.
    """

    teachers: tuple[str, ...] = ("uniform", "plr_robust", "accel", "sfl")
    """teachers to compare, with settings as in `"sfl keep=50 tries=4"`; `uniform`, or else the last
    one, is the baseline of the statistical tests"""
    steps: Steps = 30_000_000
    """environment steps per training"""
    seeds: Annotated[int, Range(1, 1000)] = 5
    """number of seeds per teacher; more can be added later"""
    seed: Seed = 0
    """first random seed"""
    minutes: Annotated[float | None, Range(0, above=True)] = None
    """stop after this time, finished or not; None for no limit"""
    num_envs: int = 32
    """number of parallel environments"""
    rollout_length: int = 256
    """steps per environment and update"""
    draws: Annotated[int, Range(0, 167)] = 25
    """wall blocks of training levels; several may be drawn for the same cell"""
    num_evaluations: int = 10
    """number of evaluations during each training"""
    episodes: int = 25
    """episodes per maze and evaluation; four times as many at the end"""
    levels: Annotated[int, Range(1, 10**6)] = 10_000
    """number of solvable test levels, of which the worst are reported"""
    level_draws: Annotated[int, Range(0, 167)] = 60
    """wall blocks of test levels"""
    level_episodes: Annotated[int, Range(1, 1000)] = 10
    """episodes per test level to choose the worst, and as many to score them"""
    out: str = "runs/mazes"
    """folder for the run of each training and the results; complete ones are not repeated"""
    ppo: PPOConfig = MAZE_PPO
    """settings of the student"""


@dataclasses.dataclass(frozen=True)
class ToyConfig:
    """Compare teachers on the toy grid, where counters take the place of a student.

    The score is the percentage of mastered cells. Figures of the authors' own implementations are
    shown where they were measured in the same way: for `uniform`, and for the presets of `alp_gmm`,
    `riac` and `covar_gmm`, with 0 or 5 useless dimensions.
    """

    teachers: tuple[str, ...] = (
        *("alp_gmm preset=paper", "alp_gmm preset=tma", "riac preset=tma_class"),
        *("covar_gmm preset=paper", "alp_gmm", "growing_box", "uniform"),
    )
    """teachers to compare, with settings as in `"alp_gmm fit_rate=100"` and published ones as in
    `"alp_gmm preset=paper"`; the last one is the baseline of the statistical tests"""
    seeds: Annotated[int, Range(2, 4096)] = 32
    """number of seeds per teacher, run side by side in one program"""
    seed: Seed = 0
    """random seed of all of them"""
    episodes: Steps = 20_000
    """episodes per seed"""
    every: Steps = 2_000
    """episodes between points of the curve, a divisor of --episodes"""
    dimensions: Annotated[int, Range(1, 6)] = 2
    """dimensions of the grid"""
    side: Annotated[int, Range(1, 100)] = 10
    """number of cells along each dimension"""
    useless: Annotated[int, Range(0, 100)] = 0
    """number of further task dimensions, which have no effect"""
    infeasible: Annotated[float, Range(0, 0.99)] = 0.0
    """part of the first dimension in which every episode fails; the cells fill the rest"""
    batch: Annotated[int, Range(1, 65_536)] = 1
    """episodes that are proposed and observed at once"""
    simultaneous: bool = False
    """reward all episodes of a batch by the competence before it, as if they ran in parallel"""


@dataclasses.dataclass(frozen=True)
class TeacherCostConfig:
    """Time teachers: per episode of the toy grid, and as a share of the updates of a training."""

    teachers: tuple[str, ...] = (
        *("uniform", "alp_gmm preset=paper", "covar_gmm preset=paper", "riac", "adr", "paced"),
        *("growing_box", "self_paced", "goal_gan", "setter_solver", "learnability"),
        *("learning_progress", "plr", "plr_robust", "accel", "sfl"),
    )
    """teachers to time, with settings as in `"alp_gmm fit_rate=100"`"""
    seeds: Annotated[int, Range(1, 4096)] = 32
    """number of seeds on the toy grid, run side by side in one program"""
    episodes: Steps = 20_000
    """episodes per seed on the toy grid, a multiple of 2,000"""
    peers: bool = True
    """also time ALP-GMM and Covar-GMM with scikit-learn, one seed at a time"""
    env: str = "GoTo"
    """environment of the training; empty to skip it"""
    num_envs: Annotated[int, Range(16, 65_536)] = 1024
    """number of parallel environments of the training"""
    repeats: Annotated[int, Range(1, 100)] = 3
    """number of timing rounds"""
    seconds: float = 10.0
    """total timing per part of an update, over all rounds"""
    seed: Seed = 0
    """random seed"""


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
    steps: int = 3_000_000
    """environment steps per level"""
    seed: int = 0
    """random seed of each training"""
    num_envs: int = 1024
    """number of parallel environments"""
    num_evaluations: int = 8
    """number of evaluations during each training"""
    episodes: int = 512
    """episodes per evaluation"""
    out: str = "runs/babyai"
    """folder for the results; levels with results for the same settings are not trained again"""


@dataclasses.dataclass(frozen=True)
class ExpertsConfig:
    """Compare the privileged expert with BabyAI's bot on official levels."""

    levels: tuple[str, ...] = ()
    """environment ids of the `minigrid` package (BabyAI or MiniGrid); all BabyAI ids if empty"""
    episodes: int = 50
    """episodes per id, each on its own level"""
    seed: int = 1000
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
    steps: int = 3_000_000
    """environment steps per seed"""
    expert_steps: int = 1_500_000
    """environment steps per expert (three times as many for put-next), which is distilled from the
    solver; too few give weak experts"""
    seeds: int = 5
    """number of seeds per student, and size of the population"""
    seed: int = 0
    """first random seed"""
    num_envs: int = 1024
    """number of parallel environments per seed"""
    weight: float = 1.0
    """initial weight of the imitation loss (lambda)"""
    anneal_until: float = 0.5
    """fraction of the training after which lambda is annealed to 0, for students that anneal it"""
    expert_action_probability: float = 0.0
    """initial probability that an expert acts instead of a kickstarted student"""
    expert_actions_until: float = 0.1
    """fraction of the training after which only students act"""
    num_evaluations: int = 24
    """number of evaluations during each training, denser at the start"""
    episodes: int = 50
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
    anneal_help: float = 0.0
    """fraction of the training after which feedback is annealed to zero; 0 draws a message rate
    from 0 to 1 for each episode, throughout the training"""
    steps: int = 2_000_000
    """environment steps per seed"""
    seeds: int = 5
    """number of seeds per condition, run side by side in one program"""
    seed: int = 0
    """first random seed"""
    num_envs: int = 256
    """number of parallel environments per seed"""
    adapt_envs: int = 64
    """number of parallel environments per seed during adaptation"""
    adapt_updates: tuple[int, ...] = (2, 8)
    """numbers of updates on the held-out tasks after which to test again"""
    episodes: int = 200
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
    """environment steps per training"""
    learning_rate: Positive = 1e-3
    """learning rate of both; all other settings are the defaults of Stable-Baselines3"""
    episodes: Steps = 100
    """test episodes per training"""
    peer: bool = True
    """also train with Stable-Baselines3; requires pip install 'didact[sb3]'"""
    out: str = "runs/sac"
    """folder for the results as JSON; seeds whose results are there already, for the same settings,
    are not trained again"""


@dataclasses.dataclass(frozen=True)
class TeachingConfig:
    """Compare teachers of pupils that live for a few hundred episodes, one of them trained by PPO.

    The pupils are those of the toy grid, of several kinds that teachers do not know. PPO is trained
    on the lives of many of them; all other teachers start anew with each pupil.
    """

    teachers: tuple[str, ...] = (
        *("learnability train_every=20", "learning_progress bins=5"),
        *("riac max_region_size=20 max_regions=63", "transformer train_every=10"),
        *("covar_gmm fit_rate=25 k_max=4", "alp_gmm fit_rate=25 k_max=4", "uniform"),
    )
    """teachers to compare with the trained one, with settings as in `"alp_gmm fit_rate=50"`"""
    steps: Annotated[int, Range(0, 10**9)] = 3_000_000
    """lessons to train on, per seed; 0 measures the other teachers only"""
    seeds: Annotated[int, Range(2, 1000)] = 5
    """number of trainings, and of tests of the other teachers"""
    seed: Seed = 0
    """first random seed"""
    lives: Annotated[int, Range(1, 10**6)] = 128
    """number of pupils in a test, the same for all teachers"""
    budget: Annotated[int, Range(1, 10**4)] = 40
    """lessons in a pupil's life"""
    lesson_size: Annotated[int, Range(1, 10**4)] = 10
    """tasks in a lesson"""
    regions: Annotated[int, Range(1, 64)] = 5
    """regions along each dimension that the trained teacher chooses from"""
    num_envs: int = 512
    """number of pupils that PPO teaches in parallel"""
    rollout_length: int = 20
    """lessons per pupil and update"""
    num_evaluations: int = 8
    """number of evaluations during the training"""
    ppo: PPOConfig = TEACHING_PPO
    """settings of PPO"""


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
