"""Samplers of random formulas of three families, for training and tests of generalisation.

A sampler is a function from a NumPy generator to a formula, determined by the generator's state.

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
Range = tuple[int, int]  # minimum and maximum of a uniform distribution over integers


def sequences(propositions: Sequence[str], length: Range = (2, 4)) -> Sampler:
    """Sample sequences without immediate repetitions, such as `F(a & X F(b & X F c))`.

    Args:
        propositions: at least two propositions, or one if all sequences have length 1.
        length: length of the sequence.

    Raises:
        SettingError: a range is invalid, or there are too few propositions.
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
    """Sample conjunctions of independent sequences, such as `F(a & X F b) & F((c | d) & X F a)`.

    Args:
        propositions: at least three propositions.
        conjuncts: number of sequences.
        depth: length of each sequence.
        choice: probability that a step is a choice of two propositions.

    Raises:
        SettingError: a range is invalid, there are too few propositions, or `choice` is not a
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
    """Sample reach-avoid formulas, such as `!a U (b & (!c U d))`.

    All propositions of a formula are distinct, so every formula can be fulfilled.

    Args:
        propositions: at least 2 x (maximum of `conjuncts`) x (maximum of `depth`) propositions.
        conjuncts: number of chains.
        depth: number of propositions to reach in each chain.

    Raises:
        SettingError: a range is invalid, or there are too few propositions.
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
    """Restrict a sampler to formulas of limited size, by rejection sampling.

    Args:
        sampler: the sampler.
        max_states: maximum number of states of the minimal automaton.
        max_propositions: maximum number of propositions.
        tries: maximum number of tries.

    Raises:
        SettingError: when sampling, if the formulas of all tries are too large.
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
        allowed = "a minimum of at least 1 and a maximum that is not smaller"
        raise SettingError(setting, least_most, allowed)
    if there < needed:
        raise SettingError("propositions", there, f"at least {needed}")


def _within(rng: np.random.Generator, least_most: Range) -> int:
    return int(rng.integers(least_most[0], least_most[1] + 1))


def _steps(
    rng: np.random.Generator, propositions: Sequence[str], length: int, choice: float
) -> list[Formula]:
    """Sample steps, each one proposition or a choice of two, without those of the previous step."""
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
