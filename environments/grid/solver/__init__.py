"""The privileged expert: batched search for shortest plans."""

from didact.environments.grid.solver.planner import act, expert, solve

__all__ = ["act", "expert", "solve"]
