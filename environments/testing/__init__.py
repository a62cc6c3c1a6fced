"""Tests that every environment should pass: run `check` on one of your own."""

from didact.environments.testing.check import check

__all__ = ["check"]
