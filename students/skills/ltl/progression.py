"""Progression of formulas: derivatives by each step, in a normal form.

A formula is first converted to negation normal form over a few operators; equal parts become one
node. What remains to be fulfilled after some steps is a positive Boolean function of *obligations*:
"there is a next step, and node f holds there" (strong, of X f) or "if there is a next step, f holds
there" (weak, of WX f). Such a function has a unique irredundant disjunctive form, the set of its
smallest implicants, which is used as the state. Therefore equal functions are equal states, and
since there are finitely many obligations, there are finitely many states.

References:
    Bacchus and Kabanza, Using Temporal Logics to Express Search Control Knowledge for Planning,
    2000 (progression); De Giacomo and Vardi, 2013 (the alternating automaton of LTLf).
"""

from collections.abc import Iterator

from didact.environments import SettingError
from didact.students.skills.ltl import formulas
from didact.students.skills.ltl.formulas import Formula

# A clause is a set of obligations, as the bits of an integer, all of which must be met. A state is
# a set of clauses, none of which contains another; at least one of them must be met.
State = frozenset[int]
DONE: State = frozenset([0])
FAILED: State = frozenset()
# Limits of complexity: clauses of one state, and comparisons of clauses in total.
MAX_SIZE, WORK = 256, 8_000_000


