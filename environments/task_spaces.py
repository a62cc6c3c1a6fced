"""Task spaces: the tasks that a teacher can choose from.

A task is a row of numbers; in a `Box`, one for each named dimension. A task space defines names,
bounds and descriptions. On the device it samples, clips and mutates tasks. On the host it converts
tasks to and from JSON and provides a JSON schema, so that any program that writes JSON can be a
teacher.
"""

import dataclasses
import json
import numbers
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from didact.common import strict_json
from didact.common.errors import SettingError

WHOLE = 1 << 24  # float32 holds all integers up to this one


@dataclasses.dataclass(frozen=True)
class Dimension:
    """One named parameter of a task.

    Attributes:
        name: an identifier.
        low, high: inclusive bounds.
        integer: whether only integers are allowed, which are from -2**24 to 2**24.
        unit: the unit of the number, or an empty string.
        description: the effect of the parameter on the world, in one line.

    Raises:
        SettingError: the bounds are not in order, or float32 cannot hold the numbers between them.
    """

    name: str
    low: float
    high: float
    integer: bool = False
    unit: str = ""
    description: str = ""

    def __post_init__(self):
        most = float(np.finfo(np.float32).max)
        real = all(isinstance(x, numbers.Real) for x in (self.low, self.high))
        if not (real and -most <= self.low <= self.high <= most):
            allowed = "two finite numbers, low <= high, in the range of float32"
            raise SettingError(self.name, (self.low, self.high), allowed)
        for name in ("low", "high"):
            object.__setattr__(self, name, _plain(getattr(self, name)))
        if self.high - self.low > most:
            allowed = "bounds whose difference float32 can hold"
            raise SettingError(self.name, (self.low, self.high), allowed)
        # Devices may flush subnormal numbers to zero, so subnormal bounds become zero, too.
        tiny = float(np.finfo(np.float32).tiny)
        for name in ("low", "high"):
            if 0 < abs(getattr(self, name)) < tiny:
                object.__setattr__(self, name, 0.0)
        if self.integer and (self.low != int(self.low) or self.high != int(self.high)):
            allowed = "integer bounds for an integer dimension"
            raise SettingError(self.name, (self.low, self.high), allowed)
        if self.integer and max(-self.low, self.high) > WHOLE:
            allowed = f"integer bounds from {-WHOLE} to {WHOLE}, as tasks are float32"
            raise SettingError(self.name, (self.low, self.high), allowed)

    def __str__(self) -> str:
        """Return the name and the bounds, in the format of `--tasks`."""
        ends = (self.low,) if self.low == self.high else (self.low, self.high)
        kind = int if self.integer else float
        return f"{self.name}={'..'.join(str(kind(end)) for end in ends)}"

    def parse(self, value: Any) -> float:
        """Validate a value of this dimension.

        Raises:
            SettingError: the value is not a number of this dimension.
        """
        kind = "a whole number" if self.integer else "a number"
        allowed = f"{kind} from {self.low:g} to {self.high:g}"
        if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
            raise SettingError(self.name, value, allowed)
        inside = self.low <= value <= self.high  # False for NaN
        if not inside or (self.integer and value != int(value)):
            raise SettingError(self.name, value, allowed)
        return float(value)


def _plain(number: Any) -> int | float:
    """Return a number as one of Python's own, which can be written as JSON."""
    return int(number) if isinstance(number, numbers.Integral) else float(number)


class TaskSpace(Protocol):
    """The interface of task spaces, for code that handles tasks as rows of numbers.

    Implemented by `Box`, and by `Levels` of the mazes, whose tasks are whole maps.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """The names that `restricted` accepts."""
        ...

    @property
    def size(self) -> int:
        """The length of a task, d."""
        ...

    @property
    def low(self) -> np.ndarray:
        """The lower bound of each number of a task."""
        ...

    @property
    def high(self) -> np.ndarray:
        """The upper bound of each number of a task."""
        ...

    @property
    def feature_space(self) -> "Box":
        """The space of features that describe a task in plots."""
        ...

    def features(self, tasks: Any) -> Any:
        """Return the features [n, k] of tasks [n, d], as points of `feature_space`."""
        ...

    def restricted(self, **bounds: Any) -> "TaskSpace":
        """Return the part of the space with narrower bounds, given by name."""
        ...

    def intersection(self, other: "TaskSpace") -> "TaskSpace | None":
        """Return the tasks that are in both spaces, or None if there are none or it is unknown."""
        ...

    def single_task(self, other: "TaskSpace") -> np.ndarray | None:
        """Return the only task of another space if it has exactly one and it is in this space."""
        ...

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n d"]:
        """Sample n tasks."""
        ...

    def clip(self, tasks: Float[Array, "n d"]) -> Float[Array, "n d"]:
        """Map arbitrary rows to nearby tasks of the space."""
        ...

    def contains(self, tasks: Float[Array, "n d"]) -> Bool[Array, " n"]:
        """Return which rows are tasks of the space."""
        ...

    def mutate(
        self, key: PRNGKeyArray, tasks: Float[Array, "n d"], *, edits: int = ...
    ) -> Float[Array, "n d"]:
        """Return tasks that differ from the given ones by a number of random edits."""
        ...

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema (draft 2020-12) of one task."""
        ...

    def to_json(self, task: Any) -> str:
        """Return one task as a JSON object."""
        ...

    def from_json(self, text: str | bytes | Mapping[str, Any]) -> np.ndarray:
        """Read and validate one task from a JSON object."""
        ...


