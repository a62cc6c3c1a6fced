"""A planar rigid-body engine that steps as Box2D steps, for many worlds at once.

It knows no walker: bodies and joints (`Mechanism`) and the ground (`Terrain`) are data.
"""

from didact.environments.physics.contacts import Reach
from didact.environments.physics.mechanism import Body, Joint, Mechanism, hinge
from didact.environments.physics.state import (
    Bodies,
    Contacts,
    Grips,
    Iterations,
    Motion,
    iterations,
    worlds_first,
    worlds_last,
)
from didact.environments.physics.step import Engine
from didact.environments.physics.terrain import Creepers, Terrain, first_boxes, flat

__all__ = [
    "Bodies",
    "Body",
    "Contacts",
    "Creepers",
    "Engine",
    "Grips",
    "Iterations",
    "Joint",
    "Mechanism",
    "Motion",
    "Reach",
    "Terrain",
    "first_boxes",
    "flat",
    "hinge",
    "iterations",
    "worlds_first",
    "worlds_last",
]