class Closure:
    """The nodes of a formula, their obligations, and the progression of states by letters.

    Nodes are numbers. A letter is an integer whose bit i is 1 if `propositions[i]` holds.

    Args:
        formula: a formula over `propositions`.
        propositions: the propositions of the bits of letters.

    Attributes:
        root: the node of the whole formula.
    """

    def __init__(self, formula: Formula, propositions: tuple[str, ...]):
        self.formula = formula
        self.bits = {name: i for i, name in enumerate(propositions)}
        self.nodes: list[tuple] = []
        self.now: list[int] = []  # for each node, the propositions that its first step depends on
        self._ids: dict[tuple, int] = {}
        self._obligations: dict[tuple[int, bool], int] = {}
        self._targets: list[tuple[int, bool]] = []  # node of each obligation; whether it is strong
        self._work = 0
        self._weak = 0  # the weak obligations, which the end of a trace meets
        self._normal: dict[tuple[Formula, bool], int] = {}
        self._progressed: dict[tuple[int, int], State] = {}
        self.true, self.false = self._node("true"), self._node("false")
        self.root = self.normal(formula, True)

    def normal(self, formula: Formula, wanted: bool) -> int:
        """Return the node of the formula if `wanted`, else that of its negation."""
        key = formula, wanted
        if key not in self._normal:
            self._normal[key] = self._normal_form(formula, wanted)
        return self._normal[key]

    def _normal_form(self, formula: Formula, wanted: bool) -> int:
        def part(formula: Formula, same: bool = True) -> int:
            return self.normal(formula, wanted == same)

        match formula:
            case formulas.Constant(value=value):
                return self.true if value == wanted else self.false
            case formulas.Proposition(name=name):
                return self._node("literal", self.bits[name], wanted)
            case formulas.Last():
                return self._next(self.true, True) if not wanted else self._next(self.false, False)
            case formulas.Not(operand=inner):
                return part(inner, False)
            case formulas.Next(operand=inner):
                return self._next(part(inner), wanted)
            case formulas.WeakNext(operand=inner):
                return self._next(part(inner), not wanted)
            case formulas.Eventually(operand=inner):
                return self._unrolled(wanted, self._constant(wanted), part(inner))
            case formulas.Always(operand=inner):
                return self._unrolled(not wanted, self._constant(not wanted), part(inner))
            case formulas.Until(left=left, right=right):
                return self._unrolled(wanted, part(left), part(right))
            case formulas.Release(left=left, right=right):
                return self._unrolled(not wanted, part(left), part(right))
            case formulas.WeakUntil(left=left, right=right):
                either = self._join(not wanted, part(left), part(right))
                return self._unrolled(not wanted, part(right), either)
            case formulas.And(left=left, right=right):
                return self._join(wanted, part(left), part(right))
            case formulas.Or(left=left, right=right):
                return self._join(not wanted, part(left), part(right))
            case formulas.Implies(left=left, right=right):
                return self._join(not wanted, part(left, False), part(right))
            case formulas.Iff(left=left, right=right):
                both = self._join(True, self.normal(left, True), part(right))
                neither = self._join(True, self.normal(left, False), part(right, False))
                return self._join(False, both, neither)
        raise TypeError(f"{formula!r} is not a formula")

    def _constant(self, value: bool) -> int:
        return self.true if value else self.false

    def _join(self, conjunction: bool, left: int, right: int) -> int:
        nothing, everything = self._constant(conjunction), self._constant(not conjunction)
        if left == right or right == nothing:
            return left
        if left == nothing:
            return right
        if everything in (left, right):
            return everything
        return self._node("and" if conjunction else "or", *sorted((left, right)))

    def _next(self, inner: int, strong: bool) -> int:
        # A strong next `false` is `false`, and a weak next `true` is `true`.
        if inner == self._constant(not strong):
            return inner
        return self._node("next", inner, strong)

    def _unrolled(self, until: bool, left: int, right: int) -> int:
        if right in (self.true, self.false):
            return right
        return self._node("until" if until else "release", left, right)

    def _node(self, kind: str, *arguments: int) -> int:
        key = kind, *arguments
        if key not in self._ids:
            self._ids[key] = len(self.nodes)
            self.nodes.append(key)
            if kind == "literal":
                self.now.append(1 << arguments[0])
            elif kind in ("and", "or", "until", "release"):
                self.now.append(self.now[arguments[0]] | self.now[arguments[1]])
            else:
                self.now.append(0)
        return self._ids[key]

    # Progression.

    def start(self, node: int) -> State:
        """Return the state of a node before the first step, which is required."""
        return frozenset([self._obligation(node, True)])

    def accepts(self, state: State) -> bool:
        """Whether the trace may end here."""
        return any(clause | self._weak == self._weak for clause in state)

    def relevant(self, state: State) -> int:
        """Return the propositions that the next state depends on, as bits."""
        mask = 0
        for obligation in _bits(_union(state)):
            mask |= self.now[self._targets[obligation][0]]
        return mask

    def step(self, state: State, letter: int) -> State:
        """Return the state after one more step, in which the propositions of `letter` hold.

        Raises:
            SettingError: the state would have more than `MAX_SIZE` clauses, or the total work
                exceeds `WORK`.
        """
        progressed = {
            obligation: self._progress(self._targets[obligation][0], letter)
            for obligation in _bits(_union(state))
        }
        after: State = FAILED
        for clause in state:
            met: State = DONE
            for obligation in _bits(clause):
                met = self._both(met, progressed[obligation])
            after = self._either(after, met)
        return after

    def _progress(self, node: int, letter: int) -> State:
        key = node, letter & self.now[node]
        if key not in self._progressed:
            self._progressed[key] = self._derivative(node, letter)
        return self._progressed[key]

    def _derivative(self, node: int, letter: int) -> State:
        kind, *arguments = self.nodes[node]
        if kind in ("true", "false"):
            return DONE if kind == "true" else FAILED
        if kind == "literal":
            bit, wanted = arguments
            return DONE if (letter >> bit & 1) == wanted else FAILED
        if kind == "next":
            return frozenset([self._obligation(*arguments)])
        left, right = (self._progress(argument, letter) for argument in arguments)
        if kind == "and":
            return self._both(left, right)
        if kind == "or":
            return self._either(left, right)
        again = frozenset([self._obligation(node, kind == "until")])
        if kind == "until":
            return self._either(right, self._both(left, again))
        return self._both(right, self._either(left, again))

    def _obligation(self, node: int, strong: bool) -> int:
        """Return the bit of an obligation."""
        key = node, bool(strong)
        if key not in self._obligations:
            self._obligations[key] = len(self._targets)
            self._targets.append(key)
            if not strong:
                self._weak |= 1 << self._obligations[key]
        return 1 << self._obligations[key]

    def _both(self, one: State, other: State) -> State:
        if one == DONE or other == FAILED:
            return other
        if other == DONE or one == FAILED:
            return one
        if len(one) * len(other) > MAX_SIZE**2:
            raise too_complex(self.formula)
        return self._smallest({x | y for x in one for y in other})

    def _either(self, one: State, other: State) -> State:
        if not one or not other:
            return one or other
        return self._smallest(one | other)

    def _smallest(self, clauses: set[int] | State) -> State:
        """Remove clauses that contain others."""
        kept: list[int] = []
        for clause in sorted(clauses, key=int.bit_count):
            self._work += 1 + len(kept)
            if self._work > WORK:
                raise too_complex(self.formula)
            if not any(clause & small == small for small in kept):
                kept.append(clause)
                if len(kept) > MAX_SIZE:
                    raise too_complex(self.formula)
        return frozenset(kept)


def too_complex(formula: Formula) -> SettingError:
    """Make the error for a formula whose automaton would take too long to build."""
    return SettingError(
        "formula", formulas.brief(formula), "simpler: its automaton is too expensive to build"
    )


def _union(state: State) -> int:
    everything = 0
    for clause in state:
        everything |= clause
    return everything


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
