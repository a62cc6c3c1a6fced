"""Batch sizes for CPUs, where work is costly, and accelerators, where loop iterations are."""

import jax


def on_accelerator() -> bool:
    """Whether programs run on an accelerator.

    Accelerators process many rows at once but have a high overhead per operation, so a program is
    fastest with few loop iterations, however many rows each of them handles.
    """
    return jax.default_backend() != "cpu"


def group_size(n: int, on_cpu: int, parts: int = 1) -> int:
    """Return how many of n rows to process at once where only some of them need it.

    Args:
        n: the number of rows.
        on_cpu: the group size on a CPU; at most n.
        parts: the number of groups that all rows are split into on accelerators. Groups are never
            smaller than on a CPU.
    """
    return min(n, max(on_cpu, -(-n // parts))) if on_accelerator() else min(n, on_cpu)
