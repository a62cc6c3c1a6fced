"""The planar engine of the walkers, compared with Box2D: accuracy and speed.

Speeds are environment steps per second of processor time, so that other jobs on the machine and
the number of cores do not matter; ratios are the median of the ratios within each round.
"""

import functools
import statistics
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Group
from rich.table import Table

from didact.benchmarks import hardware
from didact.benchmarks.physics.accuracy import TIMES, accuracy
from didact.benchmarks.physics.box2d_walker import box2d_walker
from didact.benchmarks.physics.parkour_accuracy import TIMES as PARKOUR_TIMES
from didact.benchmarks.physics.parkour_accuracy import parkour_accuracy
from didact.benchmarks.physics.settings import PhysicsConfig
from didact.benchmarks.registry import Benchmark
from didact.benchmarks.speed.timing import Loop, interleaved
from didact.environments import Environment, Restart, split_keys
from didact.environments.physics import Iterations, iterations
from didact.environments.text_settings import make_with_text_settings

SETTINGS = {
    "reference": iterations("reference"),
    "training": iterations("training"),
    "10/10": Iterations(10, 10),
}
BOX2D_STEPS = 1000  # per call


def compare(config: PhysicsConfig) -> dict[str, Any]:
    """Measure accuracy and speed.

    Raises:
        SettingError: Box2D is not installed, or an environment is unknown.
    """
    box2d_walker()
    made = {name: _made(name) for name in config.envs}
    found: dict[str, Any] = {"hardware": hardware.describe(), "accuracy": {}, "speed": []}
    if config.worlds:
        found["accuracy"] = accuracy(config.worlds, SETTINGS)
        found["parkour"] = parkour_accuracy(config.parkour_worlds, SETTINGS)
    for num_envs in config.num_envs:
        found["speed"] += _speed(config, made, num_envs)
    return found


def _speed(config: PhysicsConfig, made: dict[str, Environment], num_envs: int) -> list[dict]:
    loops, steps = {}, {}
    for name, environment in made.items():
        loops[name], steps[name] = _random_play(environment, num_envs)
    for hardcore in (False, True):
        name = f"Box2D{' hardcore' if hardcore else ''}"
        loops[name] = _box2d(hardcore)
        steps[name] = BOX2D_STEPS
    times = interleaved(loops, config.repeats, config.seconds, time.process_time)
    rows = []
    for name, environment in made.items():
        peer = "Box2D hardcore" if environment.engine.reach.boxes else "Box2D"  # type: ignore
        speed = [steps[name] / t for t in times[name]]
        ratio = [a * t / BOX2D_STEPS for a, t in zip(speed, times[peer], strict=True)]
        rows.append(
            {
                "env": name,
                "num_envs": num_envs,
                "compile_seconds": round(loops[name].compile_seconds, 1),
                "steps_per_second": round(statistics.median(speed)),
                "peer": peer,
                "peer_steps_per_second": round(BOX2D_STEPS / statistics.median(times[peer])),
                "ratio": round(statistics.median(ratio), 2),
            }
        )
    return rows


def _random_play(environment: Environment, num_envs: int) -> tuple[Loop, int]:
    """Return a compiled scan of random actions with restarts, and its number of steps."""
    restart, space = Restart(environment), environment.task_space
    steps = max(4, 2**13 // num_envs)

    def step(carry, _):
        key, state = carry
        key, action_key, task_key, restart_key = jax.random.split(key, 4)
        actions = environment.action_space.sample(action_key, num_envs)
        state, timestep = environment.step(action_key, state, actions)
        tasks = space.sample(task_key, num_envs)
        keys = split_keys(restart_key, num_envs)
        state, timestep = restart(keys, tasks, timestep.done, state, timestep)
        seen = sum(jnp.sum(x) for x in timestep.observation.values())
        return (key, state), seen + jnp.sum(timestep.reward)

    def run(carry):
        key, state, total = carry
        (key, state), sums = jax.lax.scan(step, (key, state), None, length=steps)
        return key, state, total + jnp.sum(sums)

    key = jax.random.key(0)
    state, _ = jax.jit(environment.reset)(key, space.sample(key, num_envs))
    return Loop(run, (key, state, jnp.zeros(()))), steps * num_envs


def _box2d(hardcore: bool) -> functools.partial:
    walker = box2d_walker()(hardcore=hardcore)
    walker.reset(seed=0)
    return functools.partial(_play, walker, np.random.default_rng(0))


def _play(walker: Any, generator: np.random.Generator) -> None:
    for action in generator.uniform(-1, 1, (BOX2D_STEPS, 4)):
        if walker.step(action)[2]:
            walker.reset()


def _made(name: str) -> Environment:
    first, *settings = name.split()
    return make_with_text_settings(first, settings)


def table(result: dict[str, Any]) -> Group:
    """Return the tables of accuracy and speed."""
    parts = []
    if result["accuracy"]:
        parts.append(_errors("hulls", TIMES, result["accuracy"]))
    if result.get("parkour"):
        parts.append(_errors("swimming and hanging bodies", PARKOUR_TIMES, result["parkour"]))
    if result["speed"]:
        speeds = Table(title="environment steps per second of processor time")
        names = ("environment", "worlds", "compile s", "steps/s", "Box2D steps/s", "ratio")
        for title in names:
            speeds.add_column(title, justify="left" if title == "environment" else "right")
        for row in result["speed"]:
            speeds.add_row(
                *(row["env"], f"{row['num_envs']:,}", str(row["compile_seconds"])),
                *(f"{row['steps_per_second']:,}", f"{row['peer_steps_per_second']:,}"),
                f"{row['ratio']:.1f}",
            )
        parts.append(speeds)
    return Group(*parts)


def _errors(what: str, times: tuple[float, ...], conditions: dict[str, Any]) -> Table:
    errors = Table(title=f"distance of {what} from Box2D's in m: median / 90th percentile")
    for title in ("condition", "iterations", *(f"{t} s" for t in times)):
        errors.add_column(title, justify="left" if "s" not in title[-1] else "right")
    for condition, rows in conditions.items():
        for name, row in rows.items():
            cells = [f"{a:.4f} / {b:.3f}" for a, b in zip(*row.values(), strict=True)]
            errors.add_row(condition, name, *cells)
    return errors


BENCHMARK = Benchmark(PhysicsConfig, compare, table)
