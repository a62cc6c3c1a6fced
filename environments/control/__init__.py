"""Small continuous control environments."""

from didact.environments.control.pendulum import Pendulum, PendulumState

__all__ = ["Pendulum", "PendulumState"]
