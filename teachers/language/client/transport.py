"""Requests by the `openai` client, with a limit on the size of responses."""

import contextlib
import email.utils
import importlib
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from didact.common.errors import SettingError
from didact.teachers.language.client.api_keys import Key

MAX_OF_AN_ERROR = 65_536  # the maximum number of bytes to read of an error response


class Refused(Exception):
    """The server answered with a status other than success.

    Attributes:
        status: the HTTP status.
        body: the beginning of the response body.
        retry_after: the seconds to wait according to the server, or None.
    """

    def __init__(self, status: int, body: bytes, retry_after: float | None):
        self.status, self.body, self.retry_after = status, body, retry_after
        super().__init__(status)


class TooLong(Exception):
    """The answer is longer than allowed; it was cut off after `received` bytes."""

    def __init__(self, received: int):
        self.received = received
        super().__init__(received)


class Transport:
    """Posts chat completions to one server.

    Args:
        base_url: the address of the server.
        max_bytes: the maximum size of an answer.

    Attributes:
        broken: the exceptions of failed connections.

    Raises:
        SettingError: the `openai` package is missing.
    """

    def __init__(self, base_url: str, max_bytes: int):
        try:
            self.openai: Any = importlib.import_module("openai")
        except ImportError:
            allowed = "used with the openai package: pip install -e '.[language]'"
            raise SettingError("language model", "openai is missing", allowed) from None
        self.base_url, self.max_bytes = base_url, max_bytes
        # The HTTP library of openai is httpx or, since version 3, httpx2.
        kinds = self.openai.DefaultAsyncHttpxClient.__mro__
        client = next(kind for kind in kinds if kind.__name__ == "AsyncClient")
        http = importlib.import_module(client.__module__.split(".")[0])
        self.broken = (
            self.openai.APIConnectionError,
            http.HTTPError,
            http.StreamError,
            importlib.import_module("anyio").EndOfStream,
            OSError,
        )
        # Some loggers are created with the first client, and keys are removed only from the
        # messages of loggers that exist when a call begins.
        self.openai.DefaultAsyncHttpxClient()

    @contextlib.asynccontextmanager
    async def opened(
        self, key: Key
    ) -> AsyncIterator[Callable[[Mapping[str, Any]], Awaitable[bytes]]]:
        """Open a client, and yield a function that posts a request and returns the response body.

        The function has no time limit and does not retry. It raises `Refused`, `TooLong` and the
        exceptions in `broken`.
        """
        http_client = self.openai.DefaultAsyncHttpxClient(
            follow_redirects=False,  # so that no other server gets the key
            event_hooks={"response": [self.refuse]},
            timeout=None,
        )
        client = self.openai.AsyncOpenAI(
            api_key=key.reveal() or "none",  # the client requires a key
            base_url=self.base_url,
            max_retries=0,
            timeout=None,
            http_client=http_client,
            default_headers={"Accept-Encoding": "identity"},
        )

        async def post(request: Mapping[str, Any]) -> bytes:
            completions = client.chat.completions.with_streaming_response
            try:
                async with completions.create(**request) as answer:
                    received = await self.read(answer.http_response, self.max_bytes + 1)
            except self.openai.APIConnectionError as error:
                # Older clients wrap the exception of `refuse`.
                if isinstance(error.__cause__, Refused):
                    raise error.__cause__ from None
                raise
            if len(received) > self.max_bytes:
                raise TooLong(len(received))
            return received

        async with client:
            yield post

    async def read(self, response: Any, most: int) -> bytes:
        """Read at most `most` bytes of a body, without decompression.

        A small compressed body may contain gigabytes.
        """
        received = bytearray()
        async for piece in response.aiter_raw(65_536):
            received += piece[: most - len(received)]
            if len(received) >= most:
                break
        return bytes(received)

    async def refuse(self, response: Any) -> None:
        """Raise `Refused` for errors and redirections, before the whole body is read."""
        if not 200 <= response.status_code < 300:
            body = await self.read(response, MAX_OF_AN_ERROR)
            raise Refused(response.status_code, body, seconds_to_wait(response.headers))


def seconds_to_wait(headers: Mapping[str, str]) -> float | None:
    """Return `Retry-After` in seconds; None if it is missing or invalid."""
    said = headers.get("retry-after", "").strip()
    try:
        seconds = float(said)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(said).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError):
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None
