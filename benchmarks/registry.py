"""The registry of benchmarks, run by `didact benchmark NAME`.

A benchmark is a module with a constant `BENCHMARK` and an entry in this file. Its module is
imported only when the benchmark is selected, so that help pages stay fast.
"""

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


# `make()` returns a `Benchmark`.
BENCHMARKS: Registry[Entry] = Registry("benchmark")


def register(name: str, module: str, description: str) -> None:
    """Register a benchmark as `didact benchmark NAME`.

    Args:
        name: name of the benchmark.
        module: full name of the module that defines `BENCHMARK`.
        description: one-line description.

    Raises:
        SettingError: the name is already registered.
    """
    BENCHMARKS.register(name, functools.partial(load, module), description)


_MODULES = {
    "throughput": "speed.throughput",
    "curriculum": "curricula.compare_teachers",
    "babyai": "students.babyai",
    "experts": "students.expert_vs_bot",
    "kickstarting": "students.kickstarting",
    "feedback": "students.language_feedback",
    "sac": "students.sac",
    "commits": "speed.commits",
}
for _name, _description in {
    "throughput": "Steps per second of the grid environments, compared with other packages.",
    "curriculum": "Teachers, compared by training the same student on a fixed set of tasks.",
    "babyai": "Students on each of the BabyAI paper's 19 levels, with a short budget.",
    "experts": "The privileged expert, compared with BabyAI's bot on official levels.",
    "kickstarting": "Students with and without experts of single tasks.",
    "feedback": "Students with and without language feedback.",
    "sac": "SAC, compared with Stable-Baselines3 on Pendulum-v1.",
    "commits": "The speed of this checkout, compared with that of another one.",
}.items():
    register(_name, f"didact.benchmarks.{_MODULES[_name]}", _description)
