"""The registry of benchmarks, run by `didact benchmark NAME`.

A benchmark is a module with a constant `BENCHMARK` and an entry in this file. Its module is
imported only when the benchmark runs; help pages need only its settings, and stay fast.
"""

import dataclasses
import functools
import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

from didact.common.registry import Entry, Registry


class Benchmark(NamedTuple):
    """A benchmark: its settings, the function that runs it, and the view of its results.

    Attributes:
        config: dataclass of the settings; its docstring is the help text.
        run: `run(config) -> result`, where the result is a JSON-compatible dictionary.
        table: `table(result)` returns a rich renderable of the result.
    """

    config: type
    run: Callable[[Any], dict[str, Any]]
    table: Callable[[dict[str, Any]], Any]


def load(module: str) -> Benchmark:
    """Import a module and return its benchmark."""
    return importlib.import_module(module).BENCHMARK


@dataclasses.dataclass(frozen=True)
class BenchmarkEntry(Entry):
    """A registered benchmark; `make()` returns the `Benchmark`.

    Attributes:
        settings: the class of its settings as MODULE:CLASS, or None to get it from the benchmark.
    """

    settings: str | None = None

    @property
    def config(self) -> type:
        """The dataclass of its settings."""
        if self.settings is None:
            return self.make().config
        module, _, name = self.settings.partition(":")
        return getattr(importlib.import_module(module), name)


BENCHMARKS: Registry[BenchmarkEntry] = Registry("benchmark", BenchmarkEntry)


def register(name: str, module: str, description: str, settings: str | None = None) -> None:
    """Register a benchmark as `didact benchmark NAME`.

    Args:
        name: name of the benchmark.
        module: full name of the module that defines `BENCHMARK`.
        description: one-line description.
        settings: the class of the settings as MODULE:CLASS, if it can be imported without `module`.

    Raises:
        SettingError: the name is already registered.
    """
    BENCHMARKS.register(name, functools.partial(load, module), description, settings=settings)


_PACKAGE = "didact.benchmarks"
_MODULES = {  # and the classes of their settings
    "throughput": ("speed.throughput", "ThroughputConfig"),
    "curriculum": ("curricula.compare_teachers", "curricula.settings:CurriculumConfig"),
    "toy": ("curricula.toy_teachers", "curricula.settings:ToyConfig"),
    "mazes": ("curricula.mazes", "curricula.settings:MazesConfig"),
    "babyai": ("students.babyai", "BabyAIConfig"),
    "experts": ("students.expert_vs_bot", "ExpertsConfig"),
    "kickstarting": ("students.kickstarting", "KickstartingConfig"),
    "feedback": ("students.language_feedback", "FeedbackConfig"),
    "sac": ("students.sac", "SACBenchmarkConfig"),
    "commits": ("speed.commits", "CommitsConfig"),
    "crafter": ("crafting.parity", "crafting.settings:CrafterConfig"),
    "crafter_training": ("crafting.learning", "crafting.settings:CrafterTrainingConfig"),
    "crafter_expert": ("crafting.planner", "crafting.settings:CrafterExpertConfig"),
    "crafter_formulas": ("crafting.formulas", "crafting.settings:CrafterFormulasConfig"),
    "envgen": ("crafting.envgen", "crafting.settings:EnvGenConfig"),
    "teaching": ("curricula.teaching", "curricula.settings:TeachingConfig"),
    "teacher_cost": ("curricula.teacher_cost", "curricula.settings:TeacherCostConfig"),
    "physics": ("physics.compare", "physics.settings:PhysicsConfig"),
}
for _name, _description in {
    "throughput": "Steps per second of the grid environments, compared with other packages.",
    "curriculum": "Teachers, compared by training the same student on a fixed set of tasks.",
    "toy": "Teachers, compared on the toy grid, where counters take the place of a student.",
    "mazes": "Teachers on mazes, by the protocol of unsupervised environment design.",
    "babyai": "Students on each of the BabyAI paper's 19 levels, with a short budget.",
    "experts": "The privileged expert, compared with BabyAI's bot on official levels.",
    "kickstarting": "Students with and without experts of single tasks.",
    "feedback": "Students with and without language feedback.",
    "sac": "SAC, compared with Stable-Baselines3 on Pendulum-v1.",
    "commits": "The speed of this checkout, compared with that of another one.",
    "crafter": "The crafting world, compared with the original package, Crafter.",
    "crafter_training": "PPO in Crafter's original game, by its protocol of 1 M steps.",
    "crafter_expert": "The planner of the crafting world: achievements, instructions and speed.",
    "crafter_formulas": "Sequences of achievements: composed from skills, and trained for.",
    "physics": "The planar engine of the walkers, compared with Box2D: accuracy and speed.",
    "envgen": "EnvGen in Crafter: worlds from language models and teachers, with controls.",
    "teaching": "A teacher trained by PPO on many short lives, compared with others.",
    "teacher_cost": "The time that teachers take, compared with scikit-learn and with training.",
}.items():
    _module, _config = _MODULES[_name]
    _settings = _config if ":" in _config else f"config:{_config}"
    register(_name, f"{_PACKAGE}.{_module}", _description, f"{_PACKAGE}.{_settings}")
