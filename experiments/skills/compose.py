"""The command `didact compose`: compose a policy for a formula from skills, without training."""

import contextlib
import dataclasses
import time
from pathlib import Path
from typing import Annotated, Any

import tyro

from didact.common import display, strict_json
from didact.common.errors import SettingError
from didact.common.setting_types import Range, Seed
from didact.common.settings import check_numbers
from didact.experiments.option_types import Imports

FEW = 0.5  # success rate below which more training is recommended


@dataclasses.dataclass(frozen=True)
class Compose:
    """Compose a policy for a temporal-logic formula, or for an instruction in plain English.

    First, skills for all propositions of the environment are learned: a value table from random
    actions where states are numbered, a goal-conditioned network otherwise. The policy for the
    formula is then composed from these skills without further learning. With --policy, the skills
    are the instructions that a trained policy follows, and nothing is learned. The output is a
    policy that can be loaded, a diagram of the formula's automaton, a value map for each of its
    states, and a video.
    """

    formula: tyro.conf.Positional[str]
    """formula such as "F(coffee & X F office) & G !decoration", or instruction such as "bring the
    coffee to the office and never touch a decoration\""""
    env: str | None = None
    """environment with propositions, and with numbered places or images of packed cells; defaults
    to Office, or to the environment of --policy"""
    env_settings: tuple[str, ...] = ()
    """environment settings as NAME=VALUE"""
    skills: Path | None = None
    """run or policy of an earlier composition in the same environment, whose network is reused"""
    policy: str | None = None
    """policy that follows instructions, such as goto-local, by name or folder; its instructions are
    the skills, and the formula decides which one comes next"""
    instructions: tuple[str, ...] = ()
    """instructions for --policy as PROPOSITION=TEXT; the propositions of grid worlds have them
    already, such as "red_ball=go to the red ball\""""
    steps: Annotated[int, Range(1, 10**11)] | None = None
    """number of steps to learn the skills from; defaults to 100,000 for a table and to 1,000,000
    for a network"""
    episodes: Annotated[int, Range(1, 65_536)] = 200
    """number of episodes to evaluate the composed policy"""
    seed: Seed = 0
    """random seed"""
    run: Path | None = None
    """run folder for all outputs; defaults to a new folder under runs/"""
    imports: Imports = ()
    """module or .py file that registers your own environments"""
    json: bool = False
    """print the result as JSON"""


def compose(choice: Compose) -> None:
    """Compose a policy and print a summary.

    Raises:
        SettingError: an option is invalid, or a folder cannot be written.
    """
    from didact.common import display

    result = composed(choice)
    if choice.json:
        return print(strict_json.dumps(result, indent=1))
    console = display.console()
    source = f"skills learned in {result['steps']:,} steps ({result['seconds']:.1f} s)"
    if choice.policy is not None:
        source = "instructions"
    console.print(
        f"{result['formula']}\n"
        f"{result['states']} states, {result['goals']} {source}: {result['success']:.1%} success, "
        f"{result['length']:.1f} steps on average ({result['episodes']} episodes, zero-shot)",
        highlight=False,
        soft_wrap=True,
    )
    if result["success"] < FEW:
        cause = f"The skills may need more training than {result['steps']:,} steps (--steps)"
        if choice.policy is not None:
            cause = "The policy may not know some of the instructions"
        console.print(
            f"  Few episodes succeeded. {cause}, or the formula may be impossible from many "
            "starts.",
            highlight=False,
            soft_wrap=True,
        )
    if "automaton" not in result["files"]:
        console.print("  No figures were drawn: the automaton has too many states.")
    for name, path in result["files"].items():
        console.print(f"  {name:<15} {path}", highlight=False, soft_wrap=True)
    return None


