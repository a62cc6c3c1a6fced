"""Recorded episodes on disk, and batches of sequences read from them."""

from didact.students.data.recordings import Recording, open_recording
from didact.students.data.sequences import SequenceBatch

__all__ = ["Recording", "SequenceBatch", "open_recording"]
