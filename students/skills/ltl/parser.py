"""Reads formulas in the usual syntax.

From what binds most tightly to what binds least, with all spellings:

| | spellings |
|---|---|
| atoms | a name, a name in double quotes, `true` or `1`, `false` or `0`, `last`, `( )` |
| before a formula | `!` `~` `not`, `X`, `WX` or `N`, `F` or `<>`, `G` or `[]` |
| until, weak until, release | `U`, `W`, `R`, from right to left: `a U b U c` is `a U (b U c)` |
| and | `&` `&&` `and` |
| or | `|` `||` `or` |
| implies | `->` `=>` `implies`, from right to left |
| if and only if | `<->` `<=>` `iff` |

Operators of temporal logic are capital letters, and may stand together: `XF a` is `X F a`. So a
proposition that is called F, or XF, has to be quoted.
"""

import difflib
import re
from collections.abc import Sequence
from typing import NamedTuple

from didact.environments import SettingError
from didact.students.skills.ltl import formulas
from didact.students.skills.ltl.formulas import MAX_DEPTH, Constant, Formula, Last, Proposition

_UNARY = {
    "!": formulas.Not,
    "X": formulas.Next,
    "WX": formulas.WeakNext,
    "F": formulas.Eventually,
    "G": formulas.Always,
}
_BINARY: dict[str, type[formulas.Binary]] = {
    kind.sign: kind
    for kind in (
        *(formulas.Until, formulas.WeakUntil, formulas.Release),
        *(formulas.And, formulas.Or, formulas.Implies, formulas.Iff),
    )
}
_SPELLINGS = {
    **{sign: sign for sign in (*_UNARY, *_BINARY, "(", ")", "true", "false", "last")},
    **{"~": "!", "¬": "!", "not": "!", "N": "WX", "○": "X"},
    **{"<>": "F", "◇": "F", "[]": "G", "□": "G"},
    **{"&&": "&", "and": "&", "∧": "&", "||": "|", "or": "|", "∨": "|"},
    **{"=>": "->", "implies": "->", "→": "->", "<=>": "<->", "iff": "<->", "↔": "<->"},
    **{"1": "true", "0": "false"},
}
_TOKEN = re.compile(
    r"\s*(?:(?P<quoted>\"[^\"]*\")|(?P<word>\w+)"
    r"|(?P<sign><->|<=>|<>|->|=>|\[\]|&&|\|\||[()!~&|¬○◇□∧∨→↔])|(?P<end>$)|(?P<odd>.))",
    re.S,
)


class FormulaError(SettingError):
    """A text that is no formula, or no instruction, told in one sentence.

    Args:
        text: all of it.
        position: where in the text the problem is.
        problem: the end of a sentence that begins "at character ...".
        setting: what the text should have been.

    Attributes:
        position: where in the text, from 0; its length where something is missing at the end.
        marked: two lines, the text and a caret below that place.
    """

    def __init__(self, text: str, position: int, problem: str, setting: str = "formula"):
        self.position = position
        line = text.replace("\n", " ").replace("\t", " ")
        self.marked = f"{line}\n{' ' * position}^"
        super().__init__(setting, text, f"correct: at character {position + 1} {problem}")


class _Token(NamedTuple):
    kind: str  # a sign as it is printed, "name", or "end"
    text: str  # as it was written
    position: int


def parse(text: str, propositions: Sequence[str] | None = None) -> Formula:
    """The formula that a text says, such as `F(coffee & X F office) & G !decoration`.

    Args:
        text: in the syntax of this module.
        propositions: the names that may stand in it, such as `Environment.propositions`; any if
            not given.

    Raises:
        FormulaError: it is no formula, is nested too deeply, or names something else. It is a
            `SettingError` that knows the character.
    """
    return _Parser(text, propositions).whole()


