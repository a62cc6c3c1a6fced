"""Teachers: they know task spaces and outcomes, no world and no network."""

from didact.teachers.alp_gmm import alp_gmm
from didact.teachers.base import Outcomes, Teacher
from didact.teachers.combinators import mixture, restricted, warm_started
from didact.teachers.fading import faded
from didact.teachers.registry import Entry, make, register, registered
from didact.teachers.uniform import uniform

register("uniform", uniform, "tasks drawn uniformly: the baseline")
register("alp_gmm", alp_gmm, "where learning progress is greatest (Portelas et al. 2019)")

__all__ = [
    "Entry",
    "Outcomes",
    "Teacher",
    "alp_gmm",
    "faded",
    "make",
    "mixture",
    "register",
    "registered",
    "restricted",
    "uniform",
    "warm_started",
]
