"""Skills that compose: temporal logic over facts of a world, as automata and arrays."""

from didact.students.skills import planning, preferences, rewards, samplers, tabular, values
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
from didact.students.skills.behaviours import compose
from didact.students.skills.conditions import Edge, at_most_one, condition, edges
from didact.students.skills.drawing import draw
from didact.students.skills.english import english
from didact.students.skills.following import Following, following
from didact.students.skills.formulas import Formula
from didact.students.skills.library import Library, Skill, load_library
from didact.students.skills.machines import (
    SkillMachine,
    letters_of,
    letters_of_goals,
    skill_machine,
)
from didact.students.skills.parser import FormulaError, parse
from didact.students.skills.plans import Plans, follow, plans
from didact.students.skills.vocabulary import Vocabulary, vocabulary

__all__ = [
    "Automaton",
    "Edge",
    "Following",
    "Formula",
    "FormulaError",
    "Library",
    "Machines",
    "Plans",
    "RewardMachine",
    "Skill",
    "SkillMachine",
    "Vocabulary",
    "at_most_one",
    "automaton",
    "compose",
    "condition",
    "draw",
    "edges",
    "english",
    "follow",
    "following",
    "judge",
    "letters_of",
    "letters_of_goals",
    "load_library",
    "pack",
    "parse",
    "planning",
    "plans",
    "preferences",
    "reward_machine",
    "rewards",
    "samplers",
    "skill_machine",
    "start",
    "step",
    "tabular",
    "values",
    "vocabulary",
]
