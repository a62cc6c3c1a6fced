"""Convex polygons: mass, center of mass and moment of inertia, and the order of their vertices."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from didact.common.errors import SettingError

Point = tuple[float, float]


class MassProperties(NamedTuple):
    """The mass of a uniform polygon and its distribution."""

    mass: float  # kg
    center: Float[np.ndarray, " 2"]  # of mass
    inertia: float  # kg m^2, about the center of mass


def box(width: float, height: float) -> tuple[Point, ...]:
    """Return the corners of a rectangle around the origin, counterclockwise."""
    x, y = width / 2, height / 2
    return ((-x, -y), (x, -y), (x, y), (-x, y))


def scaled(points: Sequence[Point], scale: float) -> tuple[Point, ...]:
    """Return points multiplied by a scale."""
    return tuple((x * scale, y * scale) for x, y in points)


def regular(radius: float, corners: int) -> tuple[Point, ...]:
    """Return the corners of a regular polygon, which approximates a circle."""
    turn = 2 * np.pi * (np.arange(corners) + 0.5) / corners
    return tuple(
        (float(x), float(y)) for x, y in radius * np.stack([np.cos(turn), np.sin(turn)], 1)
    )


def convex(vertices: Sequence[Point]) -> Float[np.ndarray, "v 2"]:
    """Return the vertices counterclockwise from the rightmost one, which is Box2D's order.

    Raises:
        SettingError: there are fewer than three vertices, or they are not strictly convex.
    """
    points = np.asarray(vertices, np.float64)
    if points.ndim != 2 or len(points) < 3 or points.shape[1] != 2:
        raise SettingError("vertices", vertices, "at least three points")
    if _twice_area(points) < 0:
        points = points[::-1]
    edges = np.roll(points, -1, 0) - points
    turns = _cross(edges, np.roll(edges, -1, 0))
    if not (turns > 0).all():
        raise SettingError("vertices", vertices, "the corners of a convex polygon, in order")
    right = np.lexsort((points[:, 1], -points[:, 0]))[0]
    return np.roll(points, -right, 0)


def mass_properties(vertices: Float[np.ndarray, "v 2"], density: float) -> MassProperties:
    """Integrate over a polygon with counterclockwise vertices."""
    following = np.roll(vertices, -1, 0)
    cross = _cross(vertices, following)
    mass = density * cross.sum() / 2
    center = ((vertices + following) * cross[:, None]).sum(0) / (3 * cross.sum())
    squares = (vertices**2 + vertices * following + following**2).sum(1)
    about_origin = density * (cross * squares).sum() / 12
    return MassProperties(float(mass), center, float(about_origin - mass * (center**2).sum()))


def disc(center: Point, radius: float, density: float) -> MassProperties:
    """Return the mass properties of a circle."""
    mass = density * np.pi * radius**2
    return MassProperties(float(mass), np.asarray(center, np.float64), float(mass * radius**2 / 2))


def combined(parts: Sequence[MassProperties]) -> MassProperties:
    """Return the mass properties of parts that are fixed to one another."""
    mass = sum(part.mass for part in parts)
    center = sum(part.mass * part.center for part in parts) / mass
    apart = [float(((part.center - center) ** 2).sum()) for part in parts]
    inertia = sum(part.inertia + part.mass * d for part, d in zip(parts, apart, strict=True))
    return MassProperties(float(mass), np.asarray(center), float(inertia))


def normals(vertices: Float[np.ndarray, "v 2"]) -> Float[np.ndarray, "v 2"]:
    """Return the outward unit normal of the face from each vertex to the next."""
    edges = np.roll(vertices, -1, 0) - vertices
    outward = np.stack([edges[:, 1], -edges[:, 0]], 1)
    return outward / np.linalg.norm(outward, axis=1, keepdims=True)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def _twice_area(points: np.ndarray) -> float:
    return float(_cross(points, np.roll(points, -1, 0)).sum())
