"""Where the skills of `didact compose` come from: a table, a network, or a policy's instructions.

Each function takes the options of the command (`compose.Compose`), validates those of its kind, and
returns a function that provides the skills.
"""

import contextlib
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from didact.common import display
from didact.common.errors import SettingError
from didact.environments import Environment, with_propositions
from didact.environments.base import PLACE
from didact.environments.spaces import ArraySpace, discrete
from didact.experiments import finite
from didact.experiments.runs import logs
from didact.experiments.setup import make_environment
from didact.experiments.skills import skill_training
from didact.experiments.skills.exploration import explore, number_of_places
from didact.experiments.skills.instructed import instructed_params, instructions_of
from didact.students import load_policy
from didact.students.skills import Automaton, compose, goal_plans, tabular
from didact.students.skills.composed_policy import sizes_of
from didact.students.skills.deep import GoalLearnerConfig

TABLE_STEPS, NETWORK_STEPS = 100_000, 1_000_000
TABLE_MOST = 10**8  # steps, all of which are kept in memory
MIN = 64  # minimum number of steps, one for each environment
DEFAULT = "Office"


class Learned(NamedTuple):
    """The skills for a formula.

    Attributes:
        params: the parameters of the composed policy.
        sizes: its sizes, as in the field `composed` of a card.
        goals: bool[goals, propositions], what the skills reach.
        steps: the number of steps that they were learned from.
        observation_space: what the policy reads besides the state of the formula.
        card: further fields of the card.
    """

    params: dict[str, Any]
    sizes: Mapping[str, int]
    goals: np.ndarray
    steps: int
    observation_space: Mapping[str, ArraySpace]
    card: Mapping[str, Any] = MappingProxyType({})


def environment_of(choice: Any) -> tuple[Environment, tuple[str, ...]]:
    """Return the environment of the options, and its settings as NAME=VALUE."""
    name, settings = choice.env, choice.env_settings
    if choice.policy is not None and name is None:
        policy = load_policy(choice.policy)
        name, settings = policy.environment, (*policy.environment_settings, *settings)
    environment = make_environment(name or DEFAULT, settings)
    if choice.policy is None and choice.instructions:
        raise SettingError("--instructions", list(choice.instructions), "omitted without --policy")
    if environment.propositions or choice.policy is None:
        return environment, settings
    if environment.optional_propositions() is not None:
        return with_propositions(environment), (*settings, "facts=1")
    return environment, settings


def source_of_skills(
    choice: Any, environment: Environment, automaton: Automaton
) -> Callable[[], Learned]:
    """Return a function that provides the skills for a formula.

    Raises:
        SettingError: an option does not fit the environment.
    """
    if choice.policy is not None:
        return _instructed(choice, environment, automaton)
    make = _tabular if PLACE in environment.observation_space else _deep
    return make(choice, environment, automaton)


def _instructed(choice: Any, environment: Environment, automaton: Automaton) -> Any:
    """Return a function that provides the instructions of a policy."""
    for option in ("skills", "steps"):
        if getattr(choice, option) is not None:
            raise SettingError(f"--{option}", getattr(choice, option), "omitted with --policy")
    policy = load_policy(choice.policy)
    instructions = instructions_of(environment, choice.instructions)
    params, goals = instructed_params(policy, environment, automaton, instructions)
    skills, words = params["words"].shape
    sizes = {"states": automaton.num_states, "skills": skills, "words": words}
    kept = ("network", "architecture", "student")
    card = {name: policy.card[name] for name in kept if name in policy.card}
    return lambda: Learned(params, sizes, goals, 0, policy.observation_space, card)


def _tabular(choice: Any, environment: Environment, automaton: Automaton) -> Callable[[], Learned]:
    """Return a function that learns a value table of all goals."""
    places = number_of_places(environment)
    if choice.skills is not None:
        allowed = "omitted in an environment with numbered places"
        raise SettingError("--skills", str(choice.skills), allowed)
    steps = TABLE_STEPS if choice.steps is None else choice.steps
    if not MIN <= steps <= TABLE_MOST:
        raise SettingError("--steps", steps, f"from {MIN} to {TABLE_MOST:,}")

    def learn():
        seen = explore(environment, steps, seed=choice.seed)
        table = tabular.learn_table(seen, places, discrete(environment.action_space, "skills").n)
        values = compose(table, automaton, environment.propositions)
        return _learned(environment, automaton, {"values": values}, table.goals, steps)

    return learn


def _deep(choice: Any, environment: Environment, automaton: Automaton) -> Callable[[], Learned]:
    """Return a function that trains a network for all goals, or reuses the one of `--skills`."""
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
        theirs = [x for x in policy.environment_settings if not x.startswith("formula=")]
        if sorted(theirs) != sorted(choice.env_settings):
            shown = " ".join(theirs) or "none"
            allowed = f"a composition with the same --env-settings (it has {shown})"
            raise SettingError("--skills", str(choice.skills), allowed)
        known = _goals_on(policy.card, environment.propositions)
        if policy.card["composed"]["goals"] != len(known):
            allowed = f"a network for the {len(known)} goals on its card"
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
            found = found.of(known)
            skills = skill_training.skills(found, policy.params["network"], config, environment)
        plan = goal_plans([automaton], environment.propositions, skills.goals, skills.between)
        parts = {name: getattr(plan, name)[0] for name in plan._fields}
        params = {"network": skills.params, **parts}
        learned = _learned(environment, automaton, params, skills.goals, 0 if policy else steps)
        names = np.array(environment.propositions)
        return learned._replace(card={"goals": [names[goal].tolist() for goal in skills.goals]})

    return learn


def _goals_on(card: Mapping[str, Any], propositions: tuple[str, ...]) -> np.ndarray:
    """Return the goals of a network on its card, bool[goals, propositions].

    Raises:
        SettingError: the card has no such goals.
    """
    goals = card.get("goals")
    if not isinstance(goals, list) or not all(
        isinstance(goal, list) and all(name in propositions for name in goal) for goal in goals
    ):
        allowed = "lists of propositions of this environment (compose the skills again)"
        raise SettingError("goals on the card of --skills", goals, allowed)
    return np.array([[name in goal for name in propositions] for goal in goals], bool)


def _learned(
    environment: Environment, automaton: Automaton, params: Any, goals: np.ndarray, steps: int
) -> Learned:
    sizes = sizes_of(automaton.num_states, params)
    return Learned(params, sizes, goals, steps, environment.observation_space)
