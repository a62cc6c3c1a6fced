"""A time limit that holds whatever the other side does."""

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
GRACE = 0.5  # seconds in which work that is over its limit can end by itself


class _DaemonThreads(ThreadPoolExecutor):
    """A thread for each call, which nobody waits for when Python ends.

    Names of servers are looked up in such threads. Where there is no network this can take half
    a minute, and cannot be stopped.
    """

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        future: Future = Future()

        def work():
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        return future


def run_with_timeout(seconds: float, work: Callable[[], Awaitable[T]]) -> T:
    """The result of a coroutine that has so many seconds, and is cancelled after them.

    It runs in a loop and a daemon thread of its own, so that this can be called from any thread,
    from inside a running loop, and be left by Ctrl-C.

    Raises:
        TimeoutError: it took longer.
        Exception: what the coroutine raised, without its traceback and context: these hold
            frames, whose variables may hold keys.
    """
    outcome: queue.SimpleQueue = queue.SimpleQueue()

    async def limited():
        async with asyncio.timeout(seconds):
            return await work()

    def run():
        # The result is put before the loop is closed, which may take longer.
        try:
            with asyncio.Runner() as runner:
                runner.get_loop().set_default_executor(_DaemonThreads())
                outcome.put((runner.run(limited()), None))
        except BaseException as error:
            outcome.put((None, error))

    threading.Thread(target=run, daemon=True, name="language-model").start()
    try:
        result, error = outcome.get(timeout=seconds + GRACE)
    except queue.Empty:
        raise TimeoutError from None
    if error is not None:
        error.__cause__ = error.__context__ = None
        raise error.with_traceback(None)
    return result
