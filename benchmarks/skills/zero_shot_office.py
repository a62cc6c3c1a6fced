"""Office World: zero-shot formulas, compared with Q-learning and exact planning.

    python -m didact.benchmarks.skills.zero_shot_office

References:
    Nangue Tasse et al., Skill Machines, ICLR 2024 (arXiv:2205.12532), section 4.1 and table 1.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jaxtyping import Float
from rich.table import Table

from didact.benchmarks import hardware
from didact.common import display, strict_json
from didact.environments.toys.office import Office
from didact.experiments.skills.exploration import explore
from didact.experiments.skills.formula_q_learning import q_learning
from didact.students.skills import Automaton, automaton, compose, tabular, with_formula

# The last formula is longer than the published one, in which mail and people appear at random.
TASKS = {
    "coffee to the office": "F(coffee & X F office) & G !decoration",
    "patrol A, B, C, D": "F(A & X F(B & X F(C & X F D))) & G !decoration",
    "coffee and mail to the office": "(F(coffee & X F(mail & X F office)) | "
    "F(mail & X F(coffee & X F office))) & G !decoration",
    "mail, coffee, then patrol": "F(mail & X F(office & X F(coffee & X F(office & X F(A & X F(B & "
    "X F(C & X F(D & X F A)))))))) & G !decoration",
}
ZERO_SHOT, PAPER = "zero-shot", "zero-shot, all goals as far"
FEW_SHOT, CRM, Q = "few-shot", "Q-learning, counterfactual", "Q-learning"


@dataclasses.dataclass(frozen=True)
class OfficeConfig:
    """Solve formulas in Office World: zero-shot, few-shot, by Q-learning, and by exact planning."""

    seeds: int = 25
    """number of seeds for exploration and learning"""
    skill_steps: int = 100_000
    """random steps to learn the skills for all formulas"""
    few_steps: int = 100_000
    """few-shot learning steps per formula"""
    steps: int = 400_000
    """Q-learning steps per formula"""
    json: bool = False
    """print the result as JSON"""


def planned(world: Office, made: Automaton) -> Float[np.ndarray, "states places"]:
    """Return the minimum steps to satisfy the formula, by exact planning over the product MDP.

    Infinite where the formula cannot be satisfied.
    """
    letters = np.array(
        [made.letter([world.propositions[i] for i in np.flatnonzero(row)]) for row in world.places]
    )
    after = made.transitions[:, letters[world.moves]]  # [states, places, actions]
    steps = np.full((made.num_states, len(letters)), np.inf)
    steps[made.accepting] = 0
    while True:
        new = 1 + np.min(steps[after, world.moves], -1)
        new[made.accepting], new[made.failed] = 0, np.inf
        if np.array_equal(new, steps):
            return steps
        steps = new


def played(
    world: Office, made: Automaton, values: Float[np.ndarray, "states places actions"]
) -> tuple[Float[np.ndarray, " starts"], Float[np.ndarray, " starts"]]:
    """Run greedy actions from all free cells; return success and steps (0 without success)."""
    places = world.free
    machine = np.full(len(places), made.initial)
    names = world.propositions
    letters = np.array([made.letter([names[i] for i in np.flatnonzero(x)]) for x in world.places])
    steps, over, success = np.zeros((3, len(places)))
    for _ in range(world.max_steps):
        action = np.argmax(values[machine, places], -1)
        places = world.moves[places, action]
        machine = made.transitions[machine, letters[places]]
        steps += over == 0
        success = np.where((over == 0) & made.accepting[machine], 1, success)
        over = np.where(made.accepting[machine] | made.failed[machine], 1, over)
        machine = np.where(over == 1, made.initial, machine)
    return success, steps * success


def compare(config: OfficeConfig) -> dict[str, Any]:
    """Run all methods on all formulas.

    Returns:
        `machine`, `settings`, and `tasks`: for each its `formula`, `optimum` (mean steps from all
        free cells) and `ways`: for each method `success` and `steps` [seeds], the success rate over
        all free cells and the mean steps of successful episodes.
    """
    world = Office()
    tables = [
        tabular.learn_table(explore(world, config.skill_steps, seed=seed), world.places.shape[0], 4)
        for seed in range(config.seeds)
    ]
    keys = jax.random.split(jax.random.key(0), config.seeds)
    rows = {}
    for name, text in TASKS.items():
        made = automaton(text)
        task = with_formula(world, made)
        composed = jnp.stack([compose(table, made, world.propositions) for table in tables])
        letters = jnp.stack(
            [compose(table, made, world.propositions, as_far=True) for table in tables]
        )
        learned = {
            FEW_SHOT: (config.few_steps, True, letters),
            CRM: (config.steps, True, None),
            Q: (config.steps, False, None),
        }
        ways = {ZERO_SHOT: composed, PAPER: letters}
        for way, (steps, counterfactual, prior) in learned.items():
            run = jax.jit(jax.vmap(q_learning(task, steps, counterfactual=counterfactual)))
            ways[way] = run(keys) if prior is None else run(keys, prior)
        start = planned(world, made)
        results = {}
        for way, values in ways.items():
            success, steps = zip(*(played(world, made, v) for v in np.asarray(values)), strict=True)
            results[way] = {
                "success": [round(float(x.mean()), 4) for x in success],
                "steps": [
                    round(float(x.sum() / y.sum()), 2) if y.any() else None
                    for x, y in zip(steps, success, strict=True)
                ],
            }
        rows[name] = {
            "formula": text,
            "optimum": round(float(start[made.initial, world.free].mean()), 2),
            "ways": results,
        }
    return {"machine": hardware.describe(), "settings": vars(config), "tasks": rows}


def table(result: dict[str, Any]) -> Table:
    """Return a table with a row for each method and task."""
    shown = Table(
        title=f"Office World, {result['settings']['seeds']} seeds, from all free cells",
        title_style="bold",
    )
    shown.add_column("task")
    shown.add_column("method")
    for name in ("success", "worst seed", "steps", "above the optimum"):
        shown.add_column(name, justify="right")
    for name, task in result["tasks"].items():
        shown.add_row(name, "exact planning", "", "", f"{task['optimum']:.1f}", "")
        for way, row in task["ways"].items():
            reached = [steps for steps in row["steps"] if steps is not None]
            steps = float(np.mean(reached)) if reached else float("nan")
            above = f"{steps / task['optimum'] - 1:.1%}" if np.mean(row["success"]) == 1 else "-"
            shown.add_row(
                "", way, f"{np.mean(row['success']):.1%}", f"{np.min(row['success']):.1%}",
                f"{steps:.1f}" if reached else "-", above,
            )  # fmt: skip
        shown.add_section()
    return shown


def main() -> None:
    """Run the command line."""
    config = tyro.cli(OfficeConfig, description=OfficeConfig.__doc__)
    result = compare(config)
    if config.json:
        print(strict_json.dumps(result, indent=1))
    else:
        display.console().print(table(result))


if __name__ == "__main__":
    main()
