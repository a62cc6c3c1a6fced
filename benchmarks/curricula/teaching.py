"""Compare a teacher that PPO has trained on many short lives of pupils with other teachers.

All teach the same pupils of `Teaching` with the same number of lessons. The trained teacher learns
from the lives of other pupils; all others start anew with each pupil.
"""

import time
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float
from rich.table import Table

from didact import teachers
from didact.benchmarks import hardware
from didact.benchmarks.curricula.settings import TeachingConfig
from didact.benchmarks.registry import Benchmark
from didact.benchmarks.statistics import welch_test
from didact.common.intervals import t_interval
from didact.common.settings import checked, parsed, plain
from didact.environments.toys import toy_grid
from didact.experiments.evaluation.evaluate import Results, evaluator
from didact.experiments.loop import DEVICES, SEEDS, Loop
from didact.experiments.teaching import Teaching, teacher_as_student
from didact.students import ppo

TRAINED = "trained by PPO"
BOUND = "upper bound"


def compare(config: TeachingConfig) -> dict[str, Any]:
    """Train the teacher and measure all of them.

    Returns:
        `machine`, `settings`, `teachers` with the `score` of each seed (the mean test score of the
        pupils at the end of their lives), its interval, the share of pupils that reach the goal,
        the `seconds` of the training, if there is one, and of the last test, without compilation,
        and Welch's p-value of the difference from the trained teacher, not corrected for the number
        of teachers; and the `curve` of the training: score by steps and seed.

    Raises:
        SettingError: a setting is invalid.
    """
    config = checked(config, "--")
    sizes: dict[str, Any] = {"lesson_size": config.lesson_size, "budget": config.budget}
    sizes["regions"] = config.regions
    world = Teaching(**sizes)
    points = Teaching(**sizes, actions="points")
    others = {text: _teacher(text, points) for text in config.teachers}
    keys = jax.random.split(jax.random.key(config.seed), config.seeds)
    tasks = world.task_space.sample(jax.random.key(10_000 + config.seed), config.lives)
    rows, curve = {}, []
    if config.steps:
        rows[TRAINED], curve = _trained(config, world, keys, tasks)
    for text, teacher in others.items():
        student = teacher_as_student(points, teacher)
        run = jax.jit(evaluator(points, student, num_envs=config.lives))
        run((), keys[0], tasks)  # compiles it
        begun = time.perf_counter()
        results = jax.block_until_ready([run((), key, tasks) for key in keys])
        rows[text] = _row(results) | {"seconds": round(time.perf_counter() - begun, 1)}
    bound = _bound(tasks, config)
    best = next(iter(rows))
    for name, row in rows.items():
        row["interval"] = [float(x) for x in t_interval(row["score"])]
        row["p"] = None if name == best else float(welch_test(row["score"], rows[best]["score"])[2])
    return {
        "machine": hardware.describe(),
        "settings": plain(config),
        "teachers": rows,
        "bound": bound,
        "curve": curve,
    }


def _teacher(text: str, world: Teaching) -> teachers.Teacher:
    """Make a teacher from NAME or "NAME SETTING=VALUE ..."."""
    name, *texts = text.split()
    settings = parsed("--teachers", tuple(texts), teachers.settings_of(name), "teacher")
    return teachers.make(name, world.taught_space, **settings)


def _trained(
    config: TeachingConfig, world: Teaching, keys: Array, tasks: Float[Array, "m p"]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Train with PPO, one seed for each key, and test."""
    updates = max(1, round(config.steps / (config.num_envs * config.rollout_length)))
    student = ppo(
        world.observation_space,
        world.action_space,
        config.ppo,
        num_updates=updates,
        axes=(DEVICES,),
        seeds_axis=SEEDS,
    )
    loop = Loop(
        world,
        teachers.uniform(world.task_space),
        student,
        num_envs=config.num_envs,
        rollout_length=config.rollout_length,
        num_seeds=config.seeds,
    )
    state, curve = loop.init(config.seed), []
    parts = np.diff(np.round(np.linspace(0, updates, config.num_evaluations + 1)).astype(int))
    parts = [int(part) for part in parts[parts > 0]]
    for part in set(parts):
        loop.compiled(state, part)
    run = jax.jit(evaluator(world, student, num_envs=config.lives))
    run(_seed(state.student, 0), keys[0], tasks)  # compiles it
    done, results, trained, tested = 0, [], 0.0, 0.0
    for part in parts:
        begun = time.perf_counter()
        state, _ = jax.block_until_ready(loop.chunk(state, part))
        trained += time.perf_counter() - begun
        done += part
        begun = time.perf_counter()
        states = [_seed(state.student, i) for i in range(config.seeds)]
        results = [run(one, key, tasks) for one, key in zip(states, keys, strict=True)]
        results = jax.block_until_ready(results)
        tested = time.perf_counter() - begun
        steps = done * config.num_envs * config.rollout_length
        curve.append({"steps": steps, "score": _row(results)["score"]})
    return _row(results) | {"seconds": round(trained + tested, 1)}, curve


def _seed(states: Any, i: int) -> Any:
    """Return the state of one seed."""
    return jax.tree.map(lambda x: x[i], states)


def _row(results: list[Results]) -> dict[str, Any]:
    score = [float(np.mean(r.returns)) for r in results]
    return {"score": score, "success": [float(np.mean(r.success)) for r in results]}


def _bound(tasks: Float[Array, "m p"], config: TeachingConfig) -> float:
    """Return the mean score if no visit were lost to a locked or mastered cell."""
    speed = np.asarray(tasks)[:, 1] / toy_grid.MAX_VALUE
    cells = Teaching().pupil.init(jax.random.key(0), tasks[0]).competence.size
    return float(np.mean(np.minimum(1, speed * config.budget * config.lesson_size / cells)))


def table(result: dict[str, Any]) -> Table:
    """Return the comparison as a table."""
    settings = result["settings"]
    made = Table(
        title=f"Test score of {settings['lives']} pupils after {settings['budget']} lessons of "
        f"{settings['lesson_size']} tasks, {settings['seeds']} seeds",
        title_style="bold",
    )
    for name in ("teacher", "score (95 %)", "p", "pupils at the goal", "seconds"):
        made.add_column(name, justify="left" if name == "teacher" else "right")
    for name, row in result["teachers"].items():
        low, high = row["interval"]
        p = "-" if row["p"] is None else f"{row['p']:.3g}"
        score = f"{np.mean(row['score']):.3f} [{low:.3f}, {high:.3f}]"
        made.add_row(name, score, p, f"{np.mean(row['success']):.1%}", f"{row['seconds']:.0f}")
    made.add_row(BOUND, f"{result['bound']:.3f}", "-", "-", "-")
    return made


BENCHMARK = Benchmark(TeachingConfig, compare, table)
