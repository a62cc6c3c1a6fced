"""Policy cards: `policy.json`, a human-readable description with all that is needed for loading.

Cards are untrusted, and may come from a later version: types, names and sizes are checked before a
network is made.
"""

import dataclasses
import json
import math
import reprlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from didact.environments import ActionSpace, ArraySpace, Discrete, SettingError
from didact.environments.base import PLACE
from didact.environments.spaces import ROLES, action_space_from_json
from didact.students.algorithms.ppo import ppo
from didact.students.algorithms.sac import actor_student
from didact.students.base import Student
from didact.students.config import NetworkConfig, PPOConfig
from didact.students.policies.names import CARD, CARD_BYTES, FORMAT, NAME_RULE, is_name
from didact.students.registry import check_on_card, from_card
from didact.students.skills.composed_policy import NETWORK, TABLE, composed_student
from didact.students.skills.formula_task import PROGRESS

ACTOR_CRITIC, ACTOR = "actor_critic", "actor"  # the networks of PPO and SAC
MAX_SIZE = 1 << 30  # maximum bytes of the parameters, and of all files of a policy
MAX_WIDTH = 8192  # maximum of each size of a network
MAX_NUMBERS = 1 << 24  # maximum number of elements of an observation


def card(
    environment: str,
    observation_space: Mapping[str, ArraySpace],
    action_space: ActionSpace,
    network: NetworkConfig | None,
    **more: Any,
) -> dict[str, Any]:
    """Make the card of a policy.

    Args:
        environment: the name of the environment that the policy was trained in.
        observation_space, action_space: the spaces of that environment.
        network: the sizes of the network; None for a composed policy, whose sizes are in the field
            `composed`, and for a policy with the field `student`.
        more: further, optional fields: `architecture` ("actor_critic" by default); `name` and
            `description` (one line); `made_by` (the command that made the policy);
            `environment_settings` (a list of NAME=VALUE); `scores` by environment or kind of task,
            `{"sampled": rate, "greedy": rate, "command": the command that measures it}`;
            `training` and `versions`; `imports`, the user's code that training imported; `student`,
            in place of a network (see `registry.for_card`).
    """
    spaces = {name: space.to_json() for name, space in observation_space.items()}
    return {
        "format": FORMAT,
        "environment": environment,
        "observation_space": spaces,
        "action_space": action_space.to_json(),
        **({} if network is None else {"network": _sizes(network)}),
        **more,
    }


def _sizes(network: NetworkConfig) -> dict[str, Any]:
    """Return the sizes as JSON types, so that saving a card does not change it."""
    sizes = dataclasses.asdict(network)
    return {name: list(x) if isinstance(x, tuple) else x for name, x in sizes.items()}


def read_card(folder: Path) -> dict[str, Any]:
    """Read and check the card in a policy folder.

    Raises:
        SettingError: the card is missing or invalid.
    """
    path = folder / CARD
    content = _content(path)
    check_card(content, str(path))
    return content


def is_card(folder: Path) -> bool:
    """Whether a folder has a card, possibly an invalid one or one of another version."""
    try:
        content = _content(folder / CARD)
    except SettingError:
        return False
    return isinstance(content, dict) and {"format", "environment"} <= set(content)


def _content(path: Path) -> Any:
    try:
        if path.stat().st_size > CARD_BYTES:
            raise SettingError(
                "policy", str(path), f"a policy card (of at most {CARD_BYTES} bytes)"
            )
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, SettingError):
            raise
        why = (getattr(error, "strerror", None) or str(error)).splitlines()[0]
        raise SettingError("policy", str(path), f"a policy card in JSON ({why})") from None


