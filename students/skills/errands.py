"""Policies that follow instructions as skills: a formula says which instruction is due.

A skill is a fact, and words that ask for it: "red_ball" is reached by "go to the red ball". In each
state of a formula's automaton the plan tells which facts lead on; the policy is given the words of
one of them, and forgets what it remembered whenever they change. So a policy that has learned one
instruction at a time does what a formula of any length says.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PRNGKeyArray, UInt8

from didact.environments import SettingError
from didact.students.policies import Policy
from didact.students.skills.automata import Automaton
from didact.students.skills.machines import skill_machine

NOBODY = -1  # where no skill leads on


class Orders(NamedTuple):
    """Which skill is due, for a batch of automata; states as in `Machines`."""

    due: Int[Array, "batch states"]  # its number, or NOBODY
    words: UInt8[Array, "skills length"]  # of each skill, as token ids


def orders(
    automata: Sequence[Automaton],
    skills: Mapping[str, str],
    encode: Callable[[str], UInt8[np.ndarray, " length"]],
    *,
    max_states: int | None = None,
) -> Orders:
    """What to ask a policy for in each state of each automaton.

    Facts come one at a time here. Of several that lead on equally soon, the first one is due.

    Args:
        automata: at least one.
        skills: from facts to the words that ask for them.
        encode: words as the policy reads them.
        max_states: the number of states that all are padded to.

    Raises:
        SettingError: there is no automaton, or one can only go on by facts that no skill reaches.
    """
    if not automata:
        raise SettingError("automata", list(automata), "at least one")
    names = list(skills)
    states = max_states or max(each.num_states for each in automata)
    due = np.full((len(automata), states), NOBODY, np.int32)
    for i, each in enumerate(automata):
        if each.num_states > states:
            allowed = f"one whose automaton has at most {states} states (it has {each.num_states})"
            raise SettingError("formula", str(each.formula), allowed)
        letters = {
            each.letter([name]): names.index(name) for name in each.propositions if name in skills
        }
        possible = np.zeros(each.transitions.shape[1], bool)
        possible[[0, *letters]] = True
        plan = skill_machine(each, possible)
        if not plan.values[each.initial]:
            allowed = "one that is fulfilled by skills: " + ", ".join(names)
            raise SettingError("formula", str(each.formula), allowed)
        for state in range(each.num_states):
            wanted = [letters[x] for x in np.flatnonzero(plan.wanted[state]) if x in letters]
            due[i, state] = min(wanted, default=NOBODY)
    return Orders(jnp.asarray(due), jnp.asarray(np.stack([encode(x) for x in skills.values()])))


class Ordered(NamedTuple):
    """What a policy under orders remembers."""

    memory: Any
    due: Int[Array, " n"]  # the skill that was due in the last step


def begin(policy: Policy, n: int) -> Ordered:
    """The memory before the first step of n worlds."""
    return Ordered(policy.initial_carry(n), jnp.full(n, NOBODY, jnp.int32))


def act(
    policy: Policy,
    made: Orders,
    remembered: Ordered,
    observation: Mapping[str, Array],
    machine: Int[Array, " n"],
    which: Int[Array, " n"],
    key: PRNGKeyArray | None = None,
) -> tuple[Int[Array, " n"], Ordered]:
    """The actions of a policy that is told what is due; can be jitted.

    Args:
        policy: reads `instruction`.
        made: the orders of a batch.
        remembered: what `begin` or the last call gave.
        observation: of n worlds; their own instructions are not read.
        machine: the state of each world's automaton.
        which: the automaton of each world.
        key: randomness, to sample actions; None takes the most probable ones.
    """
    due = made.due[which, machine]
    fresh = policy.initial_carry(len(due))
    new = due != remembered.due

    def forget(old, first):
        return jnp.where(new.reshape(-1, *[1] * (old.ndim - 1)), first, old)

    memory = jax.tree.map(forget, remembered.memory, fresh)
    words = made.words[jnp.maximum(due, 0)]
    told = {**observation, "instruction": words.astype(observation["instruction"].dtype)}
    read = {name: told[name] for name in policy.observation_space}
    choose = policy.student.act_greedily if key is None else policy.student.act
    key = jax.random.key(0) if key is None else key
    action, memory, _ = choose(policy.state, memory, read, key)
    return action, Ordered(memory, due)
