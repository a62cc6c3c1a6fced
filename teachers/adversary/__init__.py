"""Teachers that are learned policies, trained on the student's outcomes."""

from didact.teachers.adversary.paired import minimax, paired
from didact.teachers.adversary.transformer import transformer

__all__ = ["minimax", "paired", "transformer"]
