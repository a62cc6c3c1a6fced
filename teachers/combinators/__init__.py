"""Combinators, which make a teacher of other teachers."""

from didact.teachers.combinators.annealed import annealed
from didact.teachers.combinators.bandit import BanditState, bandit_over
from didact.teachers.combinators.mixture import mixture
from didact.teachers.combinators.restricted import restricted
from didact.teachers.combinators.shuffled import shuffled
from didact.teachers.combinators.solvable_first import solvable_first
from didact.teachers.combinators.staged import StagedState, staged
from didact.teachers.combinators.warm_started import WarmStartedState, warm_started

__all__ = [
    "BanditState",
    "StagedState",
    "WarmStartedState",
    "annealed",
    "bandit_over",
    "mixture",
    "restricted",
    "shuffled",
    "solvable_first",
    "staged",
    "warm_started",
]
