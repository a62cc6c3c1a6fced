"""The physics of a brax system as a task: named quantities, and how to apply them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from didact.environments.task_spaces import Box, Dimension

MIN_VALUE, MAX_VALUE = 0.5, 2.0  # times the original
SLIDE = 2  # MuJoCo's joint type of slide joints


class Quantity(NamedTuple):
    """A parameter of a task, and the arrays of a system that are scaled in proportion to it."""

    dimension: Dimension
    original: float  # rounded to float32
    paths: tuple[str, ...]  # paths in the system, as in `System.tree_replace`


def quantities(sys: Any, backend: str, idle: Sequence[str] = ()) -> tuple[Quantity, ...]:
    """Return the quantities that a task can set: those that are nonzero and used by the backend.

    Args:
        sys: brax's `System`, as returned by `weighed`.
        backend: the name of brax's physics engine.
        idle: the names of quantities to leave out.
    """
    model = sys.mj_model
    jointed = backend in ("generalized", "mjx")  # damping and inertia at the joints, not at links
    strongest = int(np.argmax(np.abs(sys.actuator.gear)))
    slides = model.jnt_type[model.actuator_trnid[strongest, 0]] == SLIDE
    all_known = [
        (
            "gravity",
            "m/s^2",
            "acceleration of free fall",
            np.linalg.norm(sys.gravity),
            ("gravity", "opt.gravity"),
        ),
        (
            "friction",
            "",
            "sliding friction of the roughest surface; that of the others in proportion",
            _meet(model) * np.max(sys.geom_friction[:, 0]),
            ("geom_friction",),
        ),
        (
            "mass",
            "kg",
            "mass of all bodies together, which keep their shapes",
            np.sum(sys.link.inertia.mass),
            (
                "link.inertia.mass",
                "link.inertia.i",
                *(("body_mass", "body_inertia", "body_subtreemass") if backend == "mjx" else ()),
            ),
        ),
        (
            "armature",
            "kg m^2",
            "largest inertia of a motor's rotor; that of the others in proportion",
            jointed * np.max(sys.dof.armature),
            ("dof.armature", "dof_armature"),
        ),
        (
            "gear",
            "N" if slides else "N m",
            "force of the strongest motor per unit of control; that of the others in proportion",
            np.max(np.abs(sys.actuator.gear)),
            ("actuator.gear", "actuator_gear"),
        ),
        (
            "damping",
            "N m s/rad",
            "damping of the most damped joint; that of the others in proportion",
            np.max(sys.dof.damping if jointed else sys.link.constraint_ang_damping),
            ("dof.damping", "dof_damping") if jointed else ("link.constraint_ang_damping",),
        ),
        (
            "density",
            "kg/m^3",
            "density of the fluid in which the body moves",
            float(sys.enable_fluid) * sys.density,
            ("density", "opt.density"),
        ),
        (
            "viscosity",
            "Pa s",
            "viscosity of the fluid in which the body moves",
            float(sys.enable_fluid) * sys.viscosity,
            ("viscosity", "opt.viscosity"),
        ),
    ]
    found = []
    for name, unit, description, value, paths in all_known:
        original = float(f"{float(value):.6g}")  # 9.81, not 9.8100004
        if original > 0 and name not in idle:
            low, high = (float(f"{original * factor:.6g}") for factor in (MIN_VALUE, MAX_VALUE))
            dimension = Dimension(name, low, high, unit=unit, description=description)
            found.append(Quantity(dimension, float(np.float32(original)), paths))
    return tuple(found)


def space_of(found: Sequence[Quantity]) -> Box:
    """Return the task space of quantities."""
    return Box(tuple(quantity.dimension for quantity in found))


def originals(found: Sequence[Quantity]) -> Float[np.ndarray, " d"]:
    """Return the task with the original physics."""
    return np.array([quantity.original for quantity in found], np.float32)


def changed(sys: Any, found: Sequence[Quantity], task: Float[Array, " d"]) -> Any:
    """Return the system with the quantities of a task; its leaves may be traced."""
    leaves = {}
    for value, quantity in zip(task, found, strict=True):
        # Exactly 1 at the original value, however the compiler divides by a constant.
        factor = 1 + (value - quantity.original) / quantity.original
        for path in quantity.paths:
            leaves[path] = _leaf(sys, path) * factor
    return sys.tree_replace(leaves)


def weighed(sys: Any, backend: str) -> Any:
    """Return a system with the masses and inertias that its backend uses.

    The spring and positional backends raise masses to a power that the system specifies. It is
    often 0, so that changes of a mass would have no effect. Here the powers are applied once,
    before masses are changed.
    """
    if backend in ("generalized", "mjx"):
        return sys
    inertia = sys.link.inertia
    diagonals = jax.vmap(jnp.diagonal)(inertia.i) ** (1 - sys.spring_inertia_scale)
    return sys.tree_replace(
        {
            "link.inertia.mass": inertia.mass ** (1 - sys.spring_mass_scale),
            "link.inertia.i": jax.vmap(jnp.diag)(diagonals),
            "spring_mass_scale": jnp.zeros_like(sys.spring_mass_scale),
            "spring_inertia_scale": jnp.zeros_like(sys.spring_inertia_scale),
        }
    )


def _leaf(sys: Any, path: str) -> Any:
    for name in path.split("."):
        sys = getattr(sys, name)
    return sys


def _meet(model: Any) -> bool:
    """Whether any two bodies of a MuJoCo model can collide."""
    types, affinities, bodies = model.geom_contype, model.geom_conaffinity, model.geom_bodyid
    touch = (types[:, None] & affinities) != 0
    return bool(np.any(touch & (bodies[:, None] != bodies)))
