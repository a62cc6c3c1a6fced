"""The bodies of walkers, as data."""

from didact.environments.walkers.bodies.gymnasium_biped import gymnasium_biped
from didact.environments.walkers.plan import Walker

GYMNASIUM_BIPED = gymnasium_biped()
ALL: dict[str, Walker] = {"gymnasium_biped": GYMNASIUM_BIPED}
