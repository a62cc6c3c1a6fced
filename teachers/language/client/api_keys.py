"""Keys of servers: read from the environment, shown to nobody."""

import contextlib
import logging
import os
import re
from collections.abc import Iterator

from didact.common.errors import SettingError

HIDDEN = "[key]"
# What is shorter is a word that a local server is given for form's sake ("none", "EMPTY"), and may
# stand in any answer.
SHORTEST = 8
# Who logs what goes over the wire; httpcore has the headers of answers in its debug messages.
LOGGERS = ("openai", "httpx", "httpx2", "httpcore", "httpcore2")
# Keys of letters and digits alone could be names of variables, but none that anybody gives: they
# are long, in mixed case, or hexadecimal.
_NAME = re.compile(r"(?=.*[A-Z_])(?:[A-Z_][A-Z0-9_]{0,39}|[a-z_][a-z0-9_]{0,39})")


class Key:
    """A key, or none, that does not show itself: tracebacks, for one, may print variables."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str):
        self._secret = secret

    def __bool__(self) -> bool:
        return bool(self._secret)

    def __repr__(self) -> str:
        return HIDDEN

    @property
    def sendable(self) -> bool:
        """Whether it can stand in a header."""
        return all("!" <= character <= "~" for character in self._secret)

    def reveal(self) -> str:
        """The key itself, to be sent."""
        return self._secret

    def scrub(self, text: str) -> str:
        """The text without the key, also where it is written in escapes of JSON or of addresses.

        Keys of less than 8 characters are left: they are no secrets.
        """
        if len(self._secret) < SHORTEST:
            return text
        ways = (rf"\\?{re.escape(c)}|\\u(?i:{ord(c):04x})|%(?i:{ord(c):02x})" for c in self._secret)
        return re.sub("".join(f"(?:{way})" for way in ways), HIDDEN, text)


def check_variable(variable: str | None, setting: str = "api_key_env") -> None:
    """Refuses what may be a key in the place of a variable's name: names are written down.

    Args:
        variable: the name; None or "" where there is no key.
        setting: what the user calls it.

    Raises:
        SettingError: it is no usual name; the message does not show it.
    """
    if variable and not _NAME.fullmatch(variable):
        allowed = "the name of an environment variable, such as OPENAI_API_KEY, and not the key"
        raise SettingError(setting, HIDDEN, allowed)


def key_of(variable: str | None) -> Key:
    """The key in an environment variable; none if it is not set, or no variable is named.

    It is read anew for each call, so that no object holds it in between.

    Raises:
        SettingError: the name may itself be a key, or the key could not be sent in a header; the
            message shows neither.
    """
    check_variable(variable)
    key = Key(os.environ.get(variable, "").strip() if variable else "")
    if not key.sendable:
        raise SettingError(f"${variable}", HIDDEN, "ASCII without spaces or line breaks")
    return key


class _Scrubbing(logging.Filter):
    """Takes a key out of log records."""

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
    """Inside, what the libraries below log does not have the key.

    Theirs do not log what they send, but a server can send it back.
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