class _Parser:
    """Precedence climbing: one method for operators between formulas, one for what is before."""

    def __init__(self, text: str, propositions: Sequence[str] | None):
        self.text, self.propositions = text, propositions
        self.tokens = self._split()
        self.at = 0
        self.depth = 0

    @property
    def now(self) -> _Token:
        return self.tokens[self.at]

    def whole(self) -> Formula:
        formula = self.expression(1)
        if self.now.kind == ")":
            raise self.error(self.now, "a ')' closes nothing")
        if self.now.kind != "end":
            raise self.error(self.now, f"an operator such as '&' is missing before {self.told()}")
        return formula

    def expression(self, level: int) -> Formula:
        """Operators that bind at least as tightly as `level`."""
        left = self.operand()
        chain = 0
        while (kind := _BINARY.get(self.now.kind)) and kind.level >= level:
            chain += 1
            self.deeper()
            self.at += 1
            left = kind(left, self.expression(kind.level + (not kind.right_to_left)))
        self.depth -= chain
        return left

    def operand(self) -> Formula:
        token = self.now
        self.deeper()
        self.at += 1
        if token.kind in _UNARY:
            formula: Formula = _UNARY[token.kind](self.operand())
        elif token.kind == "(":
            formula = self.expression(1)
            if self.now.kind != ")":
                missing = "an operator or a ')' is missing"
                opened = f"the '(' of character {token.position + 1}"
                raise self.error(self.now, f"{missing} before {self.told()}, to close {opened}")
            self.at += 1
        elif token.kind in ("true", "false"):
            formula = Constant(token.kind == "true")
        elif token.kind == "last":
            formula = Last()
        elif token.kind == "name":
            formula = self.proposition(token)
        else:
            self.at -= 1
            raise self.error(token, f"a proposition or '(' is missing before {self.told()}")
        self.depth -= 1
        return formula

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(self.now, f"it is nested more than {MAX_DEPTH} deep")

    def proposition(self, token: _Token) -> Proposition:
        name = token.text.strip('"')
        if not name:
            raise self.error(token, "a name is missing between the quotes")
        if not name.isprintable():
            raise self.error(token, "a name has a line break or the like in it")
        if self.propositions is not None and name not in self.propositions:
            near = difflib.get_close_matches(name, list(self.propositions), n=3, cutoff=0.5)
            those = ", ".join(near or self.propositions) or "nothing"
            told = f"the propositions, such as {those}" if near else those
            raise self.error(token, f"{name!r} is none of {told}")
        return Proposition(name)

    def told(self) -> str:
        return "the end" if self.now.kind == "end" else f"'{self.now.text}'"

    def error(self, token: _Token, problem: str) -> FormulaError:
        return FormulaError(self.text, token.position, problem)

    def _split(self) -> list[_Token]:
        tokens = []
        for match in _TOKEN.finditer(self.text):
            group = match.lastgroup or "end"
            text, position = match[group], match.start(group)
            if group == "odd":
                problem = "a quote is not closed" if text == '"' else f"nothing can be {text!r}"
                raise FormulaError(self.text, position, problem)
            if group == "word":
                tokens += self._word(text, position)
            elif group == "quoted":
                tokens.append(_Token("name", text, position))
            else:
                tokens.append(_Token(_SPELLINGS.get(text, "end"), text, position))
            if group == "end":
                break
        return tokens

    def _word(self, text: str, position: int) -> list[_Token]:
        """An operator, several unary ones together, or a name."""
        word = text if text in _SPELLINGS else text.lower()
        if word in _SPELLINGS and (word == text or len(text) > 1):
            return [_Token(_SPELLINGS[word], text, position)]
        if formulas.UNARY_LETTERS.fullmatch(text):
            found = re.finditer("WX|.", text)
            return [_Token(_SPELLINGS[m[0]], m[0], position + m.start()) for m in found]
        if text[0].isdecimal():
            raise FormulaError(self.text, position, f"a name cannot begin with the digit {text[0]}")
        return [_Token("name", text, position)]
