"""EnvGen in Crafter: `didact benchmark envgen`.

References:
    Zala et al., EnvGen: Generating and adapting environments via LLMs for training embodied agents,
    COLM 2024 (arXiv:2403.12014). The controls with the same number of steps are additions.
"""

import dataclasses
import functools
import math
import re
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Group
from rich.table import Table

from didact import teachers
from didact.benchmarks import hardware, resumed_results
from didact.benchmarks.crafting.settings import EnvGenConfig
from didact.benchmarks.registry import Benchmark
from didact.benchmarks.statistics import holm, welch_test
from didact.common import display
from didact.common.errors import SettingError
from didact.common.files import writable
from didact.common.intervals import t_interval
from didact.common.settings import checked as settings_checked
from didact.environments import make
from didact.environments.crafting.layout import ACHIEVEMENTS
from didact.environments.crafting.tasks import ORIGINAL, ORIGINAL_SPACE
from didact.experiments import finite, setup
from didact.experiments.config import TrainConfig, checked
from didact.experiments.evaluation.achievements import score
from didact.experiments.evaluation.evaluate import evaluator
from didact.experiments.loop import Loop
from didact.experiments.tasks import proposers
from didact.teachers import Proposals, Teacher, propose
from didact.teachers.base import FOREIGN
from didact.teachers.language import task_parsing
from didact.teachers.language.proposer import ProposerError
from didact.teachers.language.transcript import Exchange, Transcript
from didact.teachers.pool import PoolState, pool, report

RESULT, TRANSCRIPT = "envgen.json", "transcript.jsonl"
BASELINE = "original"


class InTurnsState(NamedTuple):
    """Whether the original game is played now, and the state of the teacher of worlds."""

    original: jax.Array
    worlds: Any


def in_turns(worlds: Teacher) -> Teacher:
    """Make a teacher that proposes the original game while its state says so.

    Proposals are never prepared in batches, since those of one turn would be played in the next.
    """

    def init(key):
        return InTurnsState(jnp.bool_(False), worlds.init(key))

    def proposed(state, key, n):
        proposals, inner = propose(worlds, state.worlds, key, n)
        chosen = Proposals(
            jnp.where(state.original, ORIGINAL, proposals.tasks),
            jnp.where(state.original, 1.0, proposals.learn),
            # Tags are shifted by one; 0 stands for the original game.
            jnp.where(state.original, 0, proposals.tag + 1),
        )
        return chosen, state._replace(worlds=inner)

    def observe(state, proposals, outcomes):
        tag = jnp.where(proposals.tag > 0, proposals.tag - 1, FOREIGN)
        outcomes = outcomes._replace(weights=outcomes.weights * (proposals.tag > 0))
        inner = worlds.observe(state.worlds, proposals._replace(tag=tag), outcomes)
        return state._replace(worlds=inner)

    return Teacher(init, proposed, observe)


def train(config: EnvGenConfig, condition: str, seed: int, folder: Path) -> dict[str, Any]:
    """Train one seed.

    Returns:
        `steps` and `rates` by achievement, after each cycle, the final `score`, `return` and
        `length` in the original game, the numbers of `accepted` and `refused` worlds, and `failed`
        requests.
    """
    settings = settings_of(config, condition, seed)
    world = make("Crafter")
    student = setup.student_of(settings, world)
    name, _, proposer_name = condition.partition(":")
    inner = _teacher_of(config, name, world)
    loop = Loop(
        world, in_turns(inner), student,
        num_envs=config.num_envs, rollout_length=config.rollout_length,
    )  # fmt: skip
    state, source = loop.init(seed), None
    path = folder / f"{_slug(condition)}-{seed}-{TRANSCRIPT}"
    path.unlink(missing_ok=True)  # of an attempt that was interrupted
    transcript = Transcript(path, 0)
    if proposer_name:
        source = proposers.proposer_of(settings, world, folder)
    play = evaluator(world, setup.student_of(settings, world, alone=True))
    tasks = jnp.tile(jnp.asarray(ORIGINAL), (config.test_episodes, 1))
    test = jax.jit(lambda student, key: play(student, key, tasks))
    turns = turns_of(settings.num_updates, config.cycles)
    console, rates, steps, done = display.terminal(), {}, [], 0
    counts = {"accepted": 0, "refused": 0, "failed": 0}
    curves: dict[str, list[float]] = {name: [] for name in ACHIEVEMENTS}
    results: Any = None
    refused: tuple[str, ...] = ()
    for cycle in range(config.cycles):
        if source is not None:
            pooled, refused = _next_worlds(
                config, source, transcript, state, world, rates, refused, done, counts
            )
            state = loop.place(state._replace(teacher=state.teacher._replace(worlds=pooled)))
        for original, each in zip((condition == BASELINE, True), turns[cycle], strict=True):
            teacher = state.teacher._replace(original=jnp.asarray(original))
            state = loop.place(state._replace(teacher=teacher))
            for _ in range(each):
                state, records = loop.chunk(state, 1)
                finite.require_finite_records(settings, jax.device_get(records), done, ())
                done += 1
        results = jax.device_get(test(state.student, jax.random.key(cycle)))
        n = config.test_episodes
        rates = {}
        for name_, achieved in results.achieved.items():
            p = float(np.mean(achieved))
            guarded = (n * p + 1) / (n + 2)
            rates[name_] = p, math.sqrt(guarded * (1 - guarded) / (n + 2))
            curves[name_].append(round(p, 4))
        steps.append(done * settings.steps_per_update)
        now = score({name_: p for name_, (p, _) in rates.items()})
        console.print(f"{condition}, seed {seed}: {steps[-1]:,} steps, score {now:.2f}")
    return {
        "steps": steps,
        "rates": curves,
        "score": score({name_: values[-1] for name_, values in curves.items()}),
        "return": float(np.mean(results.returns)),
        "length": float(np.mean(results.lengths)),
        "machine": hardware.describe(),
        **counts,
    }


