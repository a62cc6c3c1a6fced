"""Pictures of walkers on their tracks."""

from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from didact.environments.canvas import Canvas, Colour
from didact.environments.physics.mechanism import rotated
from didact.environments.walkers import track
from didact.environments.walkers.plan import Walker

SIZE, SCALE = (600, 400), 30  # pixels, pixels per m
SKY, HORIZON = np.array([150, 200, 238]), np.array([236, 246, 250])
HILLS: tuple[tuple[float, float, float, Colour], ...] = (  # speed, height, wavelength, colour
    (0.2, 3.4, 11.0, (196, 217, 222)),
    (0.45, 2.0, 7.0, (172, 205, 190)),
)
GRASS, EARTH, DEEP = (104, 168, 84), (150, 120, 86), (124, 98, 72)
STONE, STONE_EDGE = (158, 158, 164), (104, 104, 112)
RAY, RAY_END = (250, 196, 92), (226, 88, 62)
POLE, FLAG, GOAL, INK = (84, 84, 92), (226, 76, 60), (76, 140, 226), (52, 60, 74)


def draw(
    walker: Walker, world: Any, head: tuple[float, float], task: str
) -> UInt8[np.ndarray, "400 600 3"]:
    """Draw one world.

    Args:
        walker: the body plan.
        world: the `WalkerState` of one world, without the axis of worlds.
        head: the position of the head's body.
        task: the task in words.
    """
    heights = world.terrain.heights
    at = np.arange(len(heights)) * track.SPACING
    around = float(np.interp(head[0] + np.linspace(-2, 5, 15), at, heights).mean())
    center = (head[0] + 5.5, around + 2.9)
    canvas = Canvas(SIZE, center, SCALE, (255, 255, 255))
    draw_sky(canvas, center)
    left, right = center[0] - 11, center[0] + 11
    draw_flag(canvas, 3 * track.SPACING, at, heights, FLAG)
    draw_flag(canvas, track.END, at, heights, GOAL)
    draw_ground(canvas, at, heights, left, right, center[1] - 8)
    for x0, y0, x1, y1 in world.terrain.boxes:
        if x1 > left and x0 < right and x1 > x0:
            corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
            canvas.polygon(corners, STONE)
            canvas.line([*corners, corners[0]], 1.2, STONE_EDGE)
    draw_rays(canvas, world.rays, head, track.RAYS)
    draw_walker(canvas, walker, world.bodies)
    canvas.text((12, 10), task, 14, INK)
    canvas.text((12, 30), f"{world.steps / 50:.1f} s   return {float(world.total):.0f}", 11, INK)
    return canvas.pixels()


def draw_sky(canvas: Canvas, center: tuple[float, float]) -> None:
    """Draw the sky and hills far away, which move more slowly than what is near."""
    bands = 40
    top, bottom = center[1] + 7, center[1] - 7
    for i in range(bands):
        y0, y1 = (top + (bottom - top) * share for share in (i / bands, (i + 1) / bands))
        r, g, b = (SKY + (HORIZON - SKY) * i / bands).astype(int).tolist()
        canvas.polygon(
            [
                (center[0] - 11, y0),
                (center[0] + 11, y0),
                (center[0] + 11, y1),
                (center[0] - 11, y1),
            ],
            (r, g, b),
        )
    xs = np.linspace(center[0] - 11, center[0] + 11, 60)
    for speed, height, wavelength, colour in HILLS:
        phase = (xs - center[0] * (1 - speed)) * 2 * np.pi / wavelength
        ys = center[1] - 2.6 + height * (0.6 + 0.25 * np.sin(phase) + 0.15 * np.sin(2.3 * phase))
        canvas.polygon([*zip(xs, ys, strict=True), (xs[-1], bottom), (xs[0], bottom)], colour)


def draw_ground(
    canvas: Canvas,
    at: Float[np.ndarray, " t"],
    heights: Float[np.ndarray, " t"],
    left: float,
    right: float,
    bottom: float,
) -> None:
    """Draw the earth between two positions, and the grass on it."""
    shown = (at > left - 1) & (at < right + 1)
    if not shown.any():
        return
    points = list(zip(at[shown], heights[shown], strict=True))
    below = [(points[-1][0], bottom), (points[0][0], bottom)]
    canvas.polygon([*points, *below], EARTH)
    deeper = [(x, y - 1.1) for x, y in points]
    canvas.polygon([*deeper, *below], DEEP)
    canvas.line([(x, y - 0.1) for x, y in points], 6, GRASS)


def draw_flag(
    canvas: Canvas,
    x: float,
    at: Float[np.ndarray, " t"],
    heights: Float[np.ndarray, " t"],
    colour: Colour,
) -> None:
    """Draw a flag on the ground."""
    y = float(np.interp(x, at, heights))
    canvas.line([(x, y), (x, y + 1.7)], 2, POLE)
    canvas.polygon([(x, y + 1.7), (x, y + 1.15), (x + 0.85, y + 1.42)], colour)


def draw_rays(
    canvas: Canvas, fractions: Any, head: tuple[float, float], rays: Float[np.ndarray, "r 2"]
) -> None:
    """Draw rays up to what they hit."""
    for fraction, ray in zip(fractions, rays, strict=True):
        end = (head[0] + float(fraction) * ray[0], head[1] + float(fraction) * ray[1])
        canvas.line([head, end], 0.7, RAY)
        if fraction < 1:
            canvas.disc(end, 0.06, RAY_END)


def draw_walker(canvas: Canvas, walker: Walker, bodies: Any, pale: float = 0.0) -> None:
    """Draw the bodies, from the last one to the first, so that the head is in front.

    Args:
        canvas: the picture.
        walker: the body plan.
        bodies: the `Bodies` of one world.
        pale: 0 to 1, how much of their colours they have lost.
    """
    mechanism, motion = walker.mechanism, bodies.motion
    order = [i for i in range(len(mechanism.bodies)) if i != walker.head]
    for i in [*reversed(order), walker.head]:
        local = np.asarray(mechanism.bodies[i].vertices) - mechanism.centers[i]
        angle = np.full(len(local), float(motion.angle[i]))
        corners = rotated(local, angle) + np.array([motion.x[i], motion.y[i]], float)
        red, green, blue = (int(c + pale * (200 - c)) for c in walker.colours[i])
        colour = red, green, blue
        red, green, blue = (int(0.65 * c) for c in colour)
        canvas.polygon(list(corners), colour)
        canvas.line([*corners, corners[0]], 1.5, (red, green, blue))
