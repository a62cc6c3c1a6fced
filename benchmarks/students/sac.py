"""Compare SAC with Stable-Baselines3 on gymnasium's Pendulum-v1: returns and speed."""

import dataclasses
import functools
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.table import Table

from didact.benchmarks import hardware, resumed_results
from didact.benchmarks.config import SACBenchmarkConfig
from didact.benchmarks.registry import Benchmark
from didact.benchmarks.statistics import welch_test
from didact.common.files import writable
from didact.common.settings import checked
from didact.environments import SettingError, make
from didact.experiments.evaluation.evaluate import evaluator
from didact.experiments.loop import DEVICES, Loop
from didact.students import SACConfig, sac
from didact.teachers import uniform

ENVIRONMENT, TASK = "Pendulum", "gymnasium"
OURS, PEER = "didact", "stable-baselines3"
FILE = "sac.json"
CHUNKS = 10


def compare(config: SACBenchmarkConfig) -> dict[str, Any]:
    """Train policies with both libraries.

    The results of each seed are written to `sac.json` in `config.out`; seeds whose results are
    there already, for the same settings, are not trained again.

    Returns:
        `machine`, `settings`, and for "didact" and "stable-baselines3" the mean test `returns`,
        `seconds` and `steps_per_second` of each seed; for "didact" also `compile_seconds`, and for
        the peer the `ratio` of speeds and the p-value `p` of Welch's test for equal returns.

    Raises:
        SettingError: a setting is invalid, Stable-Baselines3 is not installed, or the folder holds
            results for other settings.
    """
    config = checked(config)
    if config.steps % CHUNKS:
        allowed = f"a multiple of {CHUNKS}, so that both libraries train for as many steps"
        raise SettingError("--steps", config.steps, allowed)
    if config.peer:
        try:
            import stable_baselines3  # type: ignore  # noqa: F401
        except ModuleNotFoundError:
            raise SettingError("--peer", True, "False without stable-baselines3") from None
    path = writable("--out", config.out) / FILE
    values = dataclasses.asdict(config)
    settings = {k: v for k, v in values.items() if k not in ("out", "seed", "seeds")}
    libraries = (OURS, PEER) if config.peer else (OURS,)
    results = resumed_results.Results(path, "seeds", settings, lambda row: _is_row(row, libraries))
    seeds = [str(seed) for seed in range(config.seed, config.seed + config.seeds)]
    # Seeds of the two alternate, so that a busy machine slows down both equally.
    rows = {seed: results.row(seed, functools.partial(_row, config, int(seed))) for seed in seeds}
    ours = [rows[seed][OURS] for seed in seeds]
    result: dict[str, Any] = {
        "machine": hardware.describe(),
        "settings": values,
        OURS: _joined(config, ours),
    }
    result[OURS]["compile_seconds"] = [row["compile_seconds"] for row in ours]
    if config.peer:
        peer = _joined(config, [rows[seed][PEER] for seed in seeds])
        speeds = zip(result[OURS]["steps_per_second"], peer["steps_per_second"], strict=True)
        peer["ratio"] = float(np.median([a / b for a, b in speeds]))
        peer["p"] = float(welch_test(result[OURS]["returns"], peer["returns"]).p_value)
        result[PEER] = peer
    return result


def _is_row(row: Any, libraries: tuple[str, ...]) -> bool:
    """Whether a value read from a file has the results of one seed."""
    names = {OURS: ("return", "seconds", "compile_seconds"), PEER: ("return", "seconds")}
    numbers = [row[library][name] for library in libraries for name in names[library]]
    return bool(np.isfinite(np.array(numbers, float)).all())


def _joined(config: SACBenchmarkConfig, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "returns": [row["return"] for row in rows],
        "seconds": [row["seconds"] for row in rows],
        "steps_per_second": [config.steps / row["seconds"] for row in rows],
    }


def _row(config: SACBenchmarkConfig, seed: int) -> dict[str, Any]:
    row: dict[str, Any] = {OURS: _train(config, seed)}
    if config.peer:
        row[PEER] = _train_peer(config, seed)
    return row | {"machine": hardware.describe()}


def _train(config: SACBenchmarkConfig, seed: int) -> dict[str, Any]:
    environment = make(ENVIRONMENT)
    task = environment.evaluation_tasks[TASK]
    names = environment.task_space.names
    space = environment.task_space.restricted(**dict(zip(names, map(float, task), strict=True)))
    student = sac(
        environment.observation_space,
        environment.action_space,
        SACConfig(learning_rate=config.learning_rate),
        axes=(DEVICES,),
    )
    loop = Loop(environment, uniform(space), student, num_envs=1, rollout_length=1)
    state = loop.init(seed)
    length = config.steps // CHUNKS
    start = time.perf_counter()
    loop.compiled(state, length)
    compiled = time.perf_counter() - start
    start = time.perf_counter()
    for _ in range(CHUNKS):
        state, _ = loop.chunk(state, length)
    jax.block_until_ready(state)
    seconds = time.perf_counter() - start
    test = jax.jit(evaluator(environment, student, greedy=True))
    tasks = jnp.broadcast_to(jnp.asarray(task), (config.episodes, len(task)))
    returns = test(state.student, jax.random.key(seed), tasks).returns
    return {"return": float(returns.mean()), "seconds": seconds, "compile_seconds": compiled}


def _train_peer(config: SACBenchmarkConfig, seed: int) -> dict[str, Any]:
    import gymnasium
    from stable_baselines3 import SAC  # type: ignore
    from stable_baselines3.common.evaluation import evaluate_policy  # type: ignore

    world = gymnasium.make("Pendulum-v1")
    model = SAC(
        "MlpPolicy", world, learning_rate=config.learning_rate, seed=seed, device="cpu", verbose=0
    )
    start = time.perf_counter()
    model.learn(config.steps)
    seconds = time.perf_counter() - start
    test = gymnasium.make("Pendulum-v1")
    test.reset(seed=seed)
    mean, _ = evaluate_policy(
        model, test, n_eval_episodes=config.episodes, deterministic=True, warn=False
    )
    return {"return": float(mean), "seconds": seconds}  # type: ignore[arg-type]


def table(result: dict[str, Any]) -> Table:
    """Return the comparison as a table."""
    settings = result["settings"]
    made = Table(
        title=f"SAC on Pendulum-v1: {settings['steps']:,} steps, {settings['seeds']} seeds",
        title_style="bold",
    )
    for name in ("library", "return of each seed", "mean", "p", "steps/s", "ratio"):
        made.add_column(name, justify="left" if name == "library" else "right")
    for name in (OURS, PEER):
        if name in result:
            row = result[name]
            made.add_row(
                name,
                " ".join(f"{x:.0f}" for x in row["returns"]),
                f"{np.mean(row['returns']):.1f}",
                f"{row['p']:.3g}" if "p" in row else "-",
                f"{np.median(row['steps_per_second']):.0f}",
                f"{row['ratio']:.2f}" if "ratio" in row else "-",
            )
    return made


BENCHMARK = Benchmark(SACBenchmarkConfig, compare, table)