def turns_of(updates: int, cycles: int) -> list[list[int]]:
    """Return the numbers of updates in worlds and in the original game, by cycle.

    Raises:
        SettingError: there are fewer updates than turns.
    """
    if updates < 2 * cycles:
        raise SettingError("--cycles", cycles, f"at most half of the {updates} updates")
    ends = np.linspace(0, updates, 2 * cycles + 1).round().astype(int)
    return np.diff(ends).reshape(cycles, 2).tolist()


def is_row(row: Any) -> bool:
    """Whether a value read from a file is a result of `train`."""
    points = len(row["steps"])
    rates = np.array([row["rates"][name] for name in ACHIEVEMENTS], float)
    others = ("score", "return", "length", "accepted", "refused", "failed")
    numbers = np.array([*(row[name] for name in others), *row["steps"]])
    fits = points > 0 and rates.shape == (len(ACHIEVEMENTS), points) and numbers.dtype.kind in "if"
    return fits and bool(np.isfinite(numbers).all() and ((rates >= 0) & (rates <= 1)).all())


def settings_of(config: EnvGenConfig, condition: str, seed: int) -> TrainConfig:
    """Return the settings of a training.

    Raises:
        SettingError: a setting is invalid.
    """
    proposer = proposers.of_label("--conditions", condition)
    if condition == proposers.TEACHER:
        allowed = f"{BASELINE}, a teacher, or a proposer such as {proposers.TEACHER}:scripted"
        raise SettingError("--conditions", condition, allowed)
    return checked(
        TrainConfig(
            env="Crafter",
            teacher="pool" if proposer else "uniform",
            proposer=proposer or "none",
            steps=config.steps,
            seed=seed,
            num_envs=config.num_envs,
            rollout_length=config.rollout_length,
            warm_up=0.0,
            chunk=1,
            propose_tasks=config.worlds,
            ppo=config.ppo,
            llm=config.llm,
        )
    )


def _teacher_of(config: EnvGenConfig, name: str, world: Any) -> Teacher:
    if name == BASELINE:
        return teachers.uniform(ORIGINAL_SPACE)
    if name == "pool":
        return _pool_of(world, ORIGINAL[None], config.worlds)
    kinds = teachers.settings_of(name)
    given = {"easy": world.easy_space, "return_range": world.return_range}
    settings = {key: value for key, value in given.items() if key in kinds}
    made = teachers.make(name, world.task_space, **settings)
    if made.students > 1:
        raise SettingError("--conditions", name, "teachers of a single student")
    if made.batch:  # its prepared proposals would be played after the turn has changed
        raise SettingError("--conditions", name, "teachers without `batch`")
    return made


def _pool_of(world: Any, tasks: np.ndarray, worlds: int) -> Teacher:
    """Make a pool of these tasks, which are played equally often."""
    return pool(world.task_space, capacity=worlds, first=tasks.tolist(), pool_fraction=1.0)


def _next_worlds(
    config: EnvGenConfig, source: Any, transcript: Transcript, state: Any, world: Any,
    rates: dict[str, Any], refused: tuple[str, ...], updates: int, counts: dict[str, int],
) -> tuple[PoolState, tuple[str, ...]]:  # fmt: skip
    """Ask for the worlds of the next cycle; if there is no answer, the old ones remain."""
    old = jax.device_get(state.teacher.worlds)
    asked = dataclasses.replace(
        report(
            old, world.task_space, environment="Crafter: gather, craft and survive",
            steps=updates * config.num_envs * config.rollout_length, updates=updates,
            refused=refused,
        ),
        skills=rates,
    )  # fmt: skip
    reply, spent, error, accepted, why = None, None, "", (), ()
    tasks = np.zeros((0, world.task_space.size), np.float32)
    try:
        reply = source.propose(asked, config.worlds)
        reading = task_parsing.parse_tasks(reply.text, world.task_space, most=config.worlds)
        tasks, accepted, why = reading.tasks, reading.accepted, reading.refused
    except ProposerError as failed:
        spent, error = failed.reply, str(failed)
    transcript.add(
        Exchange(
            asked=updates, came=updates, seed=0, steps=asked.steps, proposer=source.name,
            told=(0, 0, 0), reply=reply, accepted=tuple(accepted), refused=tuple(why),
            error=error, spent=spent, over=False,
        )
    )  # fmt: skip
    counts["accepted"] += len(tasks)
    counts["refused"] += len(why)
    counts["failed"] += bool(error)
    if not len(tasks):
        return old, tuple(why)
    new = _pool_of(world, tasks, config.worlds).init(jax.random.key(updates))
    # Arrays of their own, because the training loop donates each of them.
    return jax.tree.map(np.asarray, new), tuple(why)


