"""A teacher with state, for training loops that are not compiled."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from didact.common.errors import SettingError
from didact.common.setting_types import Seed, value_of
from didact.teachers.base import Outcomes, Proposals, Teacher, propose
from didact.teachers.state_arrays import from_arrays, to_arrays


class State(NamedTuple):
    """The state of a teacher and what is kept with it."""

    teacher: Any
    key: PRNGKeyArray
    group: Proposals  # the latest proposals of a teacher with a `batch`, else without rows
    taken: Int[Array, ""]  # the number of them that have been used


class StatefulTeacher:
    """A teacher that keeps its state and random key between calls.

    With the key K of the seed, the teacher starts from `init(k)` with `K, k = split(K)`; each
    request for proposals uses the k of another `K, k = split(K)`.

    Args:
        teacher: the teacher.
        num_envs: the number of environments, n. A teacher without a `batch` is asked for n
            proposals at a time, of which those that are not needed are dropped.
        size: the length of a task, d.
        seed: the random seed.

    Raises:
        SettingError: the seed is out of range, the teacher proposes tasks of another length, it
            compares several students, or it requires scores that only students of this package
            provide.
    """

    def __init__(self, teacher: Teacher, num_envs: int, size: int, seed: int = 0):
        if teacher.students > 1:
            allowed = "1: only the training loop of didact trains several students"
            raise SettingError("students of the teacher", teacher.students, allowed)
        key, first = jax.random.split(jax.random.key(value_of("seed", seed, Seed)))
        self.teacher, self.num_envs = teacher, num_envs
        group = teacher.batch or num_envs

        @jax.jit
        def request(state, key):
            return propose(teacher, state, key, group)

        self._request, self._observe = request, jax.jit(teacher.observe)
        begun = jax.jit(teacher.init)(first)
        found = jax.eval_shape(request, begun, key)[0].tasks.shape
        if found != (group, size):
            raise SettingError("length of the teacher's tasks", found[-1], f"{size}, as in space")
        none = Proposals.of(jnp.zeros((teacher.batch or 0, size)))
        self._state = State(begun, key, none, jnp.int32(teacher.batch or 0))
        self._check_scores(size)

    def propose(self, count: int) -> Proposals:
        """Return `count` proposals as NumPy arrays, at most `num_envs`."""
        if self.teacher.batch is None:
            return _rows(self._group(), slice(0, count))
        group, taken, parts = jax.device_get(self._state.group), int(self._state.taken), []
        while count:
            if taken == self.teacher.batch:
                group, taken = self._group(), 0
            part = _rows(group, slice(taken, taken + count))
            taken, count = taken + len(part.learn), count - len(part.learn)
            parts.append(part)
        self._state = self._state._replace(
            group=jax.tree.map(jnp.asarray, group), taken=jnp.int32(taken)
        )
        return Proposals._make(np.concatenate(x) for x in zip(*parts, strict=True))

    def observe(
        self,
        proposals: Proposals,
        returns: Float[np.ndarray, " n"],
        success: Float[np.ndarray, " n"],
        lengths: Float[np.ndarray, " n"],
        weights: Float[np.ndarray, " n"],
    ) -> None:
        """Show the teacher finished episodes: the rows of weight 1. See `Outcomes`."""
        numbers = [np.asarray(x, np.float32) for x in (returns, success, lengths, weights)]
        rows = Proposals._make(map(np.asarray, proposals))
        teacher = self._observe(self._state.teacher, rows, Outcomes._make([*numbers, {}]))
        self._state = self._state._replace(teacher=teacher)

    def picture(self) -> dict[str, np.ndarray]:
        """Return the teacher's beliefs, see `Teacher.picture`."""
        return jax.device_get(self.teacher.picture(self._state.teacher))

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return the state as arrays by name."""
        return to_arrays(self._state)

    def load_state_dict(self, arrays: Mapping[str, Any]) -> None:
        """Restore the state that `state_dict` returned.

        Raises:
            SettingError: it is not the state of the same teacher with the same settings.
        """
        state = from_arrays(arrays, self._state, "the teacher's state")
        batch = self.teacher.batch or 0
        if not 0 <= int(state.taken) <= batch:
            raise SettingError("taken", int(state.taken), f"from 0 to {batch}")
        self._state = state

    def _group(self) -> Proposals:
        """Request another group of proposals."""
        key, now = jax.random.split(self._state.key)
        group, teacher = self._request(self._state.teacher, now)
        self._state = self._state._replace(teacher=teacher, key=key)
        return jax.device_get(group)

    def _check_scores(self, size: int) -> None:
        numbers = jax.ShapeDtypeStruct((self.num_envs,), jnp.float32)
        tasks = jax.ShapeDtypeStruct((self.num_envs, size), jnp.float32)
        tags = jax.ShapeDtypeStruct((self.num_envs,), jnp.int32)
        outcomes = Outcomes._make([numbers, numbers, numbers, numbers, {}])
        rows = Proposals._make([tasks, numbers, tags])
        try:
            jax.eval_shape(self._observe, self._state.teacher, rows, outcomes)
        except KeyError as error:
            allowed = "omitted: the teacher observes returns, successes and lengths only"
            raise SettingError("score", error.args[0], allowed) from None


def _rows(proposals: Proposals, rows: slice) -> Proposals:
    return Proposals._make(np.asarray(x)[rows] for x in proposals)
