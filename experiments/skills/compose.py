"""The command `didact compose`: compose a policy for a formula from skills, without training."""

import contextlib
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tyro

from didact.common import display, strict_json
from didact.common.errors import SettingError
from didact.experiments.option_types import Imports

TABLE_STEPS, NETWORK_STEPS = 100_000, 1_000_000
FEW = 0.5  # success rate below which more training is recommended
MIN = 64  # minimum number of steps, one for each environment
Learned = tuple[dict[str, Any], Any, int]  # parameters, goals, and number of steps taken


@dataclasses.dataclass(frozen=True)
class Compose:
    """Compose a policy for a temporal-logic formula, or for an instruction in plain English.

    First, skills for all propositions of the environment are learned: a value table from random
    actions where states are numbered, a goal-conditioned network otherwise. The policy for the
    formula is then composed from these skills without further learning. The output is a policy that
    can be loaded, a diagram of the formula's automaton, a value map for each of its states, and a
    video.
    """

    formula: tyro.conf.Positional[str]
    """formula such as "F(coffee & X F office) & G !decoration", or instruction such as "bring the
    coffee to the office and never touch a decoration\""""
    env: str = "Office"
    """environment with propositions, and with numbered places or images of packed cells"""
    env_settings: tuple[str, ...] = ()
    """environment settings as NAME=VALUE"""
    skills: Path | None = None
    """run or policy of an earlier composition in the same environment, whose network is reused"""
    steps: int | None = None
    """number of steps to learn the skills from; defaults to 100,000 for a table and to 1,000,000
    for a network"""
    episodes: int = 200
    """number of episodes to evaluate the composed policy"""
    seed: int = 0
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
    console.print(
        f"{result['formula']}\n"
        f"{result['states']} states, {result['goals']} skills learned in {result['steps']:,} steps "
        f"({result['seconds']:.1f} s): {result['success']:.1%} success, "
        f"{result['length']:.1f} steps on average ({result['episodes']} episodes, zero-shot)",
        highlight=False,
        soft_wrap=True,
    )
    if result["success"] < FEW:
        console.print(
            f"  Few episodes succeeded. The skills may need more training than {result['steps']:,} "
            "steps (--steps), or the formula may be impossible from many starts.",
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
    from didact.common.files import new_folder
    from didact.environments.base import PLACE
    from didact.environments.text_settings import pairs
    from didact.experiments.evaluation.evaluate import evaluator, summary
    from didact.experiments.evaluation.watch import record
    from didact.experiments.plotting.value_maps import value_maps
    from didact.experiments.preparation import cache_compilations
    from didact.experiments.runs.optional import optional
    from didact.experiments.setup import make_environment
    from didact.students import Policy, card, save_policy
    from didact.students.skills import draw, letters_of_goals, skill_machine, with_formula
    from didact.students.skills.composed_policy import sizes_of
    from didact.students.skills.ltl.drawing import MAX_SIZE
    from didact.students.skills.ltl.formula_input import read_formula, write_formula
    from didact.students.skills.ltl.formulas import brief

    if choice.episodes < 1:
        raise SettingError("--episodes", choice.episodes, "at least 1")
    if not 0 <= choice.seed < 2**31:
        raise SettingError("--seed", choice.seed, "from 0 to 2147483647")
    if given := pairs("--env-settings", choice.env_settings).get("formula"):
        raise SettingError("--env-settings formula", given, "omitted: `compose` sets the formula")
    environment = make_environment(choice.env, choice.env_settings)
    if not environment.propositions:
        allowed = "an environment with propositions, such as Office"
        raise SettingError("--env", environment.name, allowed)
    world = with_formula(environment, read_formula(choice.formula, environment))
    automaton = world.automaton
    cache_compilations()
    begun = time.perf_counter()
    learner = _tabular if PLACE in environment.observation_space else _deep
    learn = learner(choice, environment, automaton)  # validates the options before any work
    run = new_folder("--run", choice.run, f"{environment.name}-compose")
    try:
        params, goals, steps = learn()
        possible = letters_of_goals(automaton, environment.propositions, goals)
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
        world.observation_space,
        world.action_space,
        None,
        composed=sizes_of(automaton.num_states, params),
        description=f"composed: {automaton.formula}",
        environment_settings=[*choice.env_settings, f"formula={write_formula(automaton.formula)}"],
        **({"imports": without_folders(choice.imports)} if choice.imports else {}),
    )
    save_policy(run / "policy", policy_card, params)
    policy = Policy(policy_card, params)
    task_key, key = jax.random.split(jax.random.key(choice.seed))
    tasks = world.task_space.sample(task_key, choice.episodes)
    play = jax.jit(evaluator(world, policy.student, greedy=True))
    measured = summary(play(policy.state, key, tasks))

    files = {"policy": run / "policy"}
    readable = automaton.num_states <= MAX_SIZE
    if readable:
        files["automaton"] = draw(run / "automaton.png", automaton, possible=possible)
    open_ = [i for i in range(automaton.num_states) if plan.wanted[i].any()] if readable else []
    titles = {i: f"state {i}: {plan.skill(i)}" for i in open_}
    state, _ = world.reset(key, tasks)
    console = display.terminal()
    with optional("The value map", console):
        picture = value_maps(run / "values.png", policy, world, state, titles) if open_ else None
        if picture is not None:
            files["values"] = picture
    with optional("The video", console):
        files["video"] = record(
            policy, world, run / "video.gif", episodes=min(choice.episodes, 4), seed=choice.seed,
            greedy=True,
        )  # fmt: skip
    return {
        "formula": str(automaton.formula),
        "environment": environment.name,
        "states": automaton.num_states,
        "goals": len(goals),
        "steps": steps,
        "seconds": round(seconds, 2),
        "success": measured["success"],
        "length": measured["length"],
        "episodes": measured["episodes"],
        "files": {name: str(path) for name, path in files.items()},
    }


