"""Policy cards: `policy.json`, a human-readable description with all that is needed for loading.

Cards are untrusted, and may come from a later version: types, names and sizes are checked before a
network is made.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax

from didact.common.foreign_files import read_bytes, reason
from didact.environments import ActionSpace, ArraySpace, Discrete, SettingError
from didact.environments.spaces import action_space_from_json
from didact.students.algorithms.ppo import ppo
from didact.students.algorithms.sac import actor_student
from didact.students.base import Student
from didact.students.config import NetworkConfig, PPOConfig
from didact.students.policies.card_checks import (
    check_actions,
    check_composed,
    check_network,
    check_spaces,
    invalid,
)
from didact.students.policies.names import CARD, CARD_BYTES, FORMAT, NAME_RULE, is_name
from didact.students.registry import check_on_card, from_card
from didact.students.skills.composed_policy import composed_student
from didact.students.skills.formula_task import PROGRESS
from didact.students.skills.instructed_policy import (
    INSTRUCTED,
    instructed_student,
)

ACTOR_CRITIC, ACTOR = "actor_critic", "actor"  # the networks of PPO and SAC
MAX_SIZE = 1 << 30  # maximum bytes of the parameters, and of all files of a policy


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
        network: the sizes of the network; None for a policy that is composed of values, whose sizes
            are in the field `composed`, and for a policy with the field `student`.
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
        return json.loads(read_bytes(path, CARD_BYTES).decode())
    except (OSError, ValueError, RecursionError) as error:
        allowed = f"a policy card in JSON ({reason(error)})"
        raise SettingError("policy", str(path), allowed) from None


def check_card(card: Any, path: str = CARD) -> None:
    """Check all fields of a card that are used to make a policy.

    Args:
        card: the decoded JSON.
        path: the card's path, for error sentences.

    Raises:
        SettingError: a field is missing, has the wrong type, or is out of bounds.
    """
    if not isinstance(card, dict):
        raise invalid("policy card", path, card, "an object with the fields of a card")
    if type(card.get("format")) is not int or card["format"] != FORMAT:
        which = ""
        if type(card.get("format")) is int:
            which = "a later" if card["format"] > FORMAT else "an earlier"
            which = f" (the card was written by {which} version of didact)"
        raise invalid("format", path, card.get("format"), f"{FORMAT}{which}")
    if not isinstance(card.get("environment"), str) or not card["environment"]:
        raise invalid("environment", path, card.get("environment"), "the name of an environment")
    check_actions(card.get("action_space"), path)
    check_spaces(card.get("observation_space"), path)
    imports = card.get("imports", [])
    if not isinstance(imports, list) or not all(isinstance(x, str) for x in imports):
        raise invalid("imports", path, imports, "a list of modules and files")
    if "composed" in card:
        check_composed(card["composed"], card["observation_space"], path)
        if not isinstance(actions_of(card), Discrete):
            allowed = "discrete actions, as composed skills have"
            raise invalid("action_space", path, card["action_space"], allowed)
    of_values = "composed" in card and not _is_instructed(card)
    if "student" in card and not of_values:
        check_on_card(card["student"], f"student in {path}")
    elif not of_values:
        check_network(card.get("network"), path)
        architecture = card.get("architecture", ACTOR_CRITIC)
        if architecture not in _architectures:
            names = ", ".join(_architectures)
            allowed = f"one of {names}; register other architectures first"
            raise invalid("architecture", path, architecture, allowed)
    for field in ("description", "made_by"):
        if not isinstance(card.get(field, ""), str):
            raise invalid(field, path, card[field], "a string")
    if "name" in card and not is_name(card["name"]):
        raise invalid("name", path, card["name"], NAME_RULE)
    for field in ("training", "versions", "scores"):
        if not isinstance(card.get(field, {}), dict):
            raise invalid(field, path, card[field], "an object")
    trained = card.get("training", {}).get("settings", {})
    tasks = trained.get("tasks", []) if isinstance(trained, dict) else None
    if not isinstance(tasks, list) or not all(isinstance(text, str) for text in tasks):
        raise invalid("training", path, trained, "settings with tasks, a list of NAME=VALUE")
    for name, score in card.get("scores", {}).items():
        if not isinstance(score, dict):
            raise invalid("scores", path, {name: score}, "an object of objects")
    settings = environment_settings(card)
    if not isinstance(settings, list) or not all(isinstance(text, str) for text in settings):
        raise invalid("environment settings", path, settings, "a list of NAME=VALUE")


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
    spaces, actions = spaces_of(card), actions_of(card)
    if _is_instructed(card):
        inner = {name: x for name, x in card.items() if name != "composed"}
        read = {name: x for name, x in card["observation_space"].items() if name != PROGRESS}
        policy = student_of({**inner, "observation_space": read}, seeds_axis)
        return instructed_student(policy, card["composed"], actions)
    if "composed" in card:
        return composed_student(card["composed"], spaces, len(actions.action_names))
    if "student" in card:
        return from_card(card, spaces, actions)
    network: dict[str, Any] = dict(card["network"])
    network["pixel_channels"] = tuple(network["pixel_channels"])
    name = card.get("architecture", ACTOR_CRITIC)
    return acting(name, spaces, actions, NetworkConfig(**network), seeds_axis)


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
    except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
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


def _is_instructed(card: Mapping[str, Any]) -> bool:
    """Whether the policy is composed of instructions rather than of values."""
    return isinstance(card.get("composed"), dict) and set(card["composed"]) == {*INSTRUCTED}
