"""From formulas to minimal deterministic automata, as arrays.

References:
    De Giacomo and Vardi, Linear Temporal Logic and Linear Dynamic Logic on Finite Traces, IJCAI
    2013; Bansal et al., Hybrid Compositional Reasoning for Reactive Synthesis from Finite-Horizon
    Specifications, AAAI 2020 (building them from the automata of conjuncts).
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
# Before it is made minimal: transitions that are worked out one by one, and states of a product.
WORK, MAX_SIZE = 200_000, 50_000


@dataclass(frozen=True, eq=False)
class Automaton:
    """A minimal, complete deterministic automaton over the labels of steps.

    A letter is a number: bit i says whether `propositions[i]` holds. As traces are not empty, the
    automaton does not accept before the first step.

    Attributes:
        formula: what it was made from.
        propositions: p names.
        transitions: int32[states, 2**p], the state after each letter.
        accepting: bool[states], where the formula is true of the steps until now.
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
        """Where the formula can still come true, or is."""
        return leading_to(self.transitions, self.accepting)

    @property
    def failed(self) -> Bool[np.ndarray, " states"]:
        """Where the formula is false, whatever comes."""
        return ~self.alive

    @cached_property
    def settled(self) -> Bool[np.ndarray, " states"]:
        """Where the formula is true, whatever comes."""
        return ~leading_to(self.transitions, ~self.accepting)

    def letter(self, label: Mapping[str, bool] | Sequence[str]) -> int:
        """The number of a label: the names that hold, or what holds by name.

        Names that the automaton does not know change nothing, as labels tell more than it reads.
        """
        if isinstance(label, Mapping):
            label = [name for name, holds in label.items() if holds]
        held = set(label)
        return sum(1 << i for i, name in enumerate(self.propositions) if name in held)

    def run(self, letters: Sequence[int]) -> list[int]:
        """The states after each letter."""
        states, state = [], self.initial
        for letter in letters:
            state = int(self.transitions[state, letter])
            states.append(state)
        return states

    def same_as(self, other: "Automaton") -> bool:
        """Whether both accept the same traces; they must have the same propositions, in order.

        Raises:
            SettingError: they have not.
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
    """The minimal automaton of a formula.

    Conjunctions and disjunctions are products of the automata of their parts, made minimal at
    each step; anything else is progressed. States are numbered in an order that the language
    gives, so equal languages have equal arrays.

    Args:
        formula: or its text.
        propositions: those of the automaton's letters, in order; those of the formula, in the
            order of first mention, if not given.
        max_propositions, max_states: more than that are refused.

    Raises:
        SettingError: the text is no formula, names something else, or is too large or too deep.
    """
    if isinstance(formula, str):
        formula = parse(formula, propositions)
    formula = checked(formula)
    names = formula.propositions if propositions is None else tuple(propositions)
    unknown = [name for name in formula.propositions if name not in names]
    if unknown:
        raise SettingError("proposition", unknown[0], "one of " + ", ".join(names))
    if len(names) > max_propositions:
        allowed = f"one with at most {max_propositions} propositions (it has {len(names)})"
        raise SettingError("formula", brief(formula), allowed)
    transitions, accepting = _Builder(formula, names).built
    if len(accepting) > max_states:
        allowed = f"one whose automaton has at most {max_states} states (it has {len(accepting)})"
        raise SettingError("formula", brief(formula), allowed)
    return Automaton(formula, names, transitions, accepting)


class _Builder:
    """Makes the automata of a formula's nodes, each once."""

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
                one, other = (self.of(part) for part in parts)
                both = product(one, other, kind == "and", MAX_SIZE)
                if both is None:
                    raise too_complex(self.closure.formula)
                self.known[node] = minimal(*both, 0)
            else:
                self.known[node] = minimal(*self.progressed(node), 0)
        return self.known[node]

    def progressed(self, node: int) -> tuple[np.ndarray, np.ndarray]:
        closure = self.closure
        states = [closure.start(node)]
        number = {states[0]: 0}
        rows = []
        for state in states:  # it grows
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
    """All letters that have only bits of the mask, rising."""
    letter = 0
    while True:
        yield letter
        if letter == mask:
            return
        letter = (letter - mask) & mask
