"""Play an environment with the keyboard, in the terminal."""

import dataclasses

from didact.experiments.cli._options import Importing
from didact.experiments.evaluation.play import Play, play


@dataclasses.dataclass(frozen=True)
class Options(Importing, Play):
    """Options of the command `play`."""


run = play
