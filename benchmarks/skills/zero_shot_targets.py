"""Moving Targets: zero-shot formulas of increasing size with one skill network.

    python -m didact.benchmarks.skills.zero_shot_targets

References:
    Nangue Tasse et al., Skill Machines, ICLR 2024 (arXiv:2205.12532), section 4.2; Vaezipoor et
    al., LTL2Action, ICML 2021 (arXiv:2102.06858), section 5: the families of formulas.
"""

import dataclasses
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.table import Table

from didact.benchmarks import hardware
from didact.common import display, strict_json
from didact.common.files import replacing, writable
from didact.environments.toys.moving_targets import KINDS, MovingTargets
from didact.experiments.plotting import training_curves
from didact.experiments.skills.formula_episodes import play_formulas
from didact.experiments.skills.skill_training import Skills, discover, train_skills
from didact.students.skills import (
    Automaton,
    automaton,
    batch_automata,
    goal_plans,
    parse,
    plan_action_values,
)
from didact.students.skills.deep import action_values

SIZES = (1, 2, 3, 4, 5, 6)  # numbers of objects in a formula
FAMILIES = ("sequences", "any order", "until, avoiding")


@dataclasses.dataclass(frozen=True)
class TargetsConfig:
    """Solve formulas in Moving Targets zero-shot, by their size."""

    steps: int = 1_000_000
    """training steps of the skill network"""
    formulas: int = 8
    """number of formulas per family and size"""
    num_envs: int = 64
    """number of environments per formula"""
    seed: int = 0
    """random seed of training, formulas and levels"""
    out: str = "runs/targets"
    """folder for the results as JSON and PNG"""
    json: bool = False
    """print the result as JSON"""


def formula_of(family: str, size: int, rng: np.random.Generator) -> str:
    """Sample a formula of a family with `size` objects."""
    order = [KINDS[i] for i in rng.permutation(len(KINDS))][:size]
    things = [f"({color} & {shape})" for color, shape in order]
    if family == "any order":
        return " & ".join(f"F {thing}" for thing in things)
    if family == "sequences":
        text = f"F {things[-1]}"
        for thing in reversed(things[:-1]):
            text = f"F({thing} & X {text})"
        return text
    # Objects in sequence; the last one must not be touched before all others.
    *rest, last = things
    text = f"F {last}"
    for thing in reversed(rest):
        text = f"(!{last} U ({thing} & X {text}))"
    return text


def compare(config: TargetsConfig) -> dict[str, Any]:
    """Train the skills and run all formulas.

    Returns:
        `machine`, `settings`, `seconds` of training, and `formulas`: for each `family`, `size`,
        `formula`, `states` of its automaton, the rates of `success` and `failure` (violation), and
        the mean `steps` of successful episodes.
    """
    folder = writable("--out", config.out)
    world = MovingTargets()
    begun = time.perf_counter()
    skills = train_skills(world, discover(world, seed=config.seed), config.steps, seed=config.seed)
    seconds = time.perf_counter() - begun
    rng = np.random.default_rng(config.seed)
    drawn = [
        (family, size, formula_of(family, size, rng))
        for family in FAMILIES
        for size in SIZES
        for _ in range(config.formulas)
    ]
    made = [automaton(parse(text)) for _, _, text in drawn]
    rows = []
    results = played(world, skills, made, config.num_envs, config.seed)
    for (family, size, text), each, (success, failure, steps) in zip(
        drawn, made, results, strict=True
    ):
        rows.append(
            {
                "family": family,
                "size": size,
                "formula": text,
                "states": each.num_states,
                "success": round(float(success.mean()), 4),
                "failure": round(float(failure.mean()), 4),
                "steps": round(float(steps[success].mean()), 2) if success.any() else None,
            }
        )
    result = {
        "machine": hardware.describe(),
        "settings": vars(config),
        "seconds": round(seconds, 1),
        "formulas": rows,
    }
    with replacing(folder / "targets.json") as draft:
        draft.write_text(strict_json.dumps(result, indent=1))
    curves = {
        family: (
            np.array(SIZES, float),
            np.stack([_rates(rows, family, size) for size in SIZES], 1),
        )
        for family in FAMILIES
    }
    training_curves.learning_curves(
        Path(folder) / "targets.png", curves, x_label="objects in the formula",
        y_label="success, zero-shot", y_limits=(0, 1.02),
    )  # fmt: skip
    return result


def _rates(rows: list[dict[str, Any]], family: str, size: int) -> np.ndarray:
    chosen = [row["success"] for row in rows if (row["family"], row["size"]) == (family, size)]
    return np.array(chosen)


def played(
    world: MovingTargets, skills: Skills, made: list[Automaton], num_envs: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Run all formulas side by side; return success, failure and steps [num_envs] of each."""
    machines = batch_automata(made, world.propositions)
    states = machines.transitions.shape[1]
    plan = goal_plans(made, world.propositions, skills.goals, skills.between, max_states=states)
    which = jnp.repeat(jnp.arange(len(made)), num_envs)
    n = len(which)
    key, task_key, reset_key = jax.random.split(jax.random.key(seed), 3)

    def act(carry, seen, at, _):
        def values_of(goal):
            return action_values(skills.network, skills.params, seen.observation["image"], goal)

        return jnp.argmax(plan_action_values(plan, at, values_of, which), -1), carry

    @jax.jit
    def run():
        start = world.reset(reset_key, world.task_space.sample(task_key, n))
        return play_formulas(world, machines, which, start, act, (), key, world.max_steps)[:3]

    columns = [np.asarray(x).reshape(len(made), num_envs) for x in run()]
    return list(zip(*columns, strict=True))


def table(result: dict[str, Any]) -> Table:
    """Return a table with a row for each size; values are means over formulas."""
    count, worlds = result["settings"]["formulas"], result["settings"]["num_envs"]
    shown = Table(
        title=f"Moving Targets: {result['settings']['steps']:,} training steps; {count} formulas "
        f"per family and size, {worlds} environments each",
        title_style="bold",
    )
    shown.add_column("objects", justify="right")
    for family in FAMILIES:
        shown.add_column(f"{family}: success", justify="right")
        shown.add_column("violated", justify="right")
        shown.add_column("steps", justify="right")
    for size in SIZES:
        cells = []
        for family in FAMILIES:
            rows = [r for r in result["formulas"] if (r["family"], r["size"]) == (family, size)]
            steps = [row["steps"] for row in rows if row["steps"] is not None]
            cells += [
                f"{np.mean([row['success'] for row in rows]):.1%}",
                f"{np.mean([row['failure'] for row in rows]):.1%}",
                f"{np.mean(steps):.1f}" if steps else "-",
            ]
        shown.add_row(str(size), *cells)
    return shown


def main() -> None:
    """Run the command line."""
    config = tyro.cli(TargetsConfig, description=TargetsConfig.__doc__)
    result = compare(config)
    if config.json:
        print(strict_json.dumps(result, indent=1))
    else:
        display.console().print(table(result))


if __name__ == "__main__":
    main()
