"""The test that every environment should pass; run `check` on your own."""

from didact.environments.testing.check import check, check_traces

__all__ = ["check", "check_traces"]
