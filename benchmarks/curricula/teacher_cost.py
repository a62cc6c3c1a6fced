"""The cost of teachers: `didact benchmark teacher_cost`.

Each teacher plays the toy grid, 32 seeds in one program, and ALP-GMM and Covar-GMM also one episode
at a time with NumPy and scikit-learn. Then its calls are timed with as many tasks and episodes as
in an update of a training, and compared with the time of this update.
"""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec
from rich.table import Table

from didact.benchmarks import hardware
from didact.benchmarks.curricula import toy_teachers
from didact.benchmarks.curricula.settings import TeacherCostConfig
from didact.benchmarks.registry import Benchmark
from didact.benchmarks.speed.timing import Loop as Timed
from didact.benchmarks.speed.timing import compiled, interleaved, spread
from didact.benchmarks.speed.training_breakdown import WARM_UPDATES
from didact.common import display
from didact.common.settings import checked, fields_of
from didact.environments import SettingError
from didact.environments.toys import toy_grid
from didact.experiments import setup
from didact.experiments.config import TrainConfig
from didact.experiments.config import checked as checked_training
from didact.teachers import propose

MICRO = 1e6


def sequential(make: Any, episodes: int, seed: int) -> float:
    """Return the seconds that a peer takes for one seed of the toy grid, without the learner."""
    teacher, competence = make(2, seed), np.zeros((10, 10))
    begun, learner = time.perf_counter(), 0.0
    for _ in range(episodes):
        task = teacher.propose()
        now = time.perf_counter()
        competence, reward = visit(competence, task)
        learner += time.perf_counter() - now
        teacher.observe(task, reward)
    return time.perf_counter() - begun - learner


def visit(competence: np.ndarray, task: np.ndarray) -> tuple[np.ndarray, float]:
    """Play one episode of the toy grid in NumPy, see `toy_grid.visit`."""
    at = np.minimum((task * len(competence)).astype(int), len(competence) - 1)
    neighbours = [at - step for step in ((0, 1), (1, 0), (1, 1))]
    learned = [competence[tuple(x)] >= toy_grid.UNLOCKING for x in neighbours if np.all(x >= 0)]
    if not any(learned) and np.any(at > 0):
        return competence, 0.0
    competence[tuple(at)] = min(competence[tuple(at)] + 1, toy_grid.MAX_VALUE)
    return competence, float(competence[tuple(at)]) / toy_grid.MAX_VALUE


def peers() -> dict[str, Any]:
    """Return the sequential teachers by the name of ours.

    Raises:
        SettingError: scikit-learn is not installed.
    """
    try:
        from didact.benchmarks.curricula.sequential_teachers import (
            SequentialAlpGmm,
            SequentialCovarGmm,
        )
    except ImportError:
        allowed = "installed, or pass --no-peers (pip install scikit-learn)"
        raise SettingError("scikit-learn", "not installed", allowed) from None
    return {"alp_gmm": SequentialAlpGmm, "covar_gmm": SequentialCovarGmm}


def on_the_toy_grid(config: TeacherCostConfig) -> dict[str, dict[str, Any]]:
    """Time teachers and peers on the toy grid, in interleaved rounds."""
    space = toy_grid.task_space()
    keys = jax.random.split(jax.random.key(config.seed), config.seeds)
    calls, rows = {}, {}
    for label in config.teachers:
        teacher = toy_teachers.teacher_of(label, space, toy_grid.easy_space(space))

        def play(keys, teacher=teacher):
            return jax.vmap(lambda key: toy_teachers.run(teacher, key, episodes=config.episodes))(
                keys
            )

        program, seconds = compiled(play, keys)
        calls[label] = lambda program=program: jax.block_until_ready(program(keys))
        rows[label] = {"compile_seconds": round(seconds, 2)}
    times = interleaved(calls, config.repeats, 0.0)
    scale = MICRO / config.episodes / config.seeds
    for label, row in rows.items():
        row["microseconds"] = spread([x * scale for x in times[label]])
    if not config.peers:
        return rows
    for name, make in peers().items():
        labels = [label for label in config.teachers if label.split()[0] == name]
        seeds = range(config.seed, config.seed + config.repeats) if labels else ()
        seconds = [sequential(make, config.episodes, seed) for seed in seeds]
        for label in labels:
            theirs = spread([x * MICRO / config.episodes for x in seconds])
            ratio = round(theirs["median"] / rows[label]["microseconds"]["median"], 1)
            rows[label] |= {"peer_microseconds": theirs, "ratio": ratio}
    return rows


