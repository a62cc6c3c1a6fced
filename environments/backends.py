"""What differs between processors: a CPU pays for work, an accelerator for the turns of loops."""

import jax


def on_accelerator() -> bool:
    """Whether programs run on an accelerator, which does much at once but begins things slowly.

    There a program is fastest if loops take few turns, however many rows each of them has.
    """
    return jax.default_backend() != "cpu"


def group_size(n: int, on_cpu: int, parts: int = 1) -> int:
    """How many of n rows to work on at once where only some of them need it.

    Args:
        n: rows.
        on_cpu: so many on a CPU, if there are as many.
        parts: into how many groups all rows are split on accelerators, unless that makes smaller
            ones than on a CPU.
    """
    return min(n, max(on_cpu, -(-n // parts))) if on_accelerator() else min(n, on_cpu)
