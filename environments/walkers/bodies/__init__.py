"""The bodies of walkers, as data."""

from didact.environments.walkers.bodies.bipeds import classic_biped, small_biped
from didact.environments.walkers.bodies.gymnasium_biped import gymnasium_biped
from didact.environments.walkers.bodies.millipede import millipede
from didact.environments.walkers.bodies.quadruped import quadruped
from didact.environments.walkers.bodies.spider import spider
from didact.environments.walkers.plan import Walker

GYMNASIUM_BIPED = gymnasium_biped()
# The bodies of TeachMyAgent, by the name of the setting.
BODIES: dict[str, Walker] = {
    "biped": classic_biped(),
    "small_biped": small_biped(),
    "quadruped": quadruped(),
    "spider": spider(),
    "millipede": millipede(),
}
ALL = (GYMNASIUM_BIPED, *BODIES.values())
