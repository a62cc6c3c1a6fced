"""The privileged expert: shortest plans by search, for all environments of a batch at once."""

from didact.environments.grid.solver.planner import act, expert, solve

__all__ = ["act", "expert", "solve"]
