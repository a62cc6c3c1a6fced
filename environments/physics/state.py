"""The state of a mechanism in n worlds, and the settings of the solvers.

Inside the engine the axis of worlds is the last one, which vectorizes well; `worlds_last` and
`worlds_first` convert from and to the layout of environments.
"""

import dataclasses
from typing import Annotated, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from didact.common.errors import SettingError
from didact.common.setting_types import Range
from didact.environments.physics.mechanism import Mechanism

Count = Annotated[int, Range(1, 1000)]


class Motion(NamedTuple):
    """Pose and velocity of the centers of mass."""

    x: Float[Array, "b n"]
    y: Float[Array, "b n"]
    angle: Float[Array, "b n"]
    vx: Float[Array, "b n"]
    vy: Float[Array, "b n"]
    spin: Float[Array, "b n"]


class Contacts(NamedTuple):
    """The contacts of s solid bodies with k surfaces each, kept for warm starts."""

    surface: Int[Array, "s k n"]  # the id of the surface, or -1
    touching: Bool[Array, "s k n"]
    feature: Int[Array, "2 s k n"]  # of both points, or -1
    normal: Float[Array, "2 s k n"]  # impulses, N s
    tangent: Float[Array, "2 s k n"]
    reported: Bool[Array, "s n"]  # whether the last event of a body was that a contact began


def true_at_run_time(contacts: Contacts) -> Bool[Array, ""]:
    """Return a fact for `compile_separately`, which also holds if numbers of worlds are NaN."""
    return contacts.surface[0, 0, 0] >= -1


class Grips(NamedTuple):
    """What the hands of a mechanism do."""

    holding: Bool[Array, "g n"]
    touching: Bool[Array, "g n"]  # something to hold on to, at the start of the last step
    x: Float[Array, "g n"]  # where they hold
    y: Float[Array, "g n"]
    pull_x: Float[Array, "g n"]  # impulses, N s
    pull_y: Float[Array, "g n"]


class Bodies(NamedTuple):
    """Everything that the engine keeps from step to step."""

    motion: Motion
    motor: Float[Array, "j n"]  # impulses of the motors, N m s
    limit: Float[Array, "j n"]  # impulses of the limits
    side: Float[Array, "j n"]  # 1 at the lower limit, -1 at the upper one, 0 between
    contacts: Contacts
    near: Bool[Array, " n"]  # whether a detected body is so near that it touches in the next step
    touched: Bool[Array, " n"]  # whether a detected body has touched the ground
    grips: Grips | None = None  # None for mechanisms without hands


@dataclasses.dataclass(frozen=True)
class Iterations:
    """Iterations of the solvers in each step.

    Attributes:
        velocity, position: as in Box2D, which uses 180 and 60 for the walkers. Here velocities are
            solved in joint coordinates and need fewer.
        impact_velocity, impact_position: the same for bodies that hit the ground within a step.
        impact_time: the largest number of iterations of the search for the time of impact.
    """

    velocity: Count = 20
    position: Count = 30
    impact_velocity: Count = 8
    impact_position: Count = 4
    impact_time: Count = 16


TRAINING = Iterations()
PRESETS = {"training": TRAINING, "reference": Iterations(40, 60, 20, 10, 32)}


def iterations(chosen: Literal["training", "reference"] | Iterations) -> Iterations:
    """Return the iterations of a preset, or those given.

    Raises:
        SettingError: the name is unknown.
    """
    if isinstance(chosen, Iterations):
        return chosen
    if chosen not in PRESETS:
        raise SettingError("iterations", chosen, "one of " + ", ".join(PRESETS))
    return PRESETS[chosen]


def at_rest(mechanism: Mechanism, n: int, num_surfaces: int) -> Bodies:
    """Return n mechanisms in their initial pose, at rest and without contacts."""
    s, j = len(mechanism.solid.bodies), len(mechanism.joints)
    pose = jnp.asarray(mechanism.pose, jnp.float32)
    x, y, angle = (jnp.tile(pose[:, i : i + 1], (1, n)) for i in range(3))
    still = jnp.zeros_like(x)
    joints = jnp.zeros((j, n))
    none = jnp.zeros((s, num_surfaces, n), bool)
    two = jnp.zeros((2, s, num_surfaces, n))
    contacts = Contacts(
        jnp.full(none.shape, -1, jnp.int32),
        none,
        jnp.full(two.shape, -1, jnp.int32),
        two,
        two,
        jnp.zeros((s, n), bool),
    )
    no = jnp.zeros(n, bool)
    motion = Motion(x, y, angle, still, still, still)
    bodies = Bodies(motion, joints, joints, joints, contacts, no, no)
    if not len(mechanism.hands):
        return bodies
    loose = jnp.zeros((len(mechanism.hands), n))
    never = loose > 0
    return bodies._replace(grips=Grips(never, never, loose, loose, loose, loose))


def worlds_last(tree: Any) -> Any:
    """Move the first axis of all leaves to the end."""
    return jax.tree.map(lambda x: jnp.moveaxis(x, 0, -1), tree)


def worlds_first(tree: Any) -> Any:
    """Move the last axis of all leaves to the front."""
    return jax.tree.map(lambda x: jnp.moveaxis(x, -1, 0), tree)


def row(values: Float[Array, "m *rest"], index: Array) -> Float[Array, "*rest"]:
    """Return one row, with a computed index."""
    return jax.lax.dynamic_index_in_dim(values, index, 0, keepdims=False)


def with_row(values: Float[Array, "m *rest"], index: Array, new: Array) -> Array:
    """Replace one row, with a computed index."""
    return jax.lax.dynamic_update_index_in_dim(values, new, index, 0)
