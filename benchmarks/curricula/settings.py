"""Settings of the benchmarks of curricula. This module does not import JAX."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from didact.common.setting_types import NotNegative, Range, Seed, Share
from didact.experiments.config import Count, LLMConfig
from didact.experiments.config import Steps as TrainingSteps
from didact.experiments.option_types import Imports
from didact.students.config import NetworkConfig, PPOConfig

Steps = Annotated[int, Range(1, 10**8)]
Seeds = Annotated[int, Range(2, 65_536)]
Evaluations = Annotated[int, Range(1, 10_000)]
TEACHING_PPO = PPOConfig(
    learning_rate=1e-3,
    num_epochs=2,
    num_minibatches=4,
    discount=1.0,
    scale_rewards=True,
    network=NetworkConfig(hidden=128, memory=0),
)

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
    tests, which are not corrected for the number of teachers. Defaults to those of the suite, or to
    alp_gmm and uniform"""
    steps: TrainingSteps | None = None
    """environment steps per seed; defaults to those of the suite, or to 1,500,000"""
    seeds: Seeds | None = None
    """number of seeds per teacher, run side by side in one program; defaults to those of the suite,
    or to 8"""
    seed: Seed = 0
    """first random seed"""
    num_envs: Count | None = None
    """number of parallel environments per seed; defaults to 256"""
    warm_up: Share | None = None
    """success rate on easy tasks at which the teacher takes over; 0, the default, disables it"""
    train_config: Path | None = None
    """YAML or JSON file with other training settings, as for `didact train --config`; the options
    of this command take precedence"""
    test_tasks: Count | None = None
    """number of test tasks, sampled uniformly from the task space; defaults to 256"""
    num_evaluations: Evaluations = 10
    """number of evaluations during each training"""
    knowledge: Literal["none", "low", "high"] = "high"
    """what teachers of a suite know besides the task space: none; low: the range of returns; high:
    also easy tasks, from which some of them start"""
    out: str = "runs/curriculum"
    """folder for the learning curves as JSON and PNG; teachers whose results are there already, for
    the same settings, are not trained again"""
    workers: Annotated[int, Range(1, 256)] = 1
    """number of teachers of a suite that are trained at the same time, each in its own process"""
    ray: str | None = None
    """address of a Ray cluster that trains the teachers of a suite, as many at a time as it has
    CPUs; `local` starts one with --workers CPUs on this machine. Needs the extra `cluster`"""
    dry_run: bool = False
    """only print the command of each teacher of a suite, such as for the tasks of a job array; then
    run the whole command again, which reads their results"""
    imports: Imports = ()
    """module or .py file that registers your own environments, teachers or students"""
    llm: LLMConfig = dataclasses.field(default_factory=LLMConfig)
    """settings of the language model for `pool:language-model`"""


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
    num_envs: Count = 32
    """number of parallel environments"""
    rollout_length: Count = 256
    """steps per environment and update"""
    draws: Annotated[int, Range(0, 167)] = 25
    """wall blocks of training levels; several may be drawn for the same cell"""
    num_evaluations: Evaluations = 10
    """number of evaluations during each training"""
    episodes: Annotated[int, Range(1, 10**6)] = 25
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
        *("uniform", "alp_gmm", "alp_gmm preset=paper", "covar_gmm", "covar_gmm preset=paper"),
        *("riac", "adr", "paced", "growing_box", "self_paced", "goal_gan", "setter_solver"),
        *("learnability", "learning_progress", "sfl"),
        # The counters of the toy grid have no values, which the default score needs.
        *(f"{name} score=learnability" for name in ("plr", "plr_robust", "accel")),
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
    seconds: NotNegative = 10.0
    """total timing of an update, and of the calls of each teacher, over all rounds"""
    seed: Seed = 0
    """random seed"""


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
    num_envs: Count = 512
    """number of pupils that PPO teaches in parallel"""
    rollout_length: Count = 20
    """lessons per pupil and update"""
    num_evaluations: Evaluations = 8
    """number of evaluations during the training"""
    ppo: PPOConfig = TEACHING_PPO
    """settings of PPO"""
