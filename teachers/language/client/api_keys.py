"""API keys, which are read from environment variables and never shown."""

import contextlib
import logging
import os
import re
from collections.abc import Iterator

from didact.common.errors import SettingError

HIDDEN = "[key]"
# Shorter keys are placeholders for local servers ("none", "EMPTY"), which may occur in any answer.
SHORTEST = 8
# Libraries that log requests or responses; httpcore logs response headers in its debug messages.
LOGGERS = ("openai", "httpx", "httpx2", "httpcore", "httpcore2")
# Keys of letters and digits are valid variable names, but not usual ones: keys are long, in mixed
# case, or hexadecimal.
_NAME = re.compile(r"(?=.*[A-Z_])(?:[A-Z_][A-Z0-9_]{0,39}|[a-z_][a-z0-9_]{0,39})")


class Key:
    """A key, possibly empty, whose `repr` hides it, because tracebacks may print variables."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str):
        self._secret = secret

    def __bool__(self) -> bool:
        return bool(self._secret)

    def __repr__(self) -> str:
        return HIDDEN

    @property
    def sendable(self) -> bool:
        """Whether the key can be sent in a header."""
        return all("!" <= character <= "~" for character in self._secret)

    def reveal(self) -> str:
        """Return the key itself, for sending it."""
        return self._secret

    def scrub(self, text: str) -> str:
        """Remove the key from a text, also if it is escaped as in JSON or URLs.

        Keys of fewer than 8 characters are not removed, because they are not secret.
        """
        if len(self._secret) < SHORTEST:
            return text
        ways = (rf"\\?{re.escape(c)}|\\u(?i:{ord(c):04x})|%(?i:{ord(c):02x})" for c in self._secret)
        return re.sub("".join(f"(?:{way})" for way in ways), HIDDEN, text)


def check_variable(variable: str | None, setting: str = "api_key_env") -> None:
    """Refuse names of variables that may be keys, because names are saved.

    Args:
        variable: the name; None or "" if there is no key.
        setting: the name of the setting, for errors.

    Raises:
        SettingError: it is not a usual name; the message does not show it.
    """
    if variable and not _NAME.fullmatch(variable):
        allowed = "the name of an environment variable, such as OPENAI_API_KEY, and not the key"
        raise SettingError(setting, HIDDEN, allowed)


def key_of(variable: str | None) -> Key:
    """Return the key in an environment variable; empty if the variable is not set or not given.

    Keys are read again for each call, so that no object stores them in between.

    Raises:
        SettingError: the name may itself be a key, or the key cannot be sent in a header; the
            message shows neither.
    """
    check_variable(variable)
    key = Key(os.environ.get(variable, "").strip() if variable else "")
    if not key.sendable:
        raise SettingError(f"${variable}", HIDDEN, "ASCII without spaces or line breaks")
    return key


class _Scrubbing(logging.Filter):
    """Removes a key from log records."""

    def __init__(self, key: Key):
        super().__init__()
        self.key = key

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        clean = self.key.scrub(message)
        if clean != message:
            record.msg, record.args = clean, ()
        return True

    def __repr__(self) -> str:
        return "_Scrubbing()"


@contextlib.contextmanager
def kept_from_logs(key: Key) -> Iterator[None]:
    """Remove a key from the log messages of HTTP libraries inside the block.

    The libraries do not log what they send, but a server can send the key back.
    """
    # Filters are not inherited, so every logger needs one.
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in LOGGERS]
    loggers = [logging.getLogger(name) for name in names]
    scrubbing = _Scrubbing(key)
    for logger in loggers:
        logger.addFilter(scrubbing)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(scrubbing)
