"""Policies that follow instructions as skills: a formula says which instruction is due.

In each state of a formula's automaton the plan tells which facts lead on, and so which skills of a
library end where it leads on. One of them that can begin is due, until it has come to its end: its
policy is given its words, and forgets what it remembered whenever another skill is due. So policies
that have learned one instruction at a time do what a formula of any length says.

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
from didact.students.skills.library import Library, static
from didact.students.skills.ltl.automata import Automaton, automaton
from didact.students.skills.ltl.formulas import brief
from didact.students.skills.machines import skill_machine

NO_POLICY = -1  # where no skill leads on, or none of them can begin
IDLE = "done"  # the action of grid worlds that changes nothing
MAX_PROPOSITIONS = 8  # that a condition to begin may name


class InstructionSchedule(NamedTuple):
    """Which skills lead on, for a batch of automata; states as in `AutomatonBatch`."""

    leads: Bool[Array, "batch states skills"]
    words: UInt8[Array, "skills length"]  # of each skill, as token ids
    owner: Int[Array, " skills"]  # the number of its policy
    weights: Int[Array, "skills labels"]  # the letter of a condition to begin is their sum
    begins: Bool[Array, "skills letters"]  # whether it holds


def instruction_schedule(
    automata: Sequence[Automaton],
    library: Library,
    propositions: Sequence[str],
    encode: Callable[[str], UInt8[np.ndarray, " length"]],
    *,
    max_states: int | None = None,
) -> InstructionSchedule:
    """What leads on in each state of each automaton.

    A skill ends with no more facts than its `ends` asks for, as far as plans count on it.

    Args:
        automata: at least one.
        library: at least one skill.
        propositions: what labels mean.
        encode: words as the policies read them.
        max_states: the number of states that all are padded to.

    Raises:
        SettingError: there is no automaton or skill, a skill speaks of an unknown proposition, or
            a formula can only be fulfilled by facts with which no skill ends.
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
                allowed = f"of the propositions {', '.join(propositions)} ({name!r} is none)"
                raise SettingError(f"skill {skill.name}", skill.ends, allowed)
    states = max_states or max(each.num_states for each in automata)
    leads = np.zeros((len(automata), states, len(skills)), bool)
    for i, each in enumerate(automata):
        if each.num_states > states:
            allowed = f"one whose automaton has at most {states} states (it has {each.num_states})"
            raise SettingError("formula", brief(each.formula), allowed)
        leads[i, : each.num_states] = _leads(each, ends, library)
    letters = max(begin.transitions.shape[1] for begin in begins)
    weights = np.zeros((len(skills), len(propositions)), np.int32)
    holds = np.zeros((len(skills), letters), bool)
    for k, begin in enumerate(begins):
        for bit, name in enumerate(begin.propositions):
            weights[k, list(propositions).index(name)] = 1 << bit
        after = begin.transitions[begin.initial]
        holds[k, : len(after)] = begin.accepting[after]
    words = np.stack([encode(skill.description) for skill in skills])
    names = policies_of(library)
    owner = np.array([names.index(skill.policy) for skill in skills])
    return InstructionSchedule(*map(jnp.asarray, (leads, words, owner, weights, holds)))


def policies_of(library: Library) -> list[str]:
    """The policies of a library's skills, each once; `InstructionSchedule.owner` numbers them
    so."""
    return list(dict.fromkeys(skill.policy for skill in library.values()))


def _leads(each: Automaton, ends: Sequence[Any], library: Library) -> np.ndarray:
    """The skills that lead on in each state, [states, skills]."""
    found = [_letters(each, end) for end in ends]
    possible = np.zeros(each.transitions.shape[1], bool)
    possible[[0, *(x for letters in found for x in letters)]] = True
    plan = skill_machine(each, possible)
    if not plan.values[each.initial]:
        allowed = "one that is fulfilled by skills: " + ", ".join(library)
        raise SettingError("formula", brief(each.formula), allowed)
    return np.stack([plan.wanted[:, letters].any(1) for letters in found], 1)


def _letters(each: Automaton, end: Any) -> list[int]:
    """The letters that an automaton reads where a condition holds with the fewest facts."""
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
    """What policies under orders remember."""

    memory: tuple[Any, ...]  # of each policy
    due: Int[Array, " n"]  # the skill that was due in the last step, or NOBODY


def initial_memory(policies: Sequence[Policy], n: int) -> ExecutionMemory:
    """The memory before the first step of n worlds."""
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
    """The actions of policies that are told what is due; can be jitted.

    Where nothing is due the action is "done", if there is one; without it, the policy of the first
    skill acts, told the words of that skill.

    Args:
        policies: those of `policies_of`, which have the same actions and read `instruction`. All of
            them are asked in all worlds.
        made: the orders of a batch.
        remembered: what `initial_memory` or the last call gave.
        observation: of n worlds; their own instructions are not read.
        labels: what holds now.
        machine: the state of each world's automaton.
        which: the automaton of each world.
        key: randomness, to sample actions; None takes the most probable ones.
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
