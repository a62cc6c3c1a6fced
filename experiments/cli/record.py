"""Record episodes to disk, for students that learn from examples."""

import dataclasses

from didact.experiments.cli._options import Importing
from didact.experiments.imitation.record import Record, save_recording


@dataclasses.dataclass(frozen=True)
class Options(Importing, Record):
    """What `save_recording` needs, and code of the user's own."""


run = save_recording
