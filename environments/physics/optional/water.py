"""Water: buoyancy, and drag, lift and push on each edge of the part of a body that is submerged.

The rules are those of TeachMyAgent, in which motors push water away: an edge that faces the motor's
force on its body moves the body the other way. Forces follow from the state at the start of a step.

References:
    Romac et al., 2021, "TeachMyAgent", whose water adds the push to the buoyancy tutorial of
    iforce2d (https://www.iforce2d.net/b2dtut/buoyancy).
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from didact.environments.physics.mechanism import Mechanism
from didact.environments.physics.separation import constant
from didact.environments.physics.state import Motion
from didact.environments.physics.velocity import GRAVITY, STEP

DENSITY = 1.0  # kg/m^2
DRAG, LIFT, PUSH = 0.25, 0.25, 0.05
MAX_DRAG, MAX_LIFT, MAX_PUSH = 2000.0, 500.0, 20.0  # N for each edge
TORQUE_RATE = 60.0  # 1/s: torques are taken to be this times the impulses of motors


class Wet(NamedTuple):
    """The edges of the submerged parts of bodies, relative to the centers of mass.

    The last one is the water line.
    """

    ax: Float[Array, "e b n"]
    ay: Float[Array, "e b n"]
    bx: Float[Array, "e b n"]
    by: Float[Array, "e b n"]
    exists: Bool[Array, "e b n"]


def submerged(mechanism: Mechanism, motion: Motion, level: Float[Array, " n"]) -> Wet:
    """Cut the bodies at the level of the water; the edges go counterclockwise."""
    polygons = mechanism.outlines
    cos, sin = jnp.cos(motion.angle), jnp.sin(motion.angle)
    vx, vy = (constant(polygons.vertices[..., i])[:, :, 0] for i in (0, 1))
    x0, y0 = cos * vx - sin * vy, sin * vx + cos * vy
    x1, y1 = jnp.roll(x0, -1, axis=0), jnp.roll(y0, -1, axis=0)
    top = level - motion.y
    deep0, deep1 = top - y0, top - y1
    apart = deep0 - deep1
    cut = deep0 / jnp.where(jnp.abs(apart) < 1e-9, 1e-9, apart)
    exists = (deep0 > 0) | (deep1 > 0)
    begin = jnp.where(deep0 > 0, 0.0, jnp.clip(cut, 0, 1))
    end = jnp.where(deep1 > 0, 1.0, jnp.clip(cut, 0, 1))
    ax, ay = x0 + begin * (x1 - x0), y0 + begin * (y1 - y0)
    bx, by = x0 + end * (x1 - x0), y0 + end * (y1 - y0)
    leaves, enters = (deep0 > 0) & (deep1 <= 0), (deep0 <= 0) & (deep1 > 0)

    def at(mask, values):
        return jnp.sum(jnp.where(mask, values, 0), axis=0, keepdims=True)

    line = (at(leaves, bx), at(leaves, by), at(enters, ax), at(enters, ay))
    crosses = jnp.any(leaves, axis=0, keepdims=True) & jnp.any(enters, axis=0, keepdims=True)
    parts = zip((ax, ay, bx, by, exists), (*line, crosses), strict=True)
    return Wet(*(jnp.concatenate(part, axis=0) for part in parts))


def immersed(
    mechanism: Mechanism, motion: Motion, motor: Float[Array, "j n"], level: Float[Array, " n"]
) -> Motion:
    """Return the motion after the forces of the water have acted for a step.

    Args:
        mechanism: the bodies.
        motion: their motion.
        motor: the impulses of the motors in the last step.
        level: the level of the water.
    """
    wet = submerged(mechanism, motion, level)
    mass, inertia = (
        jnp.asarray(x[:, None], jnp.float32) for x in (mechanism.mass, mechanism.inertia)
    )
    edge_x, edge_y = wet.bx - wet.ax, wet.by - wet.ay
    length = jnp.where(wet.exists, jnp.sqrt(edge_x * edge_x + edge_y * edge_y), 0.0)
    scale = jnp.where(length > 1e-6, 1 / jnp.maximum(length, 1e-6), 0.0)
    edge_x, edge_y = edge_x * scale, edge_y * scale
    normal_x, normal_y = edge_y, -edge_x
    # Buoyancy.
    cross = jnp.where(wet.exists, wet.ax * wet.by - wet.ay * wet.bx, 0.0)
    up = DENSITY * -GRAVITY / 2 * jnp.sum(cross, axis=0)
    turn = DENSITY * -GRAVITY / 6 * jnp.sum(cross * (wet.ax + wet.bx), axis=0)
    # Drag against the motion of the edge, and lift across it.
    middle_x, middle_y = (wet.ax + wet.bx) / 2, (wet.ay + wet.by) / 2
    vx = motion.vx - motion.spin * middle_y
    vy = motion.vy + motion.spin * middle_x
    speed = jnp.sqrt(vx * vx + vy * vy)
    slow = 1 / jnp.maximum(speed, 1e-6)
    vx, vy = vx * slow, vy * slow
    facing = jnp.maximum(normal_x * vx + normal_y * vy, 0.0)
    pressure = facing * length * DENSITY * speed * speed
    drag = jnp.minimum(DRAG * pressure, MAX_DRAG)
    lift = jnp.minimum(LIFT * pressure * (edge_x * vx + edge_y * vy), MAX_LIFT)
    fx, fy = -drag * vx - lift * vy, -drag * vy + lift * vx
    turn = turn + jnp.sum(middle_x * fy - middle_y * fx, axis=0)
    fx, fy = jnp.sum(fx, axis=0), jnp.sum(fy, axis=0) + up
    push_x, push_y, push_turn = _pushed(
        mechanism, motion, motor, normal_x * length, normal_y * length
    )
    child = mechanism.child
    fx, fy = fx.at[child].add(push_x), fy.at[child].add(push_y)
    turn = turn.at[child].add(push_turn)
    return motion._replace(
        vx=motion.vx + STEP * fx / mass,
        vy=motion.vy + STEP * fy / mass,
        spin=motion.spin + STEP * turn / inertia,
    )


def _pushed(
    mechanism: Mechanism,
    motion: Motion,
    motor: Float[Array, "j n"],
    normal_x: Float[Array, "e b n"],
    normal_y: Float[Array, "e b n"],
) -> tuple[Array, Array, Array]:
    """Return the forces and torques [j, n] on the children of joints; normals have the lengths."""
    child = mechanism.child
    angle = motion.angle[child]
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    at_x, at_y = (jnp.asarray(mechanism.anchors[1][:, i, None], jnp.float32) for i in (0, 1))
    hinge_x, hinge_y = cos * at_x - sin * at_y, sin * at_x + cos * at_y  # from the center of mass
    low, high = (jnp.asarray(limit[:, None], jnp.float32) for limit in mechanism.limits)
    turned = angle - motion.angle[mechanism.parent]
    torque = jnp.where((turned > low) & (turned < high), TORQUE_RATE * motor, 0.0)
    force_x, force_y = torque * hinge_y, -torque * hinge_x
    # Box2D's inertia is that about the body's origin.
    about_origin = mechanism.inertia + mechanism.mass * (mechanism.centers**2).sum(1)
    about_origin = jnp.asarray(about_origin[child][:, None], jnp.float32)
    strength = jnp.square(torque + about_origin * motion.spin[child])
    facing = normal_x[:, child] * force_x + normal_y[:, child] * force_y
    size = jnp.maximum(facing, 0.0) * PUSH * DENSITY * strength
    fx = jnp.sum(jnp.clip(-size * force_x, -MAX_PUSH, MAX_PUSH), axis=0)
    fy = jnp.sum(jnp.clip(-size * force_y, -MAX_PUSH, MAX_PUSH), axis=0)
    return fx, fy, hinge_x * fy - hinge_y * fx


def immersed_share(
    mechanism: Mechanism, motion: Motion, level: Float[Array, " n"]
) -> Float[Array, "b n"]:
    """Return the share of the area of each body that is submerged."""
    wet = submerged(mechanism, motion, level)
    cross = jnp.where(wet.exists, wet.ax * wet.by - wet.ay * wet.bx, 0.0)
    area = np.array([_area(vertices) for vertices in mechanism.outlines.vertices])
    return jnp.sum(cross, axis=0) / 2 / jnp.asarray(area[:, None], jnp.float32)


def _area(vertices: Float[np.ndarray, "v 2"]) -> float:
    x, y = vertices.T
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2)
