"""Linear temporal logic over finite traces: formulas, instructions in English, and automata."""

from didact.students.skills.ltl.automata import Automaton, automaton
from didact.students.skills.ltl.english import english
from didact.students.skills.ltl.formulas import Formula
from didact.students.skills.ltl.lexicon import Lexicon, lexicon
from didact.students.skills.ltl.parser import FormulaError, parse

__all__ = [
    "Automaton",
    "Formula",
    "FormulaError",
    "Lexicon",
    "automaton",
    "english",
    "lexicon",
    "parse",
]
