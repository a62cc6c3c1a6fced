"""An oracle for temporal formulas: their semantics, read off over the positions of all traces.

It knows nothing of progression and automata. All traces of n letters over p propositions are
numbered with the first letter as the highest digit, so the rest of trace w from position k on is
trace w mod letters**(n - k) of that length.
"""

import numpy as np

from didact.students.skills.ltl import formulas as f


def truth(formula, names, longest):
    """For n = 1, ..., longest: bool[letters**n], whether each trace of n letters is a model."""
    return _Oracle(names).values(formula, longest)


class _Oracle:
    def __init__(self, names):
        self.names, self.letters = names, 2 ** len(names)
        self.known = {}

    def values(self, formula, longest):
        return [self.value(formula, n) for n in range(1, longest + 1)]

    def at(self, formula, n, k):
        """Whether it holds at position k of each trace: bool[letters**k, letters**(n - k)]."""
        rest = self.value(formula, n - k)
        return np.broadcast_to(rest, (self.letters**k, len(rest)))

    def value(self, formula, n):
        if (formula, n) not in self.known:
            self.known[formula, n] = self.holds(formula, n)
        return self.known[formula, n]

    def holds(self, formula, n):
        match formula:
            case f.Constant(value=value):
                return np.full(self.letters**n, value)
            case f.Proposition(name=name):
                first = np.arange(self.letters) >> self.names.index(name) & 1
                return np.repeat(first.astype(bool), self.letters ** (n - 1))
            case f.Last():
                return np.full(self.letters**n, n == 1)
            case f.Not(operand=inner):
                return ~self.value(inner, n)
            case f.Next(operand=inner):
                return self.at(inner, n, 1).ravel() if n > 1 else np.zeros(self.letters, bool)
            case f.WeakNext(operand=inner):
                return self.at(inner, n, 1).ravel() if n > 1 else np.ones(self.letters, bool)
            case f.Eventually(operand=inner):
                return self.somewhere(inner, n, True)
            case f.Always(operand=inner):
                return ~self.somewhere(inner, n, False)
        left, right = formula.left, formula.right
        match formula:
            case f.And():
                return self.value(left, n) & self.value(right, n)
            case f.Or():
                return self.value(left, n) | self.value(right, n)
            case f.Implies():
                return self.value(left, n) <= self.value(right, n)
            case f.Iff():
                return self.value(left, n) == self.value(right, n)
            case f.Until():
                return self.until(left, right, n, True, True)
            case f.WeakUntil():
                return self.until(left, right, n, True, True) | ~self.somewhere(left, n, False)
            case f.Release():  # the dual of until
                return ~self.until(left, right, n, False, False)
        raise TypeError(formula)

    def somewhere(self, inner, n, wanted):
        found = np.zeros(self.letters**n, bool)
        for k in range(n):
            found |= (self.at(inner, n, k) == wanted).ravel()
        return found

    def until(self, left, right, n, left_wanted, right_wanted):
        """Some k with the right at k, and the left at all positions before k."""
        found, before = np.zeros(self.letters**n, bool), np.ones(self.letters**n, bool)
        for k in range(n):
            found |= before & (self.at(right, n, k) == right_wanted).ravel()
            before &= (self.at(left, n, k) == left_wanted).ravel()
        return found


def accepted(automaton, longest):
    """The same of an automaton, by following all traces at once."""
    table, states, told = automaton.transitions, np.array([automaton.initial]), []
    for _ in range(longest):
        states = table[states].ravel()
        told.append(automaton.accepting[states])
    return told


UNARY = (f.Not, f.Next, f.WeakNext, f.Eventually, f.Always)
BINARY = (f.And, f.Or, f.Implies, f.Iff, f.Until, f.WeakUntil, f.Release)


def random_formula(rng, names, depth):
    """With all operators, at most so deep."""
    kind = rng.random()
    if depth == 0 or kind < 0.1:
        atoms = [*map(f.Proposition, names)] * 3 + [f.Constant(True), f.Constant(False), f.Last()]
        return atoms[rng.integers(len(atoms))]
    if kind < 0.5:
        return UNARY[rng.integers(len(UNARY))](random_formula(rng, names, depth - 1))
    parts = [random_formula(rng, names, depth - 1) for _ in range(2)]
    return BINARY[rng.integers(len(BINARY))](*parts)
