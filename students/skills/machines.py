"""Skill machines: the propositions to reach and to avoid in each state of an automaton.

References:
    Nangue Tasse et al., Skill Machines: Temporal Logic Skill Composition in Reinforcement Learning,
    ICLR 2024 (arXiv:2205.12532), section 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from didact.environments import SettingError
from didact.students.skills.ltl.automata import Automaton
from didact.students.skills.ltl.conditions import condition
from didact.students.skills.ltl.formulas import And, Formula


@dataclass(frozen=True, eq=False)
class SkillMachine:
    """The letters to reach and to avoid in each state of an automaton.

    Attributes:
        automaton: the automaton of the task.
        values: float[states], discount**(k - 1) where the formula can become true by k changes of
            state; 0 where it cannot, and where it is true.
        wanted: bool[states, letters], the letters that begin an optimal way.
        forbidden: bool[states, letters], the letters that make the formula impossible.
        possible: bool[letters], the letters that can occur.
    """

    automaton: Automaton
    values: Float[np.ndarray, " states"]
    wanted: Bool[np.ndarray, "states letters"]
    forbidden: Bool[np.ndarray, "states letters"]
    possible: Bool[np.ndarray, " letters"]

    def skill(self, state: int) -> Formula:
        """Return the condition to reach in a state: a wanted letter that is not forbidden."""
        names = self.automaton.propositions
        wanted = condition(self.wanted[state], names, self.possible)
        if not self.forbidden[state, self.possible].any():
            return wanted
        safe = condition(~self.forbidden[state], names, self.possible)
        return wanted if safe == wanted else And(wanted, safe)


def skill_machine(
    automaton: Automaton,
    possible: Bool[np.ndarray, " letters"] | None = None,
    discount: float = 0.9,
) -> SkillMachine:
    """Plan over an automaton by value iteration.

    The reward is 1 for a change of state that makes the formula true. In each state, the letters
    with the highest value are wanted; letters that keep the state are not.

    Args:
        automaton: the automaton of the task.
        possible: the letters that can occur in the environment, such as `letters_of_goals`. Without
            it, a plan may rely on propositions that never hold together.
        discount: discount factor per change of state.

    Raises:
        SettingError: the discount is not between 0 and 1, or no letter is possible.
    """
    if not 0 < discount < 1:
        raise SettingError("discount", discount, "between 0 and 1")
    after, accepting = automaton.transitions, automaton.accepting
    possible = np.ones(after.shape[1], bool) if possible is None else np.asarray(possible, bool)
    if not possible.any():
        raise SettingError("possible", "no letter", "at least one letter")
    on = (after != np.arange(len(after))[:, None]) & possible & ~accepting[:, None]
    values = np.zeros(len(after))
    for _ in range(len(after)):  # no optimal way has more steps
        promised = np.where(on, np.where(accepting[after], 1.0, discount * values[after]), 0.0)
        values = promised.max(1)
    wanted = on & (promised > 0) & (promised >= values[:, None] * (1 - 1e-9))
    forbidden = automaton.failed[after] & automaton.alive[:, None]
    return SkillMachine(automaton, values, wanted, forbidden, possible)


def letters_of(
    automaton: Automaton, propositions: Sequence[str], goals: Bool[np.ndarray, "goals propositions"]
) -> Int[np.ndarray, " goals"]:
    """Return the letter that an automaton reads at each goal.

    Args:
        automaton: an automaton.
        propositions: the names of the columns of `goals`.
        goals: the propositions that hold at each goal.

    Raises:
        SettingError: a proposition of the automaton is not in `propositions`.
    """
    letters = np.zeros(len(goals), np.int64)
    for bit, name in enumerate(automaton.propositions):
        if name not in propositions:
            raise SettingError("proposition", name, "one of " + ", ".join(propositions))
        letters |= (
            np.asarray(goals, bool)[:, list(propositions).index(name)].astype(np.int64) << bit
        )
    return letters


def letters_of_goals(
    automaton: Automaton, propositions: Sequence[str], goals: Bool[np.ndarray, "goals propositions"]
) -> Bool[np.ndarray, " letters"]:
    """Return the letters that can occur with these goals, including the empty letter."""
    possible = np.zeros(automaton.transitions.shape[1], bool)
    possible[0] = True
    possible[letters_of(automaton, propositions, goals)] = True
    return possible
