"""The command line: `didact train`, `evaluate`, `watch`, `record`, `benchmark`, and others."""

import dataclasses
import json
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table
from rich.text import Text

from didact.environments.errors import SettingError
from didact.experiments.commands import RANDOM, Acting, Evaluate, List, Train, Watch, commands
from didact.experiments.compose import Compose, compose
from didact.experiments.config import TrainConfig, option
from didact.experiments.distill import Distill, distill
from didact.experiments.play import Play, play
from didact.experiments.policies import Policies, move
from didact.experiments.record import Record, save_recording
from didact.experiments.transcripts import Transcript, show


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line; what a user can mend is told in one sentence, with exit code 2."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _stop)
    try:
        choice = tyro.cli(
            commands(),
            prog="didact",
            description="Teach embodied agents: compiled worlds, curricula, instructed students.",
            args=arguments,
            config=(tyro.conf.OmitSubcommandPrefixes,),
        )
        _COMMANDS.get(type(choice), _benchmark)(choice)
    except SettingError as error:
        print(f"didact: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("didact: stopped.", file=sys.stderr)
        sys.exit(130)


def _stop(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _train(choice: Train) -> None:
    from didact.experiments import report
    from didact.experiments.run import train

    config = choice.checked()
    if choice.resume is not None:
        for field in dataclasses.fields(TrainConfig):
            if getattr(config, field.name) != getattr(TrainConfig(), field.name):
                name, value = option(field.name), getattr(config, field.name)
                raise SettingError(name, value, "left out with --resume: the run has its settings")
        result = train(resume=choice.resume, checkpoint=choice.checkpoint)
    elif choice.checkpoint is not None:
        raise SettingError("--checkpoint", choice.checkpoint, "given together with --resume")
    else:
        result = train(config)
    if choice.json:
        return print(json.dumps(result, indent=1))
    console = Console()
    if not result["finished"]:
        console.print(
            f"Stopped after {result['steps']:,} steps; everything is saved. "
            f"Go on with: didact train --resume {result['run']}",
            soft_wrap=True,
        )
        return None
    console.print(report.table(result))
    for name, path in result["files"].items():
        console.print(f"  {name:<15} {path}", highlight=False, soft_wrap=True)
    console.print(f"  {'TensorBoard':<15} tensorboard --logdir {result['run']}", highlight=False)
    return None


def _evaluate(choice: Evaluate) -> None:
    import jax

    from didact.experiments.evaluate import Results, evaluator, summary
    from didact.experiments.official import play_official
    from didact.experiments.setup import narrowed
    from didact.students import load_policy, random_actions

    _check(choice)
    policy = None if choice.policy == RANDOM else load_policy(choice.policy)
    name = choice.env or (policy.environment if policy else "")
    engine = "minigrid" if choice.official else choice.engine
    elsewhere = "--official" if choice.official else f"--engine {engine}"
    if choice.official and choice.engine == "envpool":
        raise SettingError("--engine", choice.engine, "left out with --official")
    if policy is None and engine != "didact":
        raise SettingError("policy", RANDOM, f"a trained one with {elsewhere}")
    if policy is None and not name:
        raise SettingError("--env", None, f"given with the policy {RANDOM}")
    if engine != "didact" and policy is not None:
        for option_, texts in (("--tasks", choice.tasks), ("--env-settings", choice.env_settings)):
            if texts:
                raise SettingError(option_, texts, f"left out with {elsewhere}")
        results = play_official(
            policy,
            name,
            episodes=choice.episodes,
            seed=choice.seed,
            greedy=choice.greedy,
            engine=engine,
        )
    else:
        environment = _environment(choice, policy)
        if policy is None:
            student, state = random_actions(environment.action_space), ()
        else:
            policy.check(environment.observation_space, environment.action_space)
            student, state = policy.student, policy.state
        space = narrowed(environment.task_space, choice.tasks)
        key = jax.random.key(choice.seed)
        run = jax.jit(evaluator(environment, student, greedy=choice.greedy))
        parts, left = [], choice.episodes
        while left > 0:
            key, task_key, play_key = jax.random.split(key, 3)
            n = min(left, 1024)
            parts.append(run(state, play_key, space.sample(task_key, n)))
            left -= n
        results = Results(*(np.concatenate(x) for x in zip(*parts, strict=True)))
    told = {
        "policy": choice.policy,
        "environment": name,
        "engine": engine,
        "actions": "greedy" if choice.greedy else "sampled",
        **summary(results),
    }
    if choice.json:
        return print(json.dumps(told, indent=1))
    Console().print(
        f"{name} in {told['engine']}, {told['actions']} actions: "
        f"[bold]{told['success']:.1%}[/] success "
        f"(±{told['success_standard_error']:.1%} standard error, {told['episodes']} episodes), "
        f"return {told['return']:.3f}, {told['length']:.1f} steps",
        highlight=False,
        soft_wrap=True,
    )
    return None


def _watch(choice: Watch) -> None:
    from didact.experiments.setup import narrowed
    from didact.experiments.watch import record
    from didact.students import load_policy

    _check(choice)
    policy = load_policy(choice.policy)
    environment = _environment(choice, policy)
    policy.check(environment.observation_space, environment.action_space)
    space = narrowed(environment.task_space, choice.tasks)
    folder = Path(choice.policy)
    path = choice.out or (folder / "watch.gif" if folder.is_dir() else Path(f"{folder.name}.gif"))
    try:
        record(
            policy,
            environment,
            path,
            space=space,
            episodes=choice.episodes,
            seed=choice.seed,
            greedy=choice.greedy,
        )
    except OSError as error:
        raise SettingError(
            "--out", str(path), f"a file that can be written ({error.strerror or error})"
        ) from None
    print(json.dumps({"video": str(path)}) if choice.json else path)


def _list(choice: List) -> None:
    from didact.environments import make, registered
    from didact.experiments import advisers, setup
    from didact.students.names import found
    from didact.teachers import registered as registered_teachers

    rows: list[dict[str, Any]]
    if choice.what == "envs":
        rows = [{"name": e.name, "description": e.description} for e in registered()]
        if choice.json:
            for row in rows:
                row["task_schema"] = make(row["name"]).task_space.json_schema()
    elif choice.what == "teachers":
        rows = [{"name": e.name, "description": e.description} for e in registered_teachers()]
        rows.append({"name": advisers.TEACHER, "description": advisers.DESCRIPTION})
    elif choice.what == "proposers":
        from didact.experiments.proposing import PROPOSERS

        rows = [{"name": n, "description": e.description} for n, e in PROPOSERS.items()]
    elif choice.what == "students":
        rows = [{"name": n, "description": d} for n, d in setup.STUDENTS.items()]
    else:
        rows = found(Path("runs"))
    if choice.json:
        return print(json.dumps(rows, indent=1))
    if not rows:
        return print("none yet: `didact train` makes one under runs/")
    table = Table(box=None, show_header=False, padding=(0, 2))
    for row in rows:
        table.add_row(Text(row["name"], "bold"), Text(row["description"]))
    Console().print(table)
    return None


def _benchmark(choice: Any) -> None:
    from didact.benchmarks import (
        babyai,
        curriculum,
        experts,
        feedback,
        kickstarting,
        throughput,
    )
    from didact.benchmarks.config import (
        BabyAIConfig,
        CurriculumConfig,
        ExpertsConfig,
        FeedbackConfig,
        KickstartingConfig,
    )

    what = choice.what
    if isinstance(what, CurriculumConfig):
        result, table = curriculum.compare(what), curriculum.table
    elif isinstance(what, BabyAIConfig):
        result, table = babyai.learn_levels(what), babyai.table
    elif isinstance(what, ExpertsConfig):
        result, table = experts.compare(what), experts.table
    elif isinstance(what, KickstartingConfig):
        result, table = kickstarting.kickstarting(what), kickstarting.table
    elif isinstance(what, FeedbackConfig):
        result, table = feedback.compare(what), feedback.table
    else:
        result, table = throughput.throughput(what), throughput.table
    if choice.what.json:
        return print(json.dumps(result, indent=1))
    Console().print(table(result))
    return None


def _check(choice: Evaluate | Watch) -> None:
    if choice.episodes < 1:
        raise SettingError("--episodes", choice.episodes, "at least 1")
    if not 0 <= choice.seed < 2**31:
        raise SettingError("--seed", choice.seed, "from 0 to 2147483647")


def _environment(choice: Acting, policy: Any) -> Any:
    """The environment that is asked for, or the one that the policy was trained in."""
    from didact.experiments.setup import made

    texts = choice.env_settings
    if choice.env is None and not texts:
        texts = policy.environment_settings
    return made(choice.env or policy.environment, tuple(texts))


_COMMANDS: dict[type, Any] = {
    Train: _train,
    Evaluate: _evaluate,
    Watch: _watch,
    Play: play,
    Distill: distill,
    Record: save_recording,
    List: _list,
    Policies: move,
    Transcript: show,
    Compose: compose,
}
