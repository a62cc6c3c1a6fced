"""Random formulas of three families, for training and for tests of generalisation.

A sampler is a function from a NumPy generator to a formula; the same generator gives the same.

References:
    Vaezipoor et al., LTL2Action: Generalizing LTL Instructions for Multi-Task RL, ICML 2021
    (arXiv:2102.06858), section 5: partially ordered tasks and avoidance tasks.
"""

from collections.abc import Callable, Sequence

import numpy as np

from didact.environments import SettingError
from didact.students.skills.ltl.automata import MAX_PROPOSITIONS, MAX_STATES, automaton
from didact.students.skills.ltl.formulas import (
    And,
    Eventually,
    Formula,
    Next,
    Not,
    Or,
    Proposition,
    Until,
    all_of,
)

Sampler = Callable[[np.random.Generator], Formula]
Range = tuple[int, int]  # the least and the most, each value as likely


def sequences(propositions: Sequence[str], length: Range = (2, 4)) -> Sampler:
    """`F(a & X F(b & X F c))`: one thing after another, never the same one twice in a row.

    Args:
        propositions: at least two, or one where no sequence is longer than that.
        length: how many things.

    Raises:
        SettingError: a range is none, or there are too few propositions.
    """
    _check("length", length, len(propositions), 1 + (length[1] > 1))

    def sample(rng: np.random.Generator) -> Formula:
        return _sequence(_steps(rng, propositions, _within(rng, length), 0))

    return sample


def partially_ordered(
    propositions: Sequence[str],
    conjuncts: Range = (1, 5),
    depth: Range = (1, 4),
    choice: float = 0.25,
) -> Sampler:
    """Several sequences, in any order to one another: `F(a & X F b) & F((c | d) & X F a)`.

    Args:
        propositions: at least three.
        conjuncts: how many sequences.
        depth: how long each.
        choice: how likely each thing is a choice of two.

    Raises:
        SettingError: a range is none, there are too few propositions, or `choice` is no
            probability.
    """
    _check("conjuncts", conjuncts, len(propositions), 3)
    _check("depth", depth, len(propositions), 3)
    if not 0 <= choice <= 1:
        raise SettingError("choice", choice, "between 0 and 1")

    def sample(rng: np.random.Generator) -> Formula:
        rows = [_within(rng, depth) for _ in range(_within(rng, conjuncts))]
        return all_of([_sequence(_steps(rng, propositions, row, choice)) for row in rows])

    return sample


def until_avoiding(
    propositions: Sequence[str], conjuncts: Range = (1, 2), depth: Range = (1, 2)
) -> Sampler:
    """Things to reach while others are avoided: `!a U (b & (!c U d))`.

    All propositions of a formula differ, so each can be fulfilled.

    Args:
        propositions: at least twice the most conjuncts times the greatest depth.
        conjuncts: how many such chains.
        depth: how many things to reach in each.

    Raises:
        SettingError: a range is none, or there are too few propositions.
    """
    _check("conjuncts", conjuncts, len(propositions), 2 * conjuncts[1] * depth[1])
    _check("depth", depth, len(propositions), 2 * conjuncts[1] * depth[1])

    def sample(rng: np.random.Generator) -> Formula:
        rows = [_within(rng, depth) for _ in range(_within(rng, conjuncts))]
        order = rng.permutation(len(propositions))
        names = iter([Proposition(propositions[int(i)]) for i in order])
        chains = []
        for row in rows:
            pairs = [(next(names), next(names)) for _ in range(row)]
            avoided, reached = pairs.pop()
            chain = Until(Not(avoided), reached)
            for avoided, reached in reversed(pairs):
                chain = Until(Not(avoided), And(reached, chain))
            chains.append(chain)
        return all_of(chains)

    return sample


def bounded(
    sampler: Sampler,
    max_states: int = MAX_STATES,
    max_propositions: int = MAX_PROPOSITIONS,
    tries: int = 1000,
) -> Sampler:
    """Draws again while a formula is larger than a batch of machines has room for.

    Args:
        sampler: of what.
        max_states: of the minimal automaton.
        max_propositions: in the formula.
        tries: how often at most.

    Raises:
        SettingError: on drawing, where all tries are too large.
    """

    def sample(rng: np.random.Generator) -> Formula:
        for _ in range(tries):
            formula = sampler(rng)
            try:
                automaton(formula, max_states=max_states, max_propositions=max_propositions)
            except SettingError:
                continue
            return formula
        bounds = f"{max_states} states and {max_propositions} propositions"
        raise SettingError("bounds", bounds, f"larger: none of {tries} formulas fits")

    return sample


def _check(setting: str, least_most: Range, there: int, needed: int) -> None:
    least, most = least_most
    if not 1 <= least <= most:
        raise SettingError(setting, least_most, "two numbers of at least 1, the second not smaller")
    if there < needed:
        raise SettingError("propositions", there, f"at least {needed}")


def _within(rng: np.random.Generator, least_most: Range) -> int:
    return int(rng.integers(least_most[0], least_most[1] + 1))


def _steps(
    rng: np.random.Generator, propositions: Sequence[str], length: int, choice: float
) -> list[Formula]:
    """Each one proposition or a choice of two, none of which the step before has."""
    steps, before = [], set()
    for _ in range(length):
        fresh = [name for name in propositions if name not in before]
        count = 2 if rng.random() < choice and len(fresh) > 1 else 1
        names = [fresh[i] for i in rng.choice(len(fresh), count, replace=False)]
        before = set(names)
        steps.append(Or(*map(Proposition, names)) if count == 2 else Proposition(names[0]))
    return steps


def _sequence(steps: list[Formula]) -> Formula:
    formula = Eventually(steps[-1])
    for step in reversed(steps[:-1]):
        formula = Eventually(And(step, Next(formula)))
    return formula