def check_card(card: Any, path: str = CARD) -> None:
    """Check all fields of a card that are used to make a policy.

    Args:
        card: the decoded JSON.
        path: the card's path, for error sentences.

    Raises:
        SettingError: a field is missing, has the wrong type, or is out of bounds.
    """
    if not isinstance(card, dict):
        raise _error("policy card", path, card, "an object with the fields of a card")
    if type(card.get("format")) is not int or card["format"] != FORMAT:
        which = ""
        if type(card.get("format")) is int:
            which = "a later" if card["format"] > FORMAT else "an earlier"
            which = f" (the card was written by {which} version of didact)"
        raise _error("format", path, card.get("format"), f"{FORMAT}{which}")
    if not isinstance(card.get("environment"), str) or not card["environment"]:
        raise _error("environment", path, card.get("environment"), "the name of an environment")
    _check_actions(card.get("action_space"), path)
    _check_spaces(card.get("observation_space"), path)
    imports = card.get("imports", [])
    if not isinstance(imports, list) or not all(isinstance(x, str) for x in imports):
        raise _error("imports", path, imports, "a list of modules and files")
    if "composed" in card:
        _check_composed(card["composed"], card["observation_space"], path)
        if not isinstance(actions_of(card), Discrete):
            allowed = "discrete actions, as composed skills have"
            raise _error("action_space", path, card["action_space"], allowed)
    elif "student" in card:
        check_on_card(card["student"], f"student in {path}")
    else:
        _check_network(card.get("network"), path)
        architecture = card.get("architecture", ACTOR_CRITIC)
        if architecture not in _architectures:
            names = ", ".join(_architectures)
            allowed = f"one of {names}; register other architectures first"
            raise _error("architecture", path, architecture, allowed)
    for field in ("description", "made_by"):
        if not isinstance(card.get(field, ""), str):
            raise _error(field, path, card[field], "a string")
    if "name" in card and not is_name(card["name"]):
        raise _error("name", path, card["name"], NAME_RULE)
    for field in ("training", "versions", "scores"):
        if not isinstance(card.get(field, {}), dict):
            raise _error(field, path, card[field], "an object")
    trained = card.get("training", {}).get("settings", {})
    tasks = trained.get("tasks", []) if isinstance(trained, dict) else None
    if not isinstance(tasks, list) or not all(isinstance(text, str) for text in tasks):
        raise _error("training", path, trained, "settings with tasks, a list of NAME=VALUE")
    for name, score in card.get("scores", {}).items():
        if not isinstance(score, dict):
            raise _error("scores", path, {name: score}, "an object of objects")
    settings = environment_settings(card)
    if not isinstance(settings, list) or not all(isinstance(text, str) for text in settings):
        raise _error("environment settings", path, settings, "a list of NAME=VALUE")


def environment_settings(card: Mapping[str, Any]) -> Any:
    """Return the environment's settings in training as NAME=VALUE texts."""
    if "environment_settings" in card:
        return card["environment_settings"]
    settings = card.get("training", {}).get("settings", {})
    return settings.get("env_settings", []) if isinstance(settings, dict) else settings


def spaces_of(card: Mapping[str, Any]) -> dict[str, ArraySpace]:
    """Return the observation space on a card."""
    return {name: ArraySpace.from_json(s) for name, s in card["observation_space"].items()}


def actions_of(card: Mapping[str, Any]) -> ActionSpace:
    """Return the action space on a card."""
    return action_space_from_json(card["action_space"])


def _actor_critic(observation_space, action_space, network, seeds_axis) -> Student:
    config = PPOConfig(network=network)
    return ppo(observation_space, action_space, config, num_updates=1, seeds_axis=seeds_axis)


# A function from spaces, the sizes of the network and the axis of seeds to a student that acts.
Architecture = Callable[[Mapping[str, ArraySpace], ActionSpace, NetworkConfig, str | None], Student]
_architectures: dict[str, Architecture] = {ACTOR_CRITIC: _actor_critic, ACTOR: actor_student}


def register_architecture(name: str, make: Architecture) -> None:
    """Register a network architecture for policies.

    Args:
        name: the value of the field `architecture` of cards.
        make: a function from observation space, action space, `NetworkConfig` and the name of the
            axis of seeds to a student that acts; its state must have a field `params`.

    Raises:
        SettingError: the name is taken.
    """
    if name in _architectures:
        raise SettingError("architecture", name, "a name that is not registered yet")
    _architectures[name] = make


