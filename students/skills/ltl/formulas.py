"""Formulas of linear temporal logic over finite traces (LTLf), as immutable values.

A trace is a sequence of labels w[0], ..., w[n - 1], n >= 1; each label is the set of propositions
that hold at that step. A formula is true of a trace if it holds at step 0. It holds at step i as
follows:

| formula | printed | holds at step i if |
|---|---|---|
| `Proposition` | `coffee` | coffee is in w[i] |
| `Last` | `last` | i is the last step |
| `Next` | `X f` | there is a step i + 1, and f holds there (strong) |
| `WeakNext` | `WX f` | i is the last step, or f holds at i + 1 |
| `Eventually` | `F f` | f holds at some step from i on |
| `Always` | `G f` | f holds at all steps from i on |
| `Until` | `f U g` | g holds at some k >= i, and f at all of i, ..., k - 1 |
| `WeakUntil` | `f W g` | `f U g` or `G f` |
| `Release` | `f R g` | g holds up to and with the first step where f holds, or to the end |

References:
    De Giacomo and Vardi, Linear Temporal Logic and Linear Dynamic Logic on Finite Traces, IJCAI
    2013.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from didact.environments import SettingError

MAX_DEPTH = 100  # maximum nesting; Python's recursion limit allows little more
MAX_SIZE = 2_000  # maximum number of subformulas of a formula with an automaton
# Reserved words. A proposition of such a name is written in double quotes.
LETTERS = ("X", "N", "WX", "F", "G", "U", "R", "W")
WORDS = ("true", "false", "last", "and", "or", "not", "implies", "iff")  # in any case
# `XF a` is parsed as `X F a`, so names that consist of these letters are quoted as well.
UNARY_LETTERS = re.compile(r"(?:WX|[XNFG])+")
NAME = re.compile(r"[^\W\d]\w*")


class Formula:
    """A formula. `&`, `|` and `~` combine formulas; `parse` restores a formula from its `str`."""

    __slots__ = ()
    level: ClassVar[int] = 7  # precedence; see `_operand`

    def __and__(self, other: "Formula") -> "Formula":
        return And(self, other)

    def __or__(self, other: "Formula") -> "Formula":
        return Or(self, other)

    def __invert__(self) -> "Formula":
        return Not(self)

    @property
    def parts(self) -> tuple["Formula", ...]:
        """The operands, from left to right."""
        return ()

    def __iter__(self) -> Iterator["Formula"]:
        """Iterate over the formula and all its subformulas in preorder, from left to right."""
        waiting: list[Formula] = [self]
        while waiting:
            formula = waiting.pop()
            yield formula
            waiting.extend(reversed(formula.parts))

    @property
    def size(self) -> int:
        """The number of subformulas, including the formula itself, as in `__iter__`."""
        return _folded(self, lambda sizes: 1 + sum(sizes))

    @property
    def depth(self) -> int:
        """The depth of nesting, including the formula itself."""
        return _folded(self, lambda depths: 1 + max(depths, default=0))

    @property
    def propositions(self) -> tuple[str, ...]:
        """The distinct names of propositions, in the order of first mention."""
        return tuple(dict.fromkeys(part.name for part in self if isinstance(part, Proposition)))


def _folded(formula: Formula, of: Callable[[list[int]], int]) -> int:
    """Fold a function over a formula, from the parts up.

    A shared subformula is visited once: a small formula with shared parts can be far too large to
    traverse as a tree.
    """
    known: dict[int, int] = {}
    waiting = [formula]
    while waiting:
        last = waiting[-1]
        unknown = [part for part in last.parts if id(part) not in known]
        if not unknown:
            known[id(last)] = of([known[id(part)] for part in last.parts])
            waiting.pop()
        waiting.extend(unknown)
    return known[id(formula)]


@dataclass(frozen=True, slots=True)
class Constant(Formula):
    """`true` or `false`."""

    value: bool

    def __str__(self) -> str:
        return "true" if self.value else "false"


@dataclass(frozen=True, slots=True)
class Proposition(Formula):
    """A proposition, which is true or false at each step.

    Raises:
        SettingError: the name is empty, or contains a double quote or a line break.
    """

    name: str

    def __post_init__(self):
        if not self.name or '"' in self.name or not self.name.isprintable():
            raise SettingError("proposition", self.name, "a name without quotes and line breaks")

    def __str__(self) -> str:
        reserved = self.name in LETTERS or self.name.lower() in WORDS
        reserved = reserved or UNARY_LETTERS.fullmatch(self.name)
        return self.name if NAME.fullmatch(self.name) and not reserved else f'"{self.name}"'


@dataclass(frozen=True, slots=True)
class Last(Formula):
    """`last`: this is the last step."""

    def __str__(self) -> str:
        return "last"


@dataclass(frozen=True, slots=True)
class Unary(Formula):
    """A prefix operator."""

    operand: Formula
    sign: ClassVar[str]
    level: ClassVar[int] = 6

    @property
    def parts(self) -> tuple[Formula, ...]:
        return (self.operand,)

    def __str__(self) -> str:
        inner = _operand(self.operand, self.level)
        return self.sign + ("" if self.sign == "!" or inner.startswith("(") else " ") + inner


@dataclass(frozen=True, slots=True)
class Binary(Formula):
    """An infix operator."""

    left: Formula
    right: Formula
    sign: ClassVar[str]
    right_to_left: ClassVar[bool] = False  # `a -> b -> c` is `a -> (b -> c)`

    @property
    def parts(self) -> tuple[Formula, ...]:
        return (self.left, self.right)

    def __str__(self) -> str:
        left = _operand(self.left, self.level + self.right_to_left)
        right = _operand(self.right, self.level + (not self.right_to_left))
        if isinstance(self.right, Binary) and self.right.level == self.level == Until.level:
            # `a U (b R c)` needs no parentheses, but they make it easier to read.
            right = right if self.right.sign == self.sign else f"({right})"
        return f"{left} {self.sign} {right}"


def _operand(formula: Formula, level: int) -> str:
    """Print a formula, with parentheses if its precedence is lower than `level`."""
    return str(formula) if formula.level >= level else f"({formula})"


class Not(Unary):
    """`!f`: f does not hold."""

    __slots__ = ()
    sign = "!"


class Next(Unary):
    """`X f`: there is a next step, and f holds there."""

    __slots__ = ()
    sign = "X"


class WeakNext(Unary):
    """`WX f`: f holds at the next step, if there is one."""

    __slots__ = ()
    sign = "WX"


class Eventually(Unary):
    """`F f`: f holds now or at a later step."""

    __slots__ = ()
    sign = "F"


class Always(Unary):
    """`G f`: f holds now and at all later steps."""

    __slots__ = ()
    sign = "G"


class Until(Binary):
    """`f U g`: g holds now or later, and f at all steps before that."""

    __slots__ = ()
    sign, level, right_to_left = "U", 5, True


class WeakUntil(Binary):
    """`f W g`: `f U g`, or f to the end."""

    __slots__ = ()
    sign, level, right_to_left = "W", 5, True


class Release(Binary):
    """`f R g`: g up to and including the first step where f holds, or to the end."""

    __slots__ = ()
    sign, level, right_to_left = "R", 5, True


class And(Binary):
    """`f & g`: both hold."""

    __slots__ = ()
    sign, level = "&", 4


class Or(Binary):
    """`f | g`: one of them holds, or both."""

    __slots__ = ()
    sign, level = "|", 3


class Implies(Binary):
    """`f -> g`: g holds, or f does not."""

    __slots__ = ()
    sign, level, right_to_left = "->", 2, True


class Iff(Binary):
    """`f <-> g`: both hold, or neither."""

    __slots__ = ()
    sign, level = "<->", 1


def brief(formula: Formula, most: int = 200) -> str:
    """Print a formula for an error sentence, truncated if it is long."""
    text = str(formula)
    return text if len(text) <= most else text[: most - 3] + "..."


def checked(formula: Formula) -> Formula:
    """Return the formula if it is small enough to be printed and traversed as a tree.

    Raises:
        SettingError: the formula is too deep or too large.
    """
    if formula.depth > MAX_DEPTH:
        raise SettingError("formula", f"{formula.depth} deep", f"at most {MAX_DEPTH} deep")
    if formula.size > MAX_SIZE:
        allowed = f"of at most {MAX_SIZE:,} operators and propositions"
        raise SettingError("formula", f"of {formula.size:,}", allowed)
    return formula


def all_of(formulas: list[Formula]) -> Formula:
    """Return the conjunction of formulas; `true` if there are none."""
    joined = formulas[0] if formulas else Constant(True)
    for formula in formulas[1:]:
        joined = And(joined, formula)
    return joined


def any_of(formulas: list[Formula]) -> Formula:
    """Return the disjunction of formulas; `false` if there are none."""
    joined = formulas[0] if formulas else Constant(False)
    for formula in formulas[1:]:
        joined = Or(joined, formula)
    return joined
