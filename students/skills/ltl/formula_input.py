"""User input of formulas, in formula syntax or as instructions in English."""

import re

from didact.environments import Environment
from didact.students.skills.ltl.english import english
from didact.students.skills.ltl.formulas import Formula
from didact.students.skills.ltl.lexicon import lexicon
from didact.students.skills.ltl.parser import FormulaError, parse

# Signs and single-letter operators, which do not occur in English instructions.
OPERATORS = re.compile(r"[&|!~()<>\[\]=¬○◇□∧∨→↔]|\b(?:[FGXUWRN]|WX)\b")
_LOGIC = re.compile(r"\b(?:and|or|not)\b", re.IGNORECASE)


def read_formula(text: str, environment: Environment) -> Formula:
    """Parse a formula, or an instruction in English about an environment's propositions.

    A text with the sign of an operator is parsed as a formula. Any other text is parsed as English
    if possible: "coffee and mail" means both in any order, not both in the first step. If it is not
    English, it is parsed as a formula only without "and", "or" and "not", whose meaning differs.

    Raises:
        FormulaError: the text is neither.
    """
    if any(sign not in environment.propositions for sign in OPERATORS.findall(text)):
        return parse(text)
    words = lexicon(environment.propositions, adjectives=environment.adjectives)
    try:
        return english(text, words)
    except FormulaError:
        if _LOGIC.search(text):
            raise
        try:
            return parse(text)
        except FormulaError:
            pass
        raise


def write_formula(formula: Formula) -> str:
    """Return a text that `read_formula` parses as exactly this formula."""
    text = str(formula)
    return text if OPERATORS.search(text) else f"({text})"
