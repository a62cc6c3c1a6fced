"""Sequences of instructions, given one at a time by a formula or all at once.

    python -m didact.benchmarks.skills.instruction_sequences

The policy `goto-seq` was trained on BabyAI's sequences of one to four instructions. The composed
policy is sequenced by a formula and reads one instruction at a time; the monolithic policy reads
the whole sequence.
"""

import dataclasses
import functools
import json
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.table import Table

from didact.benchmarks import hardware
from didact.common import display, strict_json
from didact.environments import with_propositions
from didact.environments.grid import cells
from didact.environments.grid.object_propositions import PROPOSITIONS
from didact.environments.language import vocabulary
from didact.environments.text_settings import make_with_text_settings
from didact.experiments.skills.formula_episodes import play_formulas
from didact.experiments.skills.library_execution import Played, player
from didact.students import Policy, load_policy
from didact.students.skills import Automaton, automaton, batch_automata
from didact.students.skills.library import Library, Skill

LEVEL = "BabyAI-GoToSeqS5R2-v0"
KINDS = {number: name for name, number in cells.TYPES.items()}
STEPS_EACH = 60  # step limit per instruction of a sequence


@dataclasses.dataclass(frozen=True)
class InstructionSequencesConfig:
    """Compare composed and monolithic policies on sequences of instructions."""

    policy: str = "goto-seq"
    """policy that follows go-to instructions"""
    lengths: tuple[int, ...] = (1, 2, 3, 4, 6)
    """numbers of instructions in a sequence"""
    episodes: int = 500
    """episodes per length"""
    greedy: bool = False
    """take the most probable actions instead of sampling"""
    seed: int = 0
    """random seed of levels and actions"""
    json: bool = False
    """print the result as JSON"""


def instructions_of(objects: np.ndarray, length: int, rng: np.random.Generator) -> list[str] | None:
    """Choose `length` different object propositions of a level; None if it has too few objects."""
    looks = np.unique(objects[objects != 0])
    if len(looks) < length:
        return None
    names = []
    for look in rng.permutation(looks)[:length]:
        kind = int(look) & cells.KIND_BITS
        kind = cells.DOOR if kind > 10 else kind
        names.append(f"{cells.COLORS[int(look & cells.SEEN_BITS) >> 4]}_{KINDS[kind]}")
    return names


def words_of(name: str) -> str:
    """Return the instruction for a proposition."""
    return "go to the " + name.replace("_", " ")


def whole(names: list[str]) -> str:
    """Return a sequence as one instruction, extending BabyAI's wording for two parts."""
    return ", then ".join(words_of(name) for name in names)


def formula_of(names: Sequence[str]) -> str:
    """Return a sequence as a formula."""
    text = f"F {names[-1]}"
    for name in reversed(names[:-1]):
        text = f"F({name} & X {text})"
    return text


def compare(config: InstructionSequencesConfig) -> dict[str, Any]:
    """Run both policies for all lengths, on the same levels.

    Returns:
        `machine`, `settings`, and `lengths`: for each `composed` and `monolithic`, with `success`
        and the mean `steps` of successful episodes, and the number of `episodes`.
    """
    policy = load_policy(config.policy)
    world = with_propositions(make_with_text_settings(LEVEL))
    length = world.observation_space["instruction"].shape[0]
    rows = {}
    for parts in config.lengths:
        keys = jax.random.split(jax.random.fold_in(jax.random.key(config.seed), parts), 3)
        tasks = world.task_space.sample(keys[0], 2 * config.episodes)
        state, seen = jax.jit(world.reset)(keys[1], tasks)
        rng = np.random.default_rng(config.seed)
        objects = np.asarray(state.world.objects)
        names = [instructions_of(row, parts, rng) for row in objects]
        enough = np.array([row is not None for row in names])
        there = np.flatnonzero(enough)[: config.episodes]
        state, seen = jax.tree.map(functools.partial(_rows, there), (state, seen))
        chosen = [names[i] or [] for i in there]
        made = [automaton(formula_of(row)) for row in chosen]
        reachable = (name for name in PROPOSITIONS if "holding" not in name)
        library = Library().added(
            *(Skill(name, words_of(name), name, config.policy) for name in reachable)
        )
        most = STEPS_EACH * parts
        # The environment's own instruction is not the task and must not end the episode.
        state = state._replace(max_steps=jnp.full_like(state.max_steps, most + 1))
        ordered = player(
            world, library, made, lambda text: vocabulary.encode(text, length), most,
            greedy=config.greedy,
        )  # fmt: skip
        texts = np.stack([vocabulary.encode(whole(row), max(length, 7 * parts)) for row in chosen])
        at_once = _at_once(world, policy, made, jnp.asarray(texts), config.greedy, most)
        results = {}
        for way, play in (("composed", ordered), ("monolithic", at_once)):
            success, steps = (np.asarray(getattr(play(state, seen, keys[2]), name))
                              for name in ("success", "steps"))  # fmt: skip
            results[way] = {
                "success": round(float(success.mean()), 4),
                "steps": round(float(steps[success].mean()), 2) if success.any() else None,
            }
        rows[str(parts)] = {"episodes": len(there), **results}
    settings = json.loads(json.dumps(vars(config)))
    return {"machine": hardware.describe(), "settings": settings, "lengths": rows}


def _rows(which: np.ndarray, array: jax.Array) -> jax.Array:
    return array[which]


def _at_once(
    world: Any, policy: Policy, made: list[Automaton], text: jax.Array, greedy: bool, most: int
) -> Callable[[Any, Any, jax.Array], Played]:
    """Like `player`, but the policy reads the whole sequence in every step."""
    machines = batch_automata(made, PROPOSITIONS)
    which, n = jnp.arange(len(made)), len(made)
    choose = policy.student.act_greedily if greedy else policy.student.act

    def act(memory, seen, at, key):
        shown = {**seen.observation, "instruction": text}
        read = {name: shown[name] for name in policy.observation_space}
        action, memory, _ = choose(policy.state, memory, read, key)
        return action, memory

    @jax.jit
    def run(state, seen, key):
        memory, start = policy.initial_carry(n), (state, seen)
        return play_formulas(world, machines, which, start, act, memory, key, most)

    def play(state, seen, key):
        success, failure, steps, _ = jax.device_get(run(state, seen, key))
        return Played(success, failure, steps, {})

    return play


def table(result: dict[str, Any]) -> Table:
    """Return a table with a row for each length."""
    settings = result["settings"]
    shown = Table(title=f"{settings['policy']} in {LEVEL}", title_style="bold")
    for name in ("instructions", "composed", "steps", "monolithic", "steps", "episodes"):
        shown.add_column(name, justify="right")
    for parts, row in result["lengths"].items():
        cells_ = []
        for way in ("composed", "monolithic"):
            steps = row[way]["steps"]
            cells_ += [f"{row[way]['success']:.1%}", "-" if steps is None else f"{steps:.1f}"]
        shown.add_row(parts, *cells_, str(row["episodes"]))
    return shown


def main() -> None:
    """Run the command line."""
    config = tyro.cli(InstructionSequencesConfig, description=InstructionSequencesConfig.__doc__)
    result = compare(config)
    if config.json:
        print(strict_json.dumps(result, indent=1))
    else:
        display.console().print(table(result))


if __name__ == "__main__":
    main()
