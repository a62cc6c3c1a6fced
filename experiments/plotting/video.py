"""Videos of episodes, with captions.

Frames are uint8[height, width, 3]. `caption` adds text below a frame, `fit` and `tile` scale and
arrange frames of different environments, and `write_video` writes a .gif or an .mp4 file.
"""

import functools
import importlib
import itertools
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from didact.common.errors import SettingError
from didact.common.files import replacing

Frame = UInt8[np.ndarray, "height width 3"]

PAPER = (22, 24, 29)  # background of captions and between tiles
_BRIGHT, _DIM = (240, 242, 245), (160, 167, 178)
_MARKS = {"✓": (98, 214, 130), "✗": (255, 122, 110)}  # colours of lines with these marks


def check_target(path: Path, setting: str = "path", *, fps: float = 8, rate: str = "fps") -> str:
    """Return the suffix of the file of a video, after checking what can be checked before drawing.

    Args:
        path: output file.
        setting: the name of the file, for errors.
        fps: frames per second.
        rate: the name of the frame rate, for errors.

    Raises:
        SettingError: the file type or the frame rate is not supported, or there is a folder.
    """
    suffix = path.suffix.lower()
    if suffix not in (".gif", ".mp4") or path.is_dir():
        raise SettingError(setting, str(path), "a file called *.gif or *.mp4")
    there = next(folder for folder in path.absolute().parents if os.path.lexists(folder))
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise SettingError(setting, str(path), f"in a writable folder ({there} is none)")
    if suffix == ".mp4":
        try:
            importlib.import_module("imageio_ffmpeg")
        except ImportError:
            allowed = "a .gif; for an .mp4, first pip install imageio-ffmpeg"
            raise SettingError(setting, str(path), allowed) from None
    if not 0.01 <= fps <= (50 if suffix == ".gif" else 1000):
        raise SettingError(rate, fps, "at least 0.01, and at most 1000, or 50 for a .gif")
    return suffix


def write_video(path: str | os.PathLike[str], frames: Iterable[Frame], fps: float = 8) -> Path:
    """Write a video atomically and return its path.

    Frames smaller than the largest are scaled and centred (`fit`). A .gif has a single palette,
    which is exact if the frames have at most 255 colours; identical consecutive frames are merged,
    and playback loops.

    Args:
        path: output file: .gif, or .mp4 if imageio-ffmpeg is installed.
        frames: at least one frame; all are held in memory.
        fps: frames per second; at most 50 for a .gif.

    Raises:
        SettingError: there are no frames, or the frame rate or file type is not supported.
    """
    path = Path(path)
    suffix = check_target(path, fps=fps)
    pictures = [_checked(frame) for frame in frames]
    if not pictures:
        raise SettingError("frames", "empty", "at least one frame")
    height, width = (max(p.shape[axis] for p in pictures) for axis in (0, 1))
    pictures = [fit(p, height, width) for p in pictures]
    write = _write_gif if suffix == ".gif" else _write_mp4
    with replacing(path) as temporary:
        write(temporary, pictures, fps)
    return path


def fit(frame: Frame, height: int, width: int) -> Frame:
    """Scale a frame to fit height x width, centred and with its aspect ratio preserved."""
    frame = _checked(frame)
    if frame.shape[:2] == (height, width):
        return frame
    scale = min(height / frame.shape[0], width / frame.shape[1])
    rows, columns = (max(1, round(scale * n)) for n in frame.shape[:2])
    if scale == int(scale):
        frame = frame.repeat(int(scale), axis=0).repeat(int(scale), axis=1)
    else:
        image = Image.fromarray(frame).resize((columns, rows), Image.Resampling.HAMMING)
        frame = np.asarray(image)
    canvas = np.full((height, width, 3), PAPER, np.uint8)
    top, left = (height - rows) // 2, (width - columns) // 2
    canvas[top : top + rows, left : left + columns] = frame
    return canvas


def tile(frames: Sequence[Frame], columns: int | None = None, gap: int = 8) -> Frame:
    """Arrange frames of several environments in a grid, row by row.

    Args:
        frames: one frame per environment; smaller ones are scaled to the largest (`fit`).
        columns: frames per row; as square as possible if None.
        gap: pixels between and around the frames.
    """
    if not len(frames):
        raise SettingError("frames", "empty", "at least one frame")
    height, width = (max(np.shape(f)[axis] for f in frames) for axis in (0, 1))
    columns = columns or math.ceil(math.sqrt(len(frames)))
    rows = math.ceil(len(frames) / columns)
    shape = (rows * (height + gap) + gap, columns * (width + gap) + gap, 3)
    canvas = np.full(shape, PAPER, np.uint8)
    for number, frame in enumerate(frames):
        row, column = divmod(number, columns)
        top, left = gap + row * (height + gap), gap + column * (width + gap)
        canvas[top : top + height, left : left + width] = fit(frame, height, width)
    return canvas


