"""Validation of the settings of language models."""

import math
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from didact.common.errors import SettingError


def check_address(base_url: str, setting: str = "base_url") -> str:
    """Validate and normalize the address of a server.

    Args:
        base_url: the address.
        setting: the name of the setting, for errors.

    Raises:
        SettingError: it is not an address, or has a password or a query, which may contain keys;
            the message does not show these.
    """
    try:
        if any(c.isspace() or not c.isprintable() for c in base_url.strip()):
            raise ValueError  # which urlsplit would remove
        parts = urlsplit(base_url.strip())
        shown = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        allowed = "an address such as http://localhost:8000/v1"
        raise SettingError(setting, "not an address", allowed) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        shown = "without http(s)://" if parts.scheme not in ("http", "https") else "without a host"
        raise SettingError(setting, shown, "an address such as http://localhost:8000/v1")
    if parts.username is not None or parts.query or parts.fragment:
        allowed = "without user, password, ? and #; keys come from an environment variable"
        raise SettingError(setting, f"{shown} and more", allowed)
    return base_url.strip().rstrip("/")


def check_number(
    name: str, value: Any, low: float, high: float = math.inf, *, whole: bool = False
) -> None:
    """Raise a SettingError unless a setting is a number within bounds."""
    kinds = int if whole else (int, float)
    fine = isinstance(value, kinds) and not isinstance(value, bool)
    if not fine or not low <= value <= high or not math.isfinite(value):
        kind = "a whole number" if whole else "a number"
        bounds = f"of at least {low:g}" + (f" and at most {high:g}" if high < math.inf else "")
        raise SettingError(name, value, f"{kind} {bounds}")


def check_prices(prices: Sequence[float] | None) -> tuple[float, float] | None:
    """Validate the prices of a million tokens of prompts and of answers.

    Raises:
        SettingError: the prices are not two numbers of at least 0.
    """
    if prices is None:
        return None
    fine = isinstance(prices, Sequence) and not isinstance(prices, str) and len(prices) == 2
    for price in prices if fine else ():
        number = isinstance(price, (int, float)) and not isinstance(price, bool)
        fine = fine and number and math.isfinite(price) and price >= 0
    if not fine:
        allowed = "two numbers, the prices of a million prompt and answer tokens"
        raise SettingError("prices", prices, allowed)
    return float(prices[0]), float(prices[1])
