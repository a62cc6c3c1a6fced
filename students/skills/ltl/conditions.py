"""Edges of automata: the letters between two states, as a short condition on propositions.

References:
    Quine, The Problem of Simplifying Truth Functions, 1952; McCluskey, Minimization of Boolean
    Functions, 1956 (prime implicants, and minimal covers of a function).
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from didact.students.skills.ltl.automata import Automaton
from didact.students.skills.ltl.formulas import Formula, Not, Proposition, all_of, any_of

# Up to this number of optional clauses, the minimal cover is found exactly; otherwise greedily.
EXACT = 14


class Edge(NamedTuple):
    """All transitions from one state to another, with their condition."""

    source: int
    target: int
    condition: Formula


def edges(automaton: Automaton, possible: Bool[np.ndarray, " letters"] | None = None) -> list[Edge]:
    """Return the edges of an automaton, including loops, ordered by source and target.

    Args:
        automaton: an automaton.
        possible: the letters that can occur, such as `at_most_one(automaton)`. Edges without a
            possible letter are left out, and conditions are simplified: "a" instead of "a & !b".
    """
    found = []
    for source, row in enumerate(automaton.transitions):
        for target in np.unique(row if possible is None else row[possible]):
            when = condition(row == target, automaton.propositions, possible)
            found.append(Edge(source, int(target), when))
    return found


def at_most_one(automaton: Automaton) -> Bool[np.ndarray, " letters"]:
    """Return the letters in which at most one proposition holds, as if each were a place."""
    letters = np.arange(automaton.transitions.shape[1])
    return letters & (letters - 1) == 0


def condition(
    holds: Bool[np.ndarray, " letters"],
    propositions: tuple[str, ...],
    possible: Bool[np.ndarray, " letters"] | None = None,
) -> Formula:
    """Return the smallest disjunction of conjunctions that holds for exactly these letters.

    Args:
        holds: bool[2**p], whether it holds for each letter; bit i of a letter is that of
            `propositions[i]`.
        propositions: the names of p propositions.
        possible: the letters for which the condition must be correct; all letters if None.

    Returns:
        The condition with the fewest clauses, then the fewest literals, then the fewest negative
        literals (approximately, if more than `EXACT` prime implicants are optional). It is `true`
        for all letters and `false` for none.
    """
    free = np.zeros_like(holds) if possible is None else ~possible
    # One axis for each proposition, that of `propositions[0]` first.
    wanted, may = (
        np.asarray(values, bool).reshape((2,) * len(propositions)).T
        for values in (holds & ~free, holds | free)
    )
    primes = _prime_implicants(may)
    clauses = primes[_cover(primes, np.argwhere(wanted))]
    # Positive literals come before negative ones.
    ordered = sorted(clauses.tolist(), key=lambda clause: [(1, 0, 2)[value] for value in clause])
    return any_of([_conjunction(clause, propositions) for clause in ordered])


def _conjunction(clause: list[int], names: tuple[str, ...]) -> Formula:
    literals = zip(clause, map(Proposition, names), strict=True)
    return all_of([name if value else Not(name) for value, name in literals if value < 2])


def _prime_implicants(values: Bool[np.ndarray, "..."]) -> Int[np.ndarray, "primes p"]:
    """Return prime implicants; of each proposition, 0 if it must not hold, 1 if it must, else 2."""
    cubes = values
    for axis in range(values.ndim):
        either = np.logical_and(*(np.take(cubes, [i], axis) for i in (0, 1)))
        cubes = np.concatenate([cubes, either], axis)
    primes = cubes.copy()
    for axis in range(values.ndim):
        larger = np.take(cubes, [2, 2, 2], axis)
        np.moveaxis(larger, axis, 0)[2] = False
        primes &= ~larger
    return np.argwhere(primes)


def _cover(primes: np.ndarray, minterms: np.ndarray) -> list[int]:
    """Return the rows of the fewest primes that cover all minterms."""
    fits = (primes[:, None, :] == 2) | (primes[:, None, :] == minterms[None, :, :])
    covers = fits.all(-1)  # [primes, minterms]
    essential = covers[:, covers.sum(0) == 1].any(1)
    chosen = np.flatnonzero(essential).tolist()
    covers = covers[:, ~covers[essential].any(0)]
    if not covers.shape[1]:
        return chosen
    # Negative literals cost slightly more than positive ones.
    literals = (primes < 2).sum(1) + (primes == 0).sum(1) / (1 + primes.size)
    others = np.flatnonzero(covers.any(1)).tolist()
    if len(others) <= EXACT:
        for size in range(1, len(others) + 1):
            enough = [c for c in combinations(others, size) if covers[list(c)].any(0).all()]
            if enough:
                return chosen + list(min(enough, key=lambda c: literals[list(c)].sum()))
    while covers.shape[1]:
        best = max(others, key=lambda i: (covers[i].sum(), -literals[i]))
        chosen.append(best)
        covers = covers[:, ~covers[best]]
    return chosen
