"""Settings of a training; the command line is made from these dataclasses.

Their annotations say what is allowed. Nothing is checked while one is made; `checked` does that,
for settings of the command line, of files and of Python alike.
"""

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from didact.common import settings
from didact.common.errors import SettingError
from didact.common.extensions import OPTION as IMPORT
from didact.common.setting_types import (
    Hidden,
    NotNegative,
    PositiveShare,
    Range,
    Seed,
    Share,
)
from didact.experiments.option_types import Imports
from didact.students.config import DistillConfig, PPOConfig, SACConfig
from didact.teachers.language.client.api_keys import check_variable
from didact.teachers.language.client.checks import check_address

MAX_UPDATES = 2**31 - 1  # which are counted in 32 bits
Steps = Annotated[int, Range(1, 10**15)]
Count = Annotated[int, Range(1, 2**24)]


@dataclasses.dataclass(frozen=True)
class KickstartConfig:
    """How strongly experts draw a student that also learns from rewards."""

    weight: NotNegative = 1.0
    """lambda at the start"""
    schedule: Literal["constant", "linear", "exponential"] = "linear"
    """how lambda goes on: it stays, falls to 0, or falls to a hundredth"""
    anneal_until: PositiveShare = 0.5
    """part of the training after which it has fallen"""
    distance: Literal["cross_entropy", "kl"] = "cross_entropy"
    """from the experts' distributions to the student's; the gradient is the same"""
    expert_action_probability: Share = 0.0
    """how often experts act in the student's place at the start; it falls linearly to 0"""
    expert_actions_until: PositiveShare = 0.25
    """part of the training after which the student acts alone"""


