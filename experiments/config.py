"""Training settings. The command line is generated from these dataclasses.

The field annotations define the allowed values. Constructing a dataclass does not validate it; call
`checked` to validate settings from the command line, a file or Python.
"""

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from didact.common import settings
from didact.common.errors import SettingError
from didact.common.extensions import OPTION as IMPORT
from didact.common.foreign_files import read_bytes
from didact.common.setting_types import (
    Hidden,
    NotNegative,
    PositiveShare,
    Range,
    Seed,
    Share,
)
from didact.experiments.option_types import Imports
from didact.students.config import TRAINING_DEFAULTS, DistillConfig, PPOConfig, SACConfig

MAX_UPDATES = 2**31 - 1  # updates are counted in 32 bits
MAX_SIZE = 1 << 20  # bytes of a file with settings
Steps = Annotated[int, Range(1, 10**15)]
Count = Annotated[int, Range(1, 2**24)]


@dataclasses.dataclass(frozen=True)
class KickstartConfig:
    """Settings of kickstarting, which adds an imitation loss to a student's RL loss."""

    weight: NotNegative = 1.0
    """initial weight of the imitation loss (lambda in the paper)"""
    schedule: Literal["constant", "linear", "exponential"] = "linear"
    """schedule of the weight: constant, annealed linearly to 0, or decayed exponentially to a
    hundredth of its initial value"""
    anneal_until: PositiveShare = 0.5
    """fraction of the training after which the weight has reached its final value"""
    distance: Literal["cross_entropy", "kl"] = "cross_entropy"
    """distance from the experts' action distributions to the student's; both have the same
    gradient"""
    expert_action_probability: Share = 0.0
    """initial probability that an expert acts instead of the student; annealed linearly to 0"""
    expert_actions_until: PositiveShare = 0.25
    """fraction of the training after which only the student acts"""


