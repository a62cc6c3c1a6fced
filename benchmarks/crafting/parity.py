"""Compare the crafting world with the original package, in distribution and in speed."""

import importlib.util
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Group
from rich.table import Table

from didact.benchmarks import hardware
from didact.benchmarks.crafting import published, speed
from didact.benchmarks.crafting.settings import CrafterConfig
from didact.benchmarks.registry import Benchmark
from didact.environments import SettingError, make
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
        two-sample Kolmogorov-Smirnov test; `speed`: see `speed.measure`.

    Raises:
        SettingError: the original package or scipy is not installed.
    """
    for package in ("crafter", "scipy"):
        if importlib.util.find_spec(package) is None:
            raise SettingError("crafter", package, "installed: pip install -e '.[benchmark]'")
    return {
        "machine": hardware.describe(("crafter", "craftax")),
        "settings": {"episodes": config.episodes, "maps": config.maps, "seed": config.seed},
        **_random_policy(config),
        "maps": _maps(config) if config.maps else {},
        "speed": speed.measure(config) if config.seconds else [],
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
    env = speed.original(seed)
    env.reset()
    material = np.bincount(env._world._mat_map.ravel(), minlength=13)[1:11]
    kinds = [type(thing).__name__.lower() for thing in env._world.objects]
    return np.concatenate([material, [kinds.count(kind) for kind in OBJECTS]])


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
    return Group(rates, maps, speed.table(result["speed"]))


BENCHMARK = Benchmark(CrafterConfig, compare, table)
