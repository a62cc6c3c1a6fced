"""Skills that compose: temporal logic over facts of a world, as automata and arrays."""

from didact.students.skills import preferences, rewards, tabular, task_plans, values
from didact.students.skills.composed_policy import compose
from didact.students.skills.formula_task import Following, following
from didact.students.skills.library import Library, Skill, load_library
from didact.students.skills.ltl import sampling
from didact.students.skills.ltl.automata import Automaton, automaton
from didact.students.skills.ltl.batched_automata import (
    Machines,
    RewardMachine,
    judge,
    pack,
    reward_machine,
    start,
    step,
)
from didact.students.skills.ltl.conditions import Edge, at_most_one, condition, edges
from didact.students.skills.ltl.drawing import draw
from didact.students.skills.ltl.english import english
from didact.students.skills.ltl.formulas import Formula
from didact.students.skills.ltl.lexicon import Vocabulary, vocabulary
from didact.students.skills.ltl.parser import FormulaError, parse
from didact.students.skills.machines import (
    SkillMachine,
    letters_of,
    letters_of_goals,
    skill_machine,
)
from didact.students.skills.plans import Plans, follow, plans

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
    "plans",
    "preferences",
    "reward_machine",
    "rewards",
    "sampling",
    "skill_machine",
    "start",
    "step",
    "tabular",
    "task_plans",
    "values",
    "vocabulary",
]
