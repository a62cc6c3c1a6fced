"""Hands that hold on to ceilings and creepers: a hinge between a hand and a place in the world.

A hand has a round sensor. It takes hold at the end of a step if the sensor touched something at the
start of the step, and lets go at the start of a step.

References:
    Romac et al., 2021, "TeachMyAgent", whose climbers grip so; Box2D 2.3: b2RevoluteJoint.cpp.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from didact.environments.physics.contacts import Reach
from didact.environments.physics.mechanism import GRIP_RADIUS, Mechanism
from didact.environments.physics.state import Grips, Motion
from didact.environments.physics.terrain import Terrain, chain_from, creepers_from, edges_near

TOUCH = GRIP_RADIUS + 0.01  # m: the distance of the sensor's center at which it touches


class Within(NamedTuple):
    """The nearest thing that each hand can hold on to, and the rectangle around it."""

    touches: Bool[Array, "g n"]
    left: Float[Array, "g n"]
    bottom: Float[Array, "g n"]
    right: Float[Array, "g n"]
    top: Float[Array, "g n"]


class Rows(NamedTuple):
    """The constraints of hands: both velocities of the place that holds vanish."""

    along_x: Float[Array, "g b n"]  # the derivative of its velocity by the spins
    along_y: Float[Array, "g b n"]
    change_x: Float[Array, "g b n"]  # the spins that a unit impulse adds
    change_y: Float[Array, "g b n"]
    mass_xx: Float[Array, "g n"]  # the effective mass; 0 for hands that do not hold
    mass_xy: Float[Array, "g n"]
    mass_yy: Float[Array, "g n"]


def arms(mechanism: Mechanism, angle: Float[Array, "b n"]) -> tuple[Array, Array]:
    """Return the vectors [g, n] from the centers of mass of hands to their sensors."""
    turned = angle[mechanism.hands]
    cos, sin = jnp.cos(turned), jnp.sin(turned)
    x, y = (jnp.asarray(mechanism.grips[:, i, None], jnp.float32) for i in (0, 1))
    return cos * x - sin * y, sin * x + cos * y


def sensors(mechanism: Mechanism, motion: Motion) -> tuple[Array, Array]:
    """Return the positions [g, n] of the sensors."""
    x, y = arms(mechanism, motion.angle)
    return motion.x[mechanism.hands] + x, motion.y[mechanism.hands] + y


def within_reach(mechanism: Mechanism, reach: Reach, motion: Motion, terrain: Terrain) -> Within:
    """Find what the hands touch: the ceiling and creepers, as far as the terrain has them."""
    x, y = sensors(mechanism, motion)
    found = []
    if terrain.ceiling is not None:
        count = edges_near(0.0, TOUCH, reach.spacing)
        edges = chain_from(terrain.ceiling, reach.spacing, x - TOUCH, count)
        along_x, along_y = edges.x1 - edges.x0, edges.y1 - edges.y0
        to_x, to_y = x[:, None] - edges.x0, y[:, None] - edges.y0
        share = (to_x * along_x + to_y * along_y) / (along_x * along_x + along_y * along_y)
        share = jnp.clip(share, 0, 1)
        away_x, away_y = to_x - share * along_x, to_y - share * along_y
        apart = jnp.where(edges.id >= 0, away_x * away_x + away_y * away_y, jnp.inf)
        bottom, top = jnp.minimum(edges.y0, edges.y1), jnp.maximum(edges.y0, edges.y1)
        found.append((apart, edges.x0, bottom, edges.x1, top))
    if terrain.creepers is not None:
        width = reach.creeper_width
        count = edges_near(width, TOUCH, reach.spacing)
        plants = creepers_from(terrain.creepers, reach.spacing, x - TOUCH - width, count)
        away_x = jnp.maximum(jnp.maximum(plants.x0 - x[:, None], x[:, None] - plants.x1), 0)
        away_y = jnp.maximum(jnp.maximum(plants.y0 - y[:, None], y[:, None] - plants.y1), 0)
        apart = jnp.where(plants.id >= 0, away_x * away_x + away_y * away_y, jnp.inf)
        found.append((apart, plants.x0, plants.y0, plants.x1, plants.y1))
    if not found:
        nowhere = jnp.zeros_like(x)
        return Within(nowhere > 0, *(nowhere,) * 4)
    apart, *sides = (jnp.concatenate(part, axis=1) for part in zip(*found, strict=True))
    nearest = jnp.argmin(apart, axis=1)[:, None]

    def chosen(values):
        index = jnp.arange(values.shape[1])[:, None]
        return jnp.sum(jnp.where(index == nearest, values, 0), axis=1)

    return Within(jnp.min(apart, axis=1) < TOUCH**2, *map(chosen, sides))


def released(grips: Grips | None, within: Within, grasp: Bool[Array, "g n"]) -> Grips | None:
    """Let the hands go that shall not hold, and note what hands touch."""
    if grips is None:
        return None
    holding = grips.holding & grasp
    x, y = jnp.where(holding, grips.pull_x, 0), jnp.where(holding, grips.pull_y, 0)
    return Grips(holding, within.touches, grips.x, grips.y, x, y)


def grasped(
    mechanism: Mechanism, grips: Grips, within: Within, motion: Motion, grasp: Bool[Array, "g n"]
) -> Grips:
    """Let hands take hold of what they touched, unless they have moved away from it."""
    x, y = sensors(mechanism, motion)
    inside = (x > within.left - TOUCH) & (x < within.right + TOUCH)
    inside &= (y > within.bottom - TOUCH) & (y < within.top + TOUCH)
    new = grasp & ~grips.holding & within.touches & inside
    return grips._replace(
        holding=grips.holding | new, x=jnp.where(new, x, grips.x), y=jnp.where(new, y, grips.y)
    )


def rows(
    mechanism: Mechanism,
    grips: Grips,
    angle: Float[Array, "b n"],
    arm_x: Float[Array, "b b n"],
    arm_y: Float[Array, "b b n"],
    inverse: Float[Array, "b b n"],
) -> Rows:
    """Return the constraints of hands, in joint coordinates; see `velocity`."""
    hands = mechanism.hands
    own_x, own_y = arms(mechanism, angle)
    own = jnp.arange(len(mechanism.bodies))[:, None] == hands[:, None, None]
    lever_x = arm_x[hands] + jnp.where(own, own_x[:, None], 0)
    lever_y = arm_y[hands] + jnp.where(own, own_y[:, None], 0)
    along_x, along_y = -lever_y, lever_x
    change_x = jnp.sum(inverse[None] * along_x[:, None], axis=2)
    change_y = jnp.sum(inverse[None] * along_y[:, None], axis=2)
    light = float(1 / mechanism.mass.sum())
    xx = light + jnp.sum(along_x * change_x, axis=1)
    yy = light + jnp.sum(along_y * change_y, axis=1)
    xy = jnp.sum(along_x * change_y, axis=1)
    scale = jnp.where(grips.holding, 1 / (xx * yy - xy * xy), 0.0)
    return Rows(along_x, along_y, change_x, change_y, yy * scale, -xy * scale, xx * scale)


def warm(
    rows: Rows, pulls: list[Array], light: float, spin: Array, cx: Array, cy: Array
) -> tuple[Array, Array, Array]:
    """Apply the impulses of the last step."""
    pull_x, pull_y = pulls
    spin = spin + jnp.sum(rows.change_x * pull_x[:, None] + rows.change_y * pull_y[:, None], axis=0)
    return spin, cx + light * jnp.sum(pull_x, axis=0), cy + light * jnp.sum(pull_y, axis=0)


def pulled(
    rows: Rows, light: float, spin: Array, cx: Array, cy: Array, pull_x: Array, pull_y: Array
) -> tuple[Array, ...]:
    """Stop the hands that hold, one after another."""
    for g in range(pull_x.shape[0]):
        row = Rows(*(values[g] for values in rows))
        vx = cx + jnp.sum(row.along_x * spin, axis=0)
        vy = cy + jnp.sum(row.along_y * spin, axis=0)
        dx, dy = -(row.mass_xx * vx + row.mass_xy * vy), -(row.mass_xy * vx + row.mass_yy * vy)
        spin = spin + row.change_x * dx + row.change_y * dy
        cx, cy = cx + light * dx, cy + light * dy
        pull_x, pull_y = pull_x.at[g].add(dx), pull_y.at[g].add(dy)
    return spin, cx, cy, pull_x, pull_y


def held(mechanism: Mechanism, grips: Grips, pose: Any) -> tuple[Any, Float[Array, " n"]]:
    """Move hands back to where they hold; return poses and the largest distance before."""
    x, y, angle = pose
    worst = jnp.zeros_like(x[0])
    for g in reversed(range(len(mechanism.hands))):
        i = int(mechanism.hands[g])
        light, supple = float(1 / mechanism.mass[i]), float(1 / mechanism.inertia[i])
        ax, ay = (float(q) for q in mechanism.grips[g])
        cos, sin = jnp.cos(angle[i]), jnp.sin(angle[i])
        rx, ry = cos * ax - sin * ay, sin * ax + cos * ay
        holding = grips.holding[g]
        dx = jnp.where(holding, x[i] + rx - grips.x[g], 0.0)
        dy = jnp.where(holding, y[i] + ry - grips.y[g], 0.0)
        xx, yy, xy = light + supple * ry * ry, light + supple * rx * rx, -supple * rx * ry
        scale = 1 / (xx * yy - xy * xy)
        px, py = -(yy * dx - xy * dy) * scale, -(xx * dy - xy * dx) * scale
        x, y = x.at[i].add(light * px), y.at[i].add(light * py)
        angle = angle.at[i].add(supple * (rx * py - ry * px))
        worst = jnp.maximum(worst, jnp.sqrt(dx * dx + dy * dy))
    return (x, y, angle), worst
