"""What formulas cost: 4,096 worlds, each with another one, beside the worlds alone.

python -m didact.benchmarks.speed.formula_cost
"""

import dataclasses
import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from didact.benchmarks import hardware
from didact.benchmarks.speed.timing import Loop, interleaved, spread
from didact.environments import Environment, SettingError, make, with_propositions
from didact.environments.grid.object_propositions import PROPOSITIONS
from didact.students.skills import automaton, batch_automata, next_states, step_rewards
from didact.students.skills.ltl import sampling

ALONE, WITH_PROPOSITIONS, FORMULAS = "worlds alone", "with facts", "with facts and formulas"
MAX_STATES = 16


@dataclasses.dataclass(frozen=True)
class FormulasConfig:
    """Times the steps of worlds with and without labels and formulas, in turns."""

    envs: tuple[str, ...] = ("BabyAI-GoToLocal-v0", "BabyAI-BossLevel-v0")
    """grid environments"""
    num_envs: int = 4096
    """worlds, each with a formula of its own"""
    formulas: int = 1024
    """formulas that differ; fewer are shared"""
    steps: int = 64
    """of all worlds in one program"""
    repeats: int = 7
    """rounds"""
    seconds: float = 6.0
    """for which each is timed, all rounds together"""
    seed: int = 0
    """of formulas and worlds"""
    json: bool = False
    """print the result as JSON"""


def stepping(environment: Environment, config: FormulasConfig, machines: Any = None) -> Loop:
    """Some steps of all worlds at random, with formulas if machines are given.

    What is seen is kept for a step, as for a student, and what is seen of formulas too: nothing
    that was asked for is left out by the compiler.
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
        told = seen.reward
        if machines is not None:
            after = next_states(machines, at, seen.labels)
            reward, over, success = step_rewards(machines, at, after)
            at = jnp.where(over, machines.initial, after)
            told += reward + success
        return (state, at, (seen.observation, told)), None

    def run(carry):
        key, *carry = carry
        carry, _ = jax.lax.scan(one, tuple(carry), jax.random.split(key, config.steps))
        return jax.random.fold_in(key, 1), *carry

    return Loop(run, (key, state, at, (seen.observation, jnp.zeros(n))))


def measure(config: FormulasConfig) -> dict[str, Any]:
    """Times all environments.

    Returns:
        `machine`, `settings`, and `environments`: by name and by what there is, `milliseconds` of
        one step of all worlds (median, min, max), `compile_seconds`, and `adds`, the median over
        rounds of what it takes beyond the worlds alone, as a part of that.
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
    """One row for each environment and what there is."""
    shown = Table(
        title=f"{result['settings']['num_envs']:,} worlds, a formula for each", title_style="bold"
    )
    for title in ("environment", ""):
        shown.add_column(title)
    for title in ("ms a step", "adds", "compile s"):
        shown.add_column(title, justify="right")
    for name, rows in result["environments"].items():
        for what, row in rows.items():
            adds = "" if what == ALONE else f"{row['adds']:+.1%}"
            cells = f"{row['milliseconds']['median']:.3f}", adds, f"{row['compile_seconds']:.1f}"
            shown.add_row(name, what, *cells)
    return shown


def main() -> None:
    """The command."""
    config = tyro.cli(FormulasConfig, description=FormulasConfig.__doc__)
    result = measure(config)
    print(json.dumps(result, indent=1)) if config.json else Console().print(table(result))


if __name__ == "__main__":
    main()
