"""Checks of the fields of a policy card from which spaces and networks are made.

All of them raise a `SettingError` that names the field, its value and the path of the card.
"""

import dataclasses
import math
import reprlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from didact.environments import ArraySpace, SettingError
from didact.environments.base import PLACE
from didact.environments.spaces import ROLES, action_space_from_json
from didact.students.config import NetworkConfig
from didact.students.skills.composed_policy import NETWORK, TABLE
from didact.students.skills.formula_task import PROGRESS
from didact.students.skills.instructed_policy import INSTRUCTED, INSTRUCTION

MAX_WIDTH = 8192  # maximum of each size of a network
MAX_NUMBERS = 1 << 24  # maximum number of elements of an observation


def check_spaces(spaces: Any, path: str) -> None:
    """Check the observation space of a card."""
    if not isinstance(spaces, dict) or not spaces:
        raise invalid("observation_space", path, spaces, "an object with at least one observation")
    for name, space in spaces.items():
        where = f"observation {reprlib.repr(name)}"
        if not isinstance(space, dict) or not {"shape", "dtype", "low", "high"} <= set(space):
            raise invalid(where, path, space, "an object with shape, dtype, low and high")
        shape = space["shape"]
        whole = isinstance(shape, list) and all(_is_whole(x, 0, MAX_NUMBERS) for x in shape)
        if not whole or len(shape) > 8 or math.prod(shape) > MAX_NUMBERS:
            allowed = f"a list of at most 8 sizes with at most {MAX_NUMBERS} elements in total"
            raise invalid(f"{where}: shape", path, shape, allowed)
        try:
            kind = np.dtype(space["dtype"]).kind if isinstance(space["dtype"], str) else ""
        except TypeError:
            kind = ""
        if kind not in ("b", "i", "u", "f"):
            allowed = "a numeric dtype, such as 'uint8'"
            raise invalid(f"{where}: dtype", path, space["dtype"], allowed)
        for end in ("low", "high"):
            bound = space[end]
            if bound is None and kind == "f":  # unbounded
                continue
            if type(bound) not in (int, float) or bound != bound:  # NaN
                raise invalid(f"{where}: {end}", path, bound, "a number")
        kind = space.get("kind")
        if kind is not None and not isinstance(kind, str):
            raise invalid(f"{where}: kind", path, kind, "null or the name of a kind")
        if space.get("role", "") not in ROLES:
            raise invalid(f"{where}: role", path, space["role"], "one of " + ", ".join(ROLES[1:]))
        codes = space.get("codes", [])
        sizes = isinstance(codes, list) and all(_is_whole(x, 1, MAX_NUMBERS) for x in codes)
        if not sizes or math.prod(codes) > MAX_NUMBERS:
            raise invalid(f"{where}: codes", path, codes, "a list of code book sizes")
        most = math.inf if space["high"] is None else space["high"]
        if kind in ("tokens", "category") and not 0 <= most < MAX_NUMBERS:
            allowed = f"at least 0 and below {MAX_NUMBERS}"
            raise invalid(f"{where}: high", path, space["high"], allowed)
        try:
            ArraySpace.from_json(space)
        except SettingError as error:
            raise invalid(f"{where}: {error.setting}", path, error.value, error.allowed) from None


def check_actions(actions: Any, path: str) -> None:
    """Check the action space of a card."""
    try:
        space = action_space_from_json(actions)
    except SettingError as error:
        raise invalid(f"action_space: {error.setting}", path, error.value, error.allowed) from None
    if len(space.action_names) > MAX_WIDTH:
        raise invalid("action_space", path, len(space.action_names), f"at most {MAX_WIDTH} actions")


def check_composed(sizes: Any, spaces: Mapping[str, Any], path: str) -> None:
    """Check the sizes of a composed policy, and that it can read the observations it needs."""
    forms = TABLE, NETWORK, INSTRUCTED
    form = next((x for x in forms if isinstance(sizes, dict) and set(sizes) == {*x}), None)
    if form is None:
        allowed = "an object with " + ", or with ".join(", ".join(x) for x in forms)
        raise invalid("composed", path, sizes, allowed)
    for name in form:
        most = MAX_NUMBERS if form is TABLE else MAX_WIDTH
        if not _is_whole(sizes[name], 1, most):
            raise invalid(f"composed.{name}", path, sizes[name], f"a whole number from 1 to {most}")
    if form is INSTRUCTED:
        if spaces.get(INSTRUCTION, {}).get("kind") != "tokens":
            allowed = "an observation of tokens"
            raise invalid(f"observation {INSTRUCTION!r}", path, spaces.get(INSTRUCTION), allowed)
        read = {PROGRESS: [sizes["states"]]}
    else:
        other = {PLACE: []} if form is TABLE else {"image": None}
        read = {PROGRESS: [sizes["states"]], **other}
    for name, shape in read.items():
        found = spaces[name]["shape"] if name in spaces else None
        if found is None or (len(found) != 2 if shape is None else found != shape):
            allowed = "an image with two axes" if shape is None else f"of shape {shape}"
            raise invalid(f"observation {name!r}", path, found, allowed)


def check_network(network: Any, path: str) -> None:
    """Check the sizes of a network."""
    if not isinstance(network, dict):
        raise invalid("network", path, network, "an object with the sizes of the network")
    known = [field.name for field in dataclasses.fields(NetworkConfig)]
    for name in network:
        if name not in known:
            allowed = f"a setting that this version knows: {', '.join(known)}"
            raise invalid("network setting", path, name, allowed)
    for name in known:
        value: Any = network.get(name)
        if name == "pixel_channels":
            sizes = isinstance(value, list) and 1 <= len(value) <= 8
            if not sizes or not all(_is_whole(x, 1, MAX_WIDTH) for x in value):
                raise invalid(f"network.{name}", path, value, "a list of 1 to 8 sizes")
        elif name == "normalise_observations":
            if not isinstance(value, bool):
                raise invalid(f"network.{name}", path, value, "true or false")
        elif name == "initial_std":
            if type(value) not in (int, float) or not 0.02 <= value <= 2:
                raise invalid(f"network.{name}", path, value, "a number from 0.02 to 2")
        else:
            least = 0 if name == "memory" else 1
            if not _is_whole(value, least, MAX_WIDTH):
                allowed = f"a whole number from {least} to {MAX_WIDTH}"
                raise invalid(f"network.{name}", path, value, allowed)


def _is_whole(value: Any, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def invalid(what: str, path: str, value: Any, allowed: str) -> SettingError:
    """Return the error about a card, with a value from the card abbreviated if it is long."""
    short = value if len(repr(value)) <= 80 else reprlib.repr(value)
    return SettingError(f"{what} in {path}", short, allowed)
