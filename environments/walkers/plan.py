"""Body plans of walkers: a mechanism, and what is observed of it.

References:
    Romac et al., 2021, "TeachMyAgent: a benchmark for automatic curriculum learning in deep RL",
    and its package, in which each body has a file.
"""

import dataclasses
from typing import Literal

from didact.environments.physics import Mechanism

HANGING = 20.0  # m: the height of the ceiling above the ground where climbers start
UNIT = 1 / 30  # m in a pixel of the original pictures, in which bodies are measured
TORQUE_COST = 0.00035 * 80  # reward that a motor at full torque costs in a step
HIP_SPEED, KNEE_SPEED, HAND_SPEED = 4.0, 6.0, 8.0  # rad/s


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
        kind: how it moves, which decides where its rays point and where it can live: walkers and
            climbers not for long under water, swimmers not for long out of it. Climbers start
            hanging from a ceiling that is `HANGING` above the ground.
        critical: the bodies whose contact with the ground ends an episode, although they are solid;
            in `Parkour`, also contact with the ceiling, except for climbers.
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
    kind: Literal["walker", "climber", "swimmer", "amphibian"] = "walker"
    critical: tuple[int, ...] = ()

    def solid(self) -> "Walker":
        """Return the same walker with all its bodies held up by the ground."""
        if not len(self.mechanism.detected.bodies):
            return self
        bodies = (dataclasses.replace(body, contact="solid") for body in self.mechanism.bodies)
        mechanism = Mechanism(tuple(bodies), self.mechanism.joints)
        return dataclasses.replace(self, mechanism=mechanism, file=f"solid_{self.file}")

    @property
    def observation_size(self) -> int:
        """The number of observed values, without rays."""
        return 4 + sum(2 + (view.foot is not None) for view in self.views)

    @property
    def motor_names(self) -> tuple[str, ...]:
        """The names of the motors."""
        joints = self.mechanism.joints
        return tuple(joints[i].name for i in self.mechanism.motors)

    @property
    def grip_names(self) -> tuple[str, ...]:
        """The names of the actions that grip."""
        return tuple(f"{self.mechanism.bodies[i].name} grip" for i in self.mechanism.hands)
