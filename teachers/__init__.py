"""Teachers. They depend on task spaces and outcomes, not on environments or networks."""

from didact.teachers.adversary import minimax, paired, transformer
from didact.teachers.base import FOREIGN, Outcomes, Proposals, Teacher, propose
from didact.teachers.combinators import (
    annealed,
    bandit_over,
    by_name,
    mixture,
    restricted,
    shuffled,
    solvable_first,
    staged,
    warm_started,
)
from didact.teachers.learned.goal_gan import goal_gan
from didact.teachers.learned.learnability import learnability
from didact.teachers.learned.magellan import magellan
from didact.teachers.learned.rarity import rarity
from didact.teachers.learned.setter_solver import setter_solver
from didact.teachers.pacing.adr import adr
from didact.teachers.pacing.growing_box import growing_box
from didact.teachers.pacing.oracle import oracle
from didact.teachers.pacing.paced import paced
from didact.teachers.pacing.self_paced import self_paced
from didact.teachers.pool import pool
from didact.teachers.progress.alp_gmm import alp_gmm
from didact.teachers.progress.covar_gmm import covar_gmm
from didact.teachers.progress.learning_progress import learning_progress
from didact.teachers.progress.riac import riac
from didact.teachers.registry import Entry, make, register, registered, settings_of, starts_easy
from didact.teachers.regret_scores import max_mc, no_returns
from didact.teachers.replay import accel, ncc, plr, plr_robust, sfl
from didact.teachers.uniform import uniform

register("uniform", uniform, "the baseline: uniform sampling of tasks (domain randomization)")
register("alp_gmm", alp_gmm, "sampling by absolute learning progress (Portelas et al. 2019)")
register("covar_gmm", covar_gmm, "sampling where outcomes improve with time (Moulin-Frier 2014)")
register("riac", riac, "a tree of regions, sampled by learning progress (Baranes & Oudeyer 2009)")
register("adr", adr, "a box whose bounds move by thresholds (Akkaya et al. 2019)")
register("oracle", oracle, "a hand-made window from easy to hard tasks (Portelas et al. 2019)")
register("paced", paced, "Gaussian tasks, from the easy corner to the whole space by success")
register("growing_box", growing_box, "a box that grows from the easy tasks where its faces succeed")
register(
    "learning_progress", learning_progress, "progress in each of many cells (Zhang et al. 2024)"
)
register("pool", pool, "tasks written by a --proposer, sampled at the frontier of learning")
register("transformer", transformer, "a small transformer, rewarded for uncertain tasks")
register("paired", paired, "a transformer, rewarded for the regret to an antagonist (PAIRED)")
register("minimax", minimax, "a transformer, rewarded for the student's failure")
register("self_paced", self_paced, "SPDL: a Gaussian that moves to a target (Klink et al. 2020)")
register("goal_gan", goal_gan, "a GAN of goals of intermediate difficulty (Florensa et al. 2018)")
register(
    "setter_solver", setter_solver, "a flow of tasks, guided by a judge (Racaniere et al. 2020)"
)
register("learnability", learnability, "tasks whose predicted success is uncertain or changes")
register("magellan", magellan, "instructions by predicted progress (Gaven et al. 2025)")
register("rarity", rarity, "rare tasks of a given set (Ammanabrolu et al. 2022)")
register("plr", plr, "replay of random levels by score and staleness (Jiang et al. 2021)")
register("plr_robust", plr_robust, "PLR that learns from replayed levels only (Jiang et al. 2021)")
register("accel", accel, "PLR with edited copies of levels (Parker-Holder et al. 2022)")
register("sfl", sfl, "random levels of the highest learnability p(1-p) (Rutherford et al. 2024)")
register("ncc", ncc, "optimized weights over a buffer of levels (Monette et al. 2025)")

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
    "accel",
    "adr",
    "alp_gmm",
    "annealed",
    "bandit_over",
    "covar_gmm",
    "goal_gan",
    "growing_box",
    "learnability",
    "learning_progress",
    "magellan",
    "make",
    "max_mc",
    "minimax",
    "mixture",
    "ncc",
    "no_returns",
    "oracle",
    "paced",
    "paired",
    "plr",
    "plr_robust",
    "pool",
    "propose",
    "rarity",
    "register",
    "registered",
    "restricted",
    "riac",
    "self_paced",
    "setter_solver",
    "settings_of",
    "sfl",
    "shuffled",
    "solvable_first",
    "staged",
    "starts_easy",
    "transformer",
    "uniform",
    "warm_started",
]
