"""Recorded episodes on disk, and batches of sequences read from them."""

from didact.students.data.recordings import Recording, open_recording
from didact.students.data.sequences import Window

__all__ = ["Recording", "Window", "open_recording"]