def in_a_training(config: TeacherCostConfig) -> dict[str, dict[str, float]]:
    """Time an update with uniform sampling, and the calls of each teacher in such an update.

    Returns:
        For each teacher `share`, the seconds of its calls relative to those of the `update`.
    """

    def settings(label):
        name, *texts = label.split()
        return checked_training(
            TrainConfig(
                env=config.env, teacher=name, teacher_settings=tuple(texts), warm_up=0,
                seed=config.seed, num_envs=config.num_envs,
            )
        )  # fmt: skip

    environment = setup.environment_of(settings("uniform"))
    loop = setup.loop_of(settings("uniform"), environment, jax.devices()[:1])
    state, records = loop.chunk(loop.init(config.seed), WARM_UPDATES)
    outcomes = jax.tree.map(lambda x: x[-1], records.outcomes)
    everywhere = PartitionSpec()
    update = jax.shard_map(
        lambda state: loop.update(state)[0],
        mesh=loop.mesh, in_specs=everywhere, out_specs=everywhere, check_vma=False,
    )  # fmt: skip
    repeats, seconds = config.repeats, config.seconds
    whole = spread(interleaved({"update": Timed(update, state)}, repeats, seconds)["update"])
    rows = {}
    for label in config.teachers:
        teacher = setup.teacher_of(settings(label), environment)
        requested = teacher.batch or config.num_envs * loop.rollout_length

        def call(carry, teacher=teacher, requested=requested):
            key, state, total = carry
            proposals, state = propose(teacher, state, key, requested)
            rows = np.arange(len(outcomes.returns)) % requested
            played = jax.tree.map(lambda x: x[rows], proposals)
            state = teacher.observe(state, played, outcomes)
            # All proposals are used, so that the compiler computes them.
            return jax.random.fold_in(key, 1), state, total + jnp.sum(proposals.tasks)

        timed = Timed(call, (state.key, teacher.init(state.key), jnp.zeros(())))
        for _ in range(WARM_UPDATES):
            timed()
        own = spread(interleaved({label: timed}, repeats, seconds)[label])["median"]
        rows[label] = {"share": round(own / whole["median"], 5), "update": whole["median"]}
        line = f"{label}: {rows[label]['share']:.2%} of an update"
        display.terminal().print(line, highlight=False, markup=False)
    return rows


def measure(config: TeacherCostConfig) -> dict[str, Any]:
    """Time all teachers.

    Returns:
        `machine`, `settings`, and `teachers`: for each `compile_seconds` and `microseconds` per
        episode on the toy grid, with all seeds at once; `peer_microseconds` of the sequential
        implementation and their `ratio`, where there is one; and `share`, the time of its calls
        relative to that of an `update` of the training, in seconds.
    """
    checked(config, "--")
    rows = on_the_toy_grid(config)
    if config.env:
        for label, shares in in_a_training(config).items():
            rows[label] |= shares
    return {"machine": hardware.describe(), "settings": fields_of(config), "teachers": rows}


def table(result: dict[str, Any]) -> Table:
    """Return a table with a row for each teacher."""
    settings, title = result["settings"], f"Toy grid, {result['settings']['seeds']} seeds"
    if settings["env"]:
        title += f"; {settings['env']}, {settings['num_envs']:,} environments"
    made = Table(title=title, title_style="bold")
    made.add_column("teacher")
    for name in ("us per episode", "scikit-learn us", "ratio", "compiling s", "share of update"):
        made.add_column(name, justify="right")
    for name, row in result["teachers"].items():
        peer = row.get("peer_microseconds")
        made.add_row(
            name,
            f"{row['microseconds']['median']:.2f}",
            f"{peer['median']:.0f}" if peer else "-",
            f"{row['ratio']:.0f}" if peer else "-",
            f"{row['compile_seconds']:.1f}",
            f"{row['share']:.2%}" if "share" in row else "-",
        )
    return made


BENCHMARK = Benchmark(TeacherCostConfig, measure, table)
