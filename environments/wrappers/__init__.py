"""Wrappers for any environment."""

from didact.environments.wrappers.propositions import with_propositions
from didact.environments.wrappers.wrapper import Wrapper

__all__ = ["Wrapper", "with_propositions"]