@dataclasses.dataclass(frozen=True)
class Box:
    """A task space with one number for each dimension.

    Tasks are `float32[n, d]`; integer dimensions hold integral floats.
    """

    dimensions: tuple[Dimension, ...]

    def __post_init__(self):
        object.__setattr__(self, "dimensions", tuple(self.dimensions))
        if not self.dimensions:
            raise SettingError("dimensions", (), "at least one dimension")
        if len(set(self.names)) != len(self.names):
            raise SettingError("dimensions", self.names, "different names")

    def __repr__(self) -> str:
        return f"Box({', '.join(map(str, self.dimensions))})"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(d.name for d in self.dimensions)

    @property
    def size(self) -> int:
        """The number of dimensions d."""
        return len(self.dimensions)

    @property
    def low(self) -> np.ndarray:
        return np.array([d.low for d in self.dimensions], np.float32)

    @property
    def high(self) -> np.ndarray:
        return np.array([d.high for d in self.dimensions], np.float32)

    @property
    def integer(self) -> np.ndarray:
        return np.array([d.integer for d in self.dimensions])

    def column(self, name: str) -> int:
        """Return the column of the dimension called `name`."""
        if name not in self.names:
            raise SettingError("dimension", name, "one of " + ", ".join(self.names))
        return self.names.index(name)

    def restricted(self, **bounds: float | Sequence[float]) -> "Box":
        """Return a box with narrower dimensions: `space.restricted(rows=1, spacing=(0, 2))`.

        Raises:
            SettingError: a name is unknown, or a bound is neither a number of its dimension nor two
                of them in order.
        """
        for name in bounds:
            self.column(name)
        dimensions = []
        for d in self.dimensions:
            if d.name in bounds:
                bound = bounds[d.name]
                several: Any = bound if np.ndim(bound) == 1 else (bound, bound)
                if len(several) != 2:
                    raise SettingError(d.name, bound, "a number, or two: the least and the most")
                low, high = several
                d = dataclasses.replace(d, low=d.parse(low), high=d.parse(high))
            dimensions.append(d)
        return Box(tuple(dimensions))

    def intersection(self, other: TaskSpace) -> "Box | None":
        """Return the tasks that are in both boxes, or None if there are none."""
        if not isinstance(other, Box) or other.names != self.names:
            return None
        pairs = list(zip(self.dimensions, other.dimensions, strict=True))
        bounds = [(max(a.low, b.low), min(a.high, b.high)) for a, b in pairs]
        if any(low > high for low, high in bounds):
            return None
        return self.restricted(**dict(zip(self.names, bounds, strict=True)))

    def single_task(self, other: TaskSpace) -> np.ndarray | None:
        """Return the only task of another box if it has exactly one and it is in this box."""
        if not isinstance(other, Box) or other.names != self.names:
            return None
        if not np.array_equal(other.low, other.high):
            return None
        return other.low if self.contains(jnp.asarray(other.low)) else None

    @property
    def feature_space(self) -> "Box":
        """The box itself: the features of a task are its parameters."""
        return self

    def features(self, tasks: Any) -> Any:
        """Return the tasks unchanged."""
        return tasks

    # On the device.

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n d"]:
        """Sample n tasks uniformly; all integers of a dimension are equally likely."""
        u = jax.random.uniform(key, (n, self.size))
        real = jnp.minimum(self.low + u * (self.high - self.low), self.high)
        whole = jnp.minimum(jnp.floor(self.low + u * (self.high - self.low + 1)), self.high)
        return jnp.where(self.integer, whole, real)

    def clip(self, tasks: Float[Array, "n d"]) -> Float[Array, "n d"]:
        """Return the nearest tasks within the bounds; integer dimensions are rounded."""
        tasks = jnp.where(self.integer, jnp.round(tasks), tasks)
        return jnp.clip(tasks, self.low, self.high)

    def contains(self, tasks: Float[Array, "n d"]) -> Bool[Array, " n"]:
        """Return which tasks are within the bounds and integral in all integer dimensions."""
        inside = (tasks >= self.low) & (tasks <= self.high)
        return jnp.all(inside & (~self.integer | (tasks == jnp.round(tasks))), axis=-1)

    def mutate(
        self,
        key: PRNGKeyArray,
        tasks: Float[Array, "n d"],
        scale: float = 0.1,
        edits: int | None = None,
    ) -> Float[Array, "n d"]:
        """Add Gaussian noise with a standard deviation of `scale` times each range, and clip.

        Integer dimensions change by at least one where the noise exceeds one standard deviation, so
        that dimensions with a small range change, too. Edits always change the task: integers by at
        least one, and in the other direction at a bound.

        Args:
            key: a PRNG key.
            tasks: the tasks.
            scale: the standard deviation, in ranges.
            edits: the number of random dimensions of each task to which noise is added, of those
                with more than one value; None for all.
        """
        noise = jax.random.normal(key, tasks.shape)
        least = 1  # noise beyond which integers change
        if edits is not None:
            draws = jax.random.uniform(jax.random.fold_in(key, 1), tasks.shape)
            draws = jnp.where(self.high > self.low, draws, 2)
            # Ranks by comparisons: with two sorts, ACCEL's proposals took more than twice as long.
            order = np.arange(self.size)
            one, other = draws[..., :, None], draws[..., None, :]
            below = (other < one) | ((other == one) & (order[None, :] < order[:, None]))
            chosen = jnp.sum(below, axis=-1) < edits
            noise, least = jnp.where(chosen, noise, 0), 0
        step = noise * scale * (self.high - self.low)
        whole = jnp.sign(noise) * jnp.maximum(jnp.abs(step), 1)
        step = jnp.where(self.integer & (jnp.abs(noise) > least), whole, step)
        if edits is not None:
            step = jnp.where(self.clip(tasks + step) == tasks, -step, step)
        return self.clip(tasks + step)

    def normalise(self, tasks: Float[Array, "n d"]) -> Float[Array, "n d"]:
        """Map tasks to the unit cube; dimensions with a single value become 0."""
        extent = self.high - self.low
        # Devices flush subnormal numbers to 0.
        return (tasks - self.low) / np.where(extent >= np.finfo(np.float32).tiny, extent, 1)

    def denormalise(self, points: Float[Array, "n d"]) -> Float[Array, "n d"]:
        """Map points of the unit cube to tasks, and clip; the inverse of `normalise`."""
        return self.clip(jnp.asarray(self.low + points * (self.high - self.low)))

    # On the host.

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema (draft 2020-12) of one task."""
        properties = {}
        for d in self.dimensions:
            number = int if d.integer else float
            properties[d.name] = {
                "type": "integer" if d.integer else "number",
                "minimum": number(d.low),
                "maximum": number(d.high),
                "description": d.description + (f" [{d.unit}]" if d.unit else ""),
            }
        return {
            "type": "object",
            "properties": properties,
            "required": list(self.names),
            "additionalProperties": False,
        }

    def to_json(self, task: Sequence[float] | np.ndarray | Array) -> str:
        """Return one task as a JSON object; `from_json` restores exactly the same task."""
        row = [
            # Bounds are written as they were given: 0.1 in float32 is slightly above 0.1.
            d.low if v == np.float32(d.low) else d.high if v == np.float32(d.high) else float(v)
            for d, v in zip(self.dimensions, np.asarray(task, np.float32), strict=True)
        ]
        numbers = [int(v) if d.integer else v for d, v in zip(self.dimensions, row, strict=True)]
        return json.dumps(dict(zip(self.names, numbers, strict=True)))

    def from_json(self, text: str | bytes | Mapping[str, Any]) -> np.ndarray:
        """Read one task from a JSON object (as text or already parsed), and validate it.

        Raises:
            SettingError: it is not a JSON object, a name is missing or unknown, or a value is
                not a number within the bounds.
        """
        if isinstance(text, (str, bytes)):
            try:
                value = strict_json.loads(text, repeated=False)
            except ValueError:
                allowed = "a JSON object without repeated names"
                raise SettingError("task", text[:80], allowed) from None
        else:
            value = text
        if not isinstance(value, Mapping):
            raise SettingError("task", value, "a JSON object")
        unknown = [name for name in value if name not in self.names]
        missing = [name for name in self.names if name not in value]
        if unknown or missing:
            found = (unknown or missing)[0]
            fault = "unknown name" if unknown else "missing name"
            raise SettingError(
                f"task, {fault},", found, "an object of exactly " + ", ".join(self.names)
            )
        return np.array([d.parse(value[d.name]) for d in self.dimensions], np.float32)