def _slug(text: str) -> str:
    return re.sub(r"[^\w.-]+", "-", text).strip("-")


def compare(config: EnvGenConfig) -> dict[str, Any]:
    """Train all seeds of all conditions that are not finished.

    Returns:
        `machine`, `settings`, `rows`, the results of `train` by "CONDITION/SEED", and `summary`, by
        condition the scores of its seeds, their mean and 95 % t-interval, the Holm-corrected
        p-value of Welch's test against `original`, and the mean rate of each achievement.

    Raises:
        SettingError: a setting is invalid.
    """
    config = settings_checked(config, "--")
    if len(set(config.conditions)) != len(config.conditions) or not config.conditions:
        raise SettingError("--conditions", " ".join(config.conditions), "different ones")
    world = make("Crafter")
    for condition in config.conditions:  # validates everything before the first training
        for seed in (config.seed, config.seed + config.seeds - 1):
            settings = settings_of(config, condition, seed)
        turns_of(settings.num_updates, config.cycles)
        _teacher_of(config, condition.partition(":")[0], world)
        proposers.proposer_of(settings, world)
    folder = writable("--out", config.out)
    values = dataclasses.asdict(config)
    for name in ("out", "conditions", "seeds", "seed"):
        del values[name]
    for name in ("base_url", "api_key_env"):  # of the same model at another place
        del values["llm"][name]
    settings = values | {"return_range": list(world.return_range)}
    path = folder / RESULT
    results = resumed_results.Results(path, "rows", settings, is_row)
    seeds = range(config.seed, config.seed + config.seeds)
    for seed in seeds:  # seed by seed, so that an interrupted comparison is one of fewer seeds
        for condition in config.conditions:
            results.row(
                f"{condition}/{seed}", functools.partial(train, config, condition, seed, folder)
            )
    rows = results.rows
    chosen = {name: [rows[f"{name}/{seed}"] for seed in seeds] for name in config.conditions}
    return {
        "machine": hardware.describe(),
        "settings": settings | {"seeds": config.seeds},
        "rows": rows,
        "summary": summarise(chosen),
    }


def summarise(chosen: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Return the statistics of each condition; see `compare`."""
    scores = {name: [row["score"] for row in rows] for name, rows in chosen.items()}
    others = [name for name in scores if name != BASELINE and BASELINE in scores]
    p = holm([float(welch_test(scores[name], scores[BASELINE]).p_value) for name in others])
    return {
        name: {
            "scores": scores[name],
            "mean": float(np.mean(scores[name])),
            "interval": [float(x) for x in t_interval(scores[name])],
            "p": p[others.index(name)] if name in others else None,
            "rates": {
                skill: float(np.mean([row["rates"][skill][-1] for row in rows]))
                for skill in ACHIEVEMENTS
            },
            **{
                key: int(sum(row[key] for row in rows)) for key in ("accepted", "refused", "failed")
            },
        }
        for name, rows in chosen.items()
    }


def table(result: dict[str, Any]) -> Group:
    """Return the scores, and the rate of each achievement, as tables."""
    settings, summary = result["settings"], result["summary"]
    steps = max(row["steps"][-1] for row in result["rows"].values())
    scores = Table(
        title=f"Crafter's score after {steps:,} steps, {settings['seeds']} seeds",
        title_style="bold",
    )
    scores.add_column("worlds from")
    for name in ("score (95 %)", "p", "worlds", "refused", "failed requests"):
        scores.add_column(name, justify="right")
    for name, row in summary.items():
        low, high = row["interval"]
        scores.add_row(
            name, f"{row['mean']:.2f} [{low:.2f}, {high:.2f}]",
            "-" if row["p"] is None else f"{row['p']:.2g}",
            *(str(row[key]) for key in ("accepted", "refused", "failed")),
        )  # fmt: skip
    rates = Table("achievement", title="Percent of episodes in the original game")
    for name in summary:
        rates.add_column(name, justify="right")
    for skill in ACHIEVEMENTS:
        cells = (f"{100 * row['rates'][skill]:.1f}" for row in summary.values())
        rates.add_row(skill.replace("_", " "), *cells)
    return Group(scores, rates)


BENCHMARK = Benchmark(EnvGenConfig, compare, table)
