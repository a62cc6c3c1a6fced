"""The exception for errors that a user can correct."""


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
        super().__init__(f"{setting} is {value!r}, but must be {allowed}.")


def require(setting: str, value: object, holds: object, allowed: str) -> None:
    """Raise a `SettingError` unless a condition holds.

    Args:
        setting, value, allowed: as in `SettingError`.
        holds: the condition.
    """
    if not holds:
        raise SettingError(setting, value, allowed)
