"""The one exception for what a user can correct."""


class SettingError(ValueError):
    """A setting that cannot be used, told in one sentence.

    The command line prints the sentence and exits with code 2; everywhere else it is a
    `ValueError`.

    Args:
        setting: the name of the setting, as the user wrote it (`--steps`, `room_size`, ...).
        value: its value.
        allowed: what would have been accepted, as the end of a sentence.
    """

    def __init__(self, setting: str, value: object, allowed: str):
        self.setting, self.value, self.allowed = setting, value, allowed
        super().__init__(f"{setting} is {value!r}, but must be {allowed}.")


def require(setting: str, value: object, holds: object, allowed: str) -> None:
    """Raises a `SettingError` unless something holds.

    Args:
        setting, value, allowed: as in `SettingError`.
        holds: what must be true.
    """
    if not holds:
        raise SettingError(setting, value, allowed)
