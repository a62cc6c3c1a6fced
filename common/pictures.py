"""The arrays in which a teacher pictures its beliefs, and their check.

`Teacher.picture(state)` returns arrays of the following kinds, or of none of them. k is a fixed
number of items, of which unused ones have the weight or probability 0, and d the length of a task;
tasks are in task units.

- Gaussians: `means` [k, d], `covariances` [k, d, d], `weights` [k], `progress` [k] (what the
  teacher expects of each, such as learning progress).
- Boxes: `low` [k, d], `high` [k, d], `weights` [k], and optionally `progress` [k], which is then
  shown instead of the weights. An overlap is drawn darker, so nested boxes (a tree) and a single
  one (bounds) are both fine.
- A success model: `points` [k, d] spread over the space, `values` [k] there, such as predicted
  probabilities of success.
- Levels, the tasks of a buffer: `levels` [k, d], `scores` [k], `probabilities` [k] of being
  replayed, with a sum of at most 1.
- Parts of a combinator: `arms` [k], the probability of each part.

One picture can have several kinds, except for both Gaussians and boxes, which share the name
`weights`. Further arrays are ignored.
"""

from collections.abc import Mapping

import numpy as np

GAUSSIANS, BOXES, MODEL, LEVELS, ARMS = "Gaussians", "boxes", "success model", "levels", "arms"
# The names of each kind, with their shapes; the first is the name that tells the kind.
SHAPES: dict[str, dict[str, str]] = {
    GAUSSIANS: {"means": "kd", "covariances": "kdd", "weights": "k", "progress": "k"},
    BOXES: {"low": "kd", "high": "kd", "weights": "k"},
    MODEL: {"points": "kd", "values": "k"},
    LEVELS: {"levels": "kd", "scores": "k", "probabilities": "k"},
    ARMS: {"arms": "k"},
}
_SHARES = ("weights", "probabilities", "arms")


def kinds_of(picture: Mapping[str, object]) -> tuple[str, ...]:
    """Return the kinds of beliefs in a picture."""
    return tuple(kind for kind, shapes in SHAPES.items() if next(iter(shapes)) in picture)


def used(picture: Mapping[str, np.ndarray], kind: str) -> np.ndarray:
    """Return which of the k items of a kind are in use, bool[k]."""
    share = next((name for name in SHAPES[kind] if name in _SHARES), None)
    if share is None:
        return np.ones(len(picture[next(iter(SHAPES[kind]))]), bool)
    return np.asarray(picture[share]) > 0


def fault(picture: Mapping[str, np.ndarray], d: int) -> str | None:
    """Return what is wrong with a picture, in words, or None if nothing is.

    Args:
        picture: NumPy arrays by name.
        d: the length of a task.
    """
    kinds = kinds_of(picture)
    if GAUSSIANS in kinds and BOXES in kinds:
        return "means and low cannot be combined"
    if picture and not kinds:
        return f"{', '.join(sorted(picture))} are no kind of beliefs"
    for kind in kinds:
        first = next(iter(SHAPES[kind]))
        k = len(picture[first]) if np.ndim(picture[first]) else 0
        for name, letters in SHAPES[kind].items():
            shape = tuple(k if letter == "k" else d for letter in letters)
            if name not in picture or picture[name].shape != shape:
                return f"{first!r} requires {name!r} of the shape {shape}"
        if k == 0:
            return f"{first!r} must have at least one item"
        there = used(picture, kind)
        for name in SHAPES[kind]:
            if not np.isfinite(picture[name][there]).all():
                return f"{name!r} must be finite"
            if name in _SHARES and not (np.isfinite(picture[name]) & (picture[name] >= 0)).all():
                return f"{name!r} must be finite and at least 0"
        for name in ("probabilities", "arms"):
            if name in SHAPES[kind] and picture[name].sum() > 1 + 1e-3:
                return f"{name!r} must have a sum of at most 1"
    if BOXES in kinds and "progress" in picture:
        values, there = picture["progress"], used(picture, BOXES)
        if values.shape != there.shape or not np.isfinite(values[there]).all():
            return f"'progress' of boxes must be finite and of the shape {there.shape}"
    if BOXES in kinds and not (picture["low"] <= picture["high"])[used(picture, BOXES)].all():
        return "'low' must be at most 'high'"
    return None
