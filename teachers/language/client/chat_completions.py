"""Language models on any server with OpenAI's chat completions API."""

import asyncio
import dataclasses
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from didact.common.errors import SettingError
from didact.teachers.language.client import responses
from didact.teachers.language.client.api_keys import Key, kept_from_logs, key_of
from didact.teachers.language.client.checks import check_address, check_number, check_prices
from didact.teachers.language.client.timeouts import run_with_timeout
from didact.teachers.language.client.transport import Refused, TooLong, Transport
from didact.teachers.language.proposer import Complete, Message, ProposerError, Reply

RETRIED = (408, 409, 429, 500, 502, 503, 504)
PAUSE = 0.5  # seconds before the first retry; doubled for each further one
OPENAI = "https://api.openai.com/v1"
# Of the answer; the second one is that of llama.cpp's servers.
FORMATS = ("json_schema", "json_object with schema", "json_object", "text")
ABOUT_FORMAT = ("response_format", "json_schema", "json_object", "grammar")  # in refusals


class Dialect(NamedTuple):
    """The features of the API that a server supports, as far as its refusals show."""

    format: int = 0  # an index into FORMATS
    limit: str = "max_tokens"
    temperature: bool = True

    def simpler(self, said: str) -> "Dialect | None":
        """Return what to try after a refusal; None if there is nothing left."""
        if self.limit == "max_tokens" and "max_completion_tokens" in said:
            return self._replace(limit="max_completion_tokens")
        if self.temperature and "temperature" in said:
            return self._replace(temperature=False)
        if self.format + 1 < len(FORMATS):
            return self._replace(format=self.format + 1)
        return None


