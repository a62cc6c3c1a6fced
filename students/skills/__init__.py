"""Skills that compose: temporal logic over facts of a world, as automata and arrays."""

from didact.students.skills import samplers
from didact.students.skills.automata import Automaton, automaton
from didact.students.skills.batches import (
    Machines,
    RewardMachine,
    judge,
    pack,
    reward_machine,
    start,
    step,
)
from didact.students.skills.conditions import Edge, condition, edges
from didact.students.skills.formulas import Formula
from didact.students.skills.parser import FormulaError, parse

__all__ = [
    "Automaton",
    "Edge",
    "Formula",
    "FormulaError",
    "Machines",
    "RewardMachine",
    "automaton",
    "condition",
    "edges",
    "judge",
    "pack",
    "parse",
    "reward_machine",
    "samplers",
    "start",
    "step",
]
