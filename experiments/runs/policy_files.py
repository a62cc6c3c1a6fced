"""The policies that a training saves: one folder for each seed."""

import json
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from didact.common.extensions import without_folders
from didact.environments import Environment
from didact.environments.registry import ENVIRONMENTS
from didact.environments.task_spaces import Box, TaskSpace
from didact.experiments import setup
from didact.experiments.config import TrainConfig, to_dict
from didact.experiments.evaluation.fixed_tasks import UNIFORM
from didact.experiments.objects import objects_of
from didact.experiments.runs.reproduction import score_command, train_command
from didact.students import card, save_policy
from didact.students.policies.cards import check_card, parameters_of
from didact.students.registry import for_card

FINAL_EPISODES = 4  # number of episodes relative to an evaluation during training


def check(config: TrainConfig, environment: Environment) -> None:
    """Check before a training that its policy can be saved and loaded afterwards.

    Raises:
        SettingError: the environment or the network does not fit on a policy card.
    """
    policy_card = card_of(config, environment, Path("policy"), 0, 0, {})
    policy_card = json.loads(json.dumps(policy_card))
    check_card(policy_card, "the policy")
    parameters_of(policy_card, "the policy", objects_of(config).student)


def save(training: Any, state: Any, updates: int, evaluation: dict[str, Any]) -> str:
    """Save the policy of each seed, and return the path of the first.

    Args:
        training: the training, see `training.Training`.
        state: its last state.
        updates: number of updates of that state.
        evaluation: the results of the final evaluation, by task and "sampled" or "greedy".
    """
    config = training.config
    for i in reversed(range(config.num_seeds)):  # a run with the first policy is finished
        params = state.student.params
        if config.num_seeds > 1:
            params = jax.tree.map(lambda x, i=i: x[i], params)
        folder = _folder(config, Path(training.run), i)
        steps = updates * config.steps_per_update
        policy_card = card_of(config, training.environment, folder, i, steps, evaluation)
        save_policy(folder, policy_card, jax.device_get(params))
    return str(_folder(config, Path(training.run), 0))


def card_of(
    config: TrainConfig,
    environment: Environment,
    folder: Path,
    seed: int,
    steps: int,
    evaluation: dict[str, Any],
) -> dict[str, Any]:
    """Return the card of the policy of one seed, counted from 0."""
    entry, learner = setup.student_entry(config), setup.student_settings(config)
    run = folder.parent.name or folder.parent.resolve().name  # "" for the working folder
    return card(
        config.env,
        environment.observation_space,
        environment.action_space,
        entry.network(learner) if entry.network else None,
        **(
            {"architecture": entry.architecture}
            if entry.network
            else {"student": for_card(entry, learner)}
        ),
        **({"imports": without_folders(config.imports)} if config.imports else {}),
        name=_name(run if seed == 0 else f"{run}-{folder.name}"),
        description="Trained in {} by {} and {}".format(
            *(name.strip("<>") for name in (config.env, config.teacher, config.student))
        ),
        made_by=train_command(config),
        environment_settings=list(config.env_settings),
        training={
            "settings": to_dict(config) | {"imports": without_folders(config.imports)},
            "steps": steps,
            "seed": config.seed + seed,
        },
        scores={
            place: rates | {"command": _score_command(config, environment, folder, place)}
            for place, rates in _scores(evaluation, seed).items()
        },
        versions=versions(),
    )


def _score_command(config: TrainConfig, environment: Environment, folder: Path, place: str) -> str:
    """Return the command that measures a score; it samples new tasks where they are a sample."""
    if objects_of(config).env is not None:
        return "didact.evaluate in Python, with the same environment object"
    episodes, tasks = FINAL_EPISODES * config.evaluation_episodes, config.tasks
    if place != UNIFORM:
        task = environment.evaluation_tasks.get(place)
        if place in ENVIRONMENTS or task is None:
            return score_command(str(folder), place, config.env_settings, episodes)
        fixed = _as_options(environment.task_space, task)
        return score_command(str(folder), config.env, config.env_settings, episodes, fixed)
    space, help_name = setup.space_of(config, environment), environment.help_parameter
    if help_name is not None and help_name in space.names:
        least = space.low[space.names.index(help_name)]
        tasks = *(t for t in tasks if t.partition("=")[0] != help_name), f"{help_name}={least:g}"
    return score_command(str(folder), config.env, config.env_settings, episodes, tasks)


def _as_options(space: TaskSpace, task: np.ndarray) -> tuple[str, ...]:
    """Return the values of a task as NAME=VALUE, without parameters that have only one value."""
    if not isinstance(space, Box):
        return ()
    free = zip(space.dimensions, task, strict=True)
    return tuple(f"{d.name}={x:.6g}" for d, x in free if d.low < d.high)


def _folder(config: TrainConfig, run: Path, seed: int) -> Path:
    return run / ("policy" if seed == 0 else f"policy-seed-{config.seed + seed}")


def _scores(evaluation: dict[str, Any], seed: int) -> dict[str, Any]:
    return {
        name: {
            mode: row.get("success_by_seed", {seed: row["success"]})[seed]
            for mode, row in modes.items()
        }
        for name, modes in evaluation.items()
    }


def _name(text: str) -> str:
    """Turn a folder name into a valid policy name."""
    return re.sub("[^A-Za-z0-9._-]+", "-", text).lstrip("._-")[:100] or "policy"


def versions() -> dict[str, str]:
    """Return the versions of the packages that a policy depends on."""
    found = {}
    for package in ("didact", "jax", "flax", "minigrid"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
