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
from didact.teachers.goal_gan import goal_gan
from didact.teachers.learnability import learnability
from didact.teachers.magellan import magellan
from didact.teachers.pool import pool
from didact.teachers.rarity import rarity
from didact.teachers.registry import Entry, make, register, registered, settings_of
from didact.teachers.regret_scores import max_mc, no_returns
from didact.teachers.self_paced import self_paced
from didact.teachers.setter_solver import setter_solver
from didact.teachers.uniform import uniform

register("uniform", uniform, "the baseline: uniform sampling of tasks")
register("alp_gmm", alp_gmm, "sampling by absolute learning progress (Portelas et al. 2019)")
register("pool", pool, "tasks written by a --proposer, sampled at the frontier of learning")
register("transformer", transformer, "a small transformer, rewarded for uncertain tasks")
register("self_paced", self_paced, "SPDL: a Gaussian that moves to a target (Klink et al. 2020)")
register("goal_gan", goal_gan, "a GAN of goals of intermediate difficulty (Florensa et al. 2018)")
register(
    "setter_solver", setter_solver, "a flow of tasks, guided by a judge (Racaniere et al. 2020)"
)
register("learnability", learnability, "tasks whose predicted success is uncertain or changes")
register("magellan", magellan, "instructions by predicted progress (Gaven et al. 2025)")
register("rarity", rarity, "rare tasks of a given set (Ammanabrolu et al. 2022)")

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
    "goal_gan",
    "learnability",
    "magellan",
    "make",
    "max_mc",
    "mixture",
    "no_returns",
    "pool",
    "propose",
    "rarity",
    "register",
    "registered",
    "restricted",
    "self_paced",
    "setter_solver",
    "settings_of",
    "shuffled",
    "solvable_first",
    "transformer",
    "uniform",
    "warm_started",
]
