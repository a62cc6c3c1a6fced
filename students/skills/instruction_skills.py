"""Instruction-following policies as skills: a formula determines the current instruction.

In each state of a formula's automaton, the plan tells which propositions make progress, and thereby
which skills of a library do. One of those that can begin is active until it ends: its policy is
given the skill's description as the instruction, and its memory is reset whenever the active skill
changes. This way, policies that were trained on single instructions follow formulas of any length.

References:
    Sutton, Precup and Singh, Between MDPs and Semi-MDPs: A Framework for Temporal Abstraction in
    Reinforcement Learning, Artificial Intelligence 1999 (options).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, PRNGKeyArray, UInt8

from didact.environments import SettingError
from didact.students.policies.policy import Policy
from didact.students.skills.instructed_policy import IDLE, NO_POLICY
from didact.students.skills.library import Library, static
from didact.students.skills.ltl.automata import Automaton, automaton
from didact.students.skills.ltl.formulas import brief
from didact.students.skills.machines import skill_machine

MAX_PROPOSITIONS = 8  # maximum number of propositions in a skill's initial condition


class InstructionSchedule(NamedTuple):
    """The skills that make progress, for a batch of automata; states as in `AutomatonBatch`."""

    leads: Bool[Array, "batch states skills"]  # whether the skill makes progress
    words: UInt8[Array, "skills length"]  # description of each skill, as token ids
    owner: Int[Array, " skills"]  # index of the skill's policy
    weights: Int[Array, "skills labels"]  # their sum over true labels is the letter for `begins`
    begins: Bool[Array, "skills letters"]  # whether the skill can begin


def instruction_schedule(
    automata: Sequence[Automaton],
    library: Library,
    propositions: Sequence[str],
    encode: Callable[[str], UInt8[np.ndarray, " length"]],
    *,
    max_states: int | None = None,
) -> InstructionSchedule:
    """Determine the skills that make progress in each state of each automaton.

    Plans assume that a skill ends with the fewest true propositions that satisfy its `ends`.

    Args:
        automata: at least one automaton.
        library: at least one skill.
        propositions: the names of the propositions in labels.
        encode: a function that encodes a description as the policies read it.
        max_states: the number of states to pad to; the largest number of states if None.

    Raises:
        SettingError: there is no automaton or skill, a skill has an unknown proposition, or a
            formula cannot be fulfilled by the skills.
    """
    for name, values in (("automata", automata), ("library", library)):
        if not values:
            raise SettingError(name, list(values), "at least one")
    skills = list(library.values())
    ends = [static(skill.ends) for skill in skills]
    begins = [
        automaton(static(skill.begins), max_propositions=MAX_PROPOSITIONS) for skill in skills
    ]
    for skill, end, begin in zip(skills, ends, begins, strict=True):
        for name in (*end.propositions, *begin.propositions):
            if name not in propositions:
                known = ", ".join(propositions)
                allowed = f"a formula over the propositions {known} ({name!r} is unknown)"
                raise SettingError(f"skill {skill.name}", skill.ends, allowed)
    states = max_states or max(each.num_states for each in automata)
    leads = np.zeros((len(automata), states, len(skills)), bool)
    for i, each in enumerate(automata):
        if each.num_states > states:
            allowed = f"one whose automaton has at most {states} states (it has {each.num_states})"
            raise SettingError("formula", brief(each.formula), allowed)
        leads[i, : each.num_states] = _leads(each, ends, library)
    weights, holds = _table(begins, propositions)
    words = np.stack([encode(skill.description) for skill in skills])
    names = policies_of(library)
    owner = np.array([names.index(skill.policy) for skill in skills])
    return InstructionSchedule(*map(jnp.asarray, (leads, words, owner, weights, holds)))


def holding_ends(
    library: Library, propositions: Sequence[str]
) -> Callable[[Bool[Array, "n labels"]], Bool[Array, "n skills"]]:
    """Return a function from labels to the skills whose `ends` hold."""
    ends = [automaton(static(skill.ends)) for skill in library.values()]
    weights, holds = _table(ends, propositions)

    def held(labels):
        letter = jnp.sum(jnp.where(labels[:, None], weights, 0), -1)
        return jnp.asarray(holds)[jnp.arange(len(ends)), letter]

    return held


def _table(
    conditions: Sequence[Automaton], propositions: Sequence[str]
) -> tuple[Int[np.ndarray, "k labels"], Bool[np.ndarray, "k letters"]]:
    """Return the weights of labels, whose sum is the letter, and the letters of each condition."""
    letters = max(made.transitions.shape[1] for made in conditions)
    weights = np.zeros((len(conditions), len(propositions)), np.int32)
    holds = np.zeros((len(conditions), letters), bool)
    for k, made in enumerate(conditions):
        for bit, name in enumerate(made.propositions):
            weights[k, list(propositions).index(name)] = 1 << bit
        after = made.transitions[made.initial]
        holds[k, : len(after)] = made.accepting[after]
    return weights, holds


def policies_of(library: Library) -> list[str]:
    """Return the distinct policies of a library's skills, in the order of the indices in
    `InstructionSchedule.owner`.
    """
    return list(dict.fromkeys(skill.policy for skill in library.values()))


def _leads(each: Automaton, ends: Sequence[Any], library: Library) -> np.ndarray:
    """Return the skills that make progress in each state, [states, skills]."""
    found = [_letters(each, end) for end in ends]
    possible = np.zeros(each.transitions.shape[1], bool)
    possible[[0, *(x for letters in found for x in letters)]] = True
    plan = skill_machine(each, possible)
    if not plan.values[each.initial]:
        allowed = "a formula that the skills can fulfil: " + ", ".join(library)
        raise SettingError("formula", brief(each.formula), allowed)
    return np.stack([plan.wanted[:, letters].any(1) for letters in found], 1)


def _letters(each: Automaton, end: Any) -> list[int]:
    """Return the letters that satisfy a condition with the fewest true propositions."""
    made = automaton(end)
    holds = np.flatnonzero(made.accepting[made.transitions[made.initial]])
    fewest = min((int(x).bit_count() for x in holds), default=0)
    named = [
        [name for bit, name in enumerate(made.propositions) if x >> bit & 1]
        for x in map(int, holds)
        if x.bit_count() == fewest
    ]
    return sorted({each.letter(names) for names in named if names} - {0})


class ExecutionMemory(NamedTuple):
    """The memory of policies that follow a schedule."""

    memory: tuple[Any, ...]  # the carry of each policy
    due: Int[Array, " n"]  # the skill that was active in the last step, or NO_POLICY


def initial_memory(policies: Sequence[Policy], n: int) -> ExecutionMemory:
    """Return the memory at the start of an episode in n environments."""
    memory = tuple(policy.initial_carry(n) for policy in policies)
    return ExecutionMemory(memory, jnp.full(n, NO_POLICY, jnp.int32))


def act(
    policies: Sequence[Policy],
    made: InstructionSchedule,
    remembered: ExecutionMemory,
    observation: Mapping[str, Array],
    labels: Bool[Array, "n labels"],
    machine: Int[Array, " n"],
    which: Int[Array, " n"],
    key: PRNGKeyArray | None = None,
) -> tuple[Int[Array, " n"], ExecutionMemory]:
    """Choose actions with the policies of the active skills; can be jitted.

    Without an active skill, the action is "done" if there is such an action; otherwise the policy
    of the first skill acts under that skill's instruction.

    Args:
        policies: the policies of `policies_of`, which must have the same actions and read
            `instruction`. All of them are evaluated in all environments.
        made: the schedule of a batch of automata.
        remembered: the memory, from `initial_memory` or the previous call.
        observation: observations of n environments; their own instructions are ignored.
        labels: the propositions that hold now.
        machine: the state of each environment's automaton.
        which: the index of each environment's automaton.
        key: random key to sample actions; None for greedy actions.

    Returns:
        The actions and the memory.
    """
    leads = made.leads[which, machine]
    letter = jnp.sum(jnp.where(labels[:, None], made.weights, 0), -1)
    may = leads & made.begins[jnp.arange(leads.shape[1]), letter]
    due = jnp.where(jnp.any(may, 1), jnp.argmax(may, 1), NO_POLICY)
    goes_on = jnp.take_along_axis(leads, jnp.maximum(remembered.due, 0)[:, None], 1)[:, 0]
    due = jnp.where(goes_on & (remembered.due != NO_POLICY), remembered.due, due)
    new = due != remembered.due

    def forget(old, first):
        return jnp.where(new.reshape(-1, *[1] * (old.ndim - 1)), first, old)

    words = made.words[jnp.maximum(due, 0)].astype(observation["instruction"].dtype)
    seen = {**observation, "instruction": words}
    owner, memories = made.owner[jnp.maximum(due, 0)], []
    action = jnp.zeros(len(due), jnp.int32)
    keys = jax.random.split(jax.random.key(0) if key is None else key, len(policies))
    for number, (policy, memory) in enumerate(zip(policies, remembered.memory, strict=True)):
        memory = jax.tree.map(forget, memory, policy.initial_carry(len(due)))
        read = {name: seen[name] for name in policy.observation_space}
        choose = policy.student.act_greedily if key is None else policy.student.act
        chosen, memory, _ = choose(policy.state, memory, read, keys[number])
        action = jnp.where(owner == number, chosen, action)
        memories.append(memory)
    names = list(policies[0].action_space.action_names)
    if IDLE in names:
        action = jnp.where(due == NO_POLICY, names.index(IDLE), action)
    return action, ExecutionMemory(tuple(memories), due)
