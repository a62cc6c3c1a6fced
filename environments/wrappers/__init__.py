"""Wrappers for any environment."""

from didact.environments.wrappers.instructions import with_instructions
from didact.environments.wrappers.propositions import with_propositions
from didact.environments.wrappers.wrapper import Wrapper

__all__ = ["Wrapper", "with_instructions", "with_propositions"]
