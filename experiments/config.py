"""Settings of a training; the command line is made from these dataclasses."""

import dataclasses
from pathlib import Path
from typing import Any, Literal

from didact.environments.errors import SettingError
from didact.students.config import DistillConfig, NetworkConfig, PPOConfig
from didact.teachers.language.checks import check_address
from didact.teachers.language.keys import check_variable


@dataclasses.dataclass(frozen=True)
class KickstartConfig:
    """How strongly experts draw a student that also learns from rewards."""

    weight: float = 1.0
    """lambda at the start"""
    schedule: Literal["constant", "linear", "exponential"] = "linear"
    """how lambda goes on: it stays, falls to 0, or falls to a hundredth"""
    until: float = 0.5
    """part of the training after which it has fallen"""
    distance: Literal["cross_entropy", "kl"] = "cross_entropy"
    """from the experts' distributions to the student's; the gradient is the same"""
    lead: float = 0.0
    """how often experts act in the student's place at the start; it falls linearly to 0"""
    lead_until: float = 0.25
    """part of the training after which the student acts alone"""

    def __post_init__(self):
        if not 0 <= self.lead <= 1:
            raise SettingError("kickstart.lead", self.lead, "from 0 to 1")
        if not 0 < self.lead_until <= 1:
            raise SettingError("kickstart.lead_until", self.lead_until, "above 0 and at most 1")
        if not 0 <= self.weight < float("inf"):
            raise SettingError("kickstart.weight", self.weight, "a number of at least 0")
        if not 0 < self.until <= 1:
            raise SettingError("kickstart.until", self.until, "above 0 and at most 1")


