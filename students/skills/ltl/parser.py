"""A parser of formulas in the usual syntax.

Operators and their spellings, from the highest to the lowest precedence:

| | spellings |
|---|---|
| atoms | a name, a name in double quotes, `true` or `1`, `false` or `0`, `last`, `( )` |
| prefix operators | `!` `~` `not`, `X`, `WX` or `N`, `F` or `<>`, `G` or `[]` |
| until, weak until, release | `U`, `W`, `R`, right-associative: `a U b U c` is `a U (b U c)` |
| and | `&` `&&` `and` |
| or | `|` `||` `or` |
| implies | `->` `=>` `implies`, right-associative |
| if and only if | `<->` `<=>` `iff` |

Temporal operators are capital letters and may be written together: `XF a` is `X F a`. Propositions
named F or XF must therefore be quoted.
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
    """A text that is not a valid formula or instruction.

    Args:
        text: the whole text.
        position: the index of the character with the problem.
        problem: the problem, as the end of a sentence that starts with "at character ...".
        setting: what the text should be: "formula" or "instruction".

    Attributes:
        position: the index of the character, from 0; the length of the text if the end is missing.
        marked: two lines, the text and a caret below the position.
    """

    def __init__(self, text: str, position: int, problem: str, setting: str = "formula"):
        self.position = position
        line = text.replace("\n", " ").replace("\t", " ")
        self.marked = f"{line}\n{' ' * position}^"
        super().__init__(setting, text, f"correct: at character {position + 1} {problem}")


class _Token(NamedTuple):
    kind: str  # a printed sign, "name", or "end"
    text: str  # the text as written
    position: int


def parse(text: str, propositions: Sequence[str] | None = None) -> Formula:
    """Parse a formula such as `F(coffee & X F office) & G !decoration`.

    Args:
        text: a formula in the syntax of this module.
        propositions: the allowed names, such as `Environment.propositions`; any name if None.

    Raises:
        FormulaError: the text is not a formula, is nested too deeply, or has an unknown
            proposition. It is a `SettingError` with the position of the problem.
    """
    return _Parser(text, propositions).whole()


class _Parser:
    """A precedence climbing parser: `expression` parses infix operators, `operand` all else."""

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
            raise self.error(self.now, "there is an unmatched ')'")
        if self.now.kind != "end":
            raise self.error(self.now, f"an operator such as '&' is missing before {self.shown()}")
        return formula

    def expression(self, level: int) -> Formula:
        """Parse an expression of infix operators with a precedence of at least `level`."""
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
                opened = f"the '(' at character {token.position + 1}"
                raise self.error(self.now, f"{missing} before {self.shown()}, to close {opened}")
            self.at += 1
        elif token.kind in ("true", "false"):
            formula = Constant(token.kind == "true")
        elif token.kind == "last":
            formula = Last()
        elif token.kind == "name":
            formula = self.proposition(token)
        else:
            self.at -= 1
            raise self.error(token, f"a proposition or '(' is missing before {self.shown()}")
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
            raise self.error(token, "a name contains a line break or another control character")
        if self.propositions is not None and name not in self.propositions:
            near = difflib.get_close_matches(name, list(self.propositions), n=3, cutoff=0.5)
            known = ", ".join(near or self.propositions) or "none"
            known = f"similar propositions: {known}" if near else f"propositions: {known}"
            raise self.error(token, f"{name!r} is unknown ({known})")
        return Proposition(name)

    def shown(self) -> str:
        return "the end" if self.now.kind == "end" else f"'{self.now.text}'"

    def error(self, token: _Token, problem: str) -> FormulaError:
        return FormulaError(self.text, token.position, problem)

    def _split(self) -> list[_Token]:
        tokens = []
        for match in _TOKEN.finditer(self.text):
            group = match.lastgroup or "end"
            text, position = match[group], match.start(group)
            if group == "odd":
                unexpected = f"there is an unexpected {text!r}"
                problem = "a quote is not closed" if text == '"' else unexpected
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
        """Split a word into an operator, several unary operators, or a name."""
        word = text if text in _SPELLINGS else text.lower()
        if word in _SPELLINGS and (word == text or len(text) > 1):
            return [_Token(_SPELLINGS[word], text, position)]
        if formulas.UNARY_LETTERS.fullmatch(text):
            found = re.finditer("WX|.", text)
            return [_Token(_SPELLINGS[m[0]], m[0], position + m.start()) for m in found]
        if text[0].isdecimal():
            raise FormulaError(self.text, position, f"a name cannot begin with the digit {text[0]}")
        return [_Token("name", text, position)]
