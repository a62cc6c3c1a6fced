"""Environments made from words, NAME=VALUE, as command lines and cards of policies have them."""

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
    """An environment by its name, with settings from NAME=VALUE texts.

    Args:
        name: as it is registered.
        texts: settings, as in phrasing=test.
        name_option, settings_option: what the two are called in errors.

    Raises:
        SettingError: there is none of that name, or it has no such setting or value.
    """
    ENVIRONMENTS.find(name, name_option)
    told = pairs(settings_option, texts)
    try:
        return make_from_texts(name, told)
    except UnknownSetting as error:
        raise SettingError(settings_option, error.value, error.allowed) from None
    except SettingError as error:
        if error.setting not in told:
            raise
        setting = f"{settings_option} {error.setting}"
        raise SettingError(setting, error.value, error.allowed) from None
