"""The exception for errors that a user can correct."""

import os

LONGEST = 200  # characters of a value in a sentence


class SettingError(ValueError):
    """An invalid setting, described in one sentence.

    The command line prints the sentence and exits with code 2. In Python it is a `ValueError`.

    Args:
        setting: the name of the setting, as the user wrote it (`--steps`, `room_size`, ...).
        value: the invalid value.
        allowed: the values that are allowed; completes "SETTING is VALUE, but must be ...".
    """

    def __init__(self, setting: str, value: object, allowed: str):
        self.setting, self.value, self.allowed = setting, value, allowed
        super().__init__(f"{setting} is {_short(value)}, but must be {allowed}.")


def _short(value: object) -> str:
    """Return the repr of a value, without the middle if it is long; paths are shown as strings."""
    try:
        text = repr(os.fspath(value) if isinstance(value, os.PathLike) else value)
    except ValueError:  # Python refuses to print integers of more than 4,300 digits
        return "a number with thousands of digits"
    if len(text) <= LONGEST:
        return text
    half = LONGEST // 2
    return f"{text[:half]} ... {text[-half:]}"


def require(setting: str, value: object, holds: object, allowed: str) -> None:
    """Raise a `SettingError` unless a condition holds.

    Args:
        setting, value, allowed: as in `SettingError`.
        holds: the condition.
    """
    if not holds:
        raise SettingError(setting, value, allowed)
