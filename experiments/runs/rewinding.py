"""What a run that is resumed from a checkpoint forgets."""

from pathlib import Path

from didact.common.files import remove
from didact.experiments.runs.checkpoints import Checkpoints


def forget_after(run: Path, updates: int, steps_per_update: int, total: int) -> None:
    """Remove what a run has made after a checkpoint, and will make again.

    Without its policies, it is an unfinished run, also if it had ended before. Rows of metrics and
    transcripts are shortened by those who write them.

    Args:
        run: the run folder.
        updates: number of updates of the checkpoint.
        steps_per_update: environment steps of an update.
        total: number of updates of the whole training.
    """
    if updates < total:
        # The policy of the first seed comes first, as it marks a finished run.
        for policy in sorted([*run.glob("policy"), *run.glob("policy-seed-*")]):
            remove(policy)
    Checkpoints(run / "checkpoints").remove_after(updates)
    for snapshot in run.glob("curriculum/[0-9]*.npz"):
        if snapshot.stem.isdecimal() and int(snapshot.stem) > updates * steps_per_update:
            remove(snapshot)
