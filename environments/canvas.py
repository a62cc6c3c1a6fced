"""Simple pictures of bodies: discs, rods, polygons and arcs with smooth edges."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8

Point = Sequence[float] | np.ndarray
Colour = tuple[int, int, int]


class Canvas:
    """A picture of part of a plane, with x to the right and y up.

    The picture is drawn at several times its size and then downsampled, which smooths edges.

    Args:
        size: width and height in pixels.
        centre: the point of the plane in the middle of the picture.
        scale: pixels per unit of the plane.
        background: the background color.
    """

    oversampling = 3

    def __init__(self, size: tuple[int, int], centre: Point, scale: float, background: Colour):
        from PIL import Image, ImageDraw

        self.size, self.centre, self.scale = size, centre, scale * self.oversampling
        large = (size[0] * self.oversampling, size[1] * self.oversampling)
        self._image = Image.new("RGB", large, background)
        self._draw: Any = ImageDraw.Draw(self._image)

    def disc(self, at: Point, radius: float, colour: Colour) -> None:
        """Draw a filled circle."""
        x, y = self._pixel(at)
        r = radius * self.scale
        self._draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)

    def rod(self, start: Point, end: Point, radius: float, colour: Colour) -> None:
        """Draw a line with round ends, `2 * radius` wide."""
        a, b = self._pixel(start), self._pixel(end)
        self._draw.line((*a, *b), fill=colour, width=max(1, round(2 * radius * self.scale)))
        self.disc(start, radius, colour)
        self.disc(end, radius, colour)

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        """Draw a filled polygon."""
        self._draw.polygon([self._pixel(point) for point in points], fill=colour)

    def arc(
        self, at: Point, radius: float, start: float, end: float, width: float, colour: Colour
    ) -> None:
        """Draw an arc between two angles, in radians, anticlockwise from the right."""
        x, y = self._pixel(at)
        r = radius * self.scale
        begin, stop = (-math.degrees(max(start, end)), -math.degrees(min(start, end)))
        width = max(1, round(width * self.scale))
        self._draw.arc((x - r, y - r, x + r, y + r), begin, stop, fill=colour, width=width)

    def line(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """Draw a line through points, `width` pixels wide."""
        pixels = [self._pixel(point) for point in points]
        self._draw.line(pixels, fill=colour, width=max(1, round(width * self.oversampling)))

    def text(self, at: tuple[float, float], text: str, size: float, colour: Colour) -> None:
        """Write a line of text with its upper left corner at a pixel of the picture."""
        from PIL import ImageFont

        font = ImageFont.load_default(size=size * self.oversampling)
        corner = (at[0] * self.oversampling, at[1] * self.oversampling)
        self._draw.text(corner, text, fill=colour, font=font)

    def pixels(self) -> UInt8[np.ndarray, "height width 3"]:
        """Return the picture at its final size."""
        from PIL import Image

        return np.asarray(self._image.resize(self.size, Image.Resampling.BOX))

    def _pixel(self, point: Point) -> tuple[float, float]:
        width, height = self._image.size
        x, y = float(point[0]) - float(self.centre[0]), float(point[1]) - float(self.centre[1])
        return width / 2 + x * self.scale, height / 2 - y * self.scale
