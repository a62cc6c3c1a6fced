"""Small worlds of continuous control."""

from didact.environments.control.pendulum import Pendulum, PendulumState

__all__ = ["Pendulum", "PendulumState"]
