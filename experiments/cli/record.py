"""Record episodes to disk, for imitation learning."""

import dataclasses

from didact.experiments.cli._options import Importing
from didact.experiments.imitation.record import Record, save_recording


@dataclasses.dataclass(frozen=True)
class Options(Importing, Record):
    """Options of the command `record`."""


run = save_recording