def student_of(card: Mapping[str, Any], seeds_axis: str | None = None) -> Student:
    """Make the student of a card, for acting only.

    Args:
        card: a checked card.
        seeds_axis: name of the mapped axis of seeds, or None.
    """
    if "composed" in card:
        return composed_student(
            card["composed"], spaces_of(card), len(actions_of(card).action_names)
        )
    if "student" in card:
        return from_card(card, spaces_of(card), actions_of(card))
    network: dict[str, Any] = dict(card["network"])
    network["pixel_channels"] = tuple(network["pixel_channels"])
    name = card.get("architecture", ACTOR_CRITIC)
    return acting(name, spaces_of(card), actions_of(card), NetworkConfig(**network), seeds_axis)


def acting(
    architecture: str,
    observation_space: Mapping[str, ArraySpace],
    action_space: ActionSpace,
    network: NetworkConfig,
    seeds_axis: str | None = None,
) -> Student:
    """Make a student of a registered architecture, for acting only.

    Its state has a field `params`.
    """
    return _architectures[architecture](observation_space, action_space, network, seeds_axis)


def parameters_of(card: Mapping[str, Any], path: str = CARD, student: Student | None = None) -> Any:
    """Return the shapes and dtypes of a card's parameters without allocating them.

    Args:
        card: a checked card.
        path: the card's path, for error sentences.
        student: the student, if it is not made from the card.

    Raises:
        SettingError: the parameters exceed `MAX_SIZE` bytes, or the network cannot be made.
    """
    try:
        made = student_of(card) if student is None else student
        like = jax.eval_shape(made.init, jax.random.key(0)).params
    except SettingError as error:
        raise SettingError(f"{error.setting} in {path}", error.value, error.allowed) from None
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        why = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise SettingError("policy", path, f"a card with a valid network ({why})") from None
    size = sum(math.prod(x.shape) * x.dtype.itemsize for x in jax.tree.leaves(like))
    if size > MAX_SIZE:
        raise SettingError(
            f"size of the network in {path}",
            f"{size / 2**30:.1f} GiB",
            f"at most {MAX_SIZE / 2**30:g} GiB of parameters",
        )
    return like


def _check_spaces(spaces: Any, path: str) -> None:
    if not isinstance(spaces, dict) or not spaces:
        raise _error("observation_space", path, spaces, "an object with at least one observation")
    for name, space in spaces.items():
        where = f"observation {reprlib.repr(name)}"
        if not isinstance(space, dict) or not {"shape", "dtype", "low", "high"} <= set(space):
            raise _error(where, path, space, "an object with shape, dtype, low and high")
        shape = space["shape"]
        whole = isinstance(shape, list) and all(_is_whole(x, 0, MAX_NUMBERS) for x in shape)
        if not whole or len(shape) > 8 or math.prod(shape) > MAX_NUMBERS:
            allowed = f"a list of at most 8 sizes with at most {MAX_NUMBERS} elements in total"
            raise _error(f"{where}: shape", path, shape, allowed)
        try:
            kind = np.dtype(space["dtype"]).kind if isinstance(space["dtype"], str) else ""
        except TypeError:
            kind = ""
        if kind not in ("b", "i", "u", "f"):
            allowed = "a numeric dtype, such as 'uint8'"
            raise _error(f"{where}: dtype", path, space["dtype"], allowed)
        for end in ("low", "high"):
            bound = space[end]
            if bound is None and kind == "f":  # unbounded
                continue
            if type(bound) not in (int, float) or bound != bound:  # NaN
                raise _error(f"{where}: {end}", path, bound, "a number")
        kind = space.get("kind")
        if kind is not None and not isinstance(kind, str):
            raise _error(f"{where}: kind", path, kind, "null or the name of a kind")
        if space.get("role", "") not in ROLES:
            raise _error(f"{where}: role", path, space["role"], "one of " + ", ".join(ROLES[1:]))
        codes = space.get("codes", [])
        sizes = isinstance(codes, list) and all(_is_whole(x, 1, MAX_NUMBERS) for x in codes)
        if not sizes or math.prod(codes) > MAX_NUMBERS:
            raise _error(f"{where}: codes", path, codes, "a list of code book sizes")
        most = math.inf if space["high"] is None else space["high"]
        if kind in ("tokens", "category") and not 0 <= most < MAX_NUMBERS:
            allowed = f"at least 0 and below {MAX_NUMBERS}"
            raise _error(f"{where}: high", path, space["high"], allowed)
        try:
            ArraySpace.from_json(space)
        except SettingError as error:
            raise _error(f"{where}: {error.setting}", path, error.value, error.allowed) from None


