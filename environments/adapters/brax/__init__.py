"""The environments of brax, whose task is their physics.

They are registered by name without importing brax, which takes seconds and is optional:
`pip install -e '.[brax]'`.
"""

import functools

from didact.environments.adapters.brax.env import Brax, BraxState
from didact.environments.adapters.brax.kinds import KINDS, Kind
from didact.environments.registry import register

__all__ = ["KINDS", "Brax", "BraxState", "Kind"]

for _name, _kind in KINDS.items():
    register(f"brax/{_name}", functools.partial(Brax, _name), _kind.description)
