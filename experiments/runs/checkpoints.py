"""Checkpoints: whole or not there at all.

A checkpoint is written beside its place and moved there when it is complete, with the hash of
each of its files. One that is truncated or edited is refused, and the one before it is named.
"""

import os
import shutil
from pathlib import Path
from typing import Any

from didact.environments import SettingError
from didact.common.files import replacing
from didact.students.data.pytree_storage import CorruptFiles, MismatchedArrays, load_tree, save_tree


class Checkpoints:
    """The checkpoints of a run, by number of updates.

    Args:
        folder: where they are; made when the first is saved.
        keep: how many of the latest are kept.
    """

    def __init__(self, folder: Path, keep: int = 3):
        self.folder, self.keep = Path(folder), keep

    def saved(self) -> list[int]:
        """The updates of all checkpoints, oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted(int(path.name) for path in self.folder.iterdir() if path.name.isdigit())

    def path(self, updates: int) -> Path:
        return self.folder / f"{updates:08d}"

    def save(self, updates: int, state: Any) -> Path:
        """Writes a checkpoint, and removes the oldest beyond `keep`.

        Raises:
            OSError: it could not be written; earlier checkpoints are untouched.
        """
        final = self.path(updates)
        if final.exists():
            return final
        with replacing(final) as draft:
            save_tree(draft, state)
        for old in self.saved()[: -self.keep]:
            self._remove(old)
        return final

    def remove_after(self, updates: int) -> None:
        """Removes the checkpoints that come later, which a training from here writes anew."""
        for later in self.saved():
            if later > updates:
                self._remove(later)

    def restore(self, like: Any, updates: int | None = None) -> Any:
        """A checkpoint, the latest if `updates` is not given.

        Args:
            like: a tree of arrays (or their shapes) that says what is expected.
            updates: which checkpoint.

        Raises:
            SettingError: there is none, or it is damaged.
        """
        saved = self.saved()
        if not saved:
            raise SettingError("--resume", str(self.folder.parent), "a run with a checkpoint")
        if updates is None:
            updates = saved[-1]
        if updates not in saved:
            known = ", ".join(map(str, saved))
            raise SettingError("--checkpoint", updates, f"one that was saved: {known}")
        try:
            return load_tree(self.path(updates), like)
        except MismatchedArrays:
            raise SettingError(
                "config.json",
                str(self.folder.parent / "config.json"),
                "as it was when the checkpoint was saved",
            ) from None
        except CorruptFiles as damage:
            earlier = [u for u in saved if u < updates]
            offer = f"--checkpoint {earlier[-1]} is the one before it" if earlier else "none before"
            raise SettingError(
                "checkpoint", str(self.path(updates)), f"as it was saved ({damage}; {offer})"
            ) from None

    def _remove(self, updates: int) -> None:
        # Renamed first: half a checkpoint must not look like one.
        trash = self.folder / f".draft-{updates:08d}"
        shutil.rmtree(trash, ignore_errors=True)
        os.replace(self.path(updates), trash)
        shutil.rmtree(trash)
