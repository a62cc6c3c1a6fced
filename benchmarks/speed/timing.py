"""Times compiled functions: compiling apart from running, and rivals in turns.

rollout = Loop(rollout, state)             # state -> state, its buffers donated
learn = timed(learn, parameters, batch)    # a function whose arguments can be used again
seconds = interleaved({"rollout": rollout, "update": Loop(update, state)})
"""

import contextlib
import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

import jax
from jax.experimental.compilation_cache import compilation_cache

Carry = TypeVar("Carry")


@contextlib.contextmanager
def uncached() -> Iterator[None]:
    """Compiles afresh: a program out of the persistent cache would seem to compile in no time."""
    before = jax.config.values["jax_enable_compilation_cache"]
    try:
        jax.config.update("jax_enable_compilation_cache", False)
        compilation_cache.reset_cache()  # jax decides once whether it uses the cache
        yield
    finally:
        jax.config.update("jax_enable_compilation_cache", before)
        compilation_cache.reset_cache()


def compiled(
    function: Callable[..., Any], *arguments: Any, donate: tuple[int, ...] = ()
) -> tuple[Callable[..., Any], float]:
    """The program of a function for arguments of these shapes, and the seconds it took to make.

    The seconds are those of tracing, lowering and compiling; nothing is run.
    """
    start = time.perf_counter()
    with uncached():
        program = jax.jit(function, donate_argnums=donate).lower(*arguments).compile()
    return program, time.perf_counter() - start


class Loop(Generic[Carry]):
    """A compiled function whose result is its next argument; each call runs it once and waits.

    The old carry's buffers are donated to the new one, as in a training loop. The carry given
    here is copied, so it can be used again.

    Attributes:
        compile_seconds: tracing, lowering and compiling.
        carry: what the last call gave.
    """

    def __init__(self, function: Callable[[Carry], Carry], carry: Carry):
        self.carry = jax.tree.map(lambda x: x.copy(), carry)
        self._program, self.compile_seconds = compiled(function, self.carry, donate=(0,))

    def __call__(self) -> None:
        self.carry = jax.block_until_ready(self._program(self.carry))


@dataclasses.dataclass(frozen=True)
class Timing:
    """Seconds of one call, one figure for each repeat, and of compiling."""

    compile_seconds: float
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def timed(
    function: Callable[..., Any],
    *arguments: Any,
    repeats: int = 5,
    seconds: float = 2.0,
) -> Timing:
    """Compiles a function of arrays and times it on the same arguments again and again.

    For a function that takes its own result, and donates it, use `Loop`.

    Args:
        function: what to time; it is compiled here.
        *arguments: pytrees of arrays.
        repeats, seconds: as for `interleaved`.
    """
    program, compile_seconds = compiled(function, *arguments)

    def call():
        jax.block_until_ready(program(*arguments))

    times = interleaved({"call": call}, repeats, seconds)["call"]
    return Timing(compile_seconds, tuple(times))


def interleaved(
    calls: Mapping[str, Callable[[], object]],
    repeats: int = 5,
    seconds: float = 2.0,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of one call of each, measured in turns: A B A B, not A A B B.

    Whatever slows the machine for a while then slows all of them, and the ratio of two rows of
    one round is hardly changed. Every call must wait for its own result.

    Args:
        calls: what to time, by name. Each is called twice before: to warm up, and to see how
            many calls fill a chunk.
        repeats: how many rounds.
        seconds: how long each is timed, all rounds together; never less than one call a round.
        clock: a clock in seconds.

    Returns:
        By name, one figure for each round.
    """
    counts = {}
    for name, call in calls.items():
        call()
        start = clock()
        call()
        counts[name] = max(1, math.ceil(seconds / repeats / max(clock() - start, 1e-9)))
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = clock()
            for _ in range(counts[name]):
                call()
            times[name].append((clock() - start) / counts[name])
    return times


def shares(seconds: Mapping[str, float], whole: float) -> dict[str, float]:
    """Which part of `whole` each piece takes; what is left is called `rest`.

    Pieces that were timed one by one can sum to more than the whole, into which XLA fuses them;
    then `rest` is negative, and says by how much.
    """
    parts = {name: part / whole for name, part in seconds.items()}
    return parts | {"rest": 1 - sum(parts.values())}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and greatest of some figures, to five digits."""
    figures = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: float(f"{value:.5g}") for name, value in figures.items()}
