"""Skills of `didact compose --policy`: the instructions that a trained policy follows."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from didact.common.errors import SettingError
from didact.environments import Environment
from didact.environments.language import vocabulary
from didact.students import Policy
from didact.students.skills import Automaton
from didact.students.skills.instructed_policy import INSTRUCTION
from didact.students.skills.instruction_skills import instruction_schedule
from didact.students.skills.library import Library, Skill


def instructions_of(environment: Environment, texts: Sequence[str]) -> dict[str, str]:
    """Return the instruction for each proposition of an environment that has one.

    Args:
        environment: environment with propositions.
        texts: additional instructions as PROPOSITION=INSTRUCTION, which take precedence.

    Raises:
        SettingError: a text has another form, or names an unknown proposition.
    """
    made = dict(environment.proposition_instructions)
    for text in texts:
        name, equals, words = (part.strip() for part in text.partition("="))
        if not equals or not words or name not in environment.propositions:
            allowed = "PROPOSITION=INSTRUCTION, with a proposition of " + environment.name
            raise SettingError("--instructions", text, allowed)
        made[name] = words
    return made


def instructed_params(
    policy: Policy, environment: Environment, automaton: Automaton, instructions: Mapping[str, str]
) -> tuple[dict[str, Any], np.ndarray]:
    """Return the parameters of a composed policy, and the goals that it can reach.

    Args:
        policy: a policy that follows instructions.
        environment: environment with propositions.
        automaton: the automaton of the formula.
        instructions: the instruction for each proposition that has one.

    Returns:
        The parameters (see `instructed_policy.InstructedState`), and bool[skills, propositions].

    Raises:
        SettingError: the policy does not follow instructions in this environment, or the formula
            cannot be fulfilled by the instructions.
    """
    described = environment.achieved_instructions()
    space = policy.observation_space.get(INSTRUCTION)
    if space is None or "composed" in policy.card:
        raise SettingError("--policy", policy.card.get("name", "?"), "one that reads instructions")
    policy.check(environment.observation_space, environment.action_space)
    if described is not None:
        blank = jnp.zeros((1, *environment.observation_space[INSTRUCTION].shape), jnp.uint8)
        others = {*described.observations(blank)} & {*policy.observation_space} - {INSTRUCTION}
        if others:
            allowed = f"one that reads no other observation of instructions than {INSTRUCTION!r}"
            raise SettingError("--policy observations", sorted(others), allowed)
    names = [name for name in automaton.propositions if name in instructions]
    if not names:
        known = ", ".join(instructions) or "none; give them by --instructions"
        allowed = f"a formula over propositions that have instructions: {known}"
        raise SettingError("formula", str(automaton.formula), allowed)
    skills = [Skill(name, instructions[name], name, "policy") for name in names]
    length = environment.observation_space[INSTRUCTION].shape[0]
    schedule = instruction_schedule(
        [automaton],
        Library().added(*skills),
        environment.propositions,
        lambda text: vocabulary.encode(text, length),
    )
    goals = np.array([[name == other for other in environment.propositions] for name in names])
    plan = {"leads": np.asarray(schedule.leads[0]), "words": np.asarray(schedule.words)}
    return {"policy": policy.params, **plan}, goals
