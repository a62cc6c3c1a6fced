"""Strategies: what to request from a language model."""

from collections.abc import Callable

from didact.common.errors import SettingError
from didact.teachers.language.strategies.base import Memory, Strategy
from didact.teachers.language.strategies.decompose import decompose
from didact.teachers.language.strategies.easier_and_harder import easier_and_harder
from didact.teachers.language.strategies.envgen import envgen
from didact.teachers.language.strategies.failures_first import failures_first
from didact.teachers.language.strategies.interesting import interesting
from didact.teachers.language.strategies.towards import towards

PLAIN: dict[str, Callable[[], Strategy]] = {
    "envgen": envgen,
    "failures-first": failures_first,
    "easier-and-harder": easier_and_harder,
    "interesting": interesting,
}
WITH_GOAL: dict[str, Callable[[str], Strategy]] = {"towards": towards, "decompose": decompose}
NAMES = (*PLAIN, *WITH_GOAL)


def named(name: str, goal: str = "") -> Strategy:
    """Create a strategy by name.

    Args:
        name: one of `NAMES`.
        goal: the goal of learning in words, for "towards" and "decompose".

    Returns:
        The strategy.

    Raises:
        SettingError: the name is unknown, a goal is missing, or the strategy has no goal.
    """
    if name not in NAMES:
        raise SettingError("strategy", name, "one of " + ", ".join(NAMES))
    if name in WITH_GOAL:
        if not goal.strip():
            raise SettingError("goal", goal, f"given in words for the strategy {name!r}")
        return WITH_GOAL[name](goal)
    if goal:
        allowed = f"omitted, or used with the strategy {' or '.join(WITH_GOAL)}"
        raise SettingError("goal", goal, allowed)
    return PLAIN[name]()


__all__ = [
    "NAMES",
    "Memory",
    "Strategy",
    "decompose",
    "easier_and_harder",
    "envgen",
    "failures_first",
    "interesting",
    "named",
    "towards",
]