@dataclasses.dataclass(frozen=True)
class LLMConfig:
    """Which language model `--proposer language-model` asks, for what, and how often."""

    model: str = ""
    """the model, as the server calls it"""
    base_url: str | None = None
    """the server's address, such as http://localhost:11434/v1; if not given that of
    $OPENAI_BASE_URL or, without it, OpenAI's"""
    api_key_env: str | None = "OPENAI_API_KEY"
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
    steps: int = 12_000_000
    """environment steps over all worlds, for each seed"""
    seed: int = 0
    """the same seed on the same machine gives the same run"""
    num_seeds: int = 1
    """trainings side by side in one program, with seeds from --seed on"""
    run: Path | None = None
    """folder for everything of this run; a new one under runs/ if not given"""
    num_envs: int = 1024
    """worlds that are stepped together, over all devices"""
    rollout_length: int = 32
    """steps of each world between two updates"""
    tasks: tuple[str, ...] = ()
    """narrow the task space: NAME=VALUE or NAME=LOW..HIGH, as in rows=1 distractors=2..5"""
    teacher_settings: tuple[str, ...] = ()
    """the teacher's own settings: NAME=VALUE, as in fit_rate=500"""
    warm_up: float = 0.985
    """success rate in the environment's easy tasks, as far as --tasks leaves any, after which the
    teacher takes over; 0: none; the teacher `experts` begins at once"""
    proposer: str = "none"
    """who writes new tasks for the teacher `pool`; `didact list proposers` names them"""
    propose_every: float = 0.05
    """part of the training between two times that the proposer is asked"""
    propose_tasks: int = 16
    """how many tasks it is asked for at a time"""
    transcript: Path | None = None
    """with --proposer replayed: the transcript whose tasks to use"""
    fade: float = 0.0
    """part of the training after which feedback has faded out and the student stands alone; 0: as
    often as the tasks say; for environments with --env-settings feedback=..."""
    evaluate_on: tuple[str, ...] = ()
    """tasks to evaluate on: names of the environment's evaluation tasks, or of environments whose
    only task it is; all evaluation tasks if not given"""
    evaluation_episodes: int = 128
    """episodes of each evaluation while training; four times as many at the end"""
    evaluate_every: float = 0.05
    """part of the training between evaluations"""
    checkpoint_every: float = 0.1
    """part of the training between checkpoints"""
    chunk: int = 2
    """updates in one compiled program between two looks from the host"""
    experts: tuple[str, ...] = ()
    """experts to learn from: policies, or `solver`, the environment's own expert, which sees
    everything; PPO is kickstarted by them, and the student `distill` learns from them alone; a
    policy advises in the tasks it knows"""
    exploit_every: float = 0.0
    """part of the training after which, of several seeds, the worst go on from the best with
    another weight of the experts (population-based training); 0: never"""
    hindsight: float = 0.0
    """weight of imitating what was done by chance, under an instruction that it fulfilled"""
    ppo: PPOConfig = dataclasses.field(default_factory=PPOConfig)
    """settings of PPO"""
    distill: DistillConfig = dataclasses.field(default_factory=DistillConfig)
    """settings of distillation"""
    kickstart: KickstartConfig = dataclasses.field(default_factory=KickstartConfig)
    """how strongly experts draw PPO"""
    llm: LLMConfig = dataclasses.field(default_factory=LLMConfig)
    """the language model that writes tasks, if one does"""

    def __post_init__(self):
        # Whoever is to propose: settings are written into the folders of runs and policies.
        check_variable(self.llm.api_key_env, "--llm.api-key-env")
        if self.llm.base_url:
            check_address(self.llm.base_url, "--llm.base-url")
        for name, least in {
            "steps": 1,
            "num_seeds": 1,
            "num_envs": 1,
            "rollout_length": 1,
            "chunk": 1,
            "evaluation_episodes": 1,
            "propose_tasks": 1,
            "seed": 0,
        }.items():
            if getattr(self, name) < least:
                raise SettingError(option(name), getattr(self, name), f"at least {least}")
        if self.seed + self.num_seeds > 2**31:
            raise SettingError("--seed", self.seed, "below 2147483648 with all seeds")
        for name in ("evaluate_every", "checkpoint_every", "propose_every"):
            if not 0 < getattr(self, name) <= 1:
                raise SettingError(option(name), getattr(self, name), "above 0 and at most 1")
        if not 0 <= self.exploit_every <= 1:
            raise SettingError("--exploit-every", self.exploit_every, "from 0 to 1")
        if self.exploit_every and self.num_seeds < 2:
            raise SettingError("--exploit-every", self.exploit_every, "0 where there is one seed")
        if self.exploit_every and not self.experts:
            raise SettingError("--exploit-every", self.exploit_every, "0 without --experts")
        if not 0 <= self.hindsight < float("inf"):
            raise SettingError("--hindsight", self.hindsight, "a number of at least 0")
        if self.hindsight and self.student == "distill":
            raise SettingError("--hindsight", self.hindsight, "0 with --student distill")
        for name in ("warm_up", "fade"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingError(option(name), getattr(self, name), "from 0 to 1")

    @property
    def learner(self) -> PPOConfig | DistillConfig:
        """The settings of the student that learns."""
        return self.distill if self.student == "distill" else self.ppo

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
    return "--" + name.replace("_", "-")


def to_dict(config: TrainConfig) -> dict:
    """The settings as JSON holds them."""
    values = dataclasses.asdict(config)
    values["run"] = None
    values["transcript"] = None if config.transcript is None else str(config.transcript)
    return values


def from_dict(values: dict, run: Path) -> TrainConfig:
    """The inverse of `to_dict`, for the run in a folder.

    Raises:
        SettingError: a setting is unknown or has no meaning.
    """
    try:
        values = dict(values)
        nested: dict[str, Any] = {"kickstart": KickstartConfig(**values.pop("kickstart", {}))}
        asked = values.pop("llm", {})
        if asked.get("prices") is not None:
            asked = asked | {"prices": tuple(asked["prices"])}
        nested["llm"] = LLMConfig(**asked)
        for name, kind in (("ppo", PPOConfig), ("distill", DistillConfig)):
            part = dict(values.pop(name, {}))
            network = NetworkConfig(**part.pop("network", {}))
            nested[name] = kind(**part, network=network)
        for name in ("env_settings", "tasks", "teacher_settings", "evaluate_on", "experts"):
            values[name] = tuple(values.get(name, ()))
        for name, usual in dataclasses.asdict(TrainConfig()).items():
            if name not in values or usual is None:
                continue
            kinds = (int, float) if isinstance(usual, float) else (type(usual),)
            if not isinstance(values[name], kinds):
                raise TypeError(f"{name} is {values[name]!r}")
        if values.get("transcript") is not None:
            values["transcript"] = Path(values["transcript"])
        settings: dict[str, Any] = values | nested | {"run": run}
        return TrainConfig(**settings)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, SettingError):
            raise
        raise SettingError(
            "config.json", str(run), f"the settings of a run of this version ({error})"
        ) from None
