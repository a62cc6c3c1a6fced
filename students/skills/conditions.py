"""The letters that lead from one state to another, as a short condition on propositions.

References:
    Quine, The Problem of Simplifying Truth Functions, 1952; McCluskey, Minimization of Boolean
    Functions, 1956 (prime implicants, and the fewest of them that cover a function).
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from didact.students.skills.automata import Automaton
from didact.students.skills.formulas import Formula, Not, Proposition, all_of, any_of

# Up to so many clauses that might be left out, the fewest are found by trying all; else greedily.
EXACT = 14


class Edge(NamedTuple):
    """All that leads from one state to another."""

    source: int
    target: int
    condition: Formula


def edges(automaton: Automaton) -> list[Edge]:
    """The edges of an automaton, by source and then by target; loops too."""
    found = []
    for source, row in enumerate(automaton.transitions):
        for target in np.unique(row):
            when = condition(row == target, automaton.propositions)
            found.append(Edge(source, int(target), when))
    return found


def condition(holds: Bool[np.ndarray, " letters"], propositions: tuple[str, ...]) -> Formula:
    """The smallest disjunction of conjunctions that holds for just these letters.

    Args:
        holds: bool[2**p], for which letters; bit i of a letter is that of `propositions[i]`.
        propositions: p names.

    Returns:
        One with the fewest clauses, and among those the fewest literals (close to it where more
        than `EXACT` prime implicants compete). `true` for all letters, `false` for none.
    """
    # One axis for each proposition, that of `propositions[0]` first; those that matter stay.
    values = np.asarray(holds, bool).reshape((2,) * len(propositions)).T
    names = list(propositions)
    for axis in reversed(range(len(names))):
        without, with_it = (np.take(values, i, axis) for i in (0, 1))
        if (without == with_it).all():
            values = without
            del names[axis]
    if not names:
        return any_of([all_of([])] if values.all() else [])
    primes = _prime_implicants(values)
    clauses = primes[_cover(primes, np.argwhere(values))]
    # What holds is told before what does not.
    ordered = sorted(clauses.tolist(), key=lambda clause: [(1, 0, 2)[value] for value in clause])
    return any_of([_conjunction(clause, names) for clause in ordered])


def _conjunction(clause: list[int], names: list[str]) -> Formula:
    literals = zip(clause, map(Proposition, names), strict=True)
    return all_of([name if value else Not(name) for value, name in literals if value < 2])


def _prime_implicants(values: Bool[np.ndarray, "..."]) -> Int[np.ndarray, "primes p"]:
    """Of each proposition: 0 where it must not hold, 1 where it must, 2 where it may."""
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
    """The rows of the fewest primes that together hold for all minterms."""
    fits = (primes[:, None, :] == 2) | (primes[:, None, :] == minterms[None, :, :])
    covers = fits.all(-1)  # [primes, minterms]
    essential = covers[:, covers.sum(0) == 1].any(1)
    chosen = np.flatnonzero(essential).tolist()
    covers = covers[:, ~covers[essential].any(0)]
    if not covers.shape[1]:
        return chosen
    literals = (primes < 2).sum(1)
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
