"""Play an environment with the keyboard, in the terminal."""

import dataclasses

from didact.experiments.cli._options import Importing
from didact.experiments.evaluation.play_options import Play


@dataclasses.dataclass(frozen=True)
class Options(Importing, Play):
    """Options of the command `play`."""


def run(options: Options) -> None:
    """Play in the terminal until the player quits.

    Raises:
        SettingError: there is no terminal, or the environment cannot be played in one.
    """
    from didact.experiments.evaluation.play import play

    play(options)
