"""The command `didact distill`: distillation from experts, or behaviour cloning of recordings."""

import dataclasses
from pathlib import Path

import tyro

from didact.common import strict_json
from didact.common.errors import SettingError
from didact.common.setting_types import Seed
from didact.experiments.config import Count, Steps
from didact.experiments.option_types import Imports
from didact.students.config import DistillConfig


@dataclasses.dataclass(frozen=True)
class Distill:
    """Distill experts into one student, or clone a recording.

    Given experts, the student learns to match their action distributions in the states that it
    visits itself; `didact train --student distill` does the same and offers all training settings.
    Given a recording, the student learns to imitate the recorded actions (behaviour cloning).
    """

    who: tyro.conf.Positional[tuple[str, ...]]
    """policies, `solver` (the environment's privileged expert), or a single recording"""
    env: str | None = None
    """environment to train in; defaults to that of the first policy or of the recording"""
    tasks: tuple[str, ...] = ()
    """tasks to sample uniformly: NAME=VALUE or NAME=LOW..HIGH; not with a recording. Defaults to
    the tasks of the policies, each policy equally often, or to all tasks with `solver` alone"""
    steps: Steps = 3_000_000
    """environment steps of the student, or recorded steps (the recording is repeated as needed)"""
    run: Path | None = None
    """run folder for all outputs; defaults to a new folder under runs/"""
    seed: Seed = 0
    """random seed; the same seed gives the same run on the same machine"""
    learning_rate: float = DistillConfig.learning_rate
    """initial learning rate of Adam"""
    num_envs: Count = 1024
    """number of parallel environments; not with a recording"""
    imports: Imports = ()
    """module or .py file that registers your own environments"""
    json: bool = False
    """print the result as JSON"""


def distill(choice: Distill) -> int:
    """Distill, print a summary, and return the exit code.

    Raises:
        SettingError: an option is invalid, or a folder cannot be written.
    """
    from didact.common import display
    from didact.experiments.runs import report
    from didact.experiments.runs.stopping import ending

    result, code = ending(distilled, choice)
    if choice.json:
        print(strict_json.dumps(result, indent=1))
        return code
    console = display.console()
    if not result["finished"]:
        console.print(f"Stopped after {result['steps']:,} steps; all progress is saved.")
    if "evaluation" in result:
        console.print(report.table(result))
    for name, path in {"run": result["run"], **result.get("files", {})}.items():
        console.print(f"  {name:<15} {path}", highlight=False, soft_wrap=True)
    return code


def distilled(choice: Distill) -> dict:
    """Distill and return the result of `train` or `clone_recording`.

    Raises:
        Interrupted, Terminated: distillation was stopped, and what was learned is saved.
    """
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
            raise SettingError("who", choice.who, "a single recording, without policies or solver")
        if choice.tasks:
            raise SettingError("--tasks", choice.tasks, "omitted with a recording")
        if choice.num_envs != Distill.num_envs:
            raise SettingError("--num-envs", choice.num_envs, "omitted with a recording")
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
            raise SettingError("--env", None, "given when `solver` is the only expert")
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
