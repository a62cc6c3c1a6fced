"""Policies on disk: a card that a person can read, and parameters. Nothing in them is executed."""

import dataclasses
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from didact.environments import ArraySpace, Discrete, SettingError
from didact.students.arrays import Damaged, load_tree, save_tree
from didact.students.base import Student
from didact.students.config import NetworkConfig, PPOConfig
from didact.students.ppo import ppo

CARD = "policy.json"
FORMAT = 1


class Policy:
    """A trained student that acts.

    Attributes:
        card: what `policy.json` says: environment, spaces, network, training, scores, versions.
        student, params: the functions and what they were trained to.
    """

    def __init__(self, card: dict[str, Any], params: Any):
        self.card = card
        self.observation_space = _spaces(card["observation_space"])
        self.student: Student = _student(card)
        self.params = params
        self._act = jax.jit(self._choose, static_argnames="greedy")

    @property
    def environment(self) -> str:
        """The name of the environment it was trained in."""
        return self.card["environment"]

    @property
    def state(self) -> Any:
        """The student's state, as far as acting needs it."""
        return jax.jit(self.student.init)(jax.random.key(0))._replace(params=self.params)

    def check(self, observation_space: Mapping[str, ArraySpace]) -> None:
        """Raises a `SettingError` unless the policy can read these observations."""
        for name, space in self.observation_space.items():
            other = observation_space.get(name)
            fits = other is not None and _fits(name, other.shape, space.shape)
            if other is None or not fits or other.high > space.high:
                raise SettingError(
                    f"observation {name!r}",
                    None if other is None else other.shape,
                    f"of shape {space.shape} with values up to {space.high}, as in training",
                )

    def initial_carry(self, n: int | None = None) -> Any:
        """What is remembered at the start of an episode, of n worlds or (None) of one."""
        carry = self.student.initial_carry(n or 1)
        return carry if n else jax.tree.map(lambda x: x[0], carry)

    def act(
        self, observation: Mapping[str, Any], carry: Any = None, key: Array | None = None
    ) -> tuple[Array, Any]:
        """The next action, and what to remember.

        Args:
            observation: NumPy or JAX arrays, of one world or with a leading axis of worlds.
            carry: what the last call gave; None at the start of an episode.
            key: randomness, to sample the action; None takes the most probable.

        Raises:
            SettingError: an array is missing or of another shape than the policy was trained on.
        """
        worlds: set[tuple[int, ...]] = set()
        for name, space in self.observation_space.items():
            shape = np.shape(observation[name]) if name in observation else None
            axes = 0 if shape is None else len(shape) - len(space.shape)
            if shape is None or axes not in (0, 1) or not _fits(name, shape[axes:], space.shape):
                raise SettingError(f"observation {name!r}", shape, f"of shape {space.shape}")
            worlds.add(shape[:axes])
            if len(worlds) > 1:
                raise SettingError(
                    f"observation {name!r}", shape, "of as many worlds as the others"
                )
        arrays = {name: jnp.asarray(observation[name]) for name in self.observation_space}
        single = worlds == {()}
        if single:
            arrays = {name: x[None] for name, x in arrays.items()}
            carry = jax.tree.map(lambda x: x[None], carry)
        n = next(iter(arrays.values())).shape[0]
        carry = self.initial_carry(n) if carry is None else carry
        greedy = key is None
        key = jax.random.key(0) if key is None else key
        action, carry = self._act(self.params, arrays, carry, key, greedy=greedy)
        if single:
            return action[0], jax.tree.map(lambda x: x[0], carry)
        return action, carry

    def _choose(self, params, observation, carry, key, *, greedy):
        state = self.student.init(jax.random.key(0))._replace(params=params)
        choose = self.student.act_greedily if greedy else self.student.act
        action, carry, _ = choose(state, carry, observation, key)
        return action, carry


