"""The command `didact record`: record episodes to disk."""

import dataclasses
import time
from pathlib import Path
from typing import Annotated, Any

import tyro

from didact.common import strict_json
from didact.common.errors import SettingError
from didact.common.files import locked_folder
from didact.common.setting_types import Range, Seed

SOLVER, RANDOM = "solver", "random"


@dataclasses.dataclass(frozen=True)
class Record:
    """Record episodes to disk, for imitation learning."""

    who: tyro.conf.Positional[str]
    """policy name, run folder or policy folder; `solver` for the environment's privileged expert;
    or `random` for random actions"""
    out: Path
    """output folder, new or empty"""
    env: str | None = None
    """environment to run in; defaults to the one the policy was trained in"""
    env_settings: tuple[str, ...] = ()
    """environment settings as NAME=VALUE, such as phrasing=test; if neither --env nor
    --env-settings is given, the training settings are used"""
    tasks: tuple[str, ...] = ()
    """restrict the task space: NAME=VALUE or NAME=LOW..HIGH"""
    episodes: Annotated[int, Range(1, 10**9)] = 10_000
    """number of episodes to play, each on a new level"""
    successful_only: bool = False
    """save successful episodes only"""
    greedy: bool = False
    """take the policy's most probable actions instead of sampling"""
    seed: Seed = 0
    """random seed of levels and actions; episode i has the same level for every actor"""
    json: bool = False
    """print the result as JSON"""


def save_recording(choice: Record) -> None:
    """Record episodes and print a summary.

    Raises:
        SettingError: an option is invalid, or the folder cannot be written.
        KeyboardInterrupt: recording was stopped before the first shard was complete.
    """
    from rich.filesize import decimal

    from didact.common import display
    from didact.experiments.runs import logs

    bar = None
    first: list[tuple[float, int]] = []  # time and steps once compiled
    if not choice.json:
        bar = logs.ProgressBar(display.terminal(), choice.episodes, 0, "recording", unit="episodes")

    def progress(episodes: int, steps: int, success: float | None) -> None:
        now = time.perf_counter()
        if not first:
            first.append((now, steps))
        if bar is not None:
            begun, before = first[0]
            rate = (steps - before) / max(now - begun, 1e-9)
            bar.update(episodes, {"steps_per_second": rate, "success": success})

    try:
        card = recorded(choice, progress)
    finally:
        if bar is not None:
            bar.close()
    if not card["episodes"]:
        raise KeyboardInterrupt
    size = sum(shard["bytes"] for shard in card["shards"])
    result = {"recording": str(choice.out)} | {
        name: card[name]
        for name in ("who", "environment", "episodes", "played", "steps", "success", "finished")
    }
    result |= {"shards": len(card["shards"]), "bytes": size}
    if choice.json:
        return print(strict_json.dumps(result, indent=1))
    console = display.console()
    if not card["finished"]:
        console.print("Stopped; all complete shards are saved.", soft_wrap=True)
    console.print(
        f"{choice.out}: {card['episodes']:,} episodes of {card['who']} in {card['environment']}, "
        f"{card['steps']:,} steps, {card['success']:.1%} success over "
        f"{card['played']:,} episodes played, {decimal(size)}",
        highlight=False,
        soft_wrap=True,
    )
    return None


def recorded(choice: Record, progress: Any = lambda episodes, steps, success: None) -> Any:
    """Record episodes and return the card of the recording, see `recording.record_episodes`."""
    import jax
    import numpy as np

    from didact import __version__
    from didact.experiments.imitation.recording import NUM_ENVS, record_episodes
    from didact.experiments.setup import narrow_task_space
    from didact.students.data.recordings import RecordingWriter
    from didact.students.data.shards import stored_dtype

    for option, value in (("--episodes", choice.episodes), ("--seed", choice.seed)):
        least = int(option == "--episodes")
        if not least <= value < 2**31 - NUM_ENVS:
            raise SettingError(option, value, f"from {least} to {2**31 - NUM_ENVS - 1}")
    environment, texts, actor = _players(choice)
    space = narrow_task_space(environment.task_space, choice.tasks)
    spaces = {
        name: s.to_json() | {"stored": stored_dtype(s).name}
        for name, s in environment.observation_space.items()
    }
    card = {
        "who": choice.who,
        "greedy": choice.greedy,
        "seed": choice.seed,
        "num_envs": min(NUM_ENVS, choice.episodes),
        "successful_only": choice.successful_only,
        "environment": environment.name,
        "environment_settings": texts,
        "tasks": list(choice.tasks),
        "task_space": space.json_schema(),
        "observation_space": spaces,
        "action_space": environment.action_space.to_json(),
        "versions": {"didact": __version__, "jax": jax.__version__, "numpy": np.__version__},
    }
    writer = None
    try:
        writer = RecordingWriter(choice.out, card)
        with locked_folder("--out", choice.out):
            RecordingWriter(choice.out, card)  # checks again: it may have been filled since
            return record_episodes(
                environment,
                actor,
                writer,
                episodes=choice.episodes,
                seed=choice.seed,
                space=space,
                successful_only=choice.successful_only,
                progress=progress,
            )
    except OSError as error:
        kept = 0 if writer is None else writer.card["episodes"]
        allowed = f"a writable folder ({error.strerror or error}"
        allowed += f"; the {kept} episodes in complete shards are saved)" if kept else ")"
        raise SettingError("--out", str(choice.out), allowed) from None


def _players(choice: Record) -> tuple[Any, list[str], Any]:
    """Return the environment, its NAME=VALUE settings and the actor."""
    from didact.experiments.actors import solver_actor, student_actor
    from didact.experiments.setup import make_environment
    from didact.students import load_policy, random_actions

    if choice.who in (SOLVER, RANDOM):
        if choice.env is None:
            raise SettingError("--env", None, f"given with {choice.who}")
        if choice.greedy:
            raise SettingError("--greedy", True, f"omitted with {choice.who}")
        environment = make_environment(choice.env, choice.env_settings)
        texts = list(choice.env_settings)
        if choice.who == SOLVER:
            return environment, texts, solver_actor(environment)
        return environment, texts, student_actor(random_actions(environment.action_space), ())
    policy = load_policy(choice.who)
    texts = list(choice.env_settings)
    if choice.env is None and not texts:
        texts = list(policy.environment_settings)
    environment = make_environment(choice.env or policy.environment, tuple(texts))
    policy.check(environment.observation_space, environment.action_space)
    return environment, list(texts), student_actor(policy.student, policy.state, choice.greedy)
