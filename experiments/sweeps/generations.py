"""Generations: each new student is kickstarted by the previous one, then learns from rewards alone.

`python -m didact.experiments.sweeps.generations --env MiniSynth --generations 3`

A freshly initialized student has not lost plasticity: it quickly matches the previous generation
and has the rest of its training to surpass it.

References:
    Open-Ended Learning Team et al., Open-Ended Learning Leads to Generally Capable Agents, 2021
    (arXiv:2107.12808), section 4.4; Schmitt et al., 2018 (arXiv:1803.03835).
"""

import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from rich.table import Table

from didact.common import display
from didact.environments import SettingError
from didact.experiments.config import KickstartConfig, TrainConfig
from didact.experiments.plotting import training_curves
from didact.experiments.runs import logs
from didact.experiments.runs.stopping import Terminated
from didact.experiments.training import train_or_resume


@dataclasses.dataclass(frozen=True)
class Generations:
    """Train generations of students, each kickstarted by the previous one."""

    env: str = "GoTo"
    """environment to train in; see `didact list envs`"""
    tasks: tuple[str, ...] = ()
    """restrict the task space: NAME=VALUE or NAME=LOW..HIGH"""
    teacher: str = "alp_gmm"
    """teacher that chooses the tasks; see `didact list teachers`"""
    generations: int = 3
    """number of generations"""
    steps: int = 3_000_000
    """environment steps per generation"""
    weight: float = 1.0
    """initial weight of the imitation loss (lambda)"""
    anneal_until: float = 0.3
    """fraction of each training after which the weight is annealed to 0"""
    num_envs: int = 1024
    """number of parallel environments"""
    seed: int = 0
    """random seed of the first generation; each further generation uses the next seed"""
    run: Path = Path("runs/generations")
    """folder for the runs; finished runs are kept, and an unfinished one is resumed"""


def generations(choice: Generations) -> list[dict[str, Any]]:
    """Train all generations and plot their learning curves.

    Returns:
        The result of `train_or_resume` for each generation, with its `success` over the last tenth
        of its training (None if no episode ended).

    Raises:
        SettingError: a setting is invalid, or the folder holds runs with different settings.
        Interrupted, Terminated: training was stopped; the same call resumes it.
    """
    if choice.generations < 1:
        raise SettingError("--generations", choice.generations, "at least 1")
    done: list[dict[str, Any]] = []
    for number in range(1, choice.generations + 1):
        result = train_or_resume(settings(choice, number))
        success = curve(choice, number)[1]
        last = success[-max(1, len(success) // 10) :]
        done.append(result | {"success": float(last.mean()) if last.size else None})
        draw(choice, number)
    return done


def settings(choice: Generations, number: int) -> TrainConfig:
    """Return the training settings of generation `number`, counted from 1."""
    before = choice.run / f"generation-{number - 1}"
    return TrainConfig(
        env=choice.env,
        tasks=choice.tasks,
        teacher=choice.teacher,
        steps=choice.steps,
        num_envs=choice.num_envs,
        seed=choice.seed + number - 1,
        run=choice.run / f"generation-{number}",
        experts=(str(before),) if number > 1 else (),
        kickstart=KickstartConfig(weight=choice.weight, anneal_until=choice.anneal_until),
    )


def curve(choice: Generations, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps and success rates of a generation, where episodes ended."""
    rows = logs.read(choice.run / f"generation-{number}" / logs.METRICS)
    ended = [(row["steps"], row["success"]) for row in rows if row.get("success") is not None]
    steps, success = np.array(ended, float).reshape(-1, 2).T
    return steps, success


def draw(choice: Generations, count: int) -> Path:
    """Plot the success of all generations so far, each over its own steps."""
    series = {f"generation {i}": curve(choice, i) for i in range(1, count + 1)}
    return training_curves.learning_curves(
        choice.run / "generations.png",
        series,
        y_label="success on the teacher's tasks",
        y_limits=(0, 1.02),
        window=5 if min(steps.size for steps, _ in series.values()) > 25 else 1,
        title=choice.env,
    )


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    choice = tyro.cli(Generations, args=arguments)
    done = generations(choice)
    made = Table(title=f"{choice.env}, {choice.steps:,} steps each", title_style="bold")
    for name in ("generation", "success at the end", "run"):
        left = name == "run"
        made.add_column(name, justify="left" if left else "right", overflow="fold")
    for number, result in enumerate(done, 1):
        success = result["success"]
        made.add_row(str(number), "-" if success is None else f"{success:.1%}", result["run"])
    console = display.console()
    console.print(made)


if __name__ == "__main__":
    try:
        main()
    except SettingError as error:
        sys.exit(f"didact: {error}")
    except (KeyboardInterrupt, Terminated):
        sys.exit("didact: stopped. Run the same command again to resume.")
