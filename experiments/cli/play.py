"""Play an environment yourself, by keyboard in the terminal."""

import dataclasses

from didact.experiments.cli._options import Importing
from didact.experiments.evaluation.play import Play, play


@dataclasses.dataclass(frozen=True)
class Options(Importing, Play):
    """What `play` needs, and code of the user's own."""


run = play
