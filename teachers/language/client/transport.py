"""Requests by the `openai` client, with answers read no further than wanted."""

import contextlib
import email.utils
import importlib
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from didact.common.errors import SettingError
from didact.teachers.language.client.api_keys import Key

MAX_OF_AN_ERROR = 65_536  # bytes read of what comes with an error


class Refused(Exception):
    """The server answered with a status other than success.

    Attributes:
        status: of HTTP.
        body: its beginning.
        retry_after: seconds that the server asks to wait, or None.
    """

    def __init__(self, status: int, body: bytes, retry_after: float | None):
        self.status, self.body, self.retry_after = status, body, retry_after
        super().__init__(status)


class TooLong(Exception):
    """The answer is longer than was allowed; `received` bytes came before it was cut off."""

    def __init__(self, received: int):
        self.received = received
        super().__init__(received)


class Transport:
    """Posts chat completions to one server.

    Args:
        base_url: the server's address.
        max_bytes: the longest answer.

    Attributes:
        broken: the exceptions that tell of a connection that failed.

    Raises:
        SettingError: the `openai` package is missing.
    """

    def __init__(self, base_url: str, max_bytes: int):
        try:
            self.openai: Any = importlib.import_module("openai")
        except ImportError:
            allowed = "used with the openai package: pip install 'didact[language]'"
            raise SettingError("language model", "openai is missing", allowed) from None
        self.base_url, self.max_bytes = base_url, max_bytes
        # Its HTTP library is httpx or, since version 3, httpx2.
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
        # Some of its loggers are made with the first client, and keys are kept only from those
        # that are there when a call begins.
        self.openai.DefaultAsyncHttpxClient()

    @contextlib.asynccontextmanager
    async def opened(
        self, key: Key
    ) -> AsyncIterator[Callable[[Mapping[str, Any]], Awaitable[bytes]]]:
        """A function that posts a request and returns the body of the answer.

        It has no time limit of its own, and does not try again. It raises `Refused`, `TooLong`
        and what is in `broken`.
        """
        http_client = self.openai.DefaultAsyncHttpxClient(
            follow_redirects=False,  # so that nobody else gets the key
            event_hooks={"response": [self.refuse]},
            timeout=None,
        )
        client = self.openai.AsyncOpenAI(
            api_key=key.reveal() or "none",  # it does not work without one
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
                # Older clients wrap what `refuse` raises.
                if isinstance(error.__cause__, Refused):
                    raise error.__cause__ from None
                raise
            if len(received) > self.max_bytes:
                raise TooLong(len(received))
            return received

        async with client:
            yield post

    async def read(self, response: Any, most: int) -> bytes:
        """The first so many bytes of a body, as they are sent.

        Compressed bodies stay compressed: a small one may hold gigabytes.
        """
        received = bytearray()
        async for piece in response.aiter_raw(65_536):
            received += piece[: most - len(received)]
            if len(received) >= most:
                break
        return bytes(received)

    async def refuse(self, response: Any) -> None:
        """Raises `Refused` for errors and redirections, before anybody reads all of them."""
        if not 200 <= response.status_code < 300:
            body = await self.read(response, MAX_OF_AN_ERROR)
            raise Refused(response.status_code, body, seconds_to_wait(response.headers))


def seconds_to_wait(headers: Mapping[str, str]) -> float | None:
    """What `Retry-After` says, in seconds; None if it says nothing that can be understood."""
    said = headers.get("retry-after", "").strip()
    try:
        seconds = float(said)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(said).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError):
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None
