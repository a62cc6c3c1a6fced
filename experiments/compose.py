"""The command `didact compose`: behaviour for a formula from skills, without training for it."""

import dataclasses
import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from didact.environments.errors import SettingError

OPERATORS = re.compile(r"[&|!~()<>\[\]=]|\b[FGXUWRN]\b")


@dataclasses.dataclass(frozen=True)
class Compose:
    """Compose behaviour for a formula, or for an instruction in plain English.

    Skills for all facts of the environment are learned from steps at random; behaviour for the
    formula follows from them without further learning. Makes a picture of the formula's automaton,
    maps of what places are worth in each of its states, a video, and a policy to load.
    """

    formula: tyro.conf.Positional[str]
    """what to do: "F(coffee & X F office) & G !decoration", or "bring the coffee to the office and
    never touch a decoration\""""
    env: str = "Office"
    """environment with propositions and numbered places"""
    env_settings: tuple[str, ...] = ()
    """settings of --env: NAME=VALUE"""
    steps: int = 100_000
    """steps at random from which skills are learned"""
    episodes: int = 200
    """episodes to measure the behaviour in, each from another place"""
    seed: int = 0
    """of all that is random"""
    run: Path | None = None
    """folder for everything; a new one under runs/ if not given"""
    json: bool = False
    """print the result as JSON"""


def compose(choice: Compose) -> None:
    """Composes, and prints what came of it.

    Raises:
        SettingError: an option cannot be used, or a folder cannot be written.
    """
    from rich.console import Console

    result = composed(choice)
    if choice.json:
        return print(json.dumps(result, indent=1))
    console = Console()
    console.print(
        f"{result['formula']}\n"
        f"{result['states']} states, {result['goals']} skills learned in {result['steps']:,} steps "
        f"({result['seconds']:.1f} s): [bold]{result['success']:.1%}[/] success, "
        f"{result['length']:.1f} steps on average ({result['episodes']} episodes, zero-shot)",
        highlight=False,
        soft_wrap=True,
    )
    for name, path in result["files"].items():
        console.print(f"  {name:<15} {path}", highlight=False, soft_wrap=True)
    return None


def read(text: str, propositions: tuple[str, ...]) -> Any:
    """A formula from its text, or from an instruction in English.

    Raises:
        FormulaError: it is neither.
    """
    from didact.students.skills import FormulaError, english, parse, vocabulary

    try:
        return parse(text)
    except FormulaError:
        if OPERATORS.search(text):
            raise
    return english(text, vocabulary(propositions))


def composed(choice: Compose) -> dict[str, Any]:
    """Composes without printing.

    Returns:
        `formula`, `states` of its automaton, `goals` that were learned, `steps` and `seconds` of
        learning them, `success`, `length` and `episodes` of the behaviour, and `files`.
    """
    import jax

    from didact.experiments.cloning import new_folder
    from didact.experiments.evaluate import evaluator, summary
    from didact.experiments.exploring import explore, number_of_places
    from didact.experiments.run import cache_compilations
    from didact.experiments.setup import made
    from didact.experiments.watch import record
    from didact.students import Policy, card, save_policy
    from didact.students.skills import compose as compose_values
    from didact.students.skills import draw, following, letters_of_goals, skill_machine, tabular

    if choice.episodes < 1:
        raise SettingError("--episodes", choice.episodes, "at least 1")
    if not 0 <= choice.seed < 2**31:
        raise SettingError("--seed", choice.seed, "from 0 to 2147483647")
    environment = made(choice.env, choice.env_settings)
    places = number_of_places(environment)
    world = following(environment, read(choice.formula, environment.propositions))
    automaton = world.automaton
    out = new_folder(choice.run, f"{environment.name}-compose")
    cache_compilations()
    begun = time.perf_counter()
    seen = explore(environment, choice.steps, seed=choice.seed)
    table = tabular.learn(seen, places, environment.action_space.n)
    values = jax.device_get(compose_values(table, automaton, environment.propositions))
    seconds = time.perf_counter() - begun

    settings = [*choice.env_settings, f"formula={automaton.formula}"]
    written = card(
        environment.name,
        world.observation_space,
        world.action_space,
        None,
        composed={"states": automaton.num_states, "places": places},
        description=f"composed: {automaton.formula}",
        environment_settings=settings,
    )
    save_policy(out / "policy", written, {"values": values})
    policy = Policy(written, {"values": values})
    task_key, key = jax.random.split(jax.random.key(choice.seed))
    tasks = world.task_space.sample(task_key, choice.episodes)
    play = jax.jit(evaluator(world, policy.student, greedy=True))
    measured = summary(play(policy.state, key, tasks))

    possible = letters_of_goals(automaton, environment.propositions, table.goals)
    files = {"policy": out / "policy"}
    files["automaton"] = draw(out / "automaton.png", automaton, possible=possible)
    if hasattr(environment, "width"):
        plan = skill_machine(automaton, possible)
        files["values"] = _map(out / "values.png", environment, plan, values, seen)
    files["video"] = record(
        policy, world, out / "video.gif", episodes=min(choice.episodes, 4), seed=choice.seed,
        greedy=True,
    )  # fmt: skip
    return {
        "formula": str(automaton.formula),
        "environment": environment.name,
        "states": automaton.num_states,
        "goals": len(table.goals),
        "steps": len(seen.place),
        "seconds": round(seconds, 2),
        "success": measured["success"],
        "length": measured["length"],
        "episodes": measured["episodes"],
        "files": {name: str(path) for name, path in files.items()},
    }


def _map(path: Path, environment: Any, plan: Any, values: np.ndarray, seen: Any) -> Path:
    """The maps of those states in which there is something to do."""
    from didact.experiments.value_maps import value_maps

    automaton = plan.automaton
    open_ = np.flatnonzero(automaton.alive & ~automaton.accepting & (plan.values > 0))
    marks = [""] * values.shape[1]
    for place, labels in zip(seen.after, seen.labels, strict=True):
        if labels.any() and not marks[place]:
            names = [environment.propositions[i] for i in np.flatnonzero(labels)]
            marks[place] = ", ".join(name if len(name) == 1 else name[:3] for name in names)
    visited = np.zeros(values.shape[1], bool)
    visited[seen.place] = visited[seen.after] = True
    return value_maps(
        path,
        values[open_],
        [f"state {state}: {plan.skill(state)}" for state in open_],
        marks,
        visited,
        environment.width,
        environment.action_space.names,
    )
