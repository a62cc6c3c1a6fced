"""The tasks of a training: the episodes that come next, and proposers that write tasks."""
