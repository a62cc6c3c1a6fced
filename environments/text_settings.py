"""Environments from NAME=VALUE settings, as used by the command line and policy cards."""

from collections.abc import Sequence

from didact.common.errors import SettingError
from didact.common.settings import UnknownSetting, pairs, parsed
from didact.environments.base import Environment
from didact.environments.registry import ENVIRONMENTS, make_from_texts

__all__ = ["make_with_text_settings", "pairs", "parsed"]


def make_with_text_settings(
    name: str,
    texts: Sequence[str] = (),
    name_option: str = "environment",
    settings_option: str = "environment setting",
) -> Environment:
    """Create an environment with settings from NAME=VALUE texts.

    Args:
        name: the registered name.
        texts: the settings, such as phrasing=test.
        name_option, settings_option: the names of the two options, for errors.

    Raises:
        SettingError: the name, a setting or a value is invalid.
    """
    ENVIRONMENTS.find(name, name_option)
    settings = pairs(settings_option, texts)
    try:
        return make_from_texts(name, settings)
    except UnknownSetting as error:
        raise SettingError(settings_option, error.value, error.allowed) from None
    except SettingError as error:
        if error.setting not in settings:
            raise
        setting = f"{settings_option} {error.setting}"
        raise SettingError(setting, error.value, error.allowed) from None
