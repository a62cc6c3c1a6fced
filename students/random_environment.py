"""A random environment, used by `testing` to check students."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from didact.environments import ActionSpace, ArraySpace
from didact.students.base import Rollout, Student


class RandomEnvironment:
    """n environments with random observations, in which a student acts as in the training loop.

    Episodes are terminated, truncated, or both at random. Before some of them, the environment
    waits: these steps belong to no episode, each is marked as a start, and `learn` is 0.
    """

    def __init__(
        self,
        student: Student,
        spaces: Mapping[str, ArraySpace],
        actions: ActionSpace,
        privileged: Mapping[str, ArraySpace],
        n: int,
    ):
        self.spaces, self.actions, self.privileged = dict(spaces), actions, dict(privileged)
        self.student, self.n = student, n

    def observe(self, key: PRNGKeyArray, spaces: Mapping[str, ArraySpace] | None = None) -> Any:
        """Return random observations of the environment's spaces, or of `spaces` if given."""
        spaces = self.spaces if spaces is None else spaces
        keys = jax.random.split(key, len(spaces) + 1)
        return {
            name: _drawn(k, space, self.n)
            for k, (name, space) in zip(keys[1:], sorted(spaces.items()), strict=True)
        }

    def begin(self, key: PRNGKeyArray) -> Any:
        """Return the state before the first rollout: carry, observation, start and learn."""
        carry = self.student.initial_carry(self.n)
        return carry, self.observe(key), jnp.ones(self.n, bool), jnp.ones(self.n)

    def play(self, state: Any, worlds: Any, key: PRNGKeyArray, share: Any, steps: int) -> Any:
        """Return a rollout and the state of the environments after it.

        Args:
            state: the state of the student.
            worlds: the state of the environments, from `begin` or a previous rollout.
            key: random key.
            share: the probability that `learn` is 1 in an episode.
            steps: the number of steps T.
        """
        student, n, first = self.student, self.n, worlds[0]

        def value_of(carry, observation):
            value = student.apply(state, carry, observation)[1]
            return jnp.zeros(n) if value is None else value

        def step(worlds, key):
            carry, observation, start, learn = worlds
            keys = jax.random.split(key, 10)
            waits = start & jax.random.bernoulli(keys[8], 0.2, (n,))
            learn = jnp.where(start, jax.random.bernoulli(keys[0], share, (n,)), learn)
            shown = observation | self.observe(keys[1], self.privileged)
            action, carry, extras = student.act(state, carry, shown, keys[2])
            following = self.observe(keys[3])
            done = ~waits & jax.random.bernoulli(keys[4], 0.3, (n,))
            truncated = done & jax.random.bernoulli(keys[5], 0.5, (n,))
            terminated = done & (~truncated | jax.random.bernoulli(keys[9], 0.3, (n,)))
            cut = truncated & ~terminated
            row = Rollout(
                observation=observation,
                start=start,
                action=action,
                reward=jnp.where(waits, 0, jax.random.normal(keys[6], (n,))),
                terminated=terminated,
                truncated=truncated,
                extras=extras,
                final_value=jnp.where(cut, value_of(carry, following), 0),
                last_value=(),  # type: ignore[arg-type]
                carry=(),
                learn=jnp.where(waits, 0, learn),
                final_observation=following if student.bootstraps else {},
            )
            fresh = student.initial_carry(n), self.observe(keys[7])
            over = done | waits
            carry, observation = where(over, fresh, (carry, following))
            return (carry, observation, over, learn), row

        worlds, rollout = jax.lax.scan(step, worlds, jax.random.split(key, steps))
        last = value_of(worlds[0], worlds[1])
        return rollout._replace(last_value=last, carry=first), worlds


def _drawn(key: PRNGKeyArray, space: ArraySpace, n: int) -> Array:
    """Return n random arrays of a space."""
    shape, dtype = (n, *space.shape), np.dtype(space.dtype)
    if dtype.kind == "b":
        return jax.random.bernoulli(key, 0.5, shape)
    if dtype.kind == "f":
        if np.isfinite([space.low, space.high]).all():
            return jax.random.uniform(key, shape, dtype, space.low, space.high)
        return jnp.clip(jax.random.normal(key, shape, dtype), space.low, space.high)
    most = 2**31 - 2
    top = jnp.int32(max(min(space.high, most), -most))
    if space.codes and len(space.shape) == 3:
        top = jnp.minimum(top, jnp.array(space.codes) - 1)
    x = jax.random.randint(key, shape, int(max(space.low, -most)), top + 1)
    if space.meaning == "tokens":  # sentences of different lengths
        length = jax.random.randint(key, (*shape[:-1], 1), 1, shape[-1] + 1)
        x = jnp.where(jnp.arange(shape[-1]) < length, x, 0)
    return x.astype(dtype)


def where(mask: Array, one: Any, other: Any) -> Any:
    """Apply `jnp.where` to pytrees; the mask covers the leading axes."""

    def choose(x, y):
        return jnp.where(mask.reshape(*mask.shape, *[1] * (x.ndim - mask.ndim)), x, y)

    return jax.tree.map(choose, one, other)
