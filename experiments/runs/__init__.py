"""Run folders: checkpoints, logs, curriculum snapshots and reports."""
