"""A gait for bipeds that is scripted: which leg swings, supports or pushes follows from angles.

The leg with the higher foot swings forward; when the hips have passed over the supporting foot, the
swinging leg is put down. Once both feet are equally low, the rear leg pushes off if the walker is
slow, and swings. Each phase sets target angles, which proportional-derivative control turns into
torques.

References:
    Gymnasium, BipedalWalkerHeuristics in BipedalWalker-v3, from which the phases and most of the
    gains are taken; it remembers its phase, which is derived from the positions of feet here.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

LEGS = ((4, 6), (9, 11))  # hip and knee of each leg in observations; speeds follow
KNEE_OFFSET = 1.0  # rad, of observed knees


class Gait(NamedTuple):
    """The numbers of a gait; angles as observed, in rad, and speeds as observed."""

    speed: float = 0.43  # of the head, above which the rear leg does not push
    over: float = 0.1  # angle of the supporting hip at which the other leg is put down
    lift: float = 1.5  # target of the swinging hip
    bend: float = -0.57  # and of its knee
    land: float = 0.1  # target of the hip that is put down
    bent: float = 0.24  # the most that a supporting knee stretches
    stretch: float = 0.3  # what a supporting knee aims at beyond its angle
    push: float = 0.85  # target of the knee that pushes off
    pushed: float = 0.88  # the angle at which it has pushed off
    level_feet: float = 0.071  # difference of the heights of feet that both stand, in legs
    hip_gain: float = 0.9
    knee_gain: float = 4.5
    damping: float = 0.23
    level: float = 0.73  # by which hips keep the head level,
    level_damping: float = 1.5
    soften: float = 15  # by which knees brake vertical motion


def gait(seen: Float[Array, "n k"], g: Gait = Gait()) -> Float[Array, "n 4"]:  # noqa: B008
    """Return the actions of bipeds whose thighs and shanks are equally long.

    Args:
        seen: observations that begin with those of BipedalWalker-v3.
        g: the numbers of the gait.
    """
    tilt, turn, speed, rise = (seen[:, i] for i in range(4))
    hip, hip_speed, knee, knee_speed = (
        jnp.stack([seen[:, leg[part] + more] for leg in LEGS], axis=1)
        for part, more in ((0, 0), (0, 1), (1, 0), (1, 1))
    )

    def of(values, which):
        return jnp.sum(jnp.where(which, values, 0), axis=1)

    thigh = tilt[:, None] + hip
    height = -jnp.cos(thigh) - jnp.cos(thigh + knee - KNEE_OFFSET)  # of feet, relative to the hips
    rear = jnp.where(hip[:, 0] < hip[:, 1], 0, 1)
    higher = jnp.where(height[:, 0] > height[:, 1], 0, 1)
    stands = jnp.abs(height[:, 0] - height[:, 1]) < g.level_feet
    is_moving = jnp.arange(2) == jnp.where(stands, rear, higher)[:, None]
    swings = of(hip_speed, is_moving) > 0.1
    stretched = of(knee, is_moving) > g.pushed
    pushes = stands & ~(stretched | swings | (speed > g.speed))
    down = ~pushes & (of(hip, ~is_moving) < g.over)
    # Targets. Supporting and pushing hips only keep the head level.
    support = jnp.minimum(knee + g.stretch, g.bent)
    hip_target = jnp.where(down, g.land, g.lift)[:, None]
    knee_target = jnp.where(pushes, g.push, jnp.where(down, g.bent, g.bend))[:, None]
    free = ~is_moving | pushes[:, None]
    hip_torque = jnp.where(free, 0.0, g.hip_gain * (hip_target - hip) - g.damping * hip_speed)
    knee_error = jnp.where(is_moving, knee_target, support) - knee
    knee_torque = g.knee_gain * knee_error - g.damping * knee_speed
    hip_torque = hip_torque + (g.level * tilt + g.level_damping * turn)[:, None]
    knee_torque = knee_torque - (g.soften * rise)[:, None]
    torque = jnp.stack([hip_torque, knee_torque], axis=2).reshape(-1, 4)
    return jnp.clip(0.5 * torque, -1, 1)
