"""Parsing of untrusted responses of servers."""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from didact.teachers.language.proposer import Message, ProposerError, Reply

MAX_TOKENS = 10**9  # larger counts are errors of the server
SHOWN = 200  # the maximum number of characters of a server's message in an error


def estimated_tokens(size: int) -> int:
    """Estimate the number of tokens in a text of this many bytes: one per 3 bytes.

    English has about one token per 4 bytes, JSON with many numbers one per 2 to 3 bytes.
    """
    return math.ceil(size / 3)


def sendable(message: Message) -> Message:
    """Replace unpaired surrogates in a message, which cannot be sent."""
    return {name: whole_characters(text) for name, text in message.items()}


def whole_characters(text: str) -> str:
    """Replace what cannot be encoded as UTF-8 in a text."""
    return text.encode("utf-8", "replace").decode()


def in_one_line(text: str, length: int = SHOWN) -> str:
    """Make untrusted text fit for an error sentence: printable, in one line, and short."""
    clean = "".join(c if c.isprintable() else " " for c in text[: 20 * length])
    clean = " ".join(clean.split())
    return clean if len(clean) <= length else clean[: length - 3].rstrip() + "..."


def as_sentence(text: str) -> str:
    """Make untrusted text fit for an error, as a sentence with a period."""
    line = in_one_line(text)
    return line if not line or line.endswith((".", "!", "?")) else f"{line}."


def complaint(body: bytes) -> str:
    """Return the error message of a server: the message in its JSON, or the whole body."""
    text = body.decode("utf-8", "replace")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    for name in ("error", "message", "detail"):
        if isinstance(found, Mapping) and found.get(name):
            found = found[name]
    return found if isinstance(found, str) else text


def read_answer(
    body: bytes,
    asked: Reply,
    prices: tuple[float, float] | None,
    clean: Callable[[str], str] = str,
) -> Reply:
    """Read the reply from the body of a chat completion.

    Args:
        body: the body, which should be JSON.
        asked: the reply so far: messages, model and seconds.
        prices: the prices of a million prompt and completion tokens.
        clean: removes secrets from texts.

    Raises:
        ProposerError: the body contains no text. The `reply` of the error contains the cost.
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        cost = with_cost(asked, {}, len(body), prices)
        raise ProposerError("The server answered with something that is not a JSON object.", cost)

    choices = answer.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    choice = first if isinstance(first, dict) else {}
    message = choice.get("message")
    text, refusal = "", None
    if isinstance(message, dict):
        text, refusal = clean(text_of(message.get("content"))), message.get("refusal")
    reply = with_cost(asked, answer, len(text.encode()), prices)
    if isinstance(answer.get("model"), str) and answer["model"]:
        reply = dataclasses.replace(reply, model=in_one_line(clean(answer["model"])))
    if not isinstance(message, dict):
        raise ProposerError("The server answered without any choice.", reply)
    if text.strip():
        return dataclasses.replace(reply, text=text)
    if isinstance(refusal, str) and refusal.strip():
        raise ProposerError(f"The model refused: {as_sentence(clean(refusal))}", reply)
    if choice.get("finish_reason") == "length":
        raise ProposerError("The model reached max_tokens before its answer.", reply)
    raise ProposerError("The model answered without any text.", reply)


def text_of(content: Any) -> str:
    """Return the text of a message, which is a string or, with some servers, a list of parts."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(part for part in parts if isinstance(part, str))
    return whole_characters(content) if isinstance(content, str) else ""


def with_cost(
    asked: Reply, answer: Mapping[str, Any], size: int, prices: tuple[float, float] | None
) -> Reply:
    """Add tokens and cost to a reply.

    Args:
        asked: the reply so far.
        answer: the JSON of the answer; its `usage` counts the tokens.
        size: the size of the answer in bytes, for estimating tokens that are not counted.
        prices: the prices of a million prompt and completion tokens.
    """
    usage = answer.get("usage")
    counted = usage if isinstance(usage, dict) else {}
    prompt = count_or_none(counted.get("prompt_tokens"))
    completion = count_or_none(counted.get("completion_tokens"))
    if prompt is None:
        prompt = estimated_tokens(sum(len(m["content"].encode()) for m in asked.messages))
    if completion is None:
        completion = estimated_tokens(size)
    cost = None
    if prices is not None:
        cost = (prompt * prices[0] + completion * prices[1]) / 1e6
    return dataclasses.replace(asked, prompt_tokens=prompt, completion_tokens=completion, cost=cost)


def count_or_none(value: Any) -> int | None:
    """Return a count sent by a server, or None if it is not valid."""
    fine = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_TOKENS
    return value if fine else None
