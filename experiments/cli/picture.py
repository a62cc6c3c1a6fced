"""Draw the curriculum of a run: a film of the proposed tasks and the teacher's beliefs.

The snapshots that a training saves at its evaluations become one frame each. The figures of the
curriculum are drawn anew as well, which is useful for a training without pictures, and for other
dimensions of the task space.
"""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from didact.common import strict_json
from didact.common.plain_text import shown
from didact.common.setting_types import Range
from didact.experiments.cli._options import Importing


@dataclasses.dataclass(frozen=True)
class Options(Importing):
    run: tyro.conf.Positional[Path]
    """run folder"""
    out: Path | None = None
    """file for the film, .gif or .mp4; defaults to curriculum.gif in the run folder"""
    dimensions: tuple[str, ...] = ()
    """one or two task parameters to show; defaults to the two that vary most"""
    fps: Annotated[float, Range(0.01, 1000)] = 3.0
    """snapshots per second"""
    json: bool = False
    """print the result as JSON"""


def run(options: Options) -> None:
    """Write the film and the figures, and print their paths.

    Raises:
        SettingError: an option is invalid, the folder is no run or has no snapshots, or a file
            cannot be written.
    """
    from didact.common.errors import SettingError
    from didact.experiments.runs.curriculum_pictures import draw_run

    try:
        files = draw_run(
            options.run, out=options.out, names=options.dimensions or None, fps=options.fps
        )
    except OSError as error:
        path = str(options.out or options.run)
        allowed = f"a writable place ({error.strerror or error})"
        raise SettingError("--out", path, allowed) from None
    if options.json:
        return print(strict_json.dumps({name: str(path) for name, path in files.items()}))
    for path in files.values():
        print(shown(str(path)))
    return None
