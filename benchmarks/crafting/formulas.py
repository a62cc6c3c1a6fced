"""Sequences of achievements: goal skills composed by a formula, and PPO trained on the sequence.

Goal skills are PPO with single achievements as instructions. A formula composes them without more
training: its automaton decides which instruction is given. The control is PPO trained for the same
number of steps on one sequence alone. It sees the whole sequence as its instruction, and the state
of the automaton.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.table import Table

from didact.benchmarks import hardware, resumed_results
from didact.benchmarks.crafting.settings import CrafterFormulasConfig
from didact.benchmarks.evaluated_training import evenly_spaced, train_with_evaluations
from didact.benchmarks.registry import Benchmark
from didact.benchmarks.skills.instruction_sequences import formula_of
from didact.common.errors import SettingError
from didact.common.files import writable
from didact.common.intervals import t_interval
from didact.common.settings import checked as settings_checked
from didact.environments.crafting.instructions import CrafterInstructions
from didact.environments.language import vocabulary
from didact.environments.wrappers import with_instructions
from didact.experiments import setup
from didact.experiments.config import TrainConfig, checked
from didact.experiments.evaluation.evaluate import evaluator
from didact.experiments.loop import Loop
from didact.experiments.preparation import cache_compilations
from didact.students import Student
from didact.students.skills import automaton, with_formula
from didact.students.skills.formula_task import WithFormula
from didact.students.skills.instructed_policy import InstructedState, instructed_student
from didact.students.skills.instruction_skills import instruction_schedule
from didact.students.skills.library import Library, Skill
from didact.teachers import uniform

RESULT = "formulas.json"
SKILLS = "skills"
POINTS = 5  # evaluations of each training


def compare(config: CrafterFormulasConfig) -> dict[str, Any]:
    """Train the goal skills and a control for each sequence, where that is not finished.

    Returns:
        `machine`, `settings`, `rows`, the results of `train_skills` and `train_control` by
        "skills/SEED" and "SEQUENCE/SEED", and `summary`: by sequence, the success rates of each
        seed as `composed` and `trained`.

    Raises:
        SettingError: a setting is invalid.
    """
    config = settings_checked(config, "--")
    sequences = {text: names_of(text) for text in config.sequences}
    missing = {name for names in sequences.values() for name in names} - {*config.goals}
    if missing:
        allowed = f"with every achievement of the sequences (missing: {', '.join(sorted(missing))})"
        raise SettingError("--goals", " ".join(config.goals), allowed)
    world = CrafterInstructions(max_steps=config.max_steps)
    for names in (*sequences.values(), *((name,) for name in config.goals)):
        world.task(*names)  # raises errors
    folder = writable("--out", config.out)
    values = dataclasses.asdict(config)
    for name in ("out", "seeds", "seed"):
        del values[name]
    results = resumed_results.Results(folder / RESULT, "rows", values, is_row)
    cache_compilations()
    seeds = range(config.seed, config.seed + config.seeds)
    for seed in seeds:
        results.row(f"{SKILLS}/{seed}", functools.partial(train_skills, config, seed))
        for text in sequences:
            results.row(f"{text}/{seed}", functools.partial(train_control, config, text, seed))
    rows = results.rows
    summary = {
        text: {
            "composed": [rows[f"{SKILLS}/{seed}"]["success"][text][-1] for seed in seeds],
            "trained": [rows[f"{text}/{seed}"]["success"][text][-1] for seed in seeds],
        }
        for text in sequences
    }
    return {
        "machine": hardware.describe(),
        "settings": values | {"seeds": config.seeds},
        "rows": rows,
        "summary": summary,
    }


def is_row(row: Any) -> bool:
    """Whether a value read from a file is a result of a training."""
    rates = np.array([*row["success"].values()], float)
    fits = rates.ndim == 2 and rates.shape[1] == len(row["steps"]) > 0
    return fits and bool(((rates >= 0) & (rates <= 1)).all()) and float(row["seconds"]) > 0


def names_of(text: str) -> tuple[str, ...]:
    """Return the achievements of a sequence such as "collect_wood,place_table"."""
    return tuple(part.strip() for part in text.split(","))


def train_skills(config: CrafterFormulasConfig, seed: int) -> dict[str, Any]:
    """Train one policy for all goals, in equal shares, and compose it for each sequence.

    Returns:
        `steps` of each evaluation; the rates of `success` at them by goal, and by sequence for the
        composed policies; `seconds`.
    """
    inner = CrafterInstructions(max_steps=config.max_steps)
    dimensions = inner.task_space.names
    goals = {name: dict(zip(dimensions, inner.task(name), strict=True)) for name in config.goals}
    world = with_instructions(inner, goals)
    settings = _settings(config, seed)
    student = setup.student_of(settings, world)
    alone = setup.student_of(settings, world, alone=True)
    tasks = jnp.repeat(jnp.arange(len(goals), dtype=jnp.float32), config.test_episodes)[:, None]
    play = jax.jit(evaluator(world, alone))
    composed = {}
    for text in config.sequences:
        tested, task = _formula_world(config, text)
        made, plan = _composed(tested, alone)
        run = functools.partial(_run_composed, evaluator(tested, made), plan, task)
        composed[text] = jax.jit(run)

    def test(student_state: Any, key: jax.Array) -> dict[str, float]:
        won = np.asarray(play(student_state, key, tasks).success).reshape(len(goals), -1)
        rates = dict(zip(goals, won.mean(1).tolist(), strict=True))
        for text, run in composed.items():
            rates[text] = float(np.mean(run(student_state.params, key)))
        return rates

    return _train(Loop(
        world, uniform(world.task_space), student,
        num_envs=config.num_envs, rollout_length=config.rollout_length,
    ), settings, test, f"goal skills, seed {seed}")  # fmt: skip


def train_control(config: CrafterFormulasConfig, text: str, seed: int) -> dict[str, Any]:
    """Train PPO on one sequence; see `train_skills` for the results."""
    world, task = _formula_world(config, text)
    settings = _settings(config, seed)
    student = setup.student_of(settings, world)
    play = evaluator(world, setup.student_of(settings, world, alone=True))
    run = jax.jit(lambda state, key: play(state, key, task).success)
    fixed = dict(zip(world.task_space.names, np.asarray(task[0]).tolist(), strict=True))
    space = world.task_space.restricted(**fixed)
    return _train(Loop(
        world, uniform(space), student,
        num_envs=config.num_envs, rollout_length=config.rollout_length,
    ), settings, lambda state, key: {text: float(np.mean(run(state, key)))},
        f"{text}, seed {seed}")  # fmt: skip


def _settings(config: CrafterFormulasConfig, seed: int) -> TrainConfig:
    return checked(
        TrainConfig(
            env="CrafterInstructions",
            teacher="uniform",
            steps=config.steps,
            seed=seed,
            num_envs=config.num_envs,
            rollout_length=config.rollout_length,
            warm_up=0.0,
            chunk=1,
            ppo=config.ppo,
        )
    )


def _formula_world(config: CrafterFormulasConfig, text: str) -> tuple[Any, jax.Array]:
    """Return the world of a sequence as a formula, and test tasks with it as the instruction."""
    inner = CrafterInstructions(max_steps=config.max_steps)
    names = names_of(text)
    task = jnp.tile(jnp.asarray(inner.task(*names)), (config.test_episodes, 1))
    return with_formula(inner, formula_of(names)), task


def _composed(world: WithFormula, student: Student) -> tuple[Student, dict[str, jax.Array]]:
    """Return the student that follows the formula of a world, and its plan."""
    made, inner = world.automaton, world.environment
    words = inner.proposition_instructions
    library = Library().added(
        *(Skill(name, words[name], name, SKILLS) for name in made.propositions)
    )
    length = inner.observation_space["instruction"].shape[0]
    schedule = instruction_schedule(
        [automaton(made.formula)], library, world.propositions,
        lambda text: vocabulary.encode(text, length),
    )  # fmt: skip
    plan = {"leads": schedule.leads[0], "words": schedule.words}
    states, skills = plan["leads"].shape
    sizes = {"states": states, "skills": skills, "words": length}
    return instructed_student(student, sizes, world.action_space), plan


def _run_composed(play: Any, plan: Any, task: jax.Array, params: Any, key: jax.Array) -> jax.Array:
    return play(InstructedState({"policy": params, **plan}), key, task).success


def _train(loop: Loop, settings: TrainConfig, test: Any, label: str) -> dict[str, Any]:
    def tested(state: Any, number: int) -> Any:
        return test(state.student, jax.random.fold_in(jax.random.key(30_000), number))

    curves: dict[str, list[float]] = {}

    def keep(state: Any, number: int) -> float:
        rates = tested(state, number)
        for name, rate in rates.items():
            curves.setdefault(name, []).append(round(rate, 4))
        return float(np.mean([*rates.values()]))

    done = train_with_evaluations(loop, settings, evenly_spaced(settings, POINTS), keep, label)
    return {
        "steps": done.steps,
        "success": curves,
        "seconds": round(done.seconds, 1),
        "machine": hardware.describe(),
    }


def table(result: dict[str, Any]) -> Table:
    """Return a table with a row for each sequence."""
    settings = result["settings"]
    shown = Table(
        title=f"Success in %, {settings['steps']:,} steps, {settings['seeds']} seeds",
        title_style="bold",
        caption="composed: goal skills, never trained on sequences; trained: PPO on this one alone",
    )
    shown.add_column("sequence")
    for name in ("composed", "trained"):
        shown.add_column(name, justify="right")
    for text, row in result["summary"].items():
        cells = []
        for name in ("composed", "trained"):
            rates = 100 * np.array(row[name])
            shown_interval = ""
            if len(rates) > 1:
                low, high = t_interval(rates)
                shown_interval = f" [{low:.0f}, {high:.0f}]"
            cells.append(f"{rates.mean():.1f}{shown_interval}")
        shown.add_row(", ".join(name.replace("_", " ") for name in names_of(text)), *cells)
    return shown


BENCHMARK = Benchmark(CrafterFormulasConfig, compare, table)
