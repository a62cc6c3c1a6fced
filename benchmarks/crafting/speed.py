"""Steps per second of the crafting world, the original package and Craftax-Classic."""

import importlib
import importlib.util
import itertools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from rich.table import Table

from didact.benchmarks.crafting.settings import CrafterConfig
from didact.environments import Restart, make
from didact.environments.crafting import layout

MOST_STEPS, CALL = 100, 0.5  # steps in one call of a compiled program, and seconds, at most
WARM_UP, PATIENCE = 300, 10.0  # steps before the measurement, and seconds, at most
CRAFTAX = ("Craftax-Classic-Symbolic-v1", "Craftax-Classic-Pixels-v1")


class Contestant(NamedTuple):
    """A row of the table."""

    name: str
    observation: str
    run: Callable[[], int]  # takes some steps and returns their number
    compile_seconds: float | None  # of the programs for resets and for steps


def measure(config: CrafterConfig) -> list[dict[str, Any]]:
    """Measure the uniform policy with automatic restarts; rows are interleaved.

    Craftax-Classic has rows if it is installed. Its worlds restart in every step and keep the
    result if their episode has ended, which is what its own wrapper for restarts does.

    Returns:
        For each row `name`, `observation`, `steps_per_second` by wall clock, `steps_per_cpu_second`
        of one core, `ratio` of the latter to the first row, and `compile_seconds`.
    """
    rows = [
        Contestant("original", "picture", _original_steps(config.seed, True), None),
        Contestant("original", "state only", _original_steps(config.seed, False), None),
    ]
    for n in config.num_envs:
        for picture in (False, True):
            name, seen = f"didact, {n} worlds", "picture" if picture else "symbols"
            rows.append(Contestant(name, seen, *_our_steps(n, config.seed, picture)))
    if config.craftax and importlib.util.find_spec("craftax") is not None:
        for n in config.num_envs:
            for world, seen in zip(CRAFTAX, ("symbols", "picture"), strict=True):
                name = f"Craftax-Classic, {n} worlds"
                rows.append(Contestant(name, seen, *_craftax_steps(world, n, config.seed)))
    totals = np.zeros((len(rows), 3))
    for _ in range(config.repeats):
        for number, row in enumerate(rows):
            begun, used = time.perf_counter(), time.process_time()
            while time.process_time() - used < config.seconds / config.repeats:
                totals[number, 0] += row.run()
            totals[number, 1:] += time.perf_counter() - begun, time.process_time() - used
    steps, wall, cpu = totals.T
    return [
        {
            "name": row.name,
            "observation": row.observation,
            "steps_per_second": steps[i] / wall[i],
            "steps_per_cpu_second": steps[i] / cpu[i],
            "ratio": steps[i] / cpu[i] / (steps[0] / cpu[0]),
            "compile_seconds": row.compile_seconds,
        }
        for i, row in enumerate(rows)
    ]


def compiled(function: Callable, *arguments, **options) -> tuple[Callable, float]:
    """Compile a function for given arguments; return it and the seconds that it took."""
    begun = time.perf_counter()
    program = jax.jit(function, **options).lower(*arguments).compile()
    return program, time.perf_counter() - begun


def original(seed: int, pictures: bool = False) -> Any:
    """Return the original environment, which draws a picture in every step, or none."""
    env = importlib.import_module("crafter").Env(seed=seed)
    if not pictures:
        env.render = lambda size=None: None
    return env


def _original_steps(seed: int, pictures: bool) -> Callable[[], int]:
    """Return a function that plays an episode of the original, and returns its steps."""
    env, rng = original(seed, pictures), np.random.default_rng(seed)

    def run() -> int:
        env.reset()
        for steps in itertools.count(1):
            if env.step(rng.integers(len(layout.ACTIONS)))[2]:
                return steps
        return 0

    return run


def _our_steps(n: int, seed: int, picture: bool) -> tuple[Callable[[], int], float]:
    """Return a function that steps n worlds and returns the sum of their steps, and the seconds
    of compilation."""
    environment = make("Crafter-original", picture=picture)
    restart = Restart(environment)
    tasks = jnp.tile(jnp.asarray(environment.evaluation_tasks["original"]), (n, 1))

    def step(carry):
        key, state, timestep = carry
        key, act, move, begin = jax.random.split(key, 4)
        state, timestep = environment.step(move, state, environment.action_space.sample(act, n))
        keys = jax.random.split(begin, n)
        state, timestep = restart(keys, tasks, timestep.done, state, timestep)
        return key, state, timestep

    reset, seconds = compiled(environment.reset, jax.random.key(seed), tasks)
    state, first = reset(jax.random.key(seed), tasks)
    run, more = repeated(step, (jax.random.key(seed + 1), state, first), n)
    return run, seconds + more


def _craftax_steps(name: str, n: int, seed: int) -> tuple[Callable[[], int], float]:
    """The same for Craftax-Classic."""
    module = importlib.import_module("craftax.craftax_env")
    env = module.make_craftax_env_from_name(name, auto_reset=True)
    parameters = env.default_params

    def step(carry):
        key, state, _ = carry
        key, act, move = jax.random.split(key, 3)
        actions = jax.random.randint(act, (n,), 0, env.action_space(parameters).n)
        observation, state, *_ = jax.vmap(env.step, (0, 0, 0, None))(
            jax.random.split(move, n), state, actions, parameters
        )
        return key, state, observation

    keys = jax.random.split(jax.random.key(seed), n)
    reset, seconds = compiled(jax.vmap(env.reset, (0, None)), keys, parameters)
    observation, state = reset(keys, parameters)
    run, more = repeated(step, (jax.random.key(seed + 1), state, observation), n)
    return run, seconds + more


def repeated(step: Callable, carry: Any, n: int) -> tuple[Callable[[], int], float]:
    """Compile steps of n worlds, and take some until episodes end at different times.

    Returns:
        A function that takes as many steps as fit into `CALL`, at most `MOST_STEPS`, and returns
        their number, summed over the worlds; and the seconds of compilation.
    """

    def many(carry, steps):
        return jax.lax.fori_loop(0, steps, lambda _, now: step(now), carry)

    program, seconds = compiled(many, carry, jnp.int32(1), donate_argnums=0)
    held = [carry]

    def take(steps: int) -> float:
        begun = time.perf_counter()
        held[0] = jax.block_until_ready(program(held[0], jnp.int32(steps)))
        return time.perf_counter() - begun

    take(1)  # the first call is slower
    steps = int(np.clip(CALL / take(1), 1, MOST_STEPS))
    begun = time.perf_counter()
    for _ in range(0, WARM_UP, steps):
        if time.perf_counter() - begun > PATIENCE:
            break
        take(steps)

    def run() -> int:
        take(steps)
        return n * steps

    return run, seconds


def table(rows: list[dict[str, Any]]) -> Table:
    """Return the table of speeds."""
    shown = Table("", "observation", "steps/s", "steps per CPU second", "ratio", "compiled in")
    for row in rows:
        compiled = row["compile_seconds"]
        shown.add_row(
            row["name"],
            row["observation"],
            f"{row['steps_per_second']:,.0f}",
            f"{row['steps_per_cpu_second']:,.0f}",
            f"{row['ratio']:,.1f}",
            "" if compiled is None else f"{compiled:.1f} s",
        )
    return shown
