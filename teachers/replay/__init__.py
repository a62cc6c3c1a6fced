"""Level replay and unsupervised environment design: teachers that keep a buffer of levels."""

from didact.teachers.replay.accel import accel
from didact.teachers.replay.ncc import ncc
from didact.teachers.replay.plr import plr, plr_robust
from didact.teachers.replay.sfl import sfl
from didact.teachers.uniform import uniform as domain_randomization

__all__ = ["accel", "domain_randomization", "ncc", "plr", "plr_robust", "sfl"]
