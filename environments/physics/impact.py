"""Continuous collision: bodies that would pass into the ground within a step stop at its surface.

As in Box2D, each body is treated alone, without its joints: it is moved back to the time of impact,
pushed out of the ground, its velocity changed by the contact, and then moved for the rest of the
step, in which there may be further impacts.

References:
    Box2D 2.3: b2TimeOfImpact.cpp, b2World::SolveTOI.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from didact.environments.compiler_hints import compile_separately
from didact.environments.physics import position
from didact.environments.physics.contacts import Reach, nearest, updated
from didact.environments.physics.manifold import SLOP, Manifold, manifold, points
from didact.environments.physics.mechanism import Mechanism
from didact.environments.physics.selection import replaced
from didact.environments.physics.separation import divided, separation
from didact.environments.physics.state import (
    Bodies,
    Contacts,
    Iterations,
    row,
    true_at_run_time,
    with_row,
)
from didact.environments.physics.terrain import Surfaces
from didact.environments.physics.velocity import GROUND_FRICTION, STEP

TARGET, TOLERANCE = SLOP, SLOP / 4  # m: the separation at impact
MAX_IMPACTS = 8  # of a body in a step
NONE = 1.0  # m: the separation of surfaces that are not considered

Moved = tuple[position.Pose, position.Pose, Contacts]  # poses, velocities, contacts


def impacts(
    mechanism: Mechanism,
    bodies: Bodies,
    start: position.Pose,
    surfaces: Surfaces,
    at_start: Float[Array, "s w n"],
    reach: Reach,
    num_edges: int,
    settings: Iterations,
) -> Bodies:
    """Handle the impacts of the solid bodies in a step.

    Args:
        mechanism: the bodies.
        bodies: their state at the end of the step.
        start: the pose of the solid bodies at its start.
        surfaces: the candidates around each of them: `num_edges` edges, then boxes.
        at_start: the separations at the start.
        reach: how many surfaces are considered.
        num_edges: the number of edges among the candidates.
        settings: the numbers of iterations.
    """
    polygons, motion = mechanism.solid, bodies.motion
    solid = polygons.bodies
    fact = true_at_run_time(bodies.contacts)
    end = motion.x[solid], motion.y[solid], motion.angle[solid]
    at_end = compile_separately(fact, partial(_apart, mechanism, num_edges), surfaces, start, end)
    event = _hit(surfaces, at_start, at_end)
    velocity = motion.vx[solid], motion.vy[solid], motion.spin[solid]
    hit = partial(_stopped, mechanism, reach, num_edges, settings)
    (end, velocity, contacts) = replaced(
        hit,
        jnp.any(event, axis=0),
        (end, velocity, bodies.contacts),
        *(start, surfaces, at_start, at_end, event),
    )
    motion = type(motion)(
        *(old.at[solid].set(new) for old, new in zip(motion, (*end, *velocity), strict=True))
    )
    return bodies._replace(motion=motion, contacts=contacts)


def _apart(
    mechanism: Mechanism,
    num_edges: int,
    surfaces: Surfaces,
    start: position.Pose,
    pose: position.Pose,
) -> Float[Array, "s w n"]:
    """Return the separation of each body from surfaces, after a movement from another pose.

    It is negative, too, where the center of a body has passed an edge, on whose other side thin and
    fast bodies would be free again.
    """
    found = separation(mechanism.solid, *pose, surfaces, num_edges)
    edges, _ = divided(surfaces, num_edges)
    along_x, along_y = edges.x1 - edges.x0, edges.y1 - edges.y0
    length = jnp.sqrt(along_x * along_x + along_y * along_y)
    along_x, along_y = along_x / length, along_y / length

    def placed(pose):
        x, y = pose[0][:, None] - edges.x0, pose[1][:, None] - edges.y0
        return along_x * x + along_y * y, along_x * y - along_y * x

    (begin, above), (end, beyond) = placed(start), placed(pose)
    crossing = (begin * beyond - end * above) / jnp.where(beyond == above, 1.0, beyond - above)
    passed = (above * beyond < 0) & (crossing >= 0) & (crossing <= length)
    of_edges = jnp.where(passed, -jnp.abs(beyond), found[:, :num_edges])
    return jnp.concatenate([of_edges, found[:, num_edges:]], axis=1)


def _least(surfaces: Surfaces, at_start: Array, separation: Array) -> Float[Array, "s n"]:
    """Return the least separation of each body, from surfaces it does not overlap at the start.

    The others are left to the position solver.
    """
    apart = (at_start > 0) & (surfaces.id >= 0)
    return jnp.min(jnp.where(apart, separation, NONE), axis=1)


def _hit(surfaces: Surfaces, at_start: Array, at_end: Array) -> Bool[Array, "s n"]:
    """Return which bodies have an impact between two poses."""
    f0, f1 = (_least(surfaces, at_start, separation) for separation in (at_start, at_end))
    return (f0 < TARGET + TOLERANCE) | (f1 < TARGET - TOLERANCE)


def _stopped(
    mechanism: Mechanism,
    reach: Reach,
    num_edges: int,
    settings: Iterations,
    bodies: Moved,
    start: position.Pose,
    surfaces: Surfaces,
    at_start: Float[Array, "s w n"],
    at_end: Float[Array, "s w n"],
    event: Bool[Array, "s n"],
) -> Moved:
    """Return pose, velocity and contacts after the impacts of the bodies that have one."""
    fact = true_at_run_time(bodies[2])

    def apart(start, pose):
        return compile_separately(
            fact, partial(_apart, mechanism, num_edges), surfaces, start, pose
        )

    def any_left(carry):
        return (carry[0] < MAX_IMPACTS) & jnp.any(carry[-1])

    def once(carry):
        number, bodies, start, rest, at_start, at_end, event = carry
        event = event & _hit(surfaces, at_start, at_end)
        f0, f1 = (_least(surfaces, at_start, at) for at in (at_start, at_end))
        first = compile_separately(
            fact, partial(_first_hit, reach, num_edges), surfaces, at_start, at_end
        )

        def between(t):
            (x0, y0, a0), (x1, y1, a1) = start, bodies[0]
            return x0 + t * (x1 - x0), y0 + t * (y1 - y0), a0 + t * (a1 - a0)

        def least(t):
            found = _apart(mechanism, reach.edges, first, start, between(t))
            return jnp.min(jnp.where(first.id >= 0, found, NONE), axis=1)

        time = _time_of_impact(least, f0, f1, event, settings.impact_time)
        pose = between(time)
        at_impact = apart(start, pose)
        chosen = compile_separately(
            fact, partial(nearest, reach=reach, num_edges=num_edges), surfaces, at_impact
        )
        m = compile_separately(
            fact, partial(manifold, mechanism.solid, num_edges=reach.edges), *pose, chosen
        )
        event = event & jnp.any(m.active, axis=(0, 2))
        contacts = compile_separately(fact, updated, bodies[2], m, chosen)
        pose = _pushed_out(mechanism, m, pose, event, settings.impact_position)
        velocity = _bounced(mechanism, m, pose, bodies[1], settings.impact_velocity)
        rest = rest * (1 - time)
        end = tuple(q + STEP * rest * v for q, v in zip(pose, velocity, strict=True))
        bodies = _where(event, (end, velocity, contacts), bodies)
        # The next impact. Few bodies have one, so whether they hit is found before all else.
        at_end = apart(pose, bodies[0])
        event = event & (_least(surfaces, at_impact, at_end) < TARGET - TOLERANCE)
        at_start = jax.lax.cond(
            jnp.any(event), lambda pose: apart(pose, pose), lambda _: at_impact, pose
        )
        return number + 1, bodies, pose, rest, at_start, at_end, event

    rest = jnp.where(event, 1.0, 0.0)
    number = jnp.sum(rest[0, :1]).astype(jnp.int32) * 0  # which differs between devices
    carry = number, bodies, start, rest, at_start, at_end, event
    return jax.lax.while_loop(any_left, once, carry)[1]


def _first_hit(
    reach: Reach, num_edges: int, surfaces: Surfaces, at_start: Array, at_end: Array
) -> Surfaces:
    """Return the surfaces that are probably hit first, of those not overlapped at the start."""
    ids = jnp.where(at_start > 0, surfaces.id, -1)
    hit = (at_end < TARGET - TOLERANCE) | (at_start < TARGET + TOLERANCE)
    closing = jnp.maximum(at_start - at_end, 1e-6)
    time = jnp.clip((at_start - TARGET) / closing, 0, 1)
    order = jnp.where(hit, time - 1, jnp.minimum(at_start, at_end))
    return nearest(surfaces._replace(id=ids), order, reach, num_edges)


def _where(event: Bool[Array, "s n"], after: Moved, before: Moved) -> Moved:
    """Return the first of two where there was an event."""

    def chosen(new, old):
        axes = {2: event, 3: event[:, None], 4: event[None, :, None]}
        return jnp.where(axes[new.ndim], new, old)

    return jax.tree.map(chosen, after, before)


def _time_of_impact(
    least: Callable[[Array], Array],
    f0: Float[Array, "s n"],
    f1: Float[Array, "s n"],
    event: Bool[Array, "s n"],
    count: int,
) -> Float[Array, "s n"]:
    """Return the time, 0 to 1, at which the separation is `TARGET`.

    Secants and bisections alternate until all bodies with an event are within `TOLERANCE` of it.
    """

    def any_left(carry):
        return (carry[0] < count) & jnp.any(carry[-1])

    def narrow(carry):
        i, low, high, at_low, at_high, t, searching = carry
        slope = at_high - at_low
        slope = jnp.where(jnp.abs(slope) < 1e-9, -1e-9, slope)
        secant = jnp.clip(low + (TARGET - at_low) * (high - low) / slope, low, high)
        t = jnp.where(searching, jnp.where(i % 2 == 0, secant, 0.5 * (low + high)), t)
        found = least(t)
        early = found > TARGET
        low, at_low = jnp.where(early, t, low), jnp.where(early, found, at_low)
        high, at_high = jnp.where(early, high, t), jnp.where(early, at_high, found)
        searching = searching & (jnp.abs(found - TARGET) > TOLERANCE)
        return i + 1, low, high, at_low, at_high, t, searching

    zero = jnp.zeros_like(f0)
    number = jnp.sum(zero[0, :1]).astype(jnp.int32)
    searching = event & (f0 >= TARGET + TOLERANCE)
    carry = number, zero, jnp.ones_like(f0), f0, f1, zero, searching
    _, _, high, _, _, t, searching = jax.lax.while_loop(any_left, narrow, carry)
    return jnp.where(searching, high, t)


def _pushed_out(mechanism: Mechanism, m: Manifold, pose, event, count: int):
    rows = position.contact_rows(m)
    masses = position.inverse_masses(mechanism, mechanism.solid.bodies)

    def iterate(_, carry):
        *pose, done = carry
        *new, least = position.push_out(rows, tuple(pose), masses, position.IMPACT_RATE)
        moved = (jnp.where(done, old, q) for old, q in zip(pose, new, strict=True))
        return *moved, done | ~position.bad_separation(least)

    return jax.lax.fori_loop(0, count, iterate, (*pose, ~event))[:3]


def _bounced(mechanism: Mechanism, m: Manifold, pose, velocity, count: int):
    """Solve the contacts of each body alone, from zero impulses."""
    solid = mechanism.solid.bodies
    light, supple = position.inverse_masses(mechanism, solid)
    roughness = np.sqrt([mechanism.bodies[i].friction * GROUND_FRICTION for i in solid])
    friction = jnp.asarray(roughness, jnp.float32)[:, None]
    _, s, k, n = m.active.shape

    def ordered(values):
        return values.transpose(2, 0, 1, 3).reshape(2 * k, s, n)

    nx, ny, rx, ry = (ordered(q) for q in points(m, *pose))
    active = ordered(m.active)
    normal_arm, tangent_arm = rx * ny - ry * nx, -rx * nx - ry * ny
    normal_mass = jnp.where(active, 1 / (light + supple * normal_arm**2), 0.0)
    tangent_mass = jnp.where(active, 1 / (light + supple * tangent_arm**2), 0.0)

    def contact(p, carry):
        vx, vy, spin, normal, tangent = carry
        x, y, arm_n, arm_t = row(nx, p), row(ny, p), row(normal_arm, p), row(tangent_arm, p)
        pressed, old = row(normal, p), row(tangent, p)
        slide = vx * y - vy * x + spin * arm_t
        bound = friction * pressed
        new = jnp.clip(old - row(tangent_mass, p) * slide, -bound, bound)
        d = new - old
        vx, vy, spin = vx + light * d * y, vy - light * d * x, spin + supple * d * arm_t
        approach = vx * x + vy * y + spin * arm_n
        push = jnp.maximum(pressed - row(normal_mass, p) * approach, 0.0)
        d = push - pressed
        vx, vy, spin = vx + light * d * x, vy + light * d * y, spin + supple * d * arm_n
        return vx, vy, spin, with_row(normal, p, push), with_row(tangent, p, new)

    def iterate(_, carry):
        return jax.lax.fori_loop(0, 2 * k, contact, carry)

    zero = jnp.zeros_like(nx)
    return jax.lax.fori_loop(0, count, iterate, (*velocity, zero, zero))[:3]
