"""Pictures of Parkour: rock above, creepers, water, and hands that light up when they hold."""

import itertools
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from didact.environments.canvas import Canvas, Colour
from didact.environments.physics.mechanism import rotated
from didact.environments.walkers import track, viewer
from didact.environments.walkers.parkour.terrain import END
from didact.environments.walkers.plan import Walker

HALF = (11.0, 7.0)  # m: half the width and height of what is drawn
AHEAD = {"walker": (5.0, 2.2), "climber": (4.0, -2.0), "swimmer": (4.0, 0.4)}  # of the head
ROCK, ROCK_EDGE, ROCK_DEEP = (112, 116, 128), (84, 88, 100), (94, 98, 112)
SHALLOW, DEEP_WATER, FOAM = np.array([112, 186, 226]), np.array([28, 84, 148]), (214, 238, 250)
VINE, LEAF, LEAF_EDGE = (72, 128, 62), (112, 176, 84), (84, 146, 66)
BUBBLE, HOLD, LOOSE = (204, 234, 250), (255, 214, 64), (196, 74, 66)
DIVES = 6.0  # m: the depth at which most of the light is gone


def draw(
    walker: Walker,
    world: Any,
    head: tuple[float, float],
    rays: Float[np.ndarray, "r 2"],
    task: str,
) -> UInt8[np.ndarray, "400 600 3"]:
    """Draw one world.

    Args:
        walker: the body plan.
        world: the `WalkerState` of one world, without the axis of worlds.
        head: the position of the head's body.
        rays: the vectors of the rays.
        task: the task in words.
    """
    terrain = world.terrain
    ahead = AHEAD.get(walker.kind, AHEAD["walker"])
    center = (head[0] + ahead[0], head[1] + ahead[1])
    canvas = Canvas(viewer.SIZE, center, viewer.SCALE, (255, 255, 255))
    at = np.arange(len(terrain.heights)) * track.SPACING
    left, right = center[0] - HALF[0], center[0] + HALF[0]
    viewer.draw_sky(canvas, center)
    _water(canvas, float(terrain.water), center, int(world.steps))
    _ceiling(canvas, at, terrain.ceiling, left, right, center[1] + HALF[1] + 1)
    _creepers(canvas, at, terrain.creepers, left, right)
    viewer.draw_flag(canvas, 3 * track.SPACING, at, terrain.heights, viewer.FLAG)
    viewer.draw_flag(canvas, END, at, terrain.heights, viewer.GOAL)
    bottom = center[1] - HALF[1] - 1
    viewer.draw_ground(canvas, at, terrain.heights, left, right, bottom)
    viewer.draw_rays(canvas, world.rays, head, rays)
    pale = 0.8 if world.medium.limp else 0.0
    viewer.draw_walker(canvas, walker, world.bodies, pale)
    _hands(canvas, walker, world.bodies)
    # Words stand on a light band, because rock may be behind them.
    canvas.polygon(
        [
            (left, center[1] + 6.67),
            (right, center[1] + 6.67),
            (right, center[1] + 4.95),
            (left, center[1] + 4.95),
        ],
        (240, 246, 250),
    )
    words = f"{world.steps / 50:.1f} s   return {float(world.total):.0f}"
    words += "   limp" if world.medium.limp else ""
    canvas.text((12, 8), task, 14, viewer.INK)
    canvas.text((12, 29), words, 11, viewer.INK)
    return canvas.pixels()


def _water(canvas: Canvas, level: float, center: tuple[float, float], steps: int) -> None:
    """Draw water that gets darker with depth, waves and bubbles."""
    left, right, bottom = center[0] - HALF[0], center[0] + HALF[0], center[1] - HALF[1]
    if level < bottom:
        return
    top = min(level, center[1] + HALF[1])
    edges = np.linspace(top, bottom, 29)
    for high, low in itertools.pairwise(edges):
        middle = (high + low) / 2
        share = 0.75 * (1 - np.exp((middle - level) / DIVES))
        share += 0.25 * (center[1] + HALF[1] - middle) / (2 * HALF[1])
        r, g, b = (SHALLOW + (DEEP_WATER - SHALLOW) * share).astype(int).tolist()
        canvas.polygon([(left, high), (right, high), (right, low), (left, low)], (r, g, b))
    if level < center[1] + HALF[1]:
        xs = np.linspace(left, right, 90)
        waves = level + 0.04 * np.sin(2.2 * xs + steps / 12) + 0.02 * np.sin(5 * xs - steps / 9)
        canvas.line(list(zip(xs, waves, strict=True)), 2.2, FOAM)
    draws = np.random.default_rng(7).uniform(size=(24, 3))
    for x, phase, size in draws:
        place = left + np.mod(x * 2 * HALF[0] * 3 - left, 2 * HALF[0])
        tall = 2 * HALF[1]
        y = bottom + np.mod(phase * tall - bottom + steps * (0.012 + 0.01 * size), tall)
        if y < level - 0.2:
            canvas.disc((place, y), 0.03 + 0.05 * size, BUBBLE)


def _ceiling(canvas: Canvas, at, heights, left: float, right: float, top: float) -> None:
    shown = (at > left - 1) & (at < right + 1)
    if not shown.any():
        return
    points = list(zip(at[shown], heights[shown], strict=True))
    above = [(points[-1][0], max(top, points[-1][1])), (points[0][0], max(top, points[0][1]))]
    canvas.polygon([*points, *above], ROCK)
    canvas.polygon([*((x, y + 0.7) for x, y in points), *above], ROCK_DEEP)
    canvas.line(points, 3, ROCK_EDGE)


def _creepers(canvas: Canvas, at, creepers: Any, left: float, right: float) -> None:
    """Draw a winding stem with leaves for each creeper."""
    width = float(creepers.width)
    for x, low, high in zip(at, creepers.low, creepers.high, strict=True):
        if high <= low or x < left - 1 or x > right + 1:
            continue
        middle = x + width / 2
        ys = np.linspace(high, low, max(4, int((high - low) / 0.12)))
        xs = middle + 0.28 * width * np.sin(4 * (high - ys) + 3 * x)
        canvas.line(list(zip(xs, ys, strict=True)), 3, VINE)
        for number, (px, py) in enumerate(zip(xs[1:], ys[1:], strict=True)):
            side = 1 if number % 2 else -1
            tip = (px + side * width * 0.55, py - 0.1)
            leaf = [
                (px, py),
                (px + side * width * 0.3, py + 0.05),
                tip,
                (px + side * 0.05, py - 0.1),
            ]
            canvas.polygon(leaf, LEAF)
            canvas.line([(px, py), tip], 0.7, LEAF_EDGE)


def _hands(canvas: Canvas, walker: Walker, bodies: Any) -> None:
    if bodies.grips is None:
        return
    mechanism, motion = walker.mechanism, bodies.motion
    for number, i in enumerate(mechanism.hands):
        turn = np.array(float(motion.angle[i]))
        from_center = rotated(mechanism.grips[number], turn)
        x, y = float(motion.x[i]) + from_center[0], float(motion.y[i]) + from_center[1]
        colour: Colour = HOLD if bodies.grips.holding[number] else LOOSE
        canvas.disc((x, y), 0.11 if bodies.grips.holding[number] else 0.06, colour)
