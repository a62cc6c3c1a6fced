"""Measure the planner of the crafting world: achievements, instructions fulfilled, and speed."""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from rich.console import Group
from rich.table import Table

from didact.benchmarks import hardware
from didact.benchmarks.crafting.settings import CrafterExpertConfig
from didact.benchmarks.registry import Benchmark
from didact.environments import Environment, make
from didact.environments.crafting.layout import ACHIEVEMENTS

MANY = 17  # achievements, the number that most episodes should reach
CHUNK = 50  # steps in one compiled call


def compare(config: CrafterExpertConfig) -> dict[str, Any]:
    """Let the planner play.

    Returns:
        `machine`, `settings`; `original`: the share of episodes with at least 17 achievements, the
        mean number of them, the share of players alive at the end, and the rate of each
        achievement; `instructions`: for each task the share of episodes in which it was fulfilled;
        `speed`: steps per second with the planner's actions, by wall clock and by CPU time.
    """
    world = make("Crafter-original")
    task = world.evaluation_tasks["original"]
    tasks = jnp.asarray(task)[None].repeat(config.episodes, 0)
    state, alive, _, speed = _play(world, tasks, config.steps, config.seed)
    unlocked = np.asarray(state.unlocked)
    count = unlocked.sum(1)
    result = {
        "machine": hardware.describe(()),
        "settings": vars(config),
        "original": {
            "many": float(np.mean(count >= MANY)),
            "mean": float(count.mean()),
            "alive": float(alive.mean()),
            "achievements": dict(zip(ACHIEVEMENTS, unlocked.mean(0).tolist(), strict=True)),
        },
        "instructions": {},
        "speed": speed,
    }
    if config.attempts:
        instructed = make("CrafterInstructions")
        named = instructed.evaluation_tasks
        rows = jnp.asarray(np.stack(list(named.values())))
        rows = rows.repeat(config.attempts, 0)
        *_, won, _ = _play(instructed, rows, instructed.max_steps, config.seed)
        shares = won.reshape(-1, config.attempts).mean(1)
        result["instructions"] = dict(zip(named, shares.tolist(), strict=True))
    return result


def _play(
    world: Environment, tasks: Float[Array, "n d"], steps: int, seed: int
) -> tuple[Any, Bool[np.ndarray, " n"], Bool[np.ndarray, " n"], dict[str, float]]:
    """Play one episode of each task; return the states, who is not done, who succeeded, speed."""
    expert = world.expert()
    assert expert is not None
    act: Callable[[Any], Array] = expert.act

    def step(carry, now):
        state, alive, won = carry
        key, counts = now
        new, seen = world.step(key, state, act(state))
        moves = alive & counts
        state = jax.tree.map(
            lambda old, now: jnp.where(moves.reshape(-1, *(1,) * (old.ndim - 1)), now, old),
            *(state, new),
        )
        won |= moves & seen.success
        return (state, alive & ~(moves & seen.done), won), None

    @jax.jit
    def play(carry, key, left):
        """Take a chunk of steps, of which only the first `left` count."""
        now = jax.random.split(key, CHUNK), jnp.arange(CHUNK) < left
        return jax.lax.scan(step, carry, now)[0]

    reset_key, key = jax.random.split(jax.random.key(seed))
    state, _ = jax.jit(world.reset)(reset_key, tasks)
    carry = state, jnp.ones(len(tasks), bool), jnp.zeros(len(tasks), bool)
    compiled = play.lower(carry, key, jnp.int32(steps)).compile()
    clocks = time.perf_counter(), time.process_time()
    for chunk in range(-(-steps // CHUNK)):
        left = jnp.int32(steps - chunk * CHUNK)
        carry = compiled(carry, jax.random.fold_in(key, chunk), left)
    state, alive, won = jax.block_until_ready(carry)
    taken = -(-steps // CHUNK) * CHUNK * len(tasks)
    wall, cpu = time.perf_counter() - clocks[0], time.process_time() - clocks[1]
    speed = {"wall": taken / wall, "core": taken / cpu}
    return state, np.asarray(alive), np.asarray(won), speed


def table(result: dict[str, Any]) -> Group:
    """Return the achievements and the instructions as tables."""
    original, speed = result["original"], result["speed"]
    title = (
        f"{100 * original['many']:.1f} % of episodes unlock at least {MANY} achievements; "
        f"mean {original['mean']:.2f}; alive at the end: {100 * original['alive']:.1f} %; "
        f"{speed['core']:,.0f} steps per second of CPU time"
    )
    parts = []
    for heading, rates in (
        (title, original["achievements"]),
        ("Instructions", result["instructions"]),
    ):
        rows = Table("", "percent of episodes", title=heading)
        for name, rate in rates.items():
            rows.add_row(name.replace("_", " "), f"{100 * rate:.1f}")
        parts.append(rows)
    return Group(*parts)


BENCHMARK = Benchmark(CrafterExpertConfig, compare, table)