@dataclasses.dataclass(frozen=True)
class LLMConfig:
    """Which language model `--proposer language-model` asks, for what, and how often."""

    model: str = ""
    """the model, as the server calls it"""
    base_url: Annotated[str | None, Hidden()] = None
    """the server's address, such as http://localhost:11434/v1; if not given that of
    $OPENAI_BASE_URL or, without it, OpenAI's"""
    api_key_env: Annotated[str | None, Hidden()] = "OPENAI_API_KEY"
    """name of the environment variable with the key; None for servers without keys"""
    strategy: Literal[
        "envgen", "failures-first", "easier-and-harder", "interesting", "towards", "decompose"
    ] = "envgen"
    """what is asked for"""
    goal: str = ""
    """what is to be learned, in words; for the strategies towards and decompose"""
    temperature: float = 0.7
    """of sampling"""
    max_tokens: int = 4096
    """the longest answer; models that think first need more"""
    timeout: float = 120.0
    """seconds for all of a question, retries included"""
    retries: int = 2
    """after a broken connection or an overloaded server"""
    prices: tuple[float, float] | None = None
    """of a million tokens of questions and of answers"""
    max_calls: int | None = 100
    """questions, answered or not"""
    max_total_tokens: int | None = None
    """tokens of all questions and answers"""
    max_cost: float | None = None
    """money, in the currency of the prices"""


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Train a student in an environment whose tasks a teacher chooses.

    Without options: the main job. An agent learns to follow "go to the red ball" in one room, and
    then in up to nine rooms with doors. It takes about five minutes on two CPU cores.
    """

    env: str = "GoTo"
    """environment; `didact list envs` names them"""
    env_settings: tuple[str, ...] = ()
    """the environment's own settings: NAME=VALUE, as in phrasing=train done_action=true"""
    teacher: str = "alp_gmm"
    """who chooses the tasks; `didact list teachers` names them"""
    student: str = "ppo"
    """who learns; `didact list students` names them"""
    steps: Steps = 12_000_000
    """environment steps over all worlds, for each seed"""
    seed: Seed = 0
    """the same seed on the same machine gives the same run"""
    num_seeds: Annotated[int, Range(1, 65_536)] = 1
    """trainings side by side in one program, with seeds from --seed on"""
    run: Path | None = None
    """folder for everything of this run; a new one under runs/ if not given"""
    num_envs: Count = 1024
    """worlds that are stepped together, over all devices"""
    rollout_length: Count = 32
    """steps of each world between two updates"""
    tasks: tuple[str, ...] = ()
    """narrow the task space: NAME=VALUE or NAME=LOW..HIGH, as in rows=1 distractors=2..5"""
    teacher_settings: tuple[str, ...] = ()
    """the teacher's own settings: NAME=VALUE, as in fit_rate=500"""
    student_settings: tuple[str, ...] = ()
    """settings of a student of your own: NAME=VALUE; those of didact's have options below"""
    imports: Imports = ()
    """code that registers environments, teachers or students of your own: a module, or a .py file;
    it is imported before anything is looked up, and again when the run is resumed"""
    warm_up: Share = 0.985
    """success rate in the environment's easy tasks, as far as --tasks leaves any, after which the
    teacher takes over; 0: none; the teacher `experts` begins at once"""
    proposer: str = "none"
    """who writes new tasks for the teacher `pool`; `didact list proposers` names them"""
    propose_every: PositiveShare = 0.05
    """part of the training between two times that the proposer is asked"""
    propose_tasks: Count = 16
    """how many tasks it is asked for at a time"""
    transcript: Path | None = None
    """with --proposer replayed: the transcript whose tasks to use"""
    anneal_help: Share = 0.0
    """part of the training after which feedback has faded out and the student stands alone; 0: as
    often as the tasks say; for environments with --env-settings feedback=..."""
    evaluate_on: tuple[str, ...] = ()
    """tasks to evaluate on: names of the environment's evaluation tasks, or of environments whose
    only task it is; all evaluation tasks if not given"""
    evaluation_episodes: Count = 128
    """episodes of each evaluation while training; four times as many at the end"""
    evaluate_every: PositiveShare = 0.05
    """part of the training between evaluations"""
    checkpoint_every: PositiveShare = 0.1
    """part of the training between checkpoints"""
    chunk: Count = 2
    """updates in one compiled program between two looks from the host"""
    experts: tuple[str, ...] = ()
    """experts to learn from: policies, or `solver`, the environment's own expert, which sees
    everything; PPO is kickstarted by them, and the student `distill` learns from them alone; a
    policy advises in the tasks it knows"""
    exploit_every: Share = 0.0
    """part of the training after which, of several seeds, the worst go on from the best with
    another weight of the experts (population-based training); 0: never"""
    hindsight: NotNegative = 0.0
    """weight of imitating what was done by chance, under an instruction that it fulfilled"""
    ppo: PPOConfig = dataclasses.field(default_factory=PPOConfig)
    """settings of PPO"""
    distill: DistillConfig = dataclasses.field(default_factory=DistillConfig)
    """settings of distillation"""
    sac: SACConfig = dataclasses.field(default_factory=SACConfig)
    """settings of SAC"""
    kickstart: KickstartConfig = dataclasses.field(default_factory=KickstartConfig)
    """how strongly experts draw PPO"""
    llm: LLMConfig = dataclasses.field(default_factory=LLMConfig)
    """the language model that writes tasks, if one does"""

    @property
    def steps_per_update(self) -> int:
        return self.num_envs * self.rollout_length

    @property
    def updates_per_chunk(self) -> int:
        return min(self.chunk, self._least_updates)

    @property
    def num_updates(self) -> int:
        """Updates of the whole training: whole chunks, at least `steps` environment steps."""
        return -(-self._least_updates // self.updates_per_chunk) * self.updates_per_chunk

    @property
    def _least_updates(self) -> int:
        return -(-self.steps // self.steps_per_update)


def option(name: str) -> str:
    """A setting as it is written on the command line."""
    return IMPORT if name == "imports" else "--" + name.replace("_", "-")


def checked(config: TrainConfig) -> TrainConfig:
    """The same settings, if all of them have a meaning.

    Raises:
        SettingError: one has none; it is named as on the command line.
    """
    config = settings.checked(config, "--")
    # Also where no language model is asked: settings are written into folders of runs and policies.
    check_variable(config.llm.api_key_env, "--llm.api-key-env")
    if config.llm.base_url:
        check_address(config.llm.base_url, "--llm.base-url")
    if config.seed + config.num_seeds > 2**31:
        raise SettingError("--seed", config.seed, "below 2147483648 with all seeds")
    if config.num_updates > MAX_UPDATES:
        most = MAX_UPDATES * config.steps_per_update
        raise SettingError("--steps", config.steps, f"at most {most:,} with so few --num-envs")
    if config.exploit_every and config.num_seeds < 2:
        raise SettingError("--exploit-every", config.exploit_every, "0 where there is one seed")
    if config.exploit_every and not config.experts:
        raise SettingError("--exploit-every", config.exploit_every, "0 without --experts")
    return config


def to_dict(config: TrainConfig) -> dict[str, Any]:
    """The settings as JSON holds them, without the folder of the run."""
    return settings.plain(config) | {"run": None}


def from_dict(values: Any, source: str = "", base: TrainConfig | None = None) -> TrainConfig:
    """The inverse of `to_dict`.

    Args:
        values: what was read; settings that it leaves out are as in `base`.
        source: where from, for errors.
        base: other settings; the usual ones if None.

    Raises:
        SettingError: a setting is unknown or has no meaning.
    """
    base = TrainConfig() if base is None else base
    return settings.updated(base, values, settings.Names(source=source))


def defaults_for(student: str) -> TrainConfig:
    """The settings of a training that suit a registered student, such as fewer environments."""
    # Imported here, so that help pages do not wait for JAX.
    import didact.students  # noqa: F401  (registers its students)
    from didact.students.registry import STUDENTS

    if student == TrainConfig.student or student not in STUDENTS:
        return TrainConfig(student=student)
    return TrainConfig(student=student, **STUDENTS[student].defaults)


def read_run(path: Path, run: Path) -> TrainConfig:
    """The settings that a run wrote.

    Args:
        path: of the file.
        run: the run's folder, as it is found now.

    Raises:
        SettingError: it is no such file.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise SettingError(path.name, str(path), "JSON as the run wrote it") from None
    if not isinstance(values, dict):
        raise SettingError(path.name, str(path), "the settings of a run")
    return checked(dataclasses.replace(from_dict(values, str(path)), run=run))
