"""Body plans of walkers: a mechanism, and what is observed of it.

References:
    Romac et al., 2021, "TeachMyAgent: a benchmark for automatic curriculum learning in deep RL",
    and its package, in which each body has a file.
"""

import dataclasses

from didact.environments.physics import Mechanism

UNIT = 1 / 30  # m in a pixel of the original pictures, in which bodies are measured
TORQUE_COST = 0.00035 * 80  # reward that a motor at full torque costs in a step
HIP_SPEED, KNEE_SPEED = 4.0, 6.0  # rad/s


@dataclasses.dataclass(frozen=True)
class MotorView:
    """What is observed of a motor: the angle plus `offset`, the speed, and the contact of a foot.

    Attributes:
        offset: added to the angle, rad.
        foot: the body whose contact is reported with the motor, or None.
    """

    offset: float = 0.0
    foot: int | None = None


@dataclasses.dataclass(frozen=True)
class Walker:
    """A body plan.

    Attributes:
        name: in words, such as "biped".
        mechanism: the bodies and joints in their initial pose.
        views: what is observed of each motor, in the order of the motors.
        head: the body that is observed and rewarded for moving.
        torque_cost: the reward that a motor at full torque costs in a step.
        upright: whether tilting the head costs reward.
        colours: of the bodies, for pictures.
        file: the name of the table of its first step, see `start`.
        pushed: the bodies on which a random force acts in the first step.
    """

    name: str
    mechanism: Mechanism
    views: tuple[MotorView, ...]
    head: int = 0
    torque_cost: float = TORQUE_COST
    upright: bool = True
    colours: tuple[tuple[int, int, int], ...] = ()
    file: str = ""
    pushed: tuple[int, ...] = (0,)

    @property
    def observation_size(self) -> int:
        """The number of observed values, without rays."""
        return 4 + sum(2 + (view.foot is not None) for view in self.views)

    @property
    def motor_names(self) -> tuple[str, ...]:
        """The names of the motors."""
        joints = self.mechanism.joints
        return tuple(joints[i].name for i in self.mechanism.motors)
