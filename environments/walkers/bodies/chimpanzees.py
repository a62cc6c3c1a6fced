"""The chimpanzees of TeachMyAgent: one that walks, one that climbs, and one without legs."""

import dataclasses

import numpy as np

from didact.environments.physics import Body, Joint, Mechanism, hinge
from didact.environments.physics.shapes import Point, box, scaled
from didact.environments.walkers.plan import (
    HAND_SPEED,
    HANGING,
    HIP_SPEED,
    KNEE_SPEED,
    TORQUE_COST,
    UNIT,
    MotorView,
    Walker,
)
from didact.environments.walkers.track import GROUND, SPACING, STARTPAD

TORQUE = 100.0
CHEST = scaled(((-12, 25), (12, 25), (8, -20), (-8, -20)), UNIT)
HEAD_WIDTH, HEAD_HEIGHT, CHEST_HEIGHT, NECK = 10 * UNIT, 20 * UNIT, 45 * UNIT, 0.2
LIMB_WIDTH, LIMB = 8 * UNIT, 28 * UNIT
HAND_WIDTH, HAND = 4 * UNIT, 8 * UNIT
LEG_DOWN, ARM_UP = 12 * UNIT, 22 * UNIT  # m, from the chest's origin to hips and shoulders
HIPS, KNEES, ELBOWS = (-0.3 * np.pi, 0.6 * np.pi), (-0.75 * np.pi, -0.1), (0.0, 0.75 * np.pi)
LOW_SHOULDERS, HIGH_SHOULDERS = (-0.5 * np.pi, 0.8 * np.pi), (-1.5 * np.pi, 0.0)
FINGERS = ((-0.4 * np.pi, 0.35 * np.pi), (-0.5 * np.pi, 0.0), (-0.8 * np.pi, 0.0))
WRIST = ((-0.5 * np.pi, 0.5 * np.pi),)
FUR, FACE, NEAR, FAR = (128, 86, 62), (214, 170, 132), (150, 104, 76), (104, 70, 50)
HANDS = (224, 182, 144)
COST = TORQUE_COST / 5


class _Chimpanzee:
    """A chimpanzee that is built body by body."""

    def __init__(self, y: float):
        self.x, self.y = SPACING * STARTPAD / 2, y
        head = y + CHEST_HEIGHT / 2 + HEAD_HEIGHT / 2 + NECK
        self.bodies = [
            Body("head", box(HEAD_WIDTH, HEAD_HEIGHT), 5.0, (self.x, head), friction=0.1),
            Body("chest", CHEST, 5.0, (self.x, y), friction=0.1),
        ]
        neck = (self.x, y + CHEST_HEIGHT / 2)
        self.joints: list[Joint] = [
            hinge(self.bodies, "neck", 0, 1, neck, -0.1 * np.pi, 0.1 * np.pi)
        ]
        self.views: list[MotorView] = []
        self.colours = [FACE, FUR]
        self.shins: list[int] = []

    def part(
        self,
        name: str,
        joint: str,
        parent: int,
        size: Point,
        up: float,
        limits: Point,
        speed: float,
        colour: tuple[int, int, int],
        grip: Point | None = None,
    ) -> int:
        """Add a box that hangs down from its joint (or stands on it), and return its index."""
        top = self.y + up
        middle = (self.x, top + size[1] / 2)
        self.bodies.append(Body(name, box(size[0], abs(size[1])), 1.0, middle, grip=grip))
        child = len(self.bodies) - 1
        at = (self.x, top)
        self.joints.append(hinge(self.bodies, joint, parent, child, at, *limits, speed, TORQUE))
        self.colours.append(colour)
        return child

    def legs(self) -> None:
        for side, colour in (("left", NEAR), ("right", FAR)):
            size = (LIMB_WIDTH, -LIMB)
            thigh = self.part(
                f"{side} thigh", f"{side} hip", 1, size, -LEG_DOWN, HIPS, HIP_SPEED, colour
            )
            size = (0.8 * LIMB_WIDTH, -LIMB)
            knee = -LEG_DOWN - LIMB
            shank = self.part(
                f"{side} shank", f"{side} knee", thigh, size, knee, KNEES, KNEE_SPEED, colour
            )
            self.views += [MotorView(), MotorView(1.0, shank)]
            self.shins.append(shank)

    def arms(self, sign: int, shoulders: Point, fingers: tuple[Point, ...], grips: bool) -> None:
        """Add two arms that hang down (sign -1) or point up (sign 1)."""
        for side, colour in (("left", NEAR), ("right", FAR)):
            size, up = (LIMB_WIDTH, sign * LIMB), ARM_UP
            upper = self.part(
                f"{side} upper arm", f"{side} shoulder", 1, size, up, shoulders, HIP_SPEED, colour
            )
            size, up = (0.8 * LIMB_WIDTH, sign * LIMB), up + sign * LIMB
            parent = self.part(
                f"{side} forearm", f"{side} elbow", upper, size, up, ELBOWS, HIP_SPEED, colour
            )
            self.views += [MotorView(), MotorView()]
            up += sign * LIMB
            for number, limits in enumerate(fingers, 1):
                last = number == len(fingers)
                name = f"{side} hand" if len(fingers) == 1 else f"{side} hand {number}"
                joint = f"{side} wrist" if len(fingers) == 1 else f"{side} wrist {number}"
                grip = (0.0, sign * HAND / 2) if grips and last else None
                parent = self.part(
                    *(name, joint, parent, (HAND_WIDTH, sign * HAND), up, limits, HAND_SPEED),
                    *(HANDS, grip),
                )
                self.views.append(MotorView(foot=parent))
                up += sign * HAND

    def walker(self, name: str, file: str) -> Walker:
        mechanism = Mechanism(tuple(self.bodies), tuple(self.joints))
        return Walker(
            *(name, mechanism, tuple(self.views), 0, COST, False, tuple(self.colours), file)
        )


def chimpanzee() -> Walker:
    """Return a chimpanzee that walks. Its head and chest may touch neither ground nor ceiling."""
    made = _Chimpanzee(GROUND + 2 * LIMB + LEG_DOWN)
    made.legs()
    made.arms(-1, LOW_SHOULDERS, FINGERS, grips=False)
    return dataclasses.replace(made.walker("chimpanzee", "chimpanzee"), critical=(0, 1))


def climbing_chimpanzee() -> Walker:
    """Return a chimpanzee that hangs from the ceiling.

    Its head, chest and shanks may touch the ceiling, but not the ground.
    """
    return _climber("climbing chimpanzee", "climbing_chimpanzee", legs=True)


def climbing_chest() -> Walker:
    """Return the upper half of the climbing chimpanzee."""
    return _climber("climbing chimpanzee without legs", "climbing_chest", legs=False)


def _climber(name: str, file: str, legs: bool) -> Walker:
    made = _Chimpanzee(GROUND + HANGING - ARM_UP - 2 * LIMB - HAND)
    if legs:
        made.legs()
    made.arms(1, HIGH_SHOULDERS, WRIST, grips=True)
    return dataclasses.replace(
        made.walker(name, file), kind="climber", critical=(0, 1, *made.shins)
    )