@dataclasses.dataclass(frozen=True)
class LLMConfig:
    """Settings of the language model used by `--proposer language-model`."""

    model: str = ""
    """model name, as the server knows it"""
    base_url: Annotated[str | None, Hidden()] = None
    """base URL of the server, such as http://localhost:11434/v1; defaults to $OPENAI_BASE_URL or,
    if that is not set, to OpenAI's"""
    api_key_env: Annotated[str | None, Hidden()] = "OPENAI_API_KEY"
    """name of the environment variable that holds the API key; None for servers without keys"""
    strategy: Literal[
        "envgen", "failures-first", "easier-and-harder", "interesting", "towards", "decompose"
    ] = "envgen"
    """prompting strategy: what kind of tasks to ask for"""
    goal: str = ""
    """description of the goal to learn; used by the strategies towards and decompose"""
    temperature: float = 0.7
    """sampling temperature"""
    max_tokens: int = 4096
    """maximum tokens per completion; reasoning models need more"""
    timeout: float = 120.0
    """time limit in seconds for one request, including retries"""
    retries: int = 2
    """number of retries after a connection error or when the server is overloaded"""
    prices: tuple[float, float] | None = None
    """price of a million prompt tokens and of a million completion tokens"""
    max_calls: int | None = 100
    """maximum number of requests, including failed ones"""
    max_total_tokens: int | None = None
    """maximum number of prompt and completion tokens over all requests"""
    max_cost: float | None = None
    """maximum total cost, in the currency of --llm.prices"""


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Train a student in an environment whose tasks a teacher chooses.

    Without options, train an agent to follow instructions such as "pick up the green key, then open
    the door", first in one room and then in up to four rooms with doors, some of them locked. This
    takes about seven minutes on two CPU cores.
    """

    env: str = "MiniSynth"
    """environment to train in; see `didact list envs`"""
    env_settings: tuple[str, ...] = ()
    """environment settings as NAME=VALUE, such as phrasing=train done_action=true"""
    teacher: str = "auto"
    """teacher that chooses the tasks; see `didact list teachers`. `auto` is `paced` if the
    environment has easy tasks (within --tasks) in a larger task space; otherwise it is `alp_gmm`
    or, if tasks are not points of a box, `uniform`"""
    student: str = "ppo"
    """student to train; see `didact list students`"""
    steps: Steps = 5_000_000
    """environment steps per seed, summed over all parallel environments"""
    seed: Seed = 0
    """random seed; the same seed gives the same run on the same machine"""
    num_seeds: Annotated[int, Range(1, 65_536)] = 1
    """number of seeds to train side by side in one program: --seed, --seed + 1, ..."""
    run: Path | None = None
    """run folder for all outputs; defaults to a new folder under runs/"""
    num_envs: Count = 1024
    """number of parallel environments, over all devices and students of the teacher"""
    rollout_length: Count = 32
    """steps per environment and update"""
    tasks: tuple[str, ...] = ()
    """restrict the task space: NAME=VALUE or NAME=LOW..HIGH, such as rows=1 distractors=2..5"""
    teacher_settings: tuple[str, ...] = ()
    """teacher settings as NAME=VALUE, such as fit_rate=500"""
    student_settings: tuple[str, ...] = ()
    """settings of a custom student as NAME=VALUE; the built-in students have their own options
    below"""
    imports: Imports = ()
    """module or .py file that registers your own environments, teachers or students; it is imported
    before names are resolved; give it again when the run is resumed"""
    warm_up: Share = 0.985
    """success rate on the environment's easy tasks (those within --tasks) at which the teacher
    takes over; 0 disables the warm-up; `experts` and teachers that start from the easy tasks
    themselves, such as `paced`, have no warm-up"""
    proposer: str = "none"
    """proposer that writes new tasks for the teacher `pool`; see `didact list proposers`"""
    propose_every: PositiveShare = 0.05
    """fraction of the training between requests to the proposer"""
    propose_tasks: Count = 16
    """number of tasks per request"""
    transcript: Path | None = None
    """transcript to take the tasks from, with --proposer replayed"""
    anneal_help: Share = 0.0
    """fraction of the training after which language feedback is annealed to zero; 0 keeps the
    rates that the tasks set; requires an environment with --env-settings feedback=..."""
    evaluate_on: tuple[str, ...] = ()
    """tasks to evaluate on: names of the environment's evaluation tasks, or of environments with a
    single task; defaults to all evaluation tasks or, if there are none, to a fixed uniform sample
    of 64 tasks"""
    evaluation_episodes: Count = 128
    """episodes per evaluation task during training; four times as many at the end"""
    evaluate_every: PositiveShare = 0.05
    """fraction of the training between evaluations"""
    checkpoint_every: PositiveShare = 0.1
    """fraction of the training between checkpoints"""
    chunk: Count = 2
    """updates per compiled chunk"""
    pictures: bool = True
    """plot the learning curve and the curriculum, at evaluations and at the end"""
    video: bool = True
    """record a video of the trained policy"""
    experts: tuple[str, ...] = ()
    """experts to learn from: policies, or `solver` for the environment's privileged expert; they
    kickstart PPO, and the student `distill` learns from them alone; a policy is used on the tasks
    that it was trained on"""
    exploit_every: Share = 0.0
    """fraction of the training between steps of population-based training, in which the worst seeds
    copy the best and perturb the weight of the experts; 0 disables it. Seeds are ranked by their
    success in training since the last step, or by their return if none has any; a teacher that
    adapts to each seed evens that out"""
    hindsight: NotNegative = 0.0
    """weight of the hindsight loss, which imitates the student's own actions under an instruction
    that they happened to fulfill"""
    ppo: PPOConfig = dataclasses.field(default_factory=PPOConfig)
    """settings of PPO"""
    distill: DistillConfig = dataclasses.field(default_factory=DistillConfig)
    """settings of distillation"""
    sac: SACConfig = dataclasses.field(default_factory=SACConfig)
    """settings of SAC"""
    kickstart: KickstartConfig = dataclasses.field(default_factory=KickstartConfig)
    """settings of kickstarting PPO from --experts"""
    llm: LLMConfig = dataclasses.field(default_factory=LLMConfig)
    """settings of the language model of --proposer language-model"""

    @property
    def steps_per_update(self) -> int:
        return self.num_envs * self.rollout_length

    @property
    def updates_per_chunk(self) -> int:
        return min(self.chunk, self._least_updates)

    @property
    def num_updates(self) -> int:
        """Total number of updates: `steps` environment steps, rounded up to whole chunks."""
        return -(-self._least_updates // self.updates_per_chunk) * self.updates_per_chunk

    @property
    def _least_updates(self) -> int:
        return -(-self.steps // self.steps_per_update)


def option(name: str) -> str:
    """Return the command-line spelling of a setting."""
    return IMPORT if name == "imports" else "--" + name.replace("_", "-")


def checked(config: TrainConfig) -> TrainConfig:
    """Validate settings and return them.

    Raises:
        SettingError: a setting is invalid; the error names it as on the command line.
    """
    # Imported here so that help pages do not have to import JAX.
    from didact.teachers.language.client.api_keys import check_variable
    from didact.teachers.language.client.checks import check_address

    config = settings.checked(config, "--")
    # Checked even if no language model is used, since runs and policies store these settings.
    check_variable(config.llm.api_key_env, "--llm.api-key-env")
    if config.llm.base_url:
        check_address(config.llm.base_url, "--llm.base-url")
    if config.seed + config.num_seeds > 2**31:
        allowed = "small enough that --seed + --num-seeds is at most 2147483648"
        raise SettingError("--seed", config.seed, allowed)
    if config.num_updates > MAX_UPDATES:
        most = MAX_UPDATES * config.steps_per_update
        allowed = f"at most {most:,} with this --num-envs and --rollout-length"
        raise SettingError("--steps", config.steps, allowed)
    if config.exploit_every and config.num_seeds < 2:
        raise SettingError("--exploit-every", config.exploit_every, "0 with a single seed")
    if config.exploit_every and not config.experts:
        raise SettingError("--exploit-every", config.exploit_every, "0 without --experts")
    return config


def to_dict(config: TrainConfig) -> dict[str, Any]:
    """Convert settings to JSON-compatible values, without the run folder."""
    names = [field.name for field in dataclasses.fields(TrainConfig)]
    own = TrainConfig(**{name: getattr(config, name) for name in names})
    return settings.plain(own) | {"run": None}


def from_dict(values: Any, source: str = "", base: TrainConfig | None = None) -> TrainConfig:
    """Build settings from JSON-compatible values; the inverse of `to_dict`.

    Args:
        values: the parsed mapping; missing settings are taken from `base`.
        source: name of the source, for error messages.
        base: settings to start from; the defaults if None.

    Raises:
        SettingError: a setting is unknown or invalid.
    """
    base = TrainConfig() if base is None else base
    return settings.updated(base, values, settings.Names(source=source))


def defaults_for(student: str) -> TrainConfig:
    """Return the default settings for a registered student, such as fewer environments."""
    if student in TRAINING_DEFAULTS:
        return TrainConfig(student=student, **TRAINING_DEFAULTS[student])
    # Imported here so that help pages do not have to import JAX.
    from didact.students.registry import STUDENTS

    if student not in STUDENTS:
        return TrainConfig(student=student)
    return TrainConfig(student=student, **STUDENTS[student].defaults)


def read_run(path: Path, run: Path) -> TrainConfig:
    """Read the settings saved by a run.

    Args:
        path: path of the run's config.json.
        run: current location of the run folder.

    Raises:
        SettingError: the file is not a valid config.json.
    """
    try:
        values = json.loads(read_bytes(path, MAX_SIZE).decode())
    except (OSError, ValueError, RecursionError):
        raise SettingError(path.name, str(path), "the JSON file written by the run") from None
    if not isinstance(values, dict):
        raise SettingError(path.name, str(path), "a JSON object with the settings of a run")
    return checked(dataclasses.replace(from_dict(values, str(path)), run=run))
