"""Compare teachers on the toy grid: `didact benchmark toy`.

The whole experiment with one teacher is one compiled program, vmapped over seeds.
"""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from rich.table import Table

from didact import teachers
from didact.benchmarks import hardware
from didact.benchmarks.curricula.settings import ToyConfig
from didact.benchmarks.registry import Benchmark
from didact.benchmarks.statistics import area_under_curve, welch_test
from didact.common.intervals import t_interval
from didact.common.settings import checked, fields_of, parsed
from didact.environments import SettingError, TaskSpace
from didact.environments.toys import toy_grid
from didact.experiments.config import option
from didact.teachers import Outcomes, Teacher, propose

# Percentage of mastered cells after 20,000 episodes in 2-D with 10 x 10 cells (mean, standard
# deviation), measured with the authors' implementations (8 seeds without and 4 with 5 useless
# dimensions), by teacher, preset and useless dimensions.
PUBLISHED = {
    ("uniform", "", 0): (5.0, 0.8),
    ("uniform", "", 5): (4.0, 0.4),
    ("alp_gmm", "paper", 0): (37.0, 2.1),
    ("alp_gmm", "paper", 5): (51.0, 1.9),
    ("alp_gmm", "tma", 0): (29.0, 4.6),
    ("riac", "tma_class", 0): (47.0, 2.2),
    ("riac", "tma_class", 5): (16.0, 1.9),
    ("covar_gmm", "paper", 0): (69.0, 3.7),
    ("covar_gmm", "paper", 5): (52.0, 2.4),
}


def run(
    teacher: Teacher,
    key: PRNGKeyArray,
    *,
    episodes: int = 20_000,
    every: int = 2_000,
    dimensions: int = 2,
    side: int = 10,
    batch: int = 1,
    simultaneous: bool = False,
    infeasible: float = 0.0,
) -> Float[Array, " s"]:
    """Return the score of one learner after every `every` episodes.

    To run several seeds, `vmap` the whole function: the episode count is then the same for all
    seeds, and teachers only run a fit when it is needed.

    Args:
        teacher: the teacher.
        key: the key of the teacher and its proposals.
        episodes, every: numbers of episodes; both are rounded to whole batches.
        dimensions, side: the size of the grid.
        batch: episodes per call of `propose` and `observe`.
        simultaneous: whether the learner changes only between batches: all episodes of a batch are
            rewarded by its competence before the batch.
        infeasible: the part of the first dimension, at its upper end, in which every episode fails.
            The cells of the grid fill the rest.
    """
    if every < 1 or episodes % every:
        raise SettingError("every", every, f"a divisor of episodes, {episodes}")
    if not 0 <= infeasible < 1:
        raise SettingError("infeasible", infeasible, "at least 0 and below 1")
    if batch < 1:
        raise SettingError("batch", batch, "at least 1")
    init_key, key = jax.random.split(key)
    one = jnp.ones(batch)
    points, calls = episodes // every, max(1, round(every / batch))

    def visit(competence, task, before):
        feasible = task[0] <= 1 - infeasible
        place = task.at[0].divide(1 - infeasible)
        after, reward = toy_grid.visit(competence, place)
        if simultaneous:
            _, reward = toy_grid.visit(before, place)
        return jnp.where(feasible, after, competence), jnp.where(feasible, reward, 0)

    def call(carry, key):
        state, competence = carry
        proposals, state = propose(teacher, state, key, batch)
        competence, reward = jax.lax.scan(
            lambda now, task: visit(now, task, competence), competence, proposals.tasks
        )
        outcomes = Outcomes(reward, (reward > 0).astype(jnp.float32), one, one, {})
        state = teacher.observe(state, proposals, outcomes)
        return (state, competence), None

    def stretch(carry, keys):
        carry, _ = jax.lax.scan(call, carry, keys)
        return carry, toy_grid.score(carry[1])

    start = (teacher.init(init_key), toy_grid.initial_competence(dimensions, side))
    _, scores = jax.lax.scan(stretch, start, jax.random.split(key, (points, calls)))
    return scores


def teacher_of(label: str, space: TaskSpace, easy: TaskSpace) -> Teacher:
    """Make a teacher from its name and settings.

    Args:
        label: NAME, or "NAME SETTING=VALUE ...".
        space: the task space.
        easy: the tasks to start from, for teachers that need them.

    Raises:
        SettingError: the name, a setting or a value is invalid.
    """
    name, *texts = label.split() or [label]
    settings = parsed("--teachers", texts, teachers.settings_of(name), "teacher")
    if teachers.starts_easy(name):
        settings["easy"] = easy
    return teachers.make(name, space, **settings)


