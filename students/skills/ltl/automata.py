"""Minimal deterministic automata of formulas, as arrays.

References:
    De Giacomo and Vardi, Linear Temporal Logic and Linear Dynamic Logic on Finite Traces, IJCAI
    2013; Bansal et al., Hybrid Compositional Reasoning for Reactive Synthesis from Finite-Horizon
    Specifications, AAAI 2020 (building automata from those of conjuncts).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Int

from didact.environments import SettingError
from didact.students.skills.ltl.formulas import Formula, brief, checked
from didact.students.skills.ltl.minimisation import leading_to, minimal, product
from didact.students.skills.ltl.parser import parse
from didact.students.skills.ltl.progression import Closure, too_complex

MAX_PROPOSITIONS = 10
MAX_STATES = 512
# Limits: transitions computed by progression, states of a product before minimisation, and states
# of each of its parts, as products of large automata hardly ever shrink to `MAX_STATES`.
WORK, MAX_SIZE, MAX_PART = 100_000, 50_000, 2048


@dataclass(frozen=True, eq=False)
class Automaton:
    """A minimal, complete deterministic automaton over the labels of steps.

    A letter is a number whose bit i is 1 if `propositions[i]` holds. Traces are not empty, so the
    automaton does not accept before the first step.

    Attributes:
        formula: the formula of the automaton.
        propositions: the names of p propositions.
        transitions: int32[states, 2**p], the state after each letter.
        accepting: bool[states], whether the formula is true of the steps so far.
        initial: the state before the first step.
    """

    formula: Formula
    propositions: tuple[str, ...]
    transitions: Int[np.ndarray, "states letters"]
    accepting: Bool[np.ndarray, " states"]
    initial: int = 0

    @property
    def num_states(self) -> int:
        return len(self.accepting)

    @cached_property
    def alive(self) -> Bool[np.ndarray, " states"]:
        """Whether the formula is true or can still become true, for each state."""
        return leading_to(self.transitions, self.accepting)

    @property
    def failed(self) -> Bool[np.ndarray, " states"]:
        """Whether the formula is false and can no longer become true, for each state."""
        return ~self.alive

    @cached_property
    def settled(self) -> Bool[np.ndarray, " states"]:
        """Whether the formula is true and can no longer become false, for each state."""
        return ~leading_to(self.transitions, ~self.accepting)

    def letter(self, label: Mapping[str, bool] | Sequence[str]) -> int:
        """Return the letter of a label.

        Names that are not propositions of the automaton are ignored.

        Args:
            label: the names of the propositions that hold, or a mapping from names to truth values.
        """
        if isinstance(label, Mapping):
            label = [name for name, holds in label.items() if holds]
        held = set(label)
        return sum(1 << i for i, name in enumerate(self.propositions) if name in held)

    def run(self, letters: Sequence[int]) -> list[int]:
        """Return the states after each letter, starting from the initial state."""
        states, state = [], self.initial
        for letter in letters:
            state = int(self.transitions[state, letter])
            states.append(state)
        return states

    def same_as(self, other: "Automaton") -> bool:
        """Whether both automata accept the same traces.

        Raises:
            SettingError: the automata have different propositions or a different order of them.
        """
        if self.propositions != other.propositions:
            raise SettingError("propositions", other.propositions, f"{self.propositions}")
        return np.array_equal(self.transitions, other.transitions) and np.array_equal(
            self.accepting, other.accepting
        )


def automaton(
    formula: Formula | str,
    propositions: Sequence[str] | None = None,
    *,
    max_propositions: int = MAX_PROPOSITIONS,
    max_states: int = MAX_STATES,
) -> Automaton:
    """Make the minimal automaton of a formula.

    Automata of conjunctions and disjunctions are products of those of their parts, minimised at
    each step; other automata are built by progression. States are numbered canonically, so that
    automata of the same language have equal arrays.

    Args:
        formula: a formula or its text.
        propositions: the propositions of the automaton's letters, in order; if None, those of the
            formula, in the order of first mention.
        max_propositions, max_states: limits on the size of the automaton.

    Raises:
        SettingError: the text is not a formula, or the formula has an unknown proposition, is too
            deep, or exceeds a limit.
    """
    if isinstance(formula, str):
        formula = parse(formula, propositions)
    formula = checked(formula)
    names = formula.propositions if propositions is None else tuple(propositions)
    unknown = [name for name in formula.propositions if name not in names]
    if unknown:
        raise SettingError("proposition", unknown[0], "one of " + ", ".join(names))
    if len(names) > max_propositions:
        allowed = f"a formula with at most {max_propositions} propositions (it has {len(names)})"
        raise SettingError("formula", brief(formula), allowed)
    transitions, accepting = _Builder(formula, names).built
    if len(accepting) > max_states:
        limit = f"at most {max_states} states (it has {len(accepting)})"
        raise SettingError("formula", brief(formula), f"a formula whose automaton has {limit}")
    return Automaton(formula, names, transitions, accepting)


class _Builder:
    """A builder that makes the automaton of each node of a formula once."""

    def __init__(self, formula: Formula, propositions: tuple[str, ...]):
        self.closure = Closure(formula, propositions)
        self.letters = np.arange(1 << len(propositions))
        self.work = 0
        self.known: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.built = self.of(self.closure.root)

    def of(self, node: int) -> tuple[np.ndarray, np.ndarray]:
        if node not in self.known:
            kind, *parts = self.closure.nodes[node]
            if kind in ("and", "or"):
                one, other = (self.part(part) for part in parts)
                both = product(one, other, kind == "and", MAX_SIZE)
                if both is None:
                    raise too_complex(self.closure.formula)
                self.known[node] = minimal(*both, 0)
            else:
                self.known[node] = minimal(*self.progressed(node), 0)
        return self.known[node]

    def part(self, node: int) -> tuple[np.ndarray, np.ndarray]:
        made = self.of(node)
        if len(made[1]) > MAX_PART:
            raise too_complex(self.closure.formula)
        return made

    def progressed(self, node: int) -> tuple[np.ndarray, np.ndarray]:
        closure = self.closure
        states = [closure.start(node)]
        number = {states[0]: 0}
        rows = []
        for state in states:  # the list grows during the iteration
            mask = closure.relevant(state)
            row = np.zeros(len(self.letters), np.int32)
            for letter in _within(mask):
                self.work += 1
                if self.work > WORK:
                    raise too_complex(closure.formula)
                target = closure.step(state, letter)
                if target not in number:
                    number[target] = len(states)
                    states.append(target)
                row[letter] = number[target]
            rows.append(row[self.letters & mask])
        return np.stack(rows), np.array([closure.accepts(state) for state in states])


def _within(mask: int):
    """Iterate over all letters whose bits are in the mask, in ascending order."""
    letter = 0
    while True:
        yield letter
        if letter == mask:
            return
        letter = (letter - mask) & mask
