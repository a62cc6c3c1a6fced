"""Observation and action spaces: the input and output arrays of a student.

A space declares the meaning of its numbers. Networks choose encoders by this declaration, never by
the name of an observation.
"""

import dataclasses
import math
import numbers
import sys
from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from didact.common.errors import SettingError

Role = Literal["", "instruction", "feedback"]
ROLES = ("", "instruction", "feedback")


@dataclasses.dataclass(frozen=True)
class ArraySpace:
    """One array of an observation: shape (without the batch axis), dtype, bounds and meaning.

    Attributes:
        shape: without the batch axis.
        dtype: a NumPy dtype.
        low, high: inclusive bounds.
        kind: the meaning of the numbers.
            "vector": real numbers with at most one axis; the default for such shapes.
            "category": one of `high + 1` unordered values.
            "cells": a map `[h, w]` of codes, or `[h, w, c]` of c indices for each cell; `codes`
            holds the number of values of each channel.
            "pixels": an image `[h, w, c]` of uint8.
            "tokens": token ids `[length]` or `[parts, length]`, below `high + 1`; 0 is padding.
            "hidden": not an input of networks.
            Any other word: an encoder registered under this name.
        codes: the code book of "cells".
        role: "instruction" for what the agent should do, which networks use to modulate the other
            features; "feedback" for messages that change from step to step. If a vector and tokens
            have the same role, networks read the vector.

    Raises:
        SettingError: the role does not exist, or the kind does not allow the shape or dtype.
    """

    shape: tuple[int, ...]
    dtype: Any
    low: float = 0
    high: float = 255
    kind: str | None = None
    codes: tuple[int, ...] = ()
    role: Role = ""

    def __post_init__(self):
        for name in ("low", "high"):  # numbers of NumPy are not JSON
            bound = getattr(self, name)
            if isinstance(bound, np.number | np.ndarray) and bound.ndim == 0:
                object.__setattr__(self, name, bound.item())
        if self.role not in ROLES:
            raise SettingError("role", self.role, "one of '', 'instruction', 'feedback'")
        axes, whole = len(self.shape), np.dtype(self.dtype).kind in "biu"
        if self.kind == "vector" and axes > 1:
            raise SettingError("shape", self.shape, "of at most one axis for kind='vector'")
        if self.kind == "category" and (axes or not whole or self.low < 0):
            raise SettingError("shape", self.shape, "() with a whole dtype for kind='category'")
        if self.kind == "pixels" and (axes != 3 or np.dtype(self.dtype) != np.uint8):
            raise SettingError("shape", self.shape, "(h, w, c) with uint8 for kind='pixels'")
        if self.kind == "tokens" and (axes not in (1, 2) or not whole or self.low < 0):
            raise SettingError("shape", self.shape, "(length,) or (parts, length) of token ids")
        if self.kind == "cells":
            channels = 1 if axes == 2 else self.shape[-1] if axes == 3 else 0
            if not whole or not channels or len(self.codes) != channels:
                allowed = "(h, w) or (h, w, c) of whole numbers, with one code size a channel"
                raise SettingError("shape", self.shape, allowed)

    @property
    def meaning(self) -> str | None:
        """The kind, either declared or implied by the shape; None if it is unknown."""
        return self.kind or ("vector" if len(self.shape) <= 1 else None)

    def to_json(self) -> dict[str, Any]:
        """Return the space as JSON values, with null for infinite bounds; see `from_json`."""
        return {
            "shape": list(self.shape),
            "dtype": np.dtype(self.dtype).name,
            "low": self.low if math.isfinite(self.low) else None,
            "high": self.high if math.isfinite(self.high) else None,
            "kind": self.kind,
            "codes": list(self.codes),
            "role": self.role,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "ArraySpace":
        """Create a space from the values that `to_json` returns."""
        return cls(
            tuple(values["shape"]),
            np.dtype(values["dtype"]),
            -math.inf if values["low"] is None else values["low"],
            math.inf if values["high"] is None else values["high"],
            values.get("kind"),
            tuple(values.get("codes", ())),
            values.get("role", ""),
        )


@dataclasses.dataclass(frozen=True)
class Discrete:
    """Actions 0 .. n-1, optionally named.

    Raises:
        SettingError: n is not a whole number from 1, or there are not n different names.
    """

    n: int
    names: tuple[str, ...] = ()

    shape = ()
    dtype = np.dtype(np.int32)

    def __post_init__(self):
        whole = isinstance(self.n, numbers.Integral) and not isinstance(self.n, bool)
        if not whole or self.n < 1:
            raise SettingError("n", self.n, "a whole number from 1")
        object.__setattr__(self, "n", int(self.n))
        object.__setattr__(self, "names", tuple(self.names))
        if self.names and (
            len(self.names) != self.n
            or len(set(self.names)) != self.n
            or not all(isinstance(name, str) for name in self.names)
        ):
            raise SettingError("names", self.names, f"{self.n} different texts, or none")

    @property
    def action_names(self) -> tuple[str, ...]:
        """The names of the actions; by default their numbers."""
        return self.names or tuple(str(i) for i in range(self.n))

    def sample(self, key: PRNGKeyArray, n: int) -> Int[Array, " n"]:
        """Sample n actions uniformly."""
        return jax.random.randint(key, (n,), 0, self.n)

    def clip(self, actions: Int[Array, "*n"]) -> Int[Array, "*n"]:
        """Return the nearest actions of the space."""
        return jnp.clip(actions, 0, self.n - 1)

    def to_json(self) -> dict[str, Any]:
        """Return the space as JSON values; `action_space_from_json` is the inverse."""
        return {"type": "discrete", "names": list(self.action_names)}


@dataclasses.dataclass(frozen=True)
class Continuous:
    """Bounded real-valued actions, float32.

    Attributes:
        shape: the shape of one action, (number of actuators,).
        low, high: finite bounds, either one number for all actuators or one for each.
        names: the names of the actuators.

    Raises:
        SettingError: the bounds are not finite, not in order, or not one for each actuator.
    """

    shape: tuple[int, ...]
    low: float | tuple[float, ...] = -1.0
    high: float | tuple[float, ...] = 1.0
    names: tuple[str, ...] = ()

    dtype = np.dtype(np.float32)

    def __post_init__(self):
        if len(self.shape) != 1 or self.shape[0] < 1:
            raise SettingError("shape", self.shape, "(k,) with at least one actuator")
        for name in ("low", "high"):
            value = np.asarray(getattr(self, name), np.float64)
            if value.shape not in ((), self.shape) or not np.isfinite(value).all():
                raise SettingError(name, getattr(self, name), f"one or {self.shape[0]} numbers")
            bounds = tuple(float(x) for x in np.broadcast_to(value, self.shape))
            object.__setattr__(self, name, bounds)
        with np.errstate(over="ignore"):
            extent = self.highs - self.lows
        if not (np.isfinite(extent) & (extent > 0)).all():
            allowed = "bounds with low < high whose difference float32 can hold"
            raise SettingError("low, high", (self.low, self.high), allowed)
        if self.names and len(self.names) != self.shape[0]:
            raise SettingError("names", self.names, f"{self.shape[0]} names, or none")

    @property
    def size(self) -> int:
        """The number of actuators."""
        return self.shape[0]

    @property
    def lows(self) -> np.ndarray:
        """The lower bounds, float32[k]."""
        return np.asarray(self.low, np.float32)

    @property
    def highs(self) -> np.ndarray:
        """The upper bounds, float32[k]."""
        return np.asarray(self.high, np.float32)

    @property
    def action_names(self) -> tuple[str, ...]:
        """The names of the actuators; by default their numbers."""
        return self.names or tuple(str(i) for i in range(self.size))

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n k"]:
        """Sample n actions uniformly between the bounds."""
        low, high = self.lows, self.highs
        return jax.random.uniform(key, (n, self.size)) * (high - low) + jnp.asarray(low)

    def clip(self, actions: Float[Array, "*n k"]) -> Float[Array, "*n k"]:
        """Return the nearest actions within the bounds; NaN becomes the center of the range."""
        actions = jnp.where(jnp.isnan(actions), (self.lows + self.highs) / 2, actions)
        return jnp.clip(actions, self.lows, self.highs)

    def to_json(self) -> dict[str, Any]:
        """Return the space as JSON values; `action_space_from_json` is the inverse."""
        return {
            "type": "continuous",
            "names": list(self.action_names),
            "low": [float(x) for x in self.lows],
            "high": [float(x) for x in self.highs],
        }


ActionSpace = Discrete | Continuous


def discrete(space: ActionSpace, purpose: str) -> Discrete:
    """Check that an action space is discrete.

    Args:
        space: the action space.
        purpose: what requires discrete actions, for the error.

    Raises:
        SettingError: the space is continuous.
    """
    if not isinstance(space, Discrete):
        raise SettingError("action space", space, f"discrete for {purpose}")
    return space


def _is_finite(x: Any) -> bool:
    return type(x) in (int, float) and abs(x) <= sys.float_info.max


def action_space_from_json(values: Any) -> ActionSpace:
    """Create an action space from the values that `to_json` returns.

    Raises:
        SettingError: the values do not describe an action space.
    """
    names = values.get("names") if isinstance(values, dict) else None
    if not isinstance(names, list) or not names or not all(isinstance(x, str) for x in names):
        raise SettingError("action space", values, "an object with a type and a list of names")
    if values.get("type") == "discrete":
        return Discrete(len(names), tuple(names))
    if values.get("type") != "continuous":
        raise SettingError("type of actions", values.get("type"), "'discrete' or 'continuous'")
    bounds = []
    for name in ("low", "high"):
        given: Any = values.get(name)
        whole = isinstance(given, list) and len(given) == len(names)
        if not whole or not all(map(_is_finite, given)):
            raise SettingError(f"{name} of actions", given, f"{len(names)} finite numbers")
        bounds.append(tuple(map(float, given)))
    return Continuous((len(names),), bounds[0], bounds[1], tuple(names))
