"""A small transformer that writes tasks, token by token."""

from didact.teachers.adversary.transformer.teacher import TransformerState, transformer

__all__ = ["TransformerState", "transformer"]