def measure(config: ToyConfig, label: str) -> dict[str, Any]:
    """Measure the scores and the run time of one teacher, see `teacher_of`."""
    space = toy_grid.task_space(config.dimensions, config.useless)
    easy = toy_grid.easy_space(space, config.dimensions, config.side)
    teacher = teacher_of(label, space, easy)
    keys = jax.random.split(jax.random.key(config.seed), config.seeds)

    def one(key):
        return run(
            teacher,
            key,
            episodes=config.episodes,
            every=config.every,
            dimensions=config.dimensions,
            side=config.side,
            batch=config.batch,
            simultaneous=config.simultaneous,
            infeasible=config.infeasible,
        )

    program = jax.jit(jax.vmap(one))
    start = time.perf_counter()
    compiled = program.lower(keys).compile()
    ready = time.perf_counter()
    scores = np.asarray(compiled(keys), float)
    seconds = time.perf_counter() - ready
    calls = max(1, round(config.every / config.batch))
    return {
        "episodes": [calls * config.batch * i for i in range(1, scores.shape[1] + 1)],
        "scores": scores.tolist(),
        "published": _published(config, label),
        "compile_seconds": ready - start,
        "seconds": seconds,
    }


def compare(config: ToyConfig) -> dict[str, Any]:
    """Measure all teachers and return their scores and statistics.

    Returns:
        `machine`, `settings`, and `teachers`: for each the number of `episodes` [p], the `scores`
        [seeds, p] in percent of the cells, `final` and `average` scores of each seed with their
        95 % t-intervals, the p-values of Welch's tests against the last teacher, not
        corrected for the number of teachers, the published mean and standard deviation if there
        are any, and seconds.

    Raises:
        SettingError: a setting is invalid.
    """
    if not config.teachers or len(set(config.teachers)) != len(config.teachers):
        given = " ".join(config.teachers)
        raise SettingError("--teachers", given, "different teachers, at least one")
    checked(config, "--")
    space = toy_grid.task_space(config.dimensions, config.useless)
    for label in config.teachers:  # check all settings before the first measurement
        teacher_of(label, space, toy_grid.easy_space(space, config.dimensions, config.side))
    if config.episodes % config.every:
        allowed = f"a divisor of {option('episodes')}, {config.episodes}"
        raise SettingError("--every", config.every, allowed)
    rows = {label: measure(config, label) for label in config.teachers}
    for row in rows.values():
        scores, steps = np.array(row["scores"]), np.array([0, *row["episodes"]])
        row["final"] = scores[:, -1].tolist()
        row["average"] = area_under_curve(steps, np.pad(scores, ((0, 0), (1, 0)))).tolist()
    for score in ("final", "average"):
        baseline = list(rows.values())[-1][score]
        for row in rows.values():
            row[f"{score}_interval"] = [float(x) for x in t_interval(row[score])]
            row[f"{score}_p"] = float(welch_test(row[score], baseline).p_value)
    return {"machine": hardware.describe(), "settings": fields_of(config), "teachers": rows}


def _published(config: ToyConfig, label: str) -> tuple[float, float] | None:
    """Return the published score of a teacher, if it was measured in the same way."""
    default = ToyConfig()
    names = ("episodes", "dimensions", "side", "batch", "simultaneous", "infeasible")
    if any(getattr(config, name) != getattr(default, name) for name in names):
        return None
    name, _, preset = label.partition(" preset=")
    return PUBLISHED.get((name, preset, config.useless))


def table(result: dict[str, Any]) -> Table:
    """Return the scores as a table."""
    settings = result["settings"]
    size = " x ".join([str(settings["side"])] * settings["dimensions"])
    made = Table(
        title=f"Toy grid, {size} cells, {settings['useless']} useless dimensions: % mastered after "
        f"{settings['episodes']:,} episodes in batches of {settings['batch']:,}, "
        f"{settings['seeds']} seeds",
        title_style="bold",
    )
    known = any(row["published"] for row in result["teachers"].values())
    columns = ["teacher", "mean (sd)", "95 %", "p", "curve", "s", "compiling s"]
    if known:
        columns.insert(4, "published")
    for name in columns:
        made.add_column(name, justify="left" if name in ("teacher", "curve") else "right")
    for name, row in result["teachers"].items():
        final = np.array(row["final"])
        low, high = row["final_interval"]
        published = row["published"]
        last = name == settings["teachers"][-1]
        score = ["{:g} ({:g})".format(*published) if published else "-"]
        made.add_row(
            name,
            f"{final.mean():.1f} ({final.std(ddof=1):.1f})",
            f"{low:.1f} to {high:.1f}",
            "-" if last else f"{row['final_p']:.2g}",
            *(score if known else []),
            " ".join(f"{x:.0f}" for x in np.mean(row["scores"], axis=0)),
            f"{row['seconds']:.1f}",
            f"{row['compile_seconds']:.1f}",
        )
    return made


BENCHMARK = Benchmark(ToyConfig, compare, table)
