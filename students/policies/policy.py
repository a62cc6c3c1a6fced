"""Policies: trained students that act."""

import os
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from didact.environments import ActionSpace, ArraySpace, Environment, SettingError
from didact.environments.text_settings import make_with_text_settings
from didact.students.base import Student
from didact.students.policies.cards import actions_of, environment_settings, spaces_of, student_of
from didact.students.policies.lookup import describe, locate
from didact.students.policies.storage import read_folder

# Kinds of observations that are whole numbers. Real ones may be pixels from 0 to 1, or be rounded.
WHOLE = ("pixels", "cells", "tokens", "category")


class Policy:
    """A trained student that acts.

    Attributes:
        card: the contents of `policy.json`: environment, spaces, network, training, scores,
            versions.
        observation_space, action_space: the spaces that it was trained with.
        student, params: its functions and parameters.
    """

    def __init__(self, card: dict[str, Any], params: Any, student: Student | None = None):
        self.card = card
        self.observation_space = spaces_of(card)
        self.action_space = actions_of(card)
        self.student: Student = student_of(card) if student is None else student
        self.params = params
        self._act = jax.jit(self._choose, static_argnames="greedy")

    def __repr__(self) -> str:
        name = self.card.get("name", "unnamed")
        count = sum(np.size(x) for x in jax.tree.leaves(self.params))
        return f"Policy({name!r}, {describe(self.card)!r}, {count:,} parameters)"

    @property
    def environment(self) -> str:
        """The name of the environment that the policy was trained in."""
        return self.card["environment"]

    @property
    def environment_settings(self) -> tuple[str, ...]:
        """The settings of the environment in training, as NAME=VALUE texts."""
        return tuple(environment_settings(self.card))

    def make_environment(self) -> Environment:
        """Make the environment that the policy was trained in, with the same settings.

        Raises:
            SettingError: the environment is not registered, or its spaces differ from training.
        """
        environment = make_with_text_settings(self.environment, self.environment_settings)
        self.check(environment.observation_space, environment.action_space)
        return environment

    @property
    def state(self) -> Any:
        """A student state with the policy's parameters, for acting."""
        return jax.jit(self.student.init)(jax.random.key(0))._replace(params=self.params)

    def check(
        self,
        observation_space: Mapping[str, ArraySpace],
        action_space: ActionSpace | None = None,
    ) -> None:
        """Raise a `SettingError` unless the policy supports these spaces.

        Args:
            observation_space: must contain all observations of training.
            action_space: must be that of training, if given.
        """
        for name, space in self.observation_space.items():
            other = observation_space.get(name)
            allowed = f"of shape {space.shape} with values up to {space.high}, as in training"
            if other is None:
                allowed = f"some that include observation {name!r}, as in training"
                raise SettingError("observations", list(observation_space), allowed)
            if not _fits(space, other.shape):
                raise SettingError(f"observation {name!r}", other.shape, allowed)
            if (other.meaning, other.codes) != (space.meaning, space.codes):
                found = other.meaning, other.codes
                allowed = f"{(space.meaning, space.codes)}: kind and codes, as in training"
                raise SettingError(f"observation {name!r}", found, allowed)
            if other.high > space.high:
                found = f"{other.shape} with values up to {other.high}"
                raise SettingError(f"observation {name!r}", found, allowed)
        if action_space is not None and action_space.to_json() != self.action_space.to_json():
            own = self.action_space
            names, given = list(own.action_names), list(action_space.action_names)
            if type(own) is type(action_space) and names != given:
                raise SettingError("actions", given, f"those of training: {', '.join(names)}")
            raise SettingError("action space", action_space, f"that of training, {own}")

    def initial_carry(self, n: int | None = None) -> Any:
        """Return the carry at the start of an episode, for n environments or, if None, for one."""
        carry = self.student.initial_carry(n or 1)
        return carry if n else jax.tree.map(lambda x: x[0], carry)

    def act(
        self,
        observation: Mapping[str, Any],
        carry: Any = None,
        key: Array | None = None,
        *,
        start: Any = None,
    ) -> tuple[Array, Any]:
        """Choose the next action.

        Args:
            observation: NumPy or JAX arrays, of one environment or with a leading axis of
                environments.
            carry: the carry returned by the previous call; None at the start of an episode.
            key: random key to sample the action; None for the greedy action.
            start: whether an episode starts with this observation, for one environment or each;
                its carry is replaced by the initial one. With gymnasium's vector environments, it
                is True for the observations of `reset`, and then `terminated | truncated` of the
                step that returned this observation (`AutoresetMode.SAME_STEP`), or of the step
                before that one (`NEXT_STEP`, gymnasium's default).

        Returns:
            The action and the carry.

        Raises:
            SettingError: an array is missing, its shape differs from training, or it has real
                numbers in place of whole ones.
        """
        worlds: set[tuple[int, ...]] = set()
        for name, space in self.observation_space.items():
            shape = np.shape(observation[name]) if name in observation else None
            axes = 0 if shape is None else len(shape) - len(space.shape)
            if shape is None or axes not in (0, 1) or not _fits(space, shape[axes:]):
                raise SettingError(f"observation {name!r}", shape, f"of shape {space.shape}")
            dtype = _dtype(observation[name])
            if space.meaning in WHOLE and dtype.kind not in "biu":
                allowed = f"{np.dtype(space.dtype).name}, as in training"
                raise SettingError(f"observation {name!r}", dtype.name, allowed)
            worlds.add(shape[:axes])
            if len(worlds) > 1:
                raise SettingError(
                    f"observation {name!r}", shape, "of as many environments as the others"
                )
        arrays = {name: jnp.asarray(observation[name]) for name in self.observation_space}
        single = worlds == {()}
        if single:
            arrays = {name: x[None] for name, x in arrays.items()}
            carry = jax.tree.map(lambda x: x[None], carry)
        n = next(iter(arrays.values())).shape[0]
        carry = self.initial_carry(n) if carry is None else carry
        if start is not None:
            start = jnp.asarray(start, bool)
            if start.shape not in ((), (n,)):
                raise SettingError("start", start.shape, f"of shape {(n,)}, or a single bool")
            carry = self._restarted(carry, jnp.broadcast_to(start, (n,)))
        greedy = key is None
        key = jax.random.key(0) if key is None else key
        action, carry = self._act(self.params, arrays, carry, key, greedy=greedy)
        if single:
            return action[0], jax.tree.map(lambda x: x[0], carry)
        return action, carry

    def _restarted(self, carry: Any, start: Array) -> Any:
        """Replace the carry by the initial one where `start`, bool[n], holds."""

        def chosen(initial, now):
            return jnp.where(start.reshape(-1, *[1] * (now.ndim - 1)), initial, now)

        return jax.tree.map(chosen, self.initial_carry(len(start)), carry)

    def _choose(self, params, observation, carry, key, *, greedy):
        state = self.student.init(jax.random.key(0))._replace(params=params)
        choose = self.student.act_greedily if greedy else self.student.act
        action, carry, _ = choose(state, carry, observation, key)
        return action, carry


def load_policy(policy: str | os.PathLike[str], student: Student | None = None) -> Policy:
    """Load a policy by name, from a policy folder, or the final policy of a run folder.

    `didact list policies` lists the names. An existing folder takes precedence over a policy of the
    same name.

    Args:
        policy: the name or folder.
        student: the student object that was trained, if it was passed to `train` as an object and
            can therefore not be made from the policy's card.

    Raises:
        SettingError: there is no such policy, its card is invalid, or its parameters do not match
            the card.
    """
    return Policy(*read_folder(locate(policy), student), student)


def _dtype(values: Any) -> np.dtype:
    """Return the dtype of an array, or of numbers in lists."""
    return np.dtype(values.dtype if hasattr(values, "dtype") else np.asarray(values).dtype)


def _fits(space: ArraySpace, shape: tuple[int, ...]) -> bool:
    """Whether an observation has its shape in training; instructions may have any length."""
    sentence = space.role == "instruction" and space.meaning == "tokens"
    return len(shape) == len(space.shape) and (sentence or shape == space.shape)