def _tabular(choice: Compose, environment: Any, automaton: Any) -> Callable[[], Learned]:
    """Return a function that learns a value table of all goals."""
    from didact.environments.spaces import discrete
    from didact.experiments.skills.exploration import explore, number_of_places
    from didact.students.skills import compose, tabular

    places = number_of_places(environment)
    if choice.skills is not None:
        allowed = "omitted in an environment with numbered places"
        raise SettingError("--skills", str(choice.skills), allowed)
    steps = TABLE_STEPS if choice.steps is None else choice.steps
    if steps < MIN:
        raise SettingError("--steps", steps, f"at least {MIN}")

    def learn():
        seen = explore(environment, steps, seed=choice.seed)
        table = tabular.learn_table(seen, places, discrete(environment.action_space, "skills").n)
        values = compose(table, automaton, environment.propositions)
        return {"values": values}, table.goals, steps

    return learn


def _deep(choice: Compose, environment: Any, automaton: Any) -> Callable[[], Learned]:
    """Return a function that trains a network for all goals, or reuses the one of `--skills`."""
    from didact.common import display
    from didact.experiments import finite
    from didact.experiments.runs import logs
    from didact.experiments.skills import skill_training
    from didact.students import load_policy
    from didact.students.skills import goal_plans
    from didact.students.skills.deep import GoalLearnerConfig

    skill_training.checked(environment)
    policy = None if choice.skills is None else load_policy(choice.skills)
    if policy is not None:
        allowed = f"a composition in {environment.name} with a network"
        if policy.environment != environment.name or "network" not in policy.params:
            raise SettingError("--skills", str(choice.skills), allowed)
        shape = environment.observation_space["image"].shape
        if policy.observation_space["image"].shape != shape:
            allowed = f"a composition for images of shape {shape}"
            raise SettingError("--skills", str(choice.skills), allowed)
        if choice.steps is not None:
            raise SettingError("--steps", choice.steps, "omitted with --skills")
    steps = NETWORK_STEPS if choice.steps is None else choice.steps
    if steps < skill_training.MIN:
        raise SettingError("--steps", steps, f"at least {skill_training.MIN}")

    def learn():
        found = skill_training.discover(environment, seed=choice.seed)
        if policy is None:
            bar = logs.ProgressBar(display.terminal(), steps, 0, "skills")
            begun = time.perf_counter()

            def tell(done, loss):
                where = f"after {done:,} steps"
                finite.require_finite_metrics({"loss": loss}, where, "learning rate")
                seconds = time.perf_counter() - begun
                bar.update(done, {"steps_per_second": done / seconds})

            with contextlib.closing(bar):
                skills = skill_training.train_skills(
                    environment, found, steps, seed=choice.seed, tell=tell
                )
        else:
            sizes = policy.card["composed"]
            config = GoalLearnerConfig(hidden=sizes["hidden"], cell=sizes["cell"])
            if sizes["goals"] != len(found.goals):
                allowed = f"a network for the {len(found.goals)} goals of this environment"
                raise SettingError("--skills", str(choice.skills), allowed)
            skills = skill_training.skills(found, policy.params["network"], config, environment)
        plan = goal_plans([automaton], environment.propositions, skills.goals, skills.between)
        parts = {name: getattr(plan, name)[0] for name in plan._fields}
        return {"network": skills.params, **parts}, skills.goals, 0 if policy else steps

    return learn
