"""What a server answered, read without trust."""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from didact.teachers.language.proposer import Message, ProposerError, Reply

MAX_TOKENS = 10**9  # what claims more is a slip of the server
SHOWN = 200  # characters of what a server says, in an error


def estimated_tokens(size: int) -> int:
    """Tokens of so many bytes of text, where nobody counted them: one for every 3.

    English has about one for 4 bytes, JSON with many numbers one for 2 to 3.
    """
    return math.ceil(size / 3)


def sendable(message: Message) -> Message:
    """A message without halves of surrogate pairs, which cannot be sent."""
    return {name: whole_characters(text) for name, text in message.items()}


def whole_characters(text: str) -> str:
    """Text that can be written as UTF-8."""
    return text.encode("utf-8", "replace").decode()


def in_one_line(text: str, length: int = SHOWN) -> str:
    """Text by strangers as part of a sentence of ours: printable, in one line, not long."""
    clean = "".join(c if c.isprintable() else " " for c in text[: 20 * length])
    clean = " ".join(clean.split())
    return clean if len(clean) <= length else clean[: length - 3].rstrip() + "..."


def as_sentence(text: str) -> str:
    """Text by strangers in one line, with a full stop."""
    line = in_one_line(text)
    return line if not line or line.endswith((".", "!", "?")) else f"{line}."


def complaint(body: bytes) -> str:
    """What a server says is wrong: the message in its JSON, or the body as it is."""
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
    """The reply in the body of a chat completion.

    Args:
        body: JSON, one hopes.
        asked: the reply so far: messages, model and seconds.
        prices: of a million tokens of prompt and of completion.
        clean: takes out of each text what must not be seen.

    Raises:
        ProposerError: there is no text in it. Its `reply` has what was spent for that.
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
        raise ProposerError("The model used up max_tokens before it came to an answer.", reply)
    raise ProposerError("The model answered without any text.", reply)


def text_of(content: Any) -> str:
    """The text of a message, which is a string or, with some servers, a list of parts."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(part for part in parts if isinstance(part, str))
    return whole_characters(content) if isinstance(content, str) else ""


def with_cost(
    asked: Reply, answer: Mapping[str, Any], size: int, prices: tuple[float, float] | None
) -> Reply:
    """The reply with what it cost.

    Args:
        asked: the reply so far.
        answer: the JSON of the answer; its `usage` counts the tokens.
        size: the bytes of the answer, by which tokens are estimated where they are not counted.
        prices: of a million tokens of prompt and of completion.
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
    """A count that a server may have sent, or None."""
    fine = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_TOKENS
    return value if fine else None
