"""Legs of two boxes, which several bodies share."""

from didact.environments.physics import Body, Joint, hinge
from didact.environments.physics.shapes import Point, box
from didact.environments.walkers.plan import HIP_SPEED, KNEE_SPEED, MotorView

HIP, KNEE = (-0.8, 1.1), (-1.6, -0.1)  # rad, limits


def straight_leg(
    bodies: list[Body],
    joints: list[Joint],
    name: str,
    parent: int,
    at: Point,
    size: Point,
    torque: float,
) -> tuple[MotorView, MotorView]:
    """Add a straight leg that hangs down, and return the views of its hip and knee.

    Args:
        bodies, joints: extended by the leg.
        name: of the leg, such as "left".
        parent: the body that it hangs from.
        at: the position of the hip.
        size: width and height of the thigh; the shank is as long and 0.8 times as wide.
        torque: of both motors, N m.
    """
    (x, y), (width, height) = at, size
    thigh = len(bodies)
    bodies.append(Body(f"{name} thigh", box(width, height), 1.0, (x, y - height / 2)))
    bodies.append(Body(f"{name} shank", box(0.8 * width, height), 1.0, (x, y - 1.5 * height)))
    knee = (x, y - height)
    joints.append(hinge(bodies, f"{name} hip", parent, thigh, at, *HIP, HIP_SPEED, torque))
    joints.append(hinge(bodies, f"{name} knee", thigh, thigh + 1, knee, *KNEE, KNEE_SPEED, torque))
    return MotorView(), MotorView(1.0, thigh + 1)
