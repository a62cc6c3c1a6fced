"""What is left of a formula after each step: derivatives with a normal form.

A formula is first brought into negation normal form over a few operators; equal parts become one
node. What still has to come true after some steps is a positive Boolean function of *obligations*:
"a step follows, and from there on node f holds" (strong, of X f) or "if a step follows, f holds
from there on" (weak, of WX f). Such a function has exactly one irredundant disjunctive form, the
set of its smallest implicants. As that is the state, equal functions are equal states; and as
there are finitely many obligations, there are finitely many states.

References:
    Bacchus and Kabanza, Using Temporal Logics to Express Search Control Knowledge for Planning,
    2000 (progression); De Giacomo and Vardi, 2013 (the alternating automaton of LTLf).
"""

from collections.abc import Iterator

from didact.environments import SettingError
from didact.students.skills.ltl import formulas
from didact.students.skills.ltl.formulas import Formula

# A clause is a set of obligations as the bits of an integer, all of which have to be met; a state
# is a set of clauses, none of which contains another, one of which has to be met.
State = frozenset[int]
DONE: State = frozenset([0])
FAILED: State = frozenset()
# Before a formula counts as too complex: clauses of one state, and comparisons of clauses in all.
MAX_SIZE, WORK = 256, 8_000_000


class Closure:
    """The nodes of a formula, their obligations, and how a letter turns states into states.

    Nodes are numbers. A letter is an integer: bit i says whether `propositions[i]` holds.

    Args:
        formula: any formula over `propositions`.
        propositions: the meaning of the bits of letters.

    Attributes:
        root: the node of the whole formula.
    """

    def __init__(self, formula: Formula, propositions: tuple[str, ...]):
        self.formula = formula
        self.bits = {name: i for i, name in enumerate(propositions)}
        self.nodes: list[tuple] = []
        self.now: list[int] = []  # of each node, the propositions that its first step depends on
        self._ids: dict[tuple, int] = {}
        self._obligations: dict[tuple[int, bool], int] = {}
        self._targets: list[tuple[int, bool]] = []  # of each obligation: node, and strong?
        self._work = 0
        self._weak = 0  # the obligations that the end of a trace meets
        self._normal: dict[tuple[Formula, bool], int] = {}
        self._progressed: dict[tuple[int, int], State] = {}
        self.true, self.false = self._node("true"), self._node("false")
        self.root = self.normal(formula, True)

    def normal(self, formula: Formula, wanted: bool) -> int:
        """The node of the formula, or of its negation where it is not `wanted`."""
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
        raise TypeError(f"{formula!r} is no formula")

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
        # No step makes `false` true, and the end of the trace is no harm to a weak `true`.
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
        """The state before the first step, which has to come, of a node."""
        return frozenset([self._obligation(node, True)])

    def accepts(self, state: State) -> bool:
        """Whether the trace may end here."""
        return any(clause | self._weak == self._weak for clause in state)

    def relevant(self, state: State) -> int:
        """The propositions that the next state depends on, as bits."""
        mask = 0
        for obligation in _bits(_union(state)):
            mask |= self.now[self._targets[obligation][0]]
        return mask

    def step(self, state: State, letter: int) -> State:
        """The state after one more step, in which the propositions of `letter` hold.

        Raises:
            SettingError: it would have more than `LARGEST` clauses.
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
        """Its bit."""
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
        """Without clauses that contain others."""
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
    """What is said of a formula whose automaton would take too long to make."""
    return SettingError(
        "formula", formulas.brief(formula), "simpler: its automaton takes too much to make"
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