def composed(choice: Compose) -> dict[str, Any]:
    """Compose a policy and return the result.

    Returns:
        `formula`, `states` of its automaton, the number of `goals` learned, `steps` and `seconds`
        of learning them, `success`, `length` and `episodes` of the evaluation, and `files`.
    """
    import jax

    from didact.common.extensions import without_folders
    from didact.common.files import locked_folder, new_folder
    from didact.environments.text_settings import pairs
    from didact.experiments.evaluation.evaluate import evaluator, summary
    from didact.experiments.preparation import cache_compilations
    from didact.experiments.skills.skill_sources import environment_of, source_of_skills
    from didact.students import Policy, card, save_policy
    from didact.students.skills import letters_of_goals, skill_machine, with_formula
    from didact.students.skills.formula_task import PROGRESS
    from didact.students.skills.ltl.formula_input import read_formula, write_formula
    from didact.students.skills.ltl.formulas import brief

    check_numbers(choice)
    if given := pairs("--env-settings", choice.env_settings).get("formula"):
        raise SettingError("--env-settings formula", given, "omitted: `compose` sets the formula")
    environment, env_settings = environment_of(choice)
    if not environment.propositions:
        allowed = "an environment with propositions, such as Office"
        raise SettingError("--env", environment.name, allowed)
    world = with_formula(environment, read_formula(choice.formula, environment))
    automaton = world.automaton
    cache_compilations()
    begun = time.perf_counter()
    learn = source_of_skills(choice, environment, automaton)  # validates options before any work
    run = new_folder("--run", choice.run, f"{environment.name}-compose")
    with locked_folder("--run", run):
        try:
            learned = learn()
            possible = letters_of_goals(automaton, environment.propositions, learned.goals)
            plan = skill_machine(automaton, possible)
            if not plan.values[automaton.initial] and not automaton.accepting[automaton.initial]:
                allowed = f"satisfiable in {environment.name}; no plan was found"
                raise SettingError("formula", brief(automaton.formula), allowed)
        except SettingError:
            with contextlib.suppress(OSError):
                run.rmdir()  # the folder is still empty
            raise
        seconds = time.perf_counter() - begun

        policy_card = card(
            environment.name,
            {**learned.observation_space, PROGRESS: world.observation_space[PROGRESS]},
            world.action_space,
            None,
            composed=learned.sizes,
            description=f"composed: {automaton.formula}",
            environment_settings=[*env_settings, f"formula={write_formula(automaton.formula)}"],
            **({"imports": without_folders(choice.imports)} if choice.imports else {}),
        )
        policy_card |= learned.card
        save_policy(run / "policy", policy_card, learned.params)
        policy = Policy(policy_card, learned.params)
        task_key, key = jax.random.split(jax.random.key(choice.seed))
        tasks = world.task_space.sample(task_key, choice.episodes)
        play = jax.jit(evaluator(world, policy.student, greedy=True))
        measured = summary(play(policy.state, key, tasks))
        state, _ = jax.jit(world.reset)(key, tasks)
        files = {"policy": run / "policy", **_pictures(choice, run, policy, world, plan, state)}
    return {
        "formula": str(automaton.formula),
        "environment": environment.name,
        "states": automaton.num_states,
        "goals": len(learned.goals),
        "steps": learned.steps,
        "seconds": round(seconds, 2),
        "success": measured["success"],
        "length": measured["length"],
        "episodes": measured["episodes"],
        "files": {name: str(path) for name, path in files.items()},
    }


def _pictures(
    choice: Compose, run: Path, policy: Any, world: Any, plan: Any, state: Any
) -> dict[str, Path]:
    """Draw the automaton, the values of its skills from a state, and a video; return the files."""
    from didact.experiments.evaluation.watch import record
    from didact.experiments.plotting.value_maps import value_maps
    from didact.experiments.runs.optional import optional
    from didact.students.skills import draw
    from didact.students.skills.ltl.drawing import MAX_SIZE

    automaton, console, files = world.automaton, display.terminal(), {}
    if automaton.num_states <= MAX_SIZE:  # larger ones are unreadable
        files["automaton"] = draw(run / "automaton.png", automaton, possible=plan.possible)
        titles = {
            i: f"state {i}: {plan.skill(i)}"
            for i in range(automaton.num_states)
            if plan.wanted[i].any()
        }
        with optional("The value map", console):
            values = (
                value_maps(run / "values.png", policy, world, state, titles) if titles else None
            )
            if values is not None:
                files["values"] = values
    with optional("The video", console):
        episodes = min(choice.episodes, 4)
        video = run / "video.gif"
        files["video"] = record(
            policy, world, video, episodes=episodes, seed=choice.seed, greedy=True
        )
    return files
