"""Formulas of linear temporal logic over finite traces (LTLf), as immutable values.

A trace is a row of labels w[0], ..., w[n - 1], n >= 1, each of which says which propositions hold
at that step. A formula is true of a trace where it holds at step 0. It holds at step i as follows:

| formula | printed | holds at step i where |
|---|---|---|
| `Proposition` | `coffee` | coffee is among w[i] |
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

MAX_DEPTH = 100  # formulas within formulas that are read; Python's own stack is not much deeper
MAX_SIZE = 2_000  # formulas in a formula of which an automaton is made
# Words that mean something in a formula. A proposition of such a name stands in double quotes.
LETTERS = ("X", "N", "WX", "F", "G", "U", "R", "W")
WORDS = ("true", "false", "last", "and", "or", "not", "implies", "iff")  # in any case
# `XF a` is read as `X F a`, so names made of these letters alone stand in quotes too.
UNARY_LETTERS = re.compile(r"(?:WX|[XNFG])+")
NAME = re.compile(r"[^\W\d]\w*")


class Formula:
    """A formula. `&`, `|` and `~` make larger ones; `str` prints what `parse` reads back."""

    __slots__ = ()
    level: ClassVar[int] = 7  # how tightly it binds; see `_operand`

    def __and__(self, other: "Formula") -> "Formula":
        return And(self, other)

    def __or__(self, other: "Formula") -> "Formula":
        return Or(self, other)

    def __invert__(self) -> "Formula":
        return Not(self)

    @property
    def parts(self) -> tuple["Formula", ...]:
        """The formulas that it is made of, from left to right."""
        return ()

    def __iter__(self) -> Iterator["Formula"]:
        """It and all formulas in it, from left to right, each before its parts."""
        waiting: list[Formula] = [self]
        while waiting:
            formula = waiting.pop()
            yield formula
            waiting.extend(reversed(formula.parts))

    @property
    def size(self) -> int:
        """How many formulas are in it, itself included; as many as `__iter__` gives."""
        return _folded(self, lambda sizes: 1 + sum(sizes))

    @property
    def depth(self) -> int:
        """How many formulas are within one another, itself included."""
        return _folded(self, lambda depths: 1 + max(depths, default=0))

    @property
    def propositions(self) -> tuple[str, ...]:
        """The names in it, each once, in the order of first mention."""
        return tuple(dict.fromkeys(part.name for part in self if isinstance(part, Proposition)))


def _folded(formula: Formula, of: Callable[[list[int]], int]) -> int:
    """What follows for a formula from what follows for its parts.

    One that stands in several places is looked at once: what is quickly made of shared parts can be
    far too large to be gone through as a tree.
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
    """A fact that a label tells of.

    Raises:
        SettingError: the name is empty, or has a double quote or a line break in it.
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
    """Nothing comes after this step."""

    def __str__(self) -> str:
        return "last"


@dataclass(frozen=True, slots=True)
class Unary(Formula):
    """An operator before its operand."""

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
    """An operator between its operands."""

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
            # `a U (b R c)` needs none, but who would know?
            right = right if self.right.sign == self.sign else f"({right})"
        return f"{left} {self.sign} {right}"


def _operand(formula: Formula, level: int) -> str:
    """Printed, with parentheses where it binds less tightly than `level`."""
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
    """`f R g`: g up to and with the first step where f holds, or to the end."""

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
    """A formula as it is printed, or its beginning, for a sentence about it."""
    text = str(formula)
    return text if len(text) <= most else text[: most - 3] + "..."


def checked(formula: Formula) -> Formula:
    """The formula, if it is small enough to be printed and looked at as a tree.

    Raises:
        SettingError: it is not.
    """
    if formula.depth > MAX_DEPTH:
        raise SettingError("formula", f"{formula.depth} deep", f"at most {MAX_DEPTH} deep")
    if formula.size > MAX_SIZE:
        allowed = f"of at most {MAX_SIZE:,} operators and facts"
        raise SettingError("formula", f"of {formula.size:,}", allowed)
    return formula


def all_of(formulas: list[Formula]) -> Formula:
    """Their conjunction; `true` of none."""
    joined = formulas[0] if formulas else Constant(True)
    for formula in formulas[1:]:
        joined = And(joined, formula)
    return joined


def any_of(formulas: list[Formula]) -> Formula:
    """Their disjunction; `false` of none."""
    joined = formulas[0] if formulas else Constant(False)
    for formula in formulas[1:]:
        joined = Or(joined, formula)
    return joined
