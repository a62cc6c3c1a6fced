"""Teachers. They depend on task spaces and outcomes, not on environments or networks."""

from didact.teachers.adversary.transformer import transformer
from didact.teachers.alp_gmm import alp_gmm
from didact.teachers.base import FOREIGN, Outcomes, Proposals, Teacher, propose
from didact.teachers.combinators import (
    annealed,
    bandit_over,
    by_name,
    mixture,
    restricted,
    shuffled,
    solvable_first,
    warm_started,
)
from didact.teachers.pool import pool
from didact.teachers.registry import Entry, make, register, registered, settings_of
from didact.teachers.regret_scores import max_mc, no_returns
from didact.teachers.uniform import uniform

register("uniform", uniform, "the baseline: uniform sampling of tasks")
register("alp_gmm", alp_gmm, "sampling by absolute learning progress (Portelas et al. 2019)")
register("pool", pool, "tasks written by a --proposer, sampled at the frontier of learning")
register("transformer", transformer, "a small transformer, rewarded for uncertain tasks")

register("mixture", by_name.mixture_of, "several teachers in fixed proportions")
register("bandit", by_name.bandit, "mostly the one of several teachers that now helps most")
register("shuffled", by_name.shuffled_by_name, "a teacher that sees the space with permuted cells")
register("solvable_first", by_name.solvable_by_name, "a teacher without its unsolvable tasks")

__all__ = [
    "FOREIGN",
    "Entry",
    "Outcomes",
    "Proposals",
    "Teacher",
    "alp_gmm",
    "annealed",
    "bandit_over",
    "make",
    "max_mc",
    "mixture",
    "no_returns",
    "pool",
    "propose",
    "register",
    "registered",
    "restricted",
    "settings_of",
    "shuffled",
    "solvable_first",
    "transformer",
    "uniform",
    "warm_started",
]
