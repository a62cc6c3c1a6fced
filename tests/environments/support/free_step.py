"""The first step of a mechanism in the air, in NumPy.

Walkers start in the air, often with their joints apart or beyond their limits, and their first
observation is made a step later. That step depends only on the force that pushes the first body, so
it is computed once for several forces instead of in every reset. It is also an independent check of
the engine.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from didact.environments.physics.manifold import SLOP
from didact.environments.physics.mechanism import Mechanism, rotated
from didact.environments.physics.position import ANGULAR_SLOP, MAX_ANGLE
from didact.environments.physics.velocity import GRAVITY, MAX_ROTATION, MAX_TRANSLATION, STEP

VELOCITY_ITERATIONS, POSITION_ITERATIONS = 180, 60


class FreeStep(NamedTuple):
    """A mechanism after its first step."""

    motion: Float[np.ndarray, "6 b"]  # x, y, angle, vx, vy, spin
    limit: Float[np.ndarray, " j"]
    side: Float[np.ndarray, " j"]


def free_step(mechanism: Mechanism, push: float) -> FreeStep:
    """Step from the initial pose, at rest, with limp motors and without contacts.

    Args:
        mechanism: the bodies and joints.
        push: the horizontal force on the first body, N.
    """
    x, y, angle = mechanism.pose.T.copy()
    velocity = np.zeros((len(x), 2))
    velocity[:, 1] += STEP * GRAVITY
    velocity[0, 0] += STEP * push / mechanism.mass[0]
    spin = np.zeros(len(x))
    lower, upper = mechanism.limits
    turned = angle[mechanism.child] - angle[mechanism.parent]
    side = np.where(turned <= lower, 1.0, np.where(turned >= upper, -1.0, 0.0))
    velocity, spin, limit = _joined(mechanism, angle, velocity, spin, side)
    distance = STEP * np.linalg.norm(velocity, axis=1)
    velocity *= np.minimum(1, MAX_TRANSLATION / np.maximum(distance, 1e-9))[:, None]
    spin = np.clip(spin, -MAX_ROTATION / STEP, MAX_ROTATION / STEP)
    position = np.stack([x, y], 1) + STEP * velocity
    angle = angle + STEP * spin
    for _ in range(POSITION_ITERATIONS):
        if not _corrected(mechanism, position, angle, side):
            break
    motion = np.stack([*position.T, angle, *velocity.T, spin])
    return FreeStep(motion, limit, side)


def _joined(mechanism, angle, velocity, spin, side):
    """Project velocities to those that joints and violated limits allow."""
    n = len(angle)
    lever = rotated(mechanism.levers, np.broadcast_to(angle, (n, n)))
    turned = np.stack([-lever[..., 1], lever[..., 0]], -1)  # [i, k, 2]: velocity of i per spin of k
    mass, inertia = mechanism.mass, mechanism.inertia
    matrix = np.einsum("i,ikx,ilx->kl", mass, turned, turned) + np.diag(inertia)
    momentum = np.einsum("i,ikx,ix->k", mass, turned, velocity) + inertia * spin
    common = (mass[:, None] * velocity).sum(0) / mass.sum()
    inverse = np.linalg.inv(matrix)
    spin = inverse @ momentum
    limit = np.zeros(len(side))
    response = inverse[mechanism.child] - inverse[mechanism.parent]
    for _ in range(VELOCITY_ITERATIONS):
        for j, (p, c) in enumerate(zip(mechanism.parent, mechanism.child, strict=True)):
            if side[j] == 0:
                continue
            new = limit[j] - (spin[c] - spin[p]) / (response[j, c] - response[j, p])
            new = max(new, 0.0) if side[j] > 0 else min(new, 0.0)
            spin = spin + response[j] * (new - limit[j])
            limit[j] = new
    return common + np.einsum("ikx,k->ix", turned, spin), spin, limit


def _corrected(mechanism, position, angle, side) -> bool:
    """Correct positions in place, joint by joint; return whether an error was large before."""
    at_parent, at_child = mechanism.anchors
    lower, upper = mechanism.limits
    bad = False
    for j in mechanism.island_order:
        p, c = mechanism.parent[j], mechanism.child[j]
        mp, mc = 1 / mechanism.mass[[p, c]]
        ip, ic = 1 / mechanism.inertia[[p, c]]
        turned = angle[c] - angle[p]
        error = 0.0
        if side[j] > 0:
            error = float(np.clip(turned - lower[j] + ANGULAR_SLOP, -MAX_ANGLE, 0))
            bad |= lower[j] - turned > ANGULAR_SLOP
        elif side[j] < 0:
            error = float(np.clip(turned - upper[j] - ANGULAR_SLOP, 0, MAX_ANGLE))
            bad |= turned - upper[j] > ANGULAR_SLOP
        angle[p] += ip * error / (ip + ic)
        angle[c] -= ic * error / (ip + ic)
        a, b = rotated(at_parent[j], angle[p]), rotated(at_child[j], angle[c])
        apart = position[c] + b - position[p] - a
        bad |= float(np.linalg.norm(apart)) > SLOP
        turn_a, turn_b = np.array([-a[1], a[0]]), np.array([-b[1], b[0]])
        stiffness = (mp + mc) * np.eye(2)
        stiffness += ip * np.outer(turn_a, turn_a) + ic * np.outer(turn_b, turn_b)
        impulse = -np.linalg.solve(stiffness, apart)
        position[p] -= mp * impulse
        position[c] += mc * impulse
        angle[p] -= ip * turn_a @ impulse
        angle[c] += ic * turn_b @ impulse
    return bad
