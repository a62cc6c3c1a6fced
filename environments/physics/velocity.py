"""The velocity solver: joints, motors, limits and contacts.

Box2D repeats its impulses for so many iterations that its velocities are nearly the solution of
the complementarity problem. Here the same problem is solved in joint coordinates, the spins of the
b bodies and the velocity of the common center of mass, in which joints hold exactly; so few
iterations of projected Gauss-Seidel suffice.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from didact.environments.compiler_hints import compile_separately
from didact.environments.physics.manifold import Manifold, Points
from didact.environments.physics.mechanism import Mechanism
from didact.environments.physics.optional import grips as gripping
from didact.environments.physics.state import Bodies, row, true_at_run_time, with_row

STEP = 1 / 50  # s
GRAVITY = -10.0  # m/s^2
GROUND_FRICTION = 2.5
UNBOUNDED = 1e9
MAX_TRANSLATION, MAX_ROTATION = 2.0, np.pi / 2  # m and rad in a step, as in Box2D


class Rows(NamedTuple):
    """The contact constraints of n worlds, compacted to r points."""

    normal: Float[Array, "r b n"]  # the derivative of the normal speed by the spins
    tangent: Float[Array, "r b n"]
    normal_x: Float[Array, "r n"]  # and by the velocity of the center of mass
    normal_y: Float[Array, "r n"]
    normal_change: Float[Array, "r b n"]  # the spins that a unit impulse adds
    tangent_change: Float[Array, "r b n"]
    normal_mass: Float[Array, "r n"]
    tangent_mass: Float[Array, "r n"]
    friction: Float[Array, "r n"]


def arms(mechanism: Mechanism, angle: Float[Array, "b n"]) -> tuple[Array, Array]:
    """Return levers [i, k, n] in the world; see `Mechanism.levers`."""
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    levers = mechanism.levers.astype(np.float32)
    x, y = jnp.asarray(levers[..., 0])[..., None], jnp.asarray(levers[..., 1])[..., None]
    return cos * x - sin * y, sin * x + cos * y


def inverse_inertia(mechanism: Mechanism, angle: Float[Array, "b n"]) -> Float[Array, "b b n"]:
    """Return the inverse of the inertia matrix of the spins, all bodies moving with them."""
    levers, mass = mechanism.levers, mechanism.mass
    dot = np.einsum("i,ikx,ilx->kl", mass, levers, levers)
    cross = np.einsum("i,ik,il->kl", mass, levers[..., 0], levers[..., 1])
    cross = cross - cross.T
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    together = cos[:, None] * cos + sin[:, None] * sin
    apart = sin[:, None] * cos - cos[:, None] * sin
    matrix = (
        jnp.asarray(dot[..., None], jnp.float32) * together
        + jnp.asarray(cross[..., None], jnp.float32) * apart
        + jnp.asarray(np.diag(mechanism.inertia)[..., None], jnp.float32)
    )
    return inverted(matrix)


def inverted(matrix: Float[Array, "b b n"]) -> Float[Array, "b b n"]:
    """Invert symmetric positive definite matrices by Gauss-Jordan elimination."""
    size = matrix.shape[0]
    index = jnp.arange(size)[:, None]

    def eliminate(i, matrix):
        pivot_row = row(matrix, i)
        pivot = 1 / row(pivot_row, i)
        column = jax.lax.dynamic_index_in_dim(matrix, i, 1, keepdims=False)
        here = index == i
        scaled = jnp.where(here, pivot, pivot_row * pivot)
        rest = jnp.where(here[None], 0.0, matrix) - jnp.where(here, 0.0, column)[:, None] * scaled
        return jnp.where(here[:, None], scaled[None], rest)

    return jax.lax.fori_loop(0, size, eliminate, matrix)


def compacted(active: Bool[Array, "p n"], rows: int) -> tuple[Bool[Array, "r p n"], Int[Array, ""]]:
    """Return which active point each row holds, and the largest number of rows used by a world."""
    count = jnp.zeros(active.shape[1], jnp.int32)
    ranks = []
    for point in active:
        ranks.append(jnp.where(point, count, -1))
        count = count + point
    rank = jnp.stack(ranks)
    used = jnp.minimum(jnp.max(count), rows)
    return rank[None] == jnp.arange(rows, dtype=jnp.int32)[:, None, None], used


def contact_rows(
    mechanism: Mechanism,
    holds: Bool[Array, "r p n"],
    at: Points,
    order: np.ndarray,
    arm_x: Float[Array, "b b n"],
    arm_y: Float[Array, "b b n"],
    inverse: Float[Array, "b b n"],
) -> Rows:
    """Return the constraints of the chosen points."""
    r, _, n = holds.shape
    bodies = mechanism.solid.bodies[order]
    each = holds.reshape(r, len(order), -1, n)
    of_body = jnp.any(each, axis=2)  # [r, s, n]

    def chosen(values):
        return jnp.sum(jnp.where(holds, by_point(values, order)[None], 0), axis=1)

    nx, ny, rx, ry = (chosen(q) for q in at)
    sizes = np.sqrt([mechanism.bodies[i].friction * GROUND_FRICTION for i in bodies])
    friction = jnp.sum(jnp.where(of_body, jnp.asarray(sizes, jnp.float32)[:, None], 0), axis=1)
    lever_x = jnp.sum(jnp.where(of_body[:, :, None], arm_x[bodies][None], 0), axis=1)  # [r, b, n]
    lever_y = jnp.sum(jnp.where(of_body[:, :, None], arm_y[bodies][None], 0), axis=1)
    own = np.zeros((len(order), len(mechanism.bodies), 1), bool)
    own[np.arange(len(order)), bodies] = True
    is_own = jnp.any(of_body[:, :, None] & own, axis=1)  # [r, b, n]
    lever_x = lever_x + jnp.where(is_own, rx[:, None], 0)
    lever_y = lever_y + jnp.where(is_own, ry[:, None], 0)
    nx_, ny_ = nx[:, None], ny[:, None]
    normal = lever_x * ny_ - lever_y * nx_
    tangent = -lever_x * nx_ - lever_y * ny_
    return Rows(
        normal, tangent, nx, ny, *_responses(mechanism, holds, normal, tangent, inverse), friction
    )


def _responses(mechanism, holds, normal, tangent, inverse):
    """Return the changes of spins by unit impulses, and the effective masses."""
    normal_change = jnp.sum(inverse[None] * normal[:, None], axis=2)
    tangent_change = jnp.sum(inverse[None] * tangent[:, None], axis=2)
    used = jnp.any(holds, axis=1)
    light = float(1 / mechanism.mass.sum())

    def effective(derivative, change):
        return jnp.where(used, 1 / (light + jnp.sum(derivative * change, axis=1)), 0.0)

    return (
        normal_change,
        tangent_change,
        effective(normal, normal_change),
        effective(tangent, tangent_change),
    )


def by_point(values: Float[Array, "2 s k n"], order: np.ndarray) -> Float[Array, "p n"]:
    """Flatten points: bodies in this order, their surfaces, the two points of each."""
    ordered = jnp.stack([values[:, i] for i in order], axis=0)  # [s, 2, k, n]
    return ordered.transpose(0, 2, 1, 3).reshape(-1, values.shape[-1])


def from_points(values: Float[Array, "p n"], order: np.ndarray, k: int) -> Float[Array, "2 s k n"]:
    """Undo `by_point`."""
    ordered = values.reshape(len(order), k, 2, values.shape[-1])
    back = np.argsort(order)
    return jnp.stack([ordered[i] for i in back], axis=0).transpose(2, 0, 1, 3)


def solve(
    mechanism: Mechanism,
    bodies: Bodies,
    m: Manifold,
    at: Points,
    torque: Float[Array, "j n"],
    speed: Float[Array, "j n"],
    count: int,
    max_points: int,
) -> Bodies:
    """Apply gravity, motors, limits and contacts to the velocities.

    Args:
        mechanism: the bodies and joints.
        bodies: their state.
        m: the contacts at the start of the step.
        at: their points.
        torque: the largest torque of each motor.
        speed: the speed each motor aims at.
        count: the number of iterations.
        max_points: the number of contact points that are solved at once; others are left out.
    """
    motion = bodies.motion
    arm_x, arm_y = arms(mechanism, motion.angle)
    inverse = inverse_inertia(mechanism, motion.angle)
    mass = jnp.asarray(mechanism.mass, jnp.float32)[:, None]
    total = float(mechanism.mass.sum())
    vx, vy = motion.vx, motion.vy + STEP * GRAVITY
    momentum = jnp.asarray(mechanism.inertia, jnp.float32)[:, None] * motion.spin
    momentum = momentum + jnp.sum(arm_x * (mass * vy)[:, None] - arm_y * (mass * vx)[:, None], 0)
    spin = jnp.sum(inverse * momentum[None], axis=1)
    common_x, common_y = jnp.sum(mass * vx, 0) / total, jnp.sum(mass * vy, 0) / total

    parent, child = jnp.asarray(mechanism.parent), jnp.asarray(mechanism.child)
    change = inverse[mechanism.child] - inverse[mechanism.parent]  # [j, b, n]
    joint_mass = _joint_masses(mechanism, change)
    side, limit, low, high = limits(mechanism, bodies)
    bound = STEP * torque

    # The last bodies come first: for walkers, the feet.
    order = contact_order(mechanism)
    active = by_point(m.active, order)
    holds, used = compacted(active, max_points)
    rows = compile_separately(
        true_at_run_time(bodies.contacts),
        lambda *args: contact_rows(mechanism, args[0], args[1], order, *args[2:]),
        *(holds, at, arm_x, arm_y, inverse),
    )

    def chosen(values):
        return jnp.sum(jnp.where(holds, by_point(values, order)[None], 0), axis=1)

    normal, tangent, motor = (
        chosen(bodies.contacts.normal),
        chosen(bodies.contacts.tangent),
        bodies.motor,
    )
    spin = spin + jnp.sum(change * (motor + limit)[:, None], axis=0)
    spin = spin + jnp.sum(rows.normal_change * normal[:, None], axis=0)
    spin = spin + jnp.sum(rows.tangent_change * tangent[:, None], axis=0)
    light = 1 / total
    holds_on = None
    pulls: list[Array] = []
    if bodies.grips is not None:
        holds_on = gripping.rows(mechanism, bodies.grips, motion.angle, arm_x, arm_y, inverse)
        pulls = [bodies.grips.pull_x, bodies.grips.pull_y]
        spin, common_x, common_y = gripping.warm(holds_on, pulls, light, spin, common_x, common_y)
    common_x = common_x + light * jnp.sum(normal * rows.normal_x + tangent * rows.normal_y, 0)
    common_y = common_y + light * jnp.sum(normal * rows.normal_y - tangent * rows.normal_x, 0)

    def joint(j, carry):
        spin, motor, limit = carry
        response, effective = row(change, j), row(joint_mass, j)
        relative = row(spin, child[j]) - row(spin, parent[j])
        old, most = row(motor, j), row(bound, j)
        new = jnp.clip(old - effective * (relative - row(speed, j)), -most, most)
        added = new - old
        relative = relative + added / effective
        before = row(limit, j)
        after = jnp.clip(before - effective * relative, row(low, j), row(high, j))
        spin = spin + response * (added + after - before)
        return spin, with_row(motor, j, new), with_row(limit, j, after)

    def contact(p, carry):
        spin, cx, cy, normal, tangent = carry
        nx, ny = row(rows.normal_x, p), row(rows.normal_y, p)
        old, pressed = row(tangent, p), row(normal, p)
        bound = row(rows.friction, p) * pressed
        slide = cx * ny - cy * nx + jnp.sum(row(rows.tangent, p) * spin, axis=0)
        new = jnp.clip(old - row(rows.tangent_mass, p) * slide, -bound, bound)
        d = new - old
        spin = spin + row(rows.tangent_change, p) * d
        cx, cy = cx + light * d * ny, cy - light * d * nx
        approach = cx * nx + cy * ny + jnp.sum(row(rows.normal, p) * spin, axis=0)
        push = jnp.maximum(pressed - row(rows.normal_mass, p) * approach, 0.0)
        d = push - pressed
        spin = spin + row(rows.normal_change, p) * d
        cx, cy = cx + light * d * nx, cy + light * d * ny
        return spin, cx, cy, with_row(normal, p, push), with_row(tangent, p, new)

    def iterate(_, carry):
        spin, cx, cy, motor, limit, normal, tangent, *pulls = carry
        if mechanism.joints:
            spin, motor, limit = jax.lax.fori_loop(
                0, len(mechanism.joints), joint, (spin, motor, limit)
            )
        if holds_on is not None:
            spin, cx, cy, *pulls = gripping.pulled(holds_on, light, spin, cx, cy, *pulls)
        spin, cx, cy, normal, tangent = jax.lax.fori_loop(
            0, used, contact, (spin, cx, cy, normal, tangent)
        )
        return spin, cx, cy, motor, limit, normal, tangent, *pulls

    carry = (spin, common_x, common_y, motor, limit, normal, tangent, *pulls)
    spin, common_x, common_y, motor, limit, normal, tangent, *pulls = jax.lax.fori_loop(
        0, count, iterate, carry
    )
    vx = common_x - jnp.sum(arm_y * spin[None], axis=1)
    vy = common_y + jnp.sum(arm_x * spin[None], axis=1)
    vx, vy, spin = clamped(vx, vy, spin)
    k = m.active.shape[2]

    def spread(values):
        return from_points(jnp.sum(jnp.where(holds, values[:, None], 0), axis=0), order, k)

    contacts = bodies.contacts._replace(normal=spread(normal), tangent=spread(tangent))
    motion = motion._replace(vx=vx, vy=vy, spin=spin)
    if bodies.grips is not None:
        bodies = bodies._replace(grips=bodies.grips._replace(pull_x=pulls[0], pull_y=pulls[1]))
    return bodies._replace(motion=motion, motor=motor, limit=limit, side=side, contacts=contacts)


def limits(mechanism: Mechanism, bodies: Bodies) -> tuple[Array, Array, Array, Array]:
    """Return the side of the violated limit of each joint, warm impulses, and their bounds."""
    lower, upper = (jnp.asarray(x, jnp.float32)[:, None] for x in mechanism.limits)
    angle = bodies.motion.angle
    turned = angle[mechanism.child] - angle[mechanism.parent]
    side = jnp.where(turned <= lower, 1.0, jnp.where(turned >= upper, -1.0, 0.0))
    limit = jnp.where((side == bodies.side) & (side != 0), bodies.limit, 0.0)
    return side, limit, jnp.where(side < 0, -UNBOUNDED, 0.0), jnp.where(side > 0, UNBOUNDED, 0.0)


def clamped(vx: Array, vy: Array, spin: Array) -> tuple[Array, Array, Array]:
    """Limit velocities as Box2D does before it moves bodies."""
    distance = STEP * jnp.sqrt(vx * vx + vy * vy)
    scale = jnp.where(
        distance > MAX_TRANSLATION, MAX_TRANSLATION / jnp.maximum(distance, 1e-9), 1.0
    )
    turn = MAX_ROTATION / STEP
    return vx * scale, vy * scale, jnp.clip(spin, -turn, turn)


def contact_order(mechanism: Mechanism) -> np.ndarray:
    """Return the order in which solid bodies' contacts are solved: leaves of the tree first."""
    bodies = mechanism.solid.bodies
    leaf = ~np.isin(bodies, mechanism.parent)
    return np.lexsort((-bodies, ~leaf))


def _joint_masses(mechanism: Mechanism, change: Float[Array, "j b n"]) -> Float[Array, "j n"]:
    """Return the effective masses of joints: 1 over the relative spin that a unit impulse adds."""
    ends = zip(mechanism.parent.tolist(), mechanism.child.tolist(), strict=True)
    added = [change[j, child] - change[j, parent] for j, (parent, child) in enumerate(ends)]
    return 1 / jnp.stack(added) if added else change[:, 0]