def chat(
    model: str,
    base_url: str | None = None,
    *,
    api_key_env: str | None = "OPENAI_API_KEY",
    temperature: float = 0.7,
    max_tokens: int = 4096,
    timeout: float = 120.0,
    retries: int = 2,
    prices: tuple[float, float] | None = None,
    max_bytes: int = 1_000_000,
) -> Complete:
    """Create a client of a language model: hosted, or served by vLLM, Ollama, llama.cpp etc.

    The answer is requested as JSON with a schema. If the server refuses that, it is requested in
    the way of llama.cpp's servers, as any JSON, and then as text. Refused features are not
    requested again.

    Args:
        model: the name of the model on the server.
        base_url: the address of the server, such as `http://localhost:11434/v1`. The default is
            $OPENAI_BASE_URL or, if it is not set, OpenAI's server.
        api_key_env: the name of the environment variable with the key, which is read for each
            call and sent to this server only; None, or a variable that is not set, for servers
            without keys.
        temperature: the sampling temperature; omitted if the server refuses it.
        max_tokens: the maximum number of tokens of an answer.
        timeout: the time limit in seconds of a whole call, including retries.
        retries: the number of retries after connection errors or if the server is overloaded.
            `Retry-After` is respected within the time limit.
        prices: the prices of a million tokens of the prompt and of the answer. Cached tokens, for
            which some servers charge less, are not distinguished.
        max_bytes: the maximum size of an answer; longer answers are not read to the end.

    Returns:
        A function from messages and the JSON schema of the answer to a reply. It raises
        `ProposerError`. Tokens are counted by the server, or estimated from what was sent and
        received. Of several tries only the last one counts; after a timeout, only the prompt.

    Raises:
        SettingError: a setting is invalid, or the `openai` package is missing.
    """
    if not model:
        raise SettingError("model", model, "the name of a model")
    where = check_address(base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI)
    check_number("temperature", temperature, 0, 10)
    check_number("max_tokens", max_tokens, 1, whole=True)
    check_number("timeout", timeout, 0.01, 86_400)
    check_number("retries", retries, 0, whole=True)
    check_number("max_bytes", max_bytes, 1, whole=True)
    prices = check_prices(prices)
    if not key_of(api_key_env) and where == OPENAI:
        name = f"${api_key_env}" if api_key_env else "api_key_env"
        raise SettingError(name, "", "set for OpenAI, or base_url a server without keys")
    transport = Transport(where, max_bytes)
    known = Dialect()

    def body(messages: Sequence[Message], schema: Mapping[str, Any], dialect: Dialect) -> dict:
        asked: dict[str, Any] = {
            "model": model,
            "messages": [dict(message) for message in messages],
            dialect.limit: max_tokens,
        }
        if dialect.temperature:
            asked["temperature"] = temperature
        if FORMATS[dialect.format] == "json_schema":
            named = {"name": "answer", "schema": schema, "strict": True}
            asked["response_format"] = {"type": "json_schema", "json_schema": named}
        elif FORMATS[dialect.format] == "json_object with schema":
            asked["response_format"] = {"type": "json_object", "schema": schema}
        elif FORMATS[dialect.format] == "json_object":
            asked["response_format"] = {"type": "json_object"}
        return asked

    def sentence(refused: Refused, key: Key) -> str:
        said = responses.as_sentence(key.scrub(responses.complaint(refused.body)))
        said = f" It says: {said}" if said else ""
        if refused.status in (401, 403):  # servers tend to repeat a part of the key here
            name = f"the key in ${api_key_env}" if key else "requests without a key"
            return f"The server ({where}) refuses {name} ({refused.status})."
        if refused.status == 404:
            return f"The server ({where}) has no model {model!r} at this address (404).{said}"
        if 300 <= refused.status < 400:
            return f"The server ({where}) has moved ({refused.status}); correct base_url."
        return f"The server ({where}) answered with error {refused.status}.{said}"

    async def ask(messages, schema, key: Key, deadline: float) -> bytes:
        nonlocal known
        dialect, tries = known, 0
        async with transport.opened(key) as post:
            while True:
                try:
                    received = await post(body(messages, schema, dialect))
                    known = dialect
                    return received
                except Refused as refused:
                    why, pause = sentence(refused, key), refused.retry_after
                    said = responses.complaint(refused.body)
                    # llama-cpp-python refuses formats with status 500.
                    about_format = any(name in said for name in ABOUT_FORMAT)
                    if refused.status in (400, 422) or (refused.status >= 500 and about_format):
                        simpler = dialect.simpler(said)
                        if simpler is not None:
                            dialect = simpler
                            continue
                    again = refused.status in RETRIED
                except transport.broken as error:
                    name = type(error.__cause__ or error).__name__
                    why = f"The connection to the server ({where}) failed: {name}."
                    again, pause = True, None
                if not again or tries >= retries:
                    raise ProposerError(why)
                pause = PAUSE * 2**tries if pause is None else pause
                if time.monotonic() + pause >= deadline:
                    raise ProposerError(f"{why} There is no time left to try again.")
                tries += 1
                await asyncio.sleep(pause)

    def complete(messages: Sequence[Message], schema: Mapping[str, Any]) -> Reply:
        start = time.monotonic()
        asked = Reply("", tuple(map(responses.sendable, messages)), model)

        def so_far() -> Reply:
            return dataclasses.replace(asked, seconds=time.monotonic() - start)

        async def answer() -> Reply:
            received = await ask(asked.messages, schema, key, start + timeout)
            return responses.read_answer(received, so_far(), prices, key.scrub)

        try:
            key = key_of(api_key_env)
        except SettingError as error:
            raise ProposerError(str(error)) from None
        try:
            with kept_from_logs(key):
                return run_with_timeout(timeout, answer)
        except TimeoutError:
            size, why = 0, f"did not answer within {timeout:g} seconds"
        except TooLong as long:
            size, why = long.received, f"answered with more than {max_bytes} bytes"
        cost = responses.with_cost(so_far(), {}, size, prices)
        raise ProposerError(f"The server ({where}) {why}.", cost)

    return complete
