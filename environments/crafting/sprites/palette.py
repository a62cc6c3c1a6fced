"""Sprites from text: each character is a pixel of one color."""

import numpy as np
from jaxtyping import UInt8

from didact.common.errors import SettingError

SIDE = 14  # pixels along each side of a sprite

COLORS = {
    "k": (26, 22, 32),  # outlines
    "w": (244, 242, 232),
    "W": (200, 202, 208),
    "g": (132, 134, 142),
    "G": (84, 86, 96),
    "r": (214, 58, 58),
    "R": (140, 34, 46),
    "o": (240, 138, 44),
    "y": (252, 218, 86),
    "n": (142, 94, 52),
    "N": (92, 58, 34),
    "t": (204, 156, 100),
    "l": (118, 190, 78),
    "e": (70, 146, 62),
    "L": (38, 98, 50),
    "b": (66, 124, 222),
    "B": (38, 72, 156),
    "c": (150, 230, 244),
    "s": (244, 200, 156),
    "p": (244, 162, 172),
    "u": (150, 84, 190),
    "z": (106, 168, 96),
    "Z": (60, 110, 66),
}


def sprite(art: str) -> UInt8[np.ndarray, "14 14 4"]:
    """Return pixel art as red, green, blue and opacity; a dot is transparent.

    Raises:
        SettingError: the art is not square, or has an unknown character.
    """
    rows = art.split()
    if len(rows) != SIDE or any(len(row) != SIDE for row in rows):
        raise SettingError("sprite", [len(row) for row in rows], f"{SIDE} rows of {SIDE} pixels")
    unknown = sorted(set("".join(rows)) - {".", *COLORS})
    if unknown:
        raise SettingError("sprite", "".join(unknown), "made of the characters ." + "".join(COLORS))
    pixels = [[(*COLORS[c], 255) if c != "." else (0, 0, 0, 0) for c in row] for row in rows]
    return np.array(pixels, np.uint8)


def over(
    top: UInt8[np.ndarray, "h w 4"], below: UInt8[np.ndarray, "h w 3"]
) -> UInt8[np.ndarray, "h w 3"]:
    """Return a sprite on a background."""
    alpha = top[..., 3:] / 255.0
    return np.round(alpha * top[..., :3] + (1 - alpha) * below).astype(np.uint8)


def shrunk(
    image: UInt8[np.ndarray, "h w c"], height: int, width: int
) -> UInt8[np.ndarray, "height width c"]:
    """Return an image at a smaller size, by averaging over areas; colors count by opacity."""
    values = image.astype(np.float64)
    if image.shape[-1] == 4:
        values[..., :3] *= values[..., 3:] / 255
    for axis, size in ((0, height), (1, width)):
        values = np.tensordot(_averages(values.shape[axis], size), values, (1, axis))
        values = np.moveaxis(values, 0, axis)
    if image.shape[-1] == 4:
        values[..., :3] *= 255 / np.maximum(values[..., 3:], 1)
    return np.round(np.clip(values, 0, 255)).astype(np.uint8)


def _averages(large: int, small: int) -> np.ndarray:
    """Return the share of each of `large` pixels in each of `small` ones, [small, large]."""
    edges = np.arange(small + 1) * large / small
    left, right = edges[:-1, None], edges[1:, None]
    pixel = np.arange(large)
    overlap = np.minimum(right, pixel + 1) - np.maximum(left, pixel)
    return np.maximum(overlap, 0) * small / large
