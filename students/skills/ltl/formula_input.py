"""What people write where a formula is asked for: a formula, or an instruction in English."""

import re

from didact.environments import Environment
from didact.students.skills.ltl.english import english
from didact.students.skills.ltl.formulas import Formula
from didact.students.skills.ltl.lexicon import lexicon
from didact.students.skills.ltl.parser import FormulaError, parse

# What no instruction has: signs, and the operators that are single letters.
OPERATORS = re.compile(r"[&|!~()<>\[\]=¬○◇□∧∨→↔]|\b(?:[FGXUWRN]|WX)\b")


def read_formula(text: str, environment: Environment) -> Formula:
    """A formula from its text, or from an instruction about an environment's facts.

    What has an operator's sign in it is a formula. All else is English if it can be, so that
    "coffee and mail" are to be had in any order, and not both in the first step.

    Raises:
        FormulaError: it is neither.
    """
    signs = OPERATORS.search(text)
    if signs and signs[0] not in environment.propositions:
        return parse(text)
    words = lexicon(environment.propositions, adjectives=environment.adjectives)
    try:
        return english(text, words)
    except FormulaError:
        try:
            return parse(text)
        except FormulaError:
            pass
        raise


def write_formula(formula: Formula) -> str:
    """The text that `read_formula` reads as just this formula."""
    text = str(formula)
    return text if OPERATORS.search(text) else f"({text})"
