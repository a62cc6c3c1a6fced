"""Pictures of a curriculum from the snapshots of a run: figures, thumbnails and the film."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from PIL import Image

from didact.common.errors import SettingError
from didact.common.extensions import require_named
from didact.common.files import replacing
from didact.environments import Environment
from didact.environments.base import PICTURES
from didact.environments.task_spaces import Box
from didact.experiments.config import read_run
from didact.experiments.objects import without_label
from didact.experiments.plotting import curriculum_film, levels_plot
from didact.experiments.plotting.curriculum_plot import curriculum
from didact.experiments.plotting.levels_plot import Thumbnails, has_levels
from didact.experiments.plotting.video import Frame, check_target
from didact.experiments.runs.curriculum_snapshots import CurriculumSnapshot, load_snapshots
from didact.experiments.runs.folder import CONFIG
from didact.experiments.setup import environment_of


class View(NamedTuple):
    """Snapshots as they are drawn."""

    space: Box  # the task space, or that of the features of its tasks
    drawn: list[CurriculumSnapshot]  # with points of `space`
    whole: list[CurriculumSnapshot]  # the same, with tasks


def view(environment: Environment, snapshots: Sequence[CurriculumSnapshot]) -> View | None:
    """Return snapshots as they are drawn, or None if there is nothing to draw.

    In a space of features, which is narrowed to the tasks that occur, levels of a buffer are drawn
    as their features. Other beliefs about tasks do not apply to features.
    """
    space = environment.task_space
    shown = space.feature_space
    if not snapshots or not (shown.low < shown.high).any():
        return None
    whole = list(snapshots)
    if shown is space:
        return View(shown, whole, whole)
    drawn = [_featured(s, space) for s in whole]
    return View(_narrowed(shown, drawn), drawn, whole)


def progress_of(teacher: str) -> str:
    """Return the name of the quantity that a teacher assigns to its Gaussians."""
    return "critic value" if teacher == "transformer" else "learning progress"


def thumbnails_of(environment: Environment) -> Thumbnails | None:
    """Return a function that draws tasks as the environment renders their first state.

    Returns:
        The function, or None if the environment does not implement `render`.
    """
    if PICTURES not in environment.render_modes:
        return None
    reset = jax.jit(environment.reset)

    def thumbnails(tasks: Float[np.ndarray, "m d"]) -> list[Frame]:
        count = len(tasks)
        if not count:
            return []
        # Padded, so that a few sizes are compiled only.
        rows = np.resize(tasks, (max(8, count), tasks.shape[1]))
        state, _ = reset(jax.random.key(0), jnp.asarray(rows, jnp.float32))
        state = jax.device_get(state)
        return [environment.render(state, i) for i in range(count)]

    return thumbnails


def draw(
    run: Path,
    seen: View,
    thumbnails: Thumbnails | None,
    *,
    names: Sequence[str] | None = None,
    progress: str = "learning progress",
) -> dict[str, Path]:
    """Write the figures of a curriculum to a run folder, and return their paths by name.

    `curriculum.png` has the whole training. If the teacher pictures its beliefs, `beliefs.png` is
    the latest frame of the film; in TensorBoard, where one is kept for each time, they can be
    played. If it has a buffer of levels, `levels.png` shows the most probable ones.
    """
    files = {}
    thumbnails = levels_plot.informative(thumbnails, seen.whole)
    path = run / "curriculum.png"
    files["curriculum"] = curriculum(path, seen.drawn, seen.space, names=names, progress=progress)
    if any(s.beliefs for s in seen.whole):
        last = curriculum_film.frames(
            seen.drawn,
            seen.space,
            names=names,
            thumbnails=thumbnails,
            levels=seen.whole,
            progress=progress,
            last=1,
        )
        files["beliefs"] = _save(run / "beliefs.png", next(last))
    if any(map(has_levels, seen.whole)):
        files["levels"] = levels_plot.levels(run / "levels.png", seen.whole, thumbnails)
    return files


def _narrowed(space: Box, snapshots: Sequence[CurriculumSnapshot]) -> Box:
    """Return the part of a space in which tasks and levels are, unless a dimension is constant."""
    rows = [s.tasks for s in snapshots]
    rows += [s.beliefs["levels"] for s in snapshots if "levels" in s.beliefs]
    points = np.concatenate(rows)
    if not len(points):
        return space
    low, high = points.min(axis=0), points.max(axis=0)
    if not (low < high).all():
        return space
    ends = [(float(a), float(b)) for a, b in zip(low, high, strict=True)]
    return space.restricted(**dict(zip(space.names, ends, strict=True)))


def _featured(snapshot: CurriculumSnapshot, space: Any) -> CurriculumSnapshot:
    beliefs = {}
    if "levels" in snapshot.beliefs:
        # Unused rows need not be tasks.
        used = np.asarray(snapshot.beliefs["probabilities"]) > 0
        beliefs = {k: snapshot.beliefs[k][used] for k in ("levels", "scores", "probabilities")}
        beliefs["levels"] = np.asarray(space.features(beliefs["levels"]))
        beliefs = beliefs if used.any() else {}
    if "arms" in snapshot.beliefs:
        beliefs["arms"] = snapshot.beliefs["arms"]
    return snapshot._replace(tasks=np.asarray(space.features(snapshot.tasks)), beliefs=beliefs)


def _save(path: Path, frame: Frame) -> Path:
    with replacing(path) as temporary:
        Image.fromarray(frame).save(temporary, format="png")
    return path


def draw_run(
    run: Path, *, out: Path | None = None, names: Sequence[str] | None = None, fps: float = 3
) -> dict[str, Path]:
    """Draw the figures and the film of a run's curriculum; the function behind `didact picture`.

    Args:
        run: the run folder.
        out: file for the film; curriculum.gif in the run folder by default.
        names: one or two dimensions to show; see `curriculum`.
        fps: snapshots per second.

    Returns:
        The paths by name.

    Raises:
        SettingError: the folder is no run, its environment is not registered, it has no snapshots,
            or an argument is invalid.
    """
    if not (run / CONFIG).is_file():
        raise SettingError("RUN", str(run), "a run folder of `didact train`")
    film = out or run / "curriculum.gif"
    check_target(film, "--out", fps=fps, rate="--fps")
    config = read_run(run / CONFIG, run)
    require_named(config.imports, "RUN", run)
    environment = environment_of(config)
    snapshots = load_snapshots(run / "curriculum", environment.task_space.size)
    seen = view(environment, snapshots)
    if seen is None:
        allowed = "a run with snapshots of a curriculum, in a task space with more than one task"
        raise SettingError("RUN", str(run), allowed)
    thumbnails, progress = thumbnails_of(environment), progress_of(config.teacher)
    files = draw(run, seen, thumbnails, names=names, progress=progress)
    files["film"] = curriculum_film.film(
        film,
        seen.drawn,
        seen.space,
        names=names,
        thumbnails=levels_plot.informative(thumbnails, seen.whole),
        levels=seen.whole,
        title=f"{without_label(config.env)}, {without_label(config.teacher)}",
        progress=progress,
        fps=fps,
    )
    return files
