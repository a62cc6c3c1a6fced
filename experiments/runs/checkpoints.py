"""Atomic checkpoints.

A checkpoint is written to a temporary folder and moved into place when complete, with a hash of
each of its files. A truncated or edited checkpoint is rejected, and the error names the previous
one.
"""

import re
from pathlib import Path
from typing import Any

from didact.common.files import remove, remove_leftovers, replacing
from didact.environments import SettingError
from didact.students.data.pytree_storage import CorruptFiles, MismatchedArrays, load_tree, save_tree

_NAME = re.compile("[0-9]{8}|[1-9][0-9]{8,9}")  # a number of updates, in 32 bits


class Checkpoints:
    """The checkpoints of a run, by number of updates.

    Args:
        folder: folder of the checkpoints; created with the first checkpoint.
        keep: number of latest checkpoints to keep.
    """

    def __init__(self, folder: Path, keep: int = 3):
        self.folder, self.keep = Path(folder), keep

    def saved(self) -> list[int]:
        """Return the numbers of updates of all checkpoints, in ascending order."""
        if not self.folder.is_dir():
            return []
        return sorted(
            int(path.name)
            for path in self.folder.iterdir()
            if _NAME.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
        )

    def path(self, updates: int) -> Path:
        return self.folder / f"{updates:08d}"

    def save(self, updates: int, state: Any) -> Path:
        """Save a checkpoint, and remove the oldest beyond `keep`.

        Raises:
            OSError: the checkpoint could not be written; earlier checkpoints are untouched.
        """
        final = self.path(updates)
        if final.is_dir():
            return final
        remove_leftovers(self.folder)
        with replacing(final) as draft:
            save_tree(draft, state)
        for old in self.saved()[: -self.keep]:
            remove(self.path(old))
        return final

    def remove_after(self, updates: int) -> None:
        """Remove the checkpoints after `updates`, which a resumed training will write again."""
        for later in self.saved():
            if later > updates:
                remove(self.path(later))

    def restore(self, like: Any, updates: int | None = None, changed: str = "") -> Any:
        """Load a checkpoint.

        Args:
            like: tree of arrays (or their shapes) with the expected structure.
            updates: number of updates of the checkpoint; the latest if None.
            changed: what the run was made with that differs now, for errors.

        Raises:
            SettingError: the checkpoint does not exist or is damaged.
        """
        saved = self.saved()
        if not saved:
            raise SettingError("--resume", str(self.folder.parent), "a run with a checkpoint")
        if updates is None:
            updates = saved[-1]
        if updates not in saved:
            known = ", ".join(map(str, saved))
            raise SettingError("--checkpoint", updates, f"one of the saved checkpoints: {known}")
        try:
            return load_tree(self.path(updates), like)
        except MismatchedArrays:
            allowed = (
                "resumed with the config.json, the version of didact and the imported code that it "
                "was saved with"
            )
            allowed += f" (the run was made with {changed})" if changed else ""
            raise SettingError("checkpoint", str(self.path(updates)), allowed) from None
        except CorruptFiles as damage:
            earlier = [u for u in saved if u < updates]
            offer = f"use --checkpoint {earlier[-1]}" if earlier else "there is no earlier one"
            raise SettingError(
                "checkpoint", str(self.path(updates)), f"undamaged ({damage}; {offer})"
            ) from None
