"""A small transformer that generates tasks token by token."""

from didact.teachers.adversary.transformer.teacher import TransformerState, transformer

__all__ = ["TransformerState", "transformer"]
