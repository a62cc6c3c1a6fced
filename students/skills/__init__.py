"""Composable skills: temporal logic over an environment's propositions, as automata and arrays."""

from didact.students.skills import preferences, rewards, tabular, task_plans, values
from didact.students.skills.composed_policy import compose
from didact.students.skills.formula_task import WithFormula, with_formula
from didact.students.skills.library import Library, Skill, load_library
from didact.students.skills.ltl import sampling
from didact.students.skills.ltl.automata import Automaton, automaton
from didact.students.skills.ltl.batched_automata import (
    AutomatonBatch,
    RewardMachine,
    batch_automata,
    initial_states,
    next_states,
    reward_machine,
    step_rewards,
)
from didact.students.skills.ltl.conditions import Edge, at_most_one, condition, edges
from didact.students.skills.ltl.drawing import draw
from didact.students.skills.ltl.english import english
from didact.students.skills.ltl.formulas import Formula
from didact.students.skills.ltl.lexicon import Lexicon, lexicon
from didact.students.skills.ltl.parser import FormulaError, parse
from didact.students.skills.machines import (
    SkillMachine,
    letters_of,
    letters_of_goals,
    skill_machine,
)
from didact.students.skills.plans import GoalPlans, goal_plans, plan_action_values

__all__ = [
    "Automaton",
    "AutomatonBatch",
    "Edge",
    "Formula",
    "FormulaError",
    "GoalPlans",
    "Lexicon",
    "Library",
    "RewardMachine",
    "Skill",
    "SkillMachine",
    "WithFormula",
    "at_most_one",
    "automaton",
    "batch_automata",
    "compose",
    "condition",
    "draw",
    "edges",
    "english",
    "goal_plans",
    "initial_states",
    "letters_of",
    "letters_of_goals",
    "lexicon",
    "load_library",
    "next_states",
    "parse",
    "plan_action_values",
    "preferences",
    "reward_machine",
    "rewards",
    "sampling",
    "skill_machine",
    "step_rewards",
    "tabular",
    "task_plans",
    "values",
    "with_formula",
]
