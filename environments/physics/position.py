"""The position solver: non-linear Gauss-Seidel on penetration, joint drift and joint limits."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from didact.environments.physics.manifold import SKIN, SLOP, Manifold
from didact.environments.physics.mechanism import Mechanism
from didact.environments.physics.optional import grips as gripping
from didact.environments.physics.selection import replaced
from didact.environments.physics.state import Grips, row, with_row

ANGULAR_SLOP = 2 / 180 * np.pi
MAX_ANGLE = 8 / 180 * np.pi  # rad, the largest correction of a limit
MAX_CORRECTION = 0.2  # m, the largest correction of a penetration
FEW = 3  # iterations that are made in all worlds
RATE, IMPACT_RATE = 0.2, 0.75  # of the error, corrected in one iteration

Pose = tuple[Float[Array, "b n"], Float[Array, "b n"], Float[Array, "b n"]]  # x, y, angle


class _ContactRows(NamedTuple):
    """The points of a manifold, one after another for each body: all [p, s, n]."""

    active: Array
    local_x: Array
    local_y: Array
    world_x: Array
    world_y: Array
    own_face: Array
    normal_x: Array
    normal_y: Array
    local_normal_x: Array
    local_normal_y: Array


def contact_rows(m: Manifold) -> _ContactRows:
    """Order the points of a manifold: surface by surface."""
    shape = m.active.shape

    def ordered(values):
        _, s, k, n = shape
        return jnp.broadcast_to(values, shape).transpose(2, 0, 1, 3).reshape(2 * k, s, n)

    return _ContactRows(*(ordered(values) for values in m[:10]))


def solve(
    mechanism: Mechanism,
    pose: Pose,
    side: Float[Array, "j n"],
    m: Manifold,
    count: int,
    grips: Grips | None = None,
) -> Pose:
    """Correct the positions of bodies after they have moved.

    A world is left as it is once its errors are small.

    Args:
        mechanism: the bodies and joints.
        pose: where the bodies have moved to.
        side: the violated limit of each joint at the start of the step.
        m: the contacts at the start of the step.
        count: the number of iterations.
        grips: what the hands hold.
    """
    solid = mechanism.solid.bodies
    masses = inverse_masses(mechanism, solid)

    def corrected(carry, given, iterations):
        side, rows, grips = given
        joint = _joint_solver(mechanism, side) if mechanism.joints else None

        def iterate(_, carry):
            x, y, angle, done = carry
            sx, sy, sa, least = push_out(rows, (x[solid], y[solid], angle[solid]), masses, RATE)
            moved = zip((x, y, angle), (sx, sy, sa), strict=True)
            new = tuple(q.at[solid].set(r) for q, r in moved)
            bad = jnp.min(least, axis=0) < -3 * SLOP
            if grips is not None:
                new, drift = gripping.held(mechanism, grips, new)
                bad = bad | (drift > SLOP)
            if joint is not None:
                *new, bad = jax.lax.fori_loop(0, len(mechanism.joints), joint, (*new, bad))
            x, y, angle = (jnp.where(done, q, r) for q, r in zip(carry[:3], new, strict=True))
            return x, y, angle, done | ~bad

        return jax.lax.fori_loop(0, iterations, iterate, carry)

    given = side, contact_rows(m), grips
    none = pose[0][0] > jnp.inf
    # Most worlds are done after a few iterations, and most others are not after many.
    few = min(FEW, count)
    carry = corrected((*pose, none), given, few)
    if count > few:
        rest = partial(corrected, iterations=count - few)
        carry = replaced(rest, ~carry[3], carry, given)
    return carry[:3]


def inverse_masses(mechanism: Mechanism, bodies: np.ndarray) -> tuple[Array, Array]:
    """Return the inverse mass and inertia of some bodies, [s, 1]."""
    return (
        jnp.asarray(1 / mechanism.mass[bodies], jnp.float32)[:, None],
        jnp.asarray(1 / mechanism.inertia[bodies], jnp.float32)[:, None],
    )


def push_out(
    rows: _ContactRows, pose: Pose, masses: tuple[Array, Array], rate: float
) -> tuple[Array, Array, Array, Float[Array, "s n"]]:
    """Move bodies out of the ground, point by point, and return their least separation before."""
    light, supple = masses

    def push(p, carry):
        x, y, angle, cos, sin, least = carry
        point = _ContactRows(*(row(values, p) for values in rows))
        own_x = cos * point.local_x - sin * point.local_y
        own_y = sin * point.local_x + cos * point.local_y
        turned_x = sin * point.local_normal_y - cos * point.local_normal_x
        turned_y = -sin * point.local_normal_x - cos * point.local_normal_y
        nx = jnp.where(point.own_face, turned_x, point.normal_x)
        ny = jnp.where(point.own_face, turned_y, point.normal_y)
        apart = (x + own_x - point.world_x) * nx + (y + own_y - point.world_y) * ny - SKIN
        apart = jnp.where(point.active, apart, 1.0)
        arm_x = jnp.where(point.own_face, point.world_x - x, own_x)
        arm_y = jnp.where(point.own_face, point.world_y - y, own_y)
        error = jnp.clip(rate * (apart + SLOP), -MAX_CORRECTION, 0.0)
        arm = arm_x * ny - arm_y * nx
        impulse = -error / (light + supple * arm * arm)
        turn = supple * impulse * arm
        # cos and sin of small turns, to second order.
        keep = 1 - 0.5 * turn * turn
        return (
            x + light * impulse * nx,
            y + light * impulse * ny,
            angle + turn,
            cos * keep - sin * turn,
            sin * keep + cos * turn,
            jnp.minimum(least, apart),
        )

    x, y, angle = pose
    carry = (x, y, angle, jnp.cos(angle), jnp.sin(angle), jnp.zeros_like(x))
    x, y, angle, _, _, least = jax.lax.fori_loop(0, rows.active.shape[0], push, carry)
    return x, y, angle, least


def _joint_solver(mechanism: Mechanism, side: Float[Array, "j n"]):
    """Return the body of a loop over the joints, in Box2D's order."""
    order = np.array(mechanism.island_order)
    parent, child = (jnp.asarray(x[order]) for x in (mechanism.parent, mechanism.child))
    at_parent, at_child = mechanism.anchors
    ax, ay, bx, by, lower, upper = (
        jnp.asarray(x[order], jnp.float32) for x in (*at_parent.T, *at_child.T, *mechanism.limits)
    )
    light, supple = (jnp.asarray(1 / x, jnp.float32) for x in (mechanism.mass, mechanism.inertia))
    side = side[order]

    def joint(j, carry):
        x, y, angle, bad = carry
        p, c = parent[j], child[j]
        xp, yp, ap = row(x, p), row(y, p), row(angle, p)
        xc, yc, ac = row(x, c), row(y, c), row(angle, c)
        mp, mc, ip, ic = light[p], light[c], supple[p], supple[c]
        which = row(side, j)
        below, above = ac - ap - lower[j], ac - ap - upper[j]
        error = jnp.where(
            which > 0,
            jnp.clip(below + ANGULAR_SLOP, -MAX_ANGLE, 0.0),
            jnp.where(which < 0, jnp.clip(above - ANGULAR_SLOP, 0.0, MAX_ANGLE), 0.0),
        )
        beyond = jnp.where(which > 0, -below, jnp.where(which < 0, above, 0.0))
        impulse = -error / (ip + ic)
        ap, ac = ap - ip * impulse, ac + ic * impulse
        cp, sp, cc, sc = jnp.cos(ap), jnp.sin(ap), jnp.cos(ac), jnp.sin(ac)
        px, py = cp * ax[j] - sp * ay[j], sp * ax[j] + cp * ay[j]
        qx, qy = cc * bx[j] - sc * by[j], sc * bx[j] + cc * by[j]
        dx, dy = xc + qx - xp - px, yc + qy - yp - py
        kxx = mp + mc + ip * py * py + ic * qy * qy
        kxy = -ip * px * py - ic * qx * qy
        kyy = mp + mc + ip * px * px + ic * qx * qx
        scale = 1 / (kxx * kyy - kxy * kxy)
        fx, fy = -(kyy * dx - kxy * dy) * scale, -(kxx * dy - kxy * dx) * scale
        x = with_row(with_row(x, p, xp - mp * fx), c, xc + mc * fx)
        y = with_row(with_row(y, p, yp - mp * fy), c, yc + mc * fy)
        angle = with_row(angle, p, ap - ip * (px * fy - py * fx))
        angle = with_row(angle, c, ac + ic * (qx * fy - qy * fx))
        drift = jnp.sqrt(dx * dx + dy * dy)
        return x, y, angle, bad | (drift > SLOP) | (beyond > ANGULAR_SLOP)

    return joint


def bad_separation(least: Float[Array, "s n"]) -> Bool[Array, "s n"]:
    """Return which bodies are still too deep in the ground, after an impact."""
    return least < -1.5 * SLOP