def _fits(name: str, shape: tuple[int, ...], trained: tuple[int, ...]) -> bool:
    """Whether an observation has the shape of training; instructions may be of any length."""
    return len(shape) == len(trained) and (name == "instruction" or shape == trained)


def card(
    environment: str,
    observation_space: Mapping[str, ArraySpace],
    action_space: Discrete,
    network: NetworkConfig,
    **more: Any,
) -> dict[str, Any]:
    """The card of a policy; `more` tells how it was trained and how it scores."""
    spaces = {
        name: {
            "shape": list(space.shape),
            "dtype": np.dtype(space.dtype).name,
            "low": space.low,
            "high": space.high,
        }
        for name, space in observation_space.items()
    }
    return {
        "format": FORMAT,
        "environment": environment,
        "observation_space": spaces,
        "actions": list(action_space.names) or [str(i) for i in range(action_space.n)],
        "network": dataclasses.asdict(network),
        **more,
    }


def save_policy(folder: str | os.PathLike[str], card: Mapping[str, Any], params: Any) -> Path:
    """Writes a policy folder; one that is there already is replaced when the new one is whole.

    Raises:
        SettingError: what is there is no policy folder; it is left alone.
        OSError: the disk is full or cannot be written; an earlier policy is untouched.
    """
    folder = Path(folder).absolute()
    there = folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))
    if there and not (folder / CARD).is_file():
        raise SettingError("policy", str(folder), "a new folder, or a policy to replace")
    draft = folder.with_name(f".{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        save_tree(draft / "params", params)
        (draft / CARD).write_text(json.dumps(dict(card), indent=1) + "\n")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def load_policy(path: str | os.PathLike[str]) -> Policy:
    """The policy in a policy folder, or the final policy in a run folder.

    Raises:
        SettingError: there is no policy, its card is not one, or its parameters do not fit.
    """
    folder = Path(path)
    if not (folder / CARD).is_file():
        folder = folder / "policy"
    if not (folder / CARD).is_file():
        raise SettingError("policy", str(path), "a policy folder, or a run with a final policy")
    try:
        card = json.loads((folder / CARD).read_text())
        if card["format"] != FORMAT:
            raise SettingError(f"{CARD} format", card["format"], f"{FORMAT}")
        if not isinstance(card["environment"], str):
            raise TypeError("environment is not a name")
        if not all(isinstance(name, str) for name in card["actions"]):
            raise TypeError("actions are not names")
        student = _student(card)
        like = jax.eval_shape(student.init, jax.random.key(0)).params
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, SettingError):
            raise
        raise SettingError("policy", str(folder / CARD), f"a policy card ({error!r})") from None
    device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    like = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=device), like)
    try:
        params = load_tree(folder / "params", like)
    except Damaged as damage:
        raise SettingError(
            "policy", str(folder), f"a folder with the parameters as they were saved ({damage})"
        ) from None
    return Policy(card, params)


def found(folder: Path) -> list[dict[str, Any]]:
    """The policies below a folder: `name` (what `load_policy` takes) and a `description`."""
    rows = []
    for path in sorted(folder.glob(f"**/{CARD}")):
        try:
            card = json.loads(path.read_text())
            scores = ", ".join(
                f"{name} {modes['sampled']:.1%}" for name, modes in card["scores"].items()
            )
            steps = card["training"]["steps"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        description = f"{card['environment']}, {steps / 1e6:.1f}M steps; success: {scores}"
        rows.append({"name": str(path.parent), "description": description})
    return rows


def _spaces(told: Mapping[str, Any]) -> dict[str, ArraySpace]:
    return {
        name: ArraySpace(tuple(s["shape"]), np.dtype(s["dtype"]), s["low"], s["high"])
        for name, s in told.items()
    }


def _student(card: Mapping[str, Any]) -> Student:
    config = PPOConfig(network=NetworkConfig(**card["network"]))
    actions = Discrete(len(card["actions"]), tuple(card["actions"]))
    return ppo(_spaces(card["observation_space"]), actions, config, num_updates=1)
