"""Compare the crafting world with the original package, in distribution and in speed."""

import importlib.util
import itertools
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Group
from rich.table import Table

from didact.benchmarks import hardware
from didact.benchmarks.crafting import published
from didact.benchmarks.crafting.settings import CrafterConfig
from didact.benchmarks.registry import Benchmark
from didact.environments import Restart, SettingError, make
from didact.environments.crafting import layout
from didact.experiments.evaluation.evaluate import evaluator, summary
from didact.students import random_actions

OBJECTS = ("cow", "zombie", "skeleton")


def compare(config: CrafterConfig) -> dict[str, Any]:
    """Compare the uniform policy's achievements, new maps, and steps per second.

    Returns:
        `machine`; `random`: for each achievement the percentage of episodes here and published,
        and the p-value of their difference; `length`, `return` and `score`; `maps`: for each
        material and creature the mean number here and in the original, and the p-value of the
        two-sample Kolmogorov-Smirnov test; `speed`: rows of steps per second, by wall clock and by
        CPU time of one core.

    Raises:
        SettingError: the original package or scipy is not installed.
    """
    for package in ("crafter", "scipy"):
        if importlib.util.find_spec(package) is None:
            raise SettingError("crafter", package, "installed: pip install 'didact[benchmark]'")
    return {
        "machine": hardware.describe(("crafter",)),
        "settings": {"episodes": config.episodes, "maps": config.maps, "seed": config.seed},
        **_random_policy(config),
        "maps": _maps(config) if config.maps else {},
        "speed": _speed(config) if config.seconds else [],
    }


def _random_policy(config: CrafterConfig) -> dict[str, Any]:
    environment = make("Crafter-original")
    play = jax.jit(evaluator(environment, random_actions(environment.action_space)))
    task = environment.evaluation_tasks["original"]
    tasks = jnp.tile(jnp.asarray(task), (config.episodes, 1))
    found = summary(play((), jax.random.key(config.seed), tasks))
    rates = {}
    for name, rate in found["achievements"].items():
        theirs = published.RANDOM.get(name, 0.0) / 100
        rates[name] = {
            "ours": 100 * rate,
            "published": 100 * theirs,
            "p": _same_share(rate, config.episodes, theirs, published.RANDOM_EPISODES),
        }
    return {"random": rates, **{name: found[name] for name in ("length", "return", "score")}}


def _same_share(a: float, n: int, b: float, m: int) -> float:
    """Return the p-value of Fisher's exact test that two shares are equal."""
    from scipy.stats import fisher_exact

    counts = [[round(a * n), n - round(a * n)], [round(b * m), m - round(b * m)]]
    found: Any = fisher_exact(counts)
    return float(found[1])


def _same_distribution(a: np.ndarray, b: np.ndarray) -> float:
    """Return the p-value of the two-sample Kolmogorov-Smirnov test."""
    from scipy.stats import ks_2samp

    found: Any = ks_2samp(a, b)
    return float(found.pvalue)


def _maps(config: CrafterConfig) -> dict[str, Any]:
    """Compare the numbers of materials and creatures on new maps."""
    ours = _our_counts(config.seed, 10 * config.maps)
    theirs = np.stack([_their_counts(config.seed + i) for i in range(config.maps)])
    names = (*layout.MATERIALS[1:11], *OBJECTS)
    return {
        name: {
            "ours": float(ours[:, column].mean()),
            "original": float(theirs[:, column].mean()),
            "p": _same_distribution(ours[:, column], theirs[:, column]),
        }
        for column, name in enumerate(names)
    }


def _our_counts(seed: int, n: int) -> np.ndarray:
    environment = make("Crafter-original")
    task = jnp.asarray(environment.evaluation_tasks["original"])

    def count(key):
        state, _ = environment.reset(key[None], task[None])
        material = jnp.bincount(state.material[0], length=len(layout.MATERIALS))[1:11]
        kinds = layout.unpack(state.objects[0]).kind
        return jnp.concatenate([material, jnp.bincount(kinds, length=6)[1:4]])

    keys = jax.random.split(jax.random.key(seed), n)
    return np.asarray(jax.jit(lambda keys: jax.lax.map(count, keys))(keys))


def _their_counts(seed: int) -> np.ndarray:
    env = _original(seed)
    env.reset()
    material = np.bincount(env._world._mat_map.ravel(), minlength=13)[1:11]
    kinds = [type(thing).__name__.lower() for thing in env._world.objects]
    return np.concatenate([material, [kinds.count(kind) for kind in OBJECTS]])