def _check_actions(actions: Any, path: str) -> None:
    try:
        space = action_space_from_json(actions)
    except SettingError as error:
        raise _error(f"action_space: {error.setting}", path, error.value, error.allowed) from None
    if len(space.action_names) > MAX_WIDTH:
        raise _error("action_space", path, len(space.action_names), f"at most {MAX_WIDTH} actions")


def _check_composed(sizes: Any, spaces: Mapping[str, Any], path: str) -> None:
    kinds = [kind for kind in (TABLE, NETWORK) if isinstance(sizes, dict) and set(sizes) == {*kind}]
    if not kinds:
        allowed = f"an object with {' and '.join(TABLE)}, or with {', '.join(NETWORK)}"
        raise _error("composed", path, sizes, allowed)
    for name in kinds[0]:
        most = MAX_WIDTH if kinds[0] is NETWORK else MAX_NUMBERS
        if not _is_whole(sizes[name], 1, most):
            raise _error(f"composed.{name}", path, sizes[name], f"a whole number from 1 to {most}")
    read = {PROGRESS: [sizes["states"]], **({PLACE: []} if kinds[0] is TABLE else {"image": None})}
    for name, shape in read.items():
        found = spaces[name]["shape"] if name in spaces else None
        if found is None or (len(found) != 2 if shape is None else found != shape):
            allowed = "an image with two axes" if shape is None else f"of shape {shape}"
            raise _error(f"observation {name!r}", path, found, allowed)


def _check_network(network: Any, path: str) -> None:
    if not isinstance(network, dict):
        raise _error("network", path, network, "an object with the sizes of the network")
    known = [field.name for field in dataclasses.fields(NetworkConfig)]
    for name in network:
        if name not in known:
            allowed = f"a setting that this version knows: {', '.join(known)}"
            raise _error("network setting", path, name, allowed)
    for name in known:
        value: Any = network.get(name)
        if name == "pixel_channels":
            sizes = isinstance(value, list) and 1 <= len(value) <= 8
            if not sizes or not all(_is_whole(x, 1, MAX_WIDTH) for x in value):
                raise _error(f"network.{name}", path, value, "a list of 1 to 8 sizes")
        elif name == "normalise_observations":
            if not isinstance(value, bool):
                raise _error(f"network.{name}", path, value, "true or false")
        elif name == "initial_std":
            if type(value) not in (int, float) or not 0.02 <= value <= 2:
                raise _error(f"network.{name}", path, value, "a number from 0.02 to 2")
        else:
            least = 0 if name == "memory" else 1
            if not _is_whole(value, least, MAX_WIDTH):
                allowed = f"a whole number from {least} to {MAX_WIDTH}"
                raise _error(f"network.{name}", path, value, allowed)


def _is_whole(value: Any, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def _error(what: str, path: str, value: Any, allowed: str) -> SettingError:
    """Make the error, with a value from the card abbreviated if it is long."""
    short = value if len(repr(value)) <= 80 else reprlib.repr(value)
    return SettingError(f"{what} in {path}", short, allowed)
