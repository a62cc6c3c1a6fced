"""Generations: each new student is drawn towards the one before it, and then goes on by itself.

`python -m didact.experiments.generations --env MiniSynth --generations 3`

A new student of untouched plasticity learns fast what the last one found out slowly, and has the
rest of its training to get beyond it.

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
from rich.console import Console
from rich.table import Table

from didact.environments import SettingError
from didact.experiments.config import KickstartConfig, TrainConfig
from didact.experiments.plotting import training_curves
from didact.experiments.runs import logs
from didact.experiments.training import train_or_resume


@dataclasses.dataclass(frozen=True)
class Generations:
    """Train one student after another; each is kickstarted by the one before it."""

    env: str = "GoTo"
    """environment; `didact list envs` names them"""
    tasks: tuple[str, ...] = ()
    """narrow the task space: NAME=VALUE or NAME=LOW..HIGH"""
    teacher: str = "alp_gmm"
    """who chooses the tasks"""
    generations: int = 3
    """students, one after another"""
    steps: int = 3_000_000
    """environment steps of each"""
    weight: float = 1.0
    """lambda, how strongly a student is drawn towards the one before it, at the start"""
    anneal_until: float = 0.3
    """part of its training after which lambda has fallen to 0"""
    num_envs: int = 1024
    """worlds that are stepped together"""
    seed: int = 0
    """of the first; each further one takes the next"""
    run: Path = Path("runs/generations")
    """folder with a run for each; those that are finished are kept, the one that is not goes on"""


def generations(choice: Generations) -> list[dict[str, Any]]:
    """Trains them, and draws their curves behind one another.

    Returns:
        What `trained` tells of each, fewer where somebody stopped it; and `success`, that of the
        last tenth of its training, None where no episode ended.

    Raises:
        SettingError: a setting has no meaning, or runs with other settings are in the folder.
    """
    if choice.generations < 1:
        raise SettingError("--generations", choice.generations, "at least 1")
    done: list[dict[str, Any]] = []
    for number in range(1, choice.generations + 1):
        result = train_or_resume(settings(choice, number))
        if not result["finished"]:
            break
        told = curve(choice, number)[1]
        last = told[-max(1, len(told) // 10) :]
        done.append(result | {"success": float(last.mean()) if last.size else None})
        draw(choice, number)
    return done


def settings(choice: Generations, number: int) -> TrainConfig:
    """The training of generation `number`, from 1 on."""
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
    """Steps and success of a generation, wherever episodes ended."""
    rows = logs.read(choice.run / f"generation-{number}" / logs.METRICS)
    ended = [(row["steps"], row["success"]) for row in rows if row.get("success") is not None]
    steps, success = np.array(ended, float).reshape(-1, 2).T
    return steps, success


def draw(choice: Generations, count: int) -> Path:
    """The success of all generations so far, each from its own first step on."""
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
    """The command."""
    choice = tyro.cli(Generations, args=arguments)
    done = generations(choice)
    made = Table(title=f"{choice.env}, {choice.steps:,} steps each", title_style="bold")
    for name in ("generation", "success at the end", "run"):
        left = name == "run"
        made.add_column(name, justify="left" if left else "right", overflow="fold")
    for number, result in enumerate(done, 1):
        success = result["success"]
        made.add_row(str(number), "-" if success is None else f"{success:.1%}", result["run"])
    console = Console()
    console.print(made)
    if len(done) < choice.generations:
        console.print("Stopped; everything is saved. Go on with the same command.")


if __name__ == "__main__":
    try:
        main()
    except SettingError as error:
        sys.exit(f"didact: {error}")
    except KeyboardInterrupt:
        sys.exit("didact: stopped.")
