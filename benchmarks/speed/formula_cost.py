"""The cost of formulas: environments with a formula each, compared with the environments alone.

python -m didact.benchmarks.speed.formula_cost
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.table import Table

from didact.benchmarks import hardware
from didact.benchmarks.speed.timing import Loop, interleaved, spread
from didact.common import display, strict_json
from didact.environments import Environment, SettingError, make, with_propositions
from didact.environments.grid.object_propositions import PROPOSITIONS
from didact.students.skills import automaton, batch_automata, next_states, step_rewards
from didact.students.skills.ltl import sampling

ALONE, WITH_PROPOSITIONS, FORMULAS = "worlds alone", "with facts", "with facts and formulas"
MAX_STATES = 16


@dataclasses.dataclass(frozen=True)
class FormulasConfig:
    """Time the steps of environments with and without labels and formulas."""

    envs: tuple[str, ...] = ("BabyAI-GoToLocal-v0", "BabyAI-BossLevel-v0")
    """grid environments"""
    num_envs: int = 4096
    """number of parallel environments, with a formula each"""
    formulas: int = 1024
    """number of distinct formulas, shared among the environments"""
    steps: int = 64
    """steps per compiled call"""
    repeats: int = 7
    """number of timing rounds"""
    seconds: float = 6.0
    """total timing per row, over all rounds"""
    seed: int = 0
    """random seed of formulas and levels"""
    json: bool = False
    """print the result as JSON"""


def stepping(environment: Environment, config: FormulasConfig, machines: Any = None) -> Loop:
    """Return a loop of random steps, with formulas if machines are given.

    Observations and rewards are part of the carry, so that the compiler cannot eliminate them.
    """
    n = config.num_envs
    key = jax.random.key(config.seed)
    tasks = environment.task_space.sample(key, n)
    state, seen = jax.jit(environment.reset)(key, tasks)
    at = jnp.zeros(n, jnp.int32) if machines is None else machines.initial

    def one(carry, key):
        state, at, _ = carry
        action = environment.action_space.sample(key, n)
        state, seen = environment.step(key, state, action)
        total = seen.reward
        if machines is not None:
            after = next_states(machines, at, seen.labels)
            reward, over, success = step_rewards(machines, at, after)
            at = jnp.where(over, machines.initial, after)
            total += reward + success
        return (state, at, (seen.observation, total)), None

    def run(carry):
        key, *carry = carry
        carry, _ = jax.lax.scan(one, tuple(carry), jax.random.split(key, config.steps))
        return jax.random.fold_in(key, 1), *carry

    return Loop(run, (key, state, at, (seen.observation, jnp.zeros(n))))


def measure(config: FormulasConfig) -> dict[str, Any]:
    """Time all environments.

    Returns:
        `machine`, `settings`, and `environments`: by name and configuration, the `milliseconds` of
        one step of all environments (median, min, max), `compile_seconds`, and `adds`, the relative
        overhead over the environments alone (median over rounds).
    """
    rng = np.random.default_rng(config.seed)
    things = [name for name in PROPOSITIONS if not name.startswith("holding")]
    draw = sampling.bounded(sampling.partially_ordered(things, (1, 3), (1, 3)), MAX_STATES)
    made = [automaton(draw(rng)) for _ in range(config.formulas)]
    machines = batch_automata([made[i % len(made)] for i in range(config.num_envs)], PROPOSITIONS)
    rows = {}
    for name in config.envs:
        world = make(name, packed=True)
        offered = world.optional_propositions()
        if offered is None or offered.names != PROPOSITIONS:
            raise SettingError("--envs", name, "grid environments")
        calls = {
            ALONE: stepping(world, config),
            WITH_PROPOSITIONS: stepping(with_propositions(world), config),
            FORMULAS: stepping(with_propositions(world), config, machines),
        }
        times = interleaved(calls, config.repeats, config.seconds)
        rows[name] = {
            what: {
                "milliseconds": spread([1e3 * t / config.steps for t in seconds]),
                "adds": round(float(np.median(np.divide(seconds, times[ALONE]))) - 1, 4),
                "compile_seconds": round(calls[what].compile_seconds, 2),
            }
            for what, seconds in times.items()
        }
    return {"machine": hardware.describe(), "settings": vars(config), "environments": rows}


def table(result: dict[str, Any]) -> Table:
    """Return a table with a row for each environment and configuration."""
    shown = Table(
        title=f"{result['settings']['num_envs']:,} environments with a formula each",
        title_style="bold",
    )
    for title in ("environment", ""):
        shown.add_column(title)
    for title in ("ms/step", "overhead", "compile s"):
        shown.add_column(title, justify="right")
    for name, rows in result["environments"].items():
        for what, row in rows.items():
            adds = "" if what == ALONE else f"{row['adds']:+.1%}"
            cells = f"{row['milliseconds']['median']:.3f}", adds, f"{row['compile_seconds']:.1f}"
            shown.add_row(name, what, *cells)
    return shown


def main() -> None:
    """Run the command line."""
    config = tyro.cli(FormulasConfig, description=FormulasConfig.__doc__)
    result = measure(config)
    if config.json:
        print(strict_json.dumps(result, indent=1))
    else:
        display.console().print(table(result))


if __name__ == "__main__":
    main()
