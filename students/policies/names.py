"""Names of policies, and of the files in their folders. This module does not import JAX."""

import re
from typing import Any

CARD = "policy.json"
FORMAT = 2  # of cards
CARD_BYTES = 1 << 20
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # of a policy; a file name, never a path
NAME_RULE = "a name of at most 100 letters, digits, '.', '_' and '-'"


def is_name(name: Any) -> bool:
    """Whether a string is a valid policy name; such a name is a folder name and never a path."""
    return isinstance(name, str) and NAME.fullmatch(name) is not None