def caption(
    frame: Frame,
    lines: Sequence[str],
    *,
    size: tuple[int, int] | None = None,
    rows: int = 3,
    text_size: int | None = None,
) -> Frame:
    """Add text below a frame.

    The size of the result depends on `size`, `rows` and `text_size` only, not on the text: the
    first line is wrapped and truncated with an ellipsis, and every other line has one row.

    Args:
        frame: the frame.
        lines: text to add: first the instruction, then less prominent lines (`status`), which are
            placed at the bottom.
        size: (height, width) to scale the frame to (`fit`); unchanged if None.
        rows: total number of rows of text.
        text_size: text size in pixels; grows with the width if None.
    """
    frame = _checked(frame) if size is None else fit(frame, *size)
    if rows < max(1, len(lines)):
        raise SettingError("rows", rows, f"at least the number of lines, {len(lines)}")
    width = frame.shape[1]
    text_size = text_size or round(min(max(13, width / 30), 24))
    margin, pitch = round(0.7 * text_size), round(1.4 * text_size)
    strip = Image.new("RGB", (width, rows * pitch + 2 * margin), PAPER)
    pen = ImageDraw.Draw(strip)
    room = width - 2 * margin

    bold, plain = _font(text_size, True), _font(text_size, False)
    first, *rest = lines or ("",)
    wrapped = _wrap(first, bold, room, rows - len(rest))
    for row, text in enumerate(wrapped):
        pen.text((margin, margin + row * pitch), text, _BRIGHT, font=bold)
    for row, text in enumerate(rest, start=rows - len(rest)):
        (text,) = _wrap(text, plain, room, 1) or ("",)
        colour = next((c for mark, c in _MARKS.items() if mark in text), _DIM)
        pen.text((margin, margin + row * pitch), text, colour, font=plain)
    return np.concatenate([frame, np.asarray(strip)])


def status(step: int, episode_return: float | None = None, success: bool | None = None) -> str:
    """Format a caption's status line: step, return so far and, at the end, success or failure."""
    parts = [f"step {step}"]
    if episode_return is not None:
        parts.append(f"return {episode_return:.2f}")
    if success is not None:
        parts.append("✓ done" if success else "✗ failed")
    return "   ".join(parts)


def _checked(frame: Frame) -> Frame:
    frame = np.asarray(frame)
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
        raise SettingError("frame", f"{frame.dtype}{list(frame.shape)}", "uint8[height, width, 3]")
    return frame


@functools.cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    # Pillow's default font lacks the marks; matplotlib ships a font that has them.
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", name), size)


def _wrap(text: str, font: ImageFont.FreeTypeFont, room: int, rows: int) -> list[str]:
    """Wrap text to at most `rows` lines of at most `room` pixels, truncated with an ellipsis."""

    def fits(line: str) -> bool:
        return font.getlength(line) <= room

    lines: list[str] = []
    for word in text.split() if rows > 1 else [text]:
        if lines and fits(f"{lines[-1]} {word}"):
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    if len(lines) > rows:
        lines[rows - 1 :] = [" ".join(lines[rows - 1 :])]
    for number, line in enumerate(lines):
        if not fits(line):
            while line and not fits(line + "…"):
                line = line[:-1]
            lines[number] = line.rstrip() + "…"
    return lines


def _write_gif(path: Path, pictures: list[Frame], fps: float) -> None:
    palette, index = _palette(pictures)
    images = []
    for picture in pictures:
        image = Image.fromarray(index[_packed(picture)])
        image.putpalette(palette.tobytes())
        images.append(image)
    # .gif durations are in 1/100 s: round the times rather than the differences, to avoid drift.
    times = [round(100 * number / fps) for number in range(len(images) + 1)]
    durations = [10 * (after - before) for before, after in itertools.pairwise(times)]
    images[0].save(
        path,
        save_all=True,
        append_images=images[1:],
        duration=durations,
        loop=0,
        disposal=1,
        optimize=False,
    )


def _write_mp4(path: Path, pictures: list[Frame], fps: float) -> None:
    ffmpeg = importlib.import_module("imageio_ffmpeg")
    # The codec requires even dimensions.
    height, width = (n + n % 2 for n in pictures[0].shape[:2])
    writer = ffmpeg.write_frames(
        str(path), (width, height), fps=fps, quality=8, macro_block_size=1, ffmpeg_log_level="error"
    )
    writer.send(None)
    try:
        for picture in pictures:
            pad = [(0, height - picture.shape[0]), (0, width - picture.shape[1]), (0, 0)]
            writer.send(np.ascontiguousarray(np.pad(picture, pad, mode="edge")))
    finally:
        writer.close()


def _packed(picture: Frame) -> np.ndarray:
    """Pack each pixel into one number below 2**24."""
    r, g, b = (picture[..., i].astype(np.int32) for i in range(3))
    return (r << 16) | (g << 8) | b


def _palette(pictures: list[Frame], size: int = 255) -> tuple[np.ndarray, np.ndarray]:
    """Return a palette uint8[<= size, 3] and the palette index of each packed colour.

    Half of the palette holds the most frequent colours exactly, so that large areas keep their
    colour. The rest covers all other colours by median cut, each counted once, so that small
    objects keep theirs.
    """
    seen = np.zeros(2**24, bool)
    for picture in pictures:
        seen[_packed(picture)] = True
    colours = np.flatnonzero(seen)
    rgb = np.stack([colours >> 16, (colours >> 8) & 255, colours & 255], axis=1).astype(np.uint8)
    if len(colours) <= size:
        chosen = rgb
    else:
        counts = np.zeros(2**24, np.int64)
        for picture in pictures[:: math.ceil(len(pictures) / 16)]:  # counting all would be slow
            found, pixels = np.unique(_packed(picture), return_counts=True)
            counts[found] += pixels
        order = np.argsort(-counts[colours], kind="stable")
        exact, others = rgb[order[: size // 2]], rgb[order[size // 2 :]]
        image = Image.fromarray(others[None]).quantize(
            size - len(exact), Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
        )
        spread = np.array(image.getpalette(), np.uint8).reshape(-1, 3)
        chosen = np.concatenate([exact, spread[: size - len(exact)]])

    index = np.zeros(2**24, np.uint8)
    table = chosen.astype(np.float32)
    for start in range(0, len(rgb), 4096):
        part = rgb[start : start + 4096].astype(np.float32)
        # |a - b|^2 without |a|^2, which is constant over b
        distance = (table * table).sum(axis=1) - 2 * part @ table.T
        index[colours[start : start + 4096]] = distance.argmin(axis=1)
    return chosen, index
