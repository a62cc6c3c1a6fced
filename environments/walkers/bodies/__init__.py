"""The bodies of walkers, as data."""

from didact.environments.walkers.bodies.amphibious import amphibious_biped
from didact.environments.walkers.bodies.bipeds import classic_biped, small_biped
from didact.environments.walkers.bodies.chimpanzees import (
    chimpanzee,
    climbing_chest,
    climbing_chimpanzee,
)
from didact.environments.walkers.bodies.fish import fish
from didact.environments.walkers.bodies.gymnasium_biped import PARKOUR_ALTITUDE, gymnasium_biped
from didact.environments.walkers.bodies.millipede import millipede
from didact.environments.walkers.bodies.quadruped import quadruped
from didact.environments.walkers.bodies.spider import spider
from didact.environments.walkers.bodies.wheel import wheel
from didact.environments.walkers.plan import Walker

GYMNASIUM_BIPED = gymnasium_biped()
# The bodies of TeachMyAgent, by the name of the setting.
BODIES: dict[str, Walker] = {
    "biped": GYMNASIUM_BIPED,
    "classic_biped": classic_biped(),
    "small_biped": small_biped(),
    "quadruped": quadruped(),
    "spider": spider(),
    "millipede": millipede(),
}
# The bodies of its Parkour, where the ground holds up all parts.
PARKOUR_BODIES: dict[str, Walker] = {
    **{name: body.solid() for name, body in BODIES.items()},
    "biped": gymnasium_biped(PARKOUR_ALTITUDE, "parkour_biped").solid(),
    "wheel": wheel(),
    "chimpanzee": chimpanzee(),
    "climbing_chimpanzee": climbing_chimpanzee(),
    "climbing_chest": climbing_chest(),
    "fish": fish(),
    "amphibious_biped": amphibious_biped(),
}
_EACH = (GYMNASIUM_BIPED, *BODIES.values(), *PARKOUR_BODIES.values())
ALL = tuple({walker.file: walker for walker in _EACH}.values())
