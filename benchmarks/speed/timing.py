"""Time compiled functions, with compile time separate from run time and interleaved repeats.

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
    """Disable the persistent compilation cache, which would hide the compile time."""
    before = jax.config.values["jax_enable_compilation_cache"]
    try:
        jax.config.update("jax_enable_compilation_cache", False)
        compilation_cache.reset_cache()  # JAX decides only once whether to use the cache
        yield
    finally:
        jax.config.update("jax_enable_compilation_cache", before)
        compilation_cache.reset_cache()


def compiled(
    function: Callable[..., Any], *arguments: Any, donate: tuple[int, ...] = ()
) -> tuple[Callable[..., Any], float]:
    """Compile a function for arguments of these shapes; return the program and the seconds taken.

    The seconds include tracing, lowering and compiling; nothing is run.
    """
    start = time.perf_counter()
    with uncached():
        program = jax.jit(function, donate_argnums=donate).lower(*arguments).compile()
    return program, time.perf_counter() - start


class Loop(Generic[Carry]):
    """A compiled function that is called repeatedly on its own result.

    Each call runs it once and waits. The buffers of the old carry are donated to the new one, as in
    a training loop. The initial carry is copied, so it remains usable.

    Attributes:
        compile_seconds: seconds of tracing, lowering and compiling.
        carry: result of the last call.
    """

    def __init__(self, function: Callable[[Carry], Carry], carry: Carry):
        self.carry = jax.tree.map(lambda x: x.copy(), carry)
        self._program, self.compile_seconds = compiled(function, self.carry, donate=(0,))

    def __call__(self) -> None:
        self.carry = jax.block_until_ready(self._program(self.carry))


@dataclasses.dataclass(frozen=True)
class Timing:
    """Compile time, and seconds per call for each repeat."""

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
    """Compile a function of arrays and time it repeatedly on the same arguments.

    For a function that takes its own result and donates it, use `Loop`.

    Args:
        function: function to compile and time.
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
    """Time several calls in interleaved rounds: A B A B, not A A B B.

    A temporary slowdown of the machine then affects all of them, and ratios within a round remain
    valid. Every call must wait for its own result.

    Args:
        calls: functions to time, by name. Each is called twice beforehand, to warm up and to
            determine the number of calls per round.
        repeats: number of rounds.
        seconds: total timing per function over all rounds; at least one call per round is made.
        clock: a clock in seconds.

    Returns:
        Seconds per call in each round, by name.
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
    """Return the share of each part in `whole`, and the remainder as `rest`.

    Parts that were timed separately can sum to more than the whole, because XLA fuses them; `rest`
    is negative then.
    """
    parts = {name: part / whole for name, part in seconds.items()}
    return parts | {"rest": 1 - sum(parts.values())}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the median, minimum and maximum of some values, to five significant digits."""
    figures = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: float(f"{value:.5g}") for name, value in figures.items()}
