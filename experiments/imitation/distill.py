"""The command that distills: from experts in the student's own states, or from recordings."""

import dataclasses
import json
from pathlib import Path

import tyro

from didact.common.errors import SettingError
from didact.experiments.option_types import Imports
from didact.students.config import DistillConfig


@dataclasses.dataclass(frozen=True)
class Distill:
    """Distill one student from experts, or from a recording of what one did.

    Experts are asked in the states that the student itself comes to; `didact train --student
    distill` does the same, with all settings of a training. From a recording the student learns
    what was done there (behaviour cloning).
    """

    who: tyro.conf.Positional[tuple[str, ...]]
    """policies, `solver` (the grid's expert that sees everything), or one recording"""
    env: str | None = None
    """environment; that of the first policy or of the recording if not given"""
    tasks: tuple[str, ...] = ()
    """which tasks, drawn uniformly: NAME=VALUE or NAME=LOW..HIGH; not with a recording. If not
    given: what the policies know, each equally often; with the solver alone, all tasks"""
    steps: int = 3_000_000
    """steps to learn from: of the student, or of the recording, which is read again and again"""
    run: Path | None = None
    """folder for everything of this run; a new one under runs/ if not given"""
    seed: int = 0
    """the same seed on the same machine gives the same run"""
    learning_rate: float = DistillConfig.learning_rate
    """Adam's step size at the start"""
    num_envs: int = 1024
    """worlds that are stepped together; not with a recording"""
    imports: Imports = ()
    """code that registers environments of your own: a module, or a .py file"""
    json: bool = False
    """print the result as JSON"""


def distill(choice: Distill) -> None:
    """Distills, and prints what came of it.

    Raises:
        SettingError: an option cannot be used, or a folder cannot be written.
    """
    from rich.console import Console

    from didact.experiments.runs import report

    result = distilled(choice)
    if choice.json:
        return print(json.dumps(result, indent=1))
    console = Console()
    if not result["finished"]:
        console.print(f"Stopped after {result['steps']:,} steps; what it learned is kept.")
    if "evaluation" in result:
        console.print(report.table(result))
    for name, path in {"run": result["run"], **result.get("files", {})}.items():
        console.print(f"  {name:<15} {path}", highlight=False, soft_wrap=True)
    return None


def distilled(choice: Distill) -> dict:
    """Distills without printing a result; what `train` or `clone_recording` returns."""
    from didact.common.settings import checked
    from didact.experiments.config import TrainConfig
    from didact.experiments.imitation.behaviour_cloning import clone_recording
    from didact.experiments.training import train
    from didact.students import load_policy
    from didact.students.data.recordings import CARD
    from didact.students.policies.lookup import path_exists

    if not choice.who:
        raise SettingError("who", (), "at least one policy, `solver`, or a recording")
    config = checked(DistillConfig(learning_rate=choice.learning_rate), "--")
    recordings = [name for name in choice.who if path_exists(Path.is_file, Path(name) / CARD)]
    if recordings:
        if len(choice.who) > 1:
            raise SettingError("who", choice.who, "a single recording, without anybody beside it")
        if choice.tasks:
            raise SettingError("--tasks", choice.tasks, "left out with a recording")
        if choice.num_envs != Distill.num_envs:
            raise SettingError("--num-envs", choice.num_envs, "left out with a recording")
        return clone_recording(
            recordings[0],
            config,
            env=choice.env,
            steps=choice.steps,
            seed=choice.seed,
            run=choice.run,
        )
    policies = [name for name in choice.who if name != "solver"]
    env, settings = choice.env, ()
    if env is None:
        if not policies:
            raise SettingError("--env", None, "an environment, for the solver")
        first = load_policy(policies[0])
        env, settings = first.environment, first.environment_settings
    return train(
        TrainConfig(
            env=env,
            env_settings=settings,
            tasks=choice.tasks,
            teacher="experts" if policies and not choice.tasks else "uniform",
            student="distill",
            experts=choice.who,
            steps=choice.steps,
            seed=choice.seed,
            run=choice.run,
            imports=choice.imports,
            num_envs=choice.num_envs,
            warm_up=0.0,
            distill=config,
        )
    )
