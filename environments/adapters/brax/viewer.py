"""Pictures of MuJoCo models without MuJoCo's renderer, which needs a graphics driver."""

import importlib
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from didact.environments.canvas import Canvas

PLANE, SPHERE, CAPSULE = 0, 2, 3  # as MuJoCo numbers shapes
SIZE = (320, 240)
BACKGROUND, GROUND, TILE = (240, 243, 246), (218, 223, 227), (206, 212, 217)
WORLD = (150, 156, 162)
COLOURS = (
    (204, 92, 77), (66, 122, 176), (92, 158, 98), (222, 158, 64), (134, 104, 176),
    (70, 160, 165), (196, 110, 150), (140, 130, 90), (108, 120, 132),
)  # fmt: skip
ABOVE = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])  # rows: right, up, towards the viewer


def _aside(turn: float = 0.3, rise: float = 0.3) -> Float[np.ndarray, "3 3"]:
    """Return the axes of a camera to the right of the x axis and slightly above the ground."""
    c, s, a, b = np.cos(turn), np.sin(turn), np.cos(rise), np.sin(rise)
    right = np.array([c, s, 0])
    towards = np.array([s * a, -c * a, b])
    return np.stack([right, np.cross(towards, right), towards])


def picture(
    model: Any,
    places: Float[np.ndarray, "links 3"],
    turns: Float[np.ndarray, "links 4"],
    above: bool = False,
) -> UInt8[np.ndarray, "height width 3"]:
    """Draw the shapes of a model, the farthest first.

    Args:
        model: the MuJoCo model.
        places, turns: positions (m) and quaternions (w, x, y, z) of all bodies except the world.
        above: whether to draw the model from above instead of from the side.

    Returns:
        The picture.
    """
    mujoco: Any = importlib.import_module("mujoco")
    axes = ABOVE if above else _aside()
    places = np.concatenate([np.zeros((1, 3)), places])
    turns = np.concatenate([[[1.0, 0, 0, 0]], turns])
    shapes = _shapes(model, places, turns)
    start = mujoco.MjData(model)
    mujoco.mj_kinematics(model, start)
    first = _shapes(model, start.xpos, start.xquat)
    corners = [end + side * radius for _, ends, radius in first for end in ends for side in (-1, 1)]
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    focus = (low + high) / 2
    if model.body_dofnum[1] >= 3:  # it moves freely: the camera follows
        focus[:2] += (places[1] - start.xpos[1])[:2]
    scale = min(SIZE) / (1.25 * np.max(high - low))
    canvas = Canvas(SIZE, axes[:2] @ focus, scale, BACKGROUND)
    planes = np.flatnonzero(model.geom_type == PLANE)
    if len(planes) and not above:
        _ground(canvas, axes, focus, float(model.geom_pos[planes[0], 2]), max(SIZE) / scale)
    for body, ends, radius in sorted(shapes, key=lambda shape: axes[2] @ shape[1].mean(axis=0)):
        flat, colour = ends @ axes[:2].T, COLOURS[body % len(COLOURS)] if body else WORLD
        dark = tuple(int(0.7 * c) for c in colour)
        canvas.rod(flat[0], flat[-1], radius + 1 / scale, dark)  # type: ignore[arg-type]
        canvas.rod(flat[0], flat[-1], radius, colour)
    return canvas.pixels()


def _shapes(
    model: Any, places: np.ndarray, turns: np.ndarray
) -> list[tuple[int, Float[np.ndarray, "ends 3"], float]]:
    """Return body, ends and radius of each sphere or capsule; brax's files have no other shapes."""
    found = []
    for geom in range(model.ngeom):
        body, (radius, half, _) = int(model.geom_bodyid[geom]), model.geom_size[geom]
        if model.geom_type[geom] == SPHERE:
            ends = np.zeros((1, 3))
        elif model.geom_type[geom] == CAPSULE:
            ends = np.array([[0, 0, -half], [0, 0, half]])
        else:
            continue
        inside = _turned(model.geom_quat[geom], ends) + model.geom_pos[geom]
        found.append((body, _turned(turns[body], inside) + places[body], float(radius)))
    return found


def _turned(quaternion: np.ndarray, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    """Rotate points by a quaternion (w, x, y, z)."""
    w, axis = quaternion[0], np.asarray(quaternion[1:])
    across = np.cross(axis, points)
    return points + 2 * (w * across + np.cross(axis, across))


def _ground(
    canvas: Canvas, axes: np.ndarray, focus: np.ndarray, height: float, width: float
) -> None:
    """Draw a strip of tiles along x, to make motion visible."""
    tile = 2.0 ** np.round(np.log2(width / 8))
    middle = int(np.floor(focus[0] / tile))
    for column in range(middle - 10, middle + 11):
        for row in range(-3, 3):
            corners = [(column, row), (column + 1, row), (column + 1, row + 1), (column, row + 1)]
            points = [axes[:2] @ (x * tile, y * tile, height) for x, y in corners]
            canvas.polygon(points, TILE if (column + row) % 2 else GROUND)
