"""Tracks with pits, stumps and stairs between stretches of uneven ground.

References:
    Gymnasium, BipedalWalkerHardcore-v3 (gymnasium/envs/box2d/bipedal_walker.py).
    Wang et al., 2019, "Paired open-ended trailblazer", whose obstacles have ranges of sizes.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from didact.environments.physics import Terrain, first_boxes
from didact.environments.walkers.plan import UNIT
from didact.environments.walkers.track import GROUND, LENGTH, SPACING, STARTPAD

GRASS, STUMP, STAIRS, PIT = range(4)
MAX_BOXES = 48
BOX_PITCH = 1.8  # m: no two boxes of different obstacles, or stairs, are nearer
DEPTH = 4  # of pits; here and below, lengths are in units of SPACING
STAIR_WIDTH = 4
PULL = 0.01  # m
NOISE = UNIT  # m: the largest random change of the slope from point to point
UNUSED = 1e4  # m: where boxes stand that do not exist


class Obstacles(NamedTuple):
    """The obstacles that may begin at each of t points; each [t], drawn in advance."""

    noise: Float[Array, " t"]  # m, added to the slope
    pull: Float[Array, " t"]  # m, added to the slope towards the height of the start
    stretch: Int[Array, " t"]  # points of even ground before the next obstacle
    kind: Int[Array, " t"]
    gap: Float[Array, " t"]  # of a pit
    width: Int[Array, " t"]  # of a stump
    height: Float[Array, " t"]  # of a stump
    stair: Float[Array, " t"]  # height of a stair; negative for stairs down
    stairs: Int[Array, " t"]  # their number


class _Place(NamedTuple):
    """Where the construction of a track is."""

    y: Array
    slope: Array
    counter: Array  # points until the next change
    kind: Array
    begins: Array  # whether an obstacle or a stretch of ground begins here
    base: Array  # height of the ground before the obstacle
    size: Array  # all points of the obstacle
    gap: Array
    stair: Array


def stretches(key: PRNGKeyArray) -> tuple[Float[Array, " t"], Int[Array, " t"]]:
    """Return the noise of the slope, up to 1, and the lengths of stretches, 5 to 9 points."""
    noise_key, stretch_key = jax.random.split(key)
    noise = jax.random.uniform(noise_key, (LENGTH,), minval=-1, maxval=1)
    noise = jnp.where(jnp.arange(LENGTH) > STARTPAD, noise, 0) * NOISE
    return noise, jax.random.randint(stretch_key, (LENGTH,), 5, 10)


def hardcore(key: PRNGKeyArray) -> Obstacles:
    """Draw the obstacles of BipedalWalkerHardcore-v3."""
    key, more = jax.random.split(key)
    noise, stretch = stretches(key)
    keys = jax.random.split(more, 5)
    size = jax.random.randint(keys[1], (LENGTH,), 1, 3)
    return Obstacles(
        noise,
        jnp.full(LENGTH, PULL),
        stretch,
        jax.random.randint(keys[0], (LENGTH,), STUMP, PIT + 1),
        jax.random.randint(keys[2], (LENGTH,), 3, 5).astype(jnp.float32),
        size,
        size.astype(jnp.float32),
        jax.random.rademacher(keys[3], (LENGTH,), jnp.float32),
        jax.random.randint(keys[4], (LENGTH,), 3, 5),
    )


def none(key: PRNGKeyArray) -> Obstacles:
    """Draw the ground of BipedalWalker-v3, which has no obstacles."""
    noise, stretch = stretches(key)
    zero = jnp.zeros(LENGTH, jnp.int32)
    nothing = jnp.zeros(LENGTH)
    pull = jnp.full(LENGTH, PULL)
    return Obstacles(noise, pull, stretch, zero, nothing, zero, nothing, nothing, zero)


def build(obstacles: Obstacles, ramps: bool = False) -> Terrain:
    """Build n tracks.

    Args:
        obstacles: what may begin at each point; each [n, t]. A kind of `GRASS` is no obstacle.
        ramps: whether a slope of earth covers stairs that lead up, as in gymnasium.
    """
    n = obstacles.noise.shape[0]
    zero = jnp.zeros_like(obstacles.noise[:, 0])
    whole = jnp.zeros_like(obstacles.kind[:, 0])
    place = _Place(
        *(zero + GROUND, zero, whole + STARTPAD, whole, whole < 0),
        *(zero, whole, zero, zero),
    )
    by_point = jax.tree.map(lambda x: x.T, obstacles)
    x = jnp.arange(LENGTH) * jnp.float32(SPACING)
    extend = partial(_extend, ramps)
    _, (heights, boxes, exists) = jax.lax.scan(extend, place, (x, by_point), unroll=2)
    boxes, exists = boxes.transpose(2, 0, 1), exists.T
    order = jnp.argsort(~exists, axis=1, stable=True)[:, :MAX_BOXES]
    boxes = jnp.take_along_axis(boxes, order[:, :, None], axis=1)
    exists = jnp.take_along_axis(exists, order, axis=1)
    boxes = jnp.where(exists[:, :, None], boxes, jnp.float32([UNUSED, 0, UNUSED + 1, 1]))
    return Terrain(heights.T.reshape(n, LENGTH), boxes, first_boxes(boxes, LENGTH, SPACING))


def _extend(
    ramps: bool, place: _Place, now
) -> tuple[_Place, tuple[Array, Array, Bool[Array, " n"]]]:
    """Add one point, and the box that begins there, if any."""
    x, drawn = now
    stump, stairs, pit = (place.kind == kind for kind in (STUMP, STAIRS, PIT))
    begins = place.begins & (place.kind != GRASS)
    grass = (place.kind == GRASS) & ~place.begins
    # Even ground.
    slope = 0.8 * place.slope + drawn.pull * jnp.sign(GROUND - place.y) + drawn.noise
    slope = jnp.where(grass, slope, place.slope)
    y = jnp.where(grass, place.y + slope, place.y)
    # The size of an obstacle that begins here.
    base = jnp.where(begins, y, place.base)
    gap = jnp.where(begins, drawn.gap, place.gap)
    stair = jnp.where(begins, drawn.stair, place.stair)
    across = jnp.ceil(drawn.gap).astype(jnp.int32)
    size = jnp.where(pit, across + 2, jnp.where(stump, drawn.width, drawn.stairs * STAIR_WIDTH))
    size = jnp.where(begins, size, place.size)
    counter = jnp.where(begins, size, place.counter)
    inside = ~place.begins & (place.kind != GRASS)
    done = size - counter
    # The ground inside of it, below the boxes of stairs.
    y = jnp.where(inside & pit, base - jnp.where(counter > 1, DEPTH * SPACING, 0), y)
    rise = (done - jnp.sign(stair)) / STAIR_WIDTH
    if not ramps:
        rise = done // STAIR_WIDTH - jnp.where(counter > 1, jnp.sign(stair), 0)
    rise = rise * stair * SPACING
    y = jnp.where(inside & stairs, base + rise, y)
    # The box that begins here.
    wall = inside & pit & (counter == 2)
    step = stairs & (done % STAIR_WIDTH == 0)
    level = (done // STAIR_WIDTH) * stair * SPACING
    exists = (begins & (stump | pit)) | wall | (step & (begins | inside))
    left = jnp.where(wall, x - (jnp.ceil(gap) - gap) * SPACING, x)
    width = jnp.where(stump, size, jnp.where(stairs, STAIR_WIDTH, 1)) * SPACING
    right = jnp.where(wall, x + SPACING, x + width)
    thickness = SPACING * jnp.maximum(1.0, jnp.abs(stair))
    bottom = jnp.where(
        pit, base - DEPTH * SPACING, jnp.where(stairs, base + level - thickness, base)
    )
    top = jnp.where(stump, base + drawn.height * SPACING, jnp.where(stairs, base + level, base))
    box = jnp.stack([left, bottom, right, top])
    # The next point.
    counter = counter - 1
    over = counter == 0
    kind = jnp.where(over, jnp.where(place.kind == GRASS, drawn.kind, GRASS), place.kind)
    counter = jnp.where(over, drawn.stretch, counter)
    after = _Place(y, slope, counter, kind, over, base, size, gap, stair)
    return after, (y, box, exists)