def _original(seed: int, pictures: bool = False) -> Any:
    env = importlib.import_module("crafter").Env(seed=seed)
    if not pictures:
        env.render = lambda size=None: None
    return env


def _speed(config: CrafterConfig) -> list[dict[str, Any]]:
    """Measure the uniform policy with automatic restarts; rows are interleaved."""
    rows: list[tuple[str, str, Callable[[], int]]] = [
        ("original", "picture", _original_steps(config.seed, True)),
        ("original", "state only", _original_steps(config.seed, False)),
    ]
    compiled = {}
    for n in config.num_envs:
        begun = time.perf_counter()
        run = _our_steps(n, config.seed)
        compiled[n] = time.perf_counter() - begun
        rows.append((f"didact, {n} worlds", "symbols", run))
    totals = np.zeros((len(rows), 3))
    for _ in range(config.repeats):
        for number, (_, _, run) in enumerate(rows):
            begun, used = time.perf_counter(), time.process_time()
            while time.process_time() - used < config.seconds / config.repeats:
                totals[number, 0] += run()
            totals[number, 1:] += time.perf_counter() - begun, time.process_time() - used
    steps, wall, cpu = totals.T
    return [
        {
            "name": name,
            "observation": observation,
            "steps_per_second": steps[i] / wall[i],
            "steps_per_cpu_second": steps[i] / cpu[i],
            "ratio": steps[i] / cpu[i] / (steps[0] / cpu[0]),
            "compile_seconds": list(compiled.values())[i - 2] if i > 1 else None,
        }
        for i, (name, observation, _) in enumerate(rows)
    ]


def _original_steps(seed: int, pictures: bool) -> Callable[[], int]:
    """Return a function that plays an episode of the original, and returns its steps."""
    env, rng = _original(seed, pictures), np.random.default_rng(seed)

    def run() -> int:
        env.reset()
        for steps in itertools.count(1):
            if env.step(rng.integers(len(layout.ACTIONS)))[2]:
                return steps
        return 0

    return run


def _our_steps(n: int, seed: int, steps: int = 100) -> Callable[[], int]:
    """Return a function that takes `steps` steps in n worlds, and returns their sum."""
    environment = make("Crafter-original")
    restart = Restart(environment)
    tasks = jnp.tile(jnp.asarray(environment.evaluation_tasks["original"]), (n, 1))

    def step(carry, _):
        key, state, timestep = carry
        key, act, move, begin = jax.random.split(key, 4)
        state, timestep = environment.step(move, state, environment.action_space.sample(act, n))
        keys = jax.random.split(begin, n)
        state, timestep = restart(keys, tasks, timestep.done, state, timestep)
        return (key, state, timestep), None

    def many(carry):
        return jax.lax.scan(step, carry, None, steps)[0]

    state, first = jax.jit(environment.reset)(jax.random.key(seed), tasks)
    held = [(jax.random.key(seed + 1), state, first)]
    program = jax.jit(many, donate_argnums=0).lower(held[0]).compile()
    for _ in range(3):  # until episodes end at different times
        held[0] = jax.block_until_ready(program(held[0]))

    def run() -> int:
        held[0] = jax.block_until_ready(program(held[0]))
        return n * steps

    return run


def table(result: dict[str, Any]) -> Group:
    """Return tables of achievements, maps and speeds."""
    rates = Table(
        "achievement", "here %", "published %", "p",
        title=f"The uniform policy, {result['settings']['episodes']} episodes",
        caption=f"length {result['length']:.1f} (published {published.RANDOM_LENGTH:.0f}), "
        f"return {result['return']:.2f}, score {result['score']:.2f}",
    )  # fmt: skip
    for name, row in result["random"].items():
        shown = (f"{row['ours']:.2f}", f"{row['published']:.2f}", f"{row['p']:.2f}")
        rates.add_row(name.replace("_", " "), *shown)
    maps = Table("on a new map", "here", "original", "p", title="Materials and creatures")
    for name, row in result["maps"].items():
        maps.add_row(name, f"{row['ours']:.1f}", f"{row['original']:.1f}", f"{row['p']:.2f}")
    speed = Table("", "observation", "steps/s", "steps per CPU second", "ratio", "compiled in")
    for row in result["speed"]:
        compiled = row["compile_seconds"]
        speed.add_row(
            row["name"],
            row["observation"],
            f"{row['steps_per_second']:,.0f}",
            f"{row['steps_per_cpu_second']:,.0f}",
            f"{row['ratio']:,.1f}",
            "" if compiled is None else f"{compiled:.1f} s",
        )
    return Group(rates, maps, speed)


BENCHMARK = Benchmark(CrafterConfig, compare, table)
