"""Time limits that hold whatever the server does."""

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
GRACE = 0.5  # seconds in which cancelled work can end by itself


class _DaemonThreads(ThreadPoolExecutor):
    """A daemon thread for each call, which is not joined when Python exits.

    Host names are looked up in these threads. Without a network this can take half a minute, and
    it cannot be cancelled.
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
    """Run a coroutine and cancel it after this many seconds.

    It runs in its own event loop and daemon thread, so that this function can be called from any
    thread or inside a running loop, and be interrupted by Ctrl-C.

    Returns:
        The result of the coroutine.

    Raises:
        TimeoutError: it took longer.
        Exception: the exception of the coroutine, without traceback and context, because these
            contain frames whose variables may contain keys.
    """
    outcome: queue.SimpleQueue = queue.SimpleQueue()

    async def limited():
        async with asyncio.timeout(seconds):
            return await work()

    def run():
        # The result is put before the loop is closed, because closing may take longer.
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
