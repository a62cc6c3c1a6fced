"""Skills that compose: temporal logic over facts of a world, as automata and arrays."""

from didact.students.skills.automata import Automaton, automaton
from didact.students.skills.formulas import Formula
from didact.students.skills.parser import FormulaError, parse

__all__ = ["Automaton", "Formula", "FormulaError", "automaton", "parse"]
