"""The style shared by all figures."""

import os
import warnings
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from didact.common.errors import SettingError
from didact.common.files import replacing

# The palette of Okabe and Ito (2008), without yellow, which is hard to see on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (6, 1.5, 1.5, 1.5)))
GREY = "#8a8f98"
JITTER = 0.28  # maximum jitter of points with integer coordinates, to reduce overlap

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.parse_math": False,  # names of environments and tasks may contain "$"
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444a52",
    "axes.linewidth": 0.8,
    "xtick.color": "#444a52",
    "ytick.color": "#444a52",
    "axes.labelcolor": "#22262b",
    "text.color": "#22262b",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e8eb",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "lines.solid_capstyle": "round",
}


def drawing_style():
    return matplotlib.rc_context(STYLE)  # type: ignore[arg-type]


def save_figure(figure: Figure, path: str | os.PathLike[str], dpi: int) -> Path:
    path = Path(path)
    FigureCanvasAgg(figure)
    if path.suffix.lstrip(".").lower() not in figure.canvas.get_supported_filetypes():
        raise SettingError("path", str(path), "a picture such as *.png, *.pdf or *.svg")
    with replacing(path) as temporary, warnings.catch_warnings():
        # Names in other scripts, or with control characters, are drawn as boxes.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from", UserWarning)
        figure.savefig(temporary, dpi=dpi, facecolor="white")
    return path


def mean_or_nan(values: np.ndarray, axis: int | None = None) -> np.ndarray:
    """Return the mean of the finite values; NaN, without a warning, if there are none."""
    there = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(there, values, 0).sum(axis) / there.sum(axis)


def short_steps(steps: int) -> str:
    return EngFormatter(sep="", places=1)(steps).replace(".0", "")
