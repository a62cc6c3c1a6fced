"""Benchmarks by name: what `didact benchmark NAME` measures.

A benchmark is a module with a constant `BENCHMARK`, and one line here. It is imported when it is
chosen, so that help pages are quick.
"""

import functools
import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

from didact.common.registry import Entry, Registry


class Benchmark(NamedTuple):
    """What a benchmark's module has as `BENCHMARK`.

    Attributes:
        config: the dataclass of its settings; its docstring is the help page.
        run: `run(config) -> result`, a dictionary as JSON has it.
        table: `table(result)`, the same for people: anything that rich prints.
    """

    config: type
    run: Callable[[Any], dict[str, Any]]
    table: Callable[[dict[str, Any]], Any]


def load(module: str) -> Benchmark:
    """The benchmark of a module."""
    return importlib.import_module(module).BENCHMARK


# `make()` gives a `Benchmark`.
BENCHMARKS: Registry[Entry] = Registry("benchmark")


def register(name: str, module: str, description: str) -> None:
    """Makes a benchmark known as `didact benchmark NAME`.

    Args:
        name: not registered yet.
        module: where its `BENCHMARK` is.
        description: one line.

    Raises:
        SettingError: the name is taken.
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
}
for _name, _description in {
    "throughput": "Steps a second of the grid worlds, side by side with other packages.",
    "curriculum": "Teachers: the same student under each, on a fixed set of tasks.",
    "babyai": "Students on each of the BabyAI paper's 19 levels, for the same short budget.",
    "experts": "The expert that sees everything, and BabyAI's own bot, on official levels.",
    "kickstarting": "Students with and without the experts of single tasks.",
    "feedback": "Students with and without feedback in words.",
    "sac": "SAC, side by side with Stable-Baselines3's, on Pendulum-v1.",
}.items():
    register(_name, f"didact.benchmarks.{_MODULES[_name]}", _description)
