"""The registry of students.

A registered student is a function
`make(observation_space, action_space, ..., **offered) -> Student`. Its settings are the fields of a
config dataclass, passed as `config`; without one, they are its other parameters. The arguments in
`OFFERED`, which a training run supplies, are passed if the function has parameters for them.
"""

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from didact.common.errors import SettingError
from didact.common.registry import Entry as AnyEntry
from didact.common.registry import Registry
from didact.common.setting_types import as_json, has_text, kinds_of, shown
from didact.common.settings import (
    Names,
    accepted,
    checked,
    flat,
    flat_kinds,
    nested,
    parsed,
    plain,
    require,
    updated,
)
from didact.environments import ArraySpace
from didact.students.base import Student
from didact.students.config import NetworkConfig

# Arguments that a training run supplies to functions that make students:
OFFERED = (
    "num_updates",  # int: the number of calls to `learn`
    "auxiliary_losses",  # the auxiliary losses of --experts and --hindsight
    "experts",  # the experts of --experts; a parameter without a default makes them required
    "axes",  # names of the mapped device axes to average gradients over
    "seeds_axis",  # name of the mapped axis of seeds, or None
)
SPACES = ("observation_space", "action_space")


@dataclasses.dataclass(frozen=True)
class Entry(AnyEntry):
    """A registered student.

    Attributes:
        name, make, description: as in every registry.
        config: the dataclass of its settings, all with defaults. If None, the settings are the
            parameters of `make`.
        network: for students whose parameters are those of a network in
            `cards.register_architecture`, a function from settings to the sizes of that network.
            Their policies can be loaded without the student. If None, the student's state must have
            a field `params` with everything needed to act.
        minibatches: a function from settings to the number of minibatches; the number of
            environments of a training run must be a multiple of it.
        architecture: the network's name in `cards.register_architecture`.
        defaults: training settings used with this student unless the user sets them.
    """

    config: type | None = None
    network: Callable[[Any], NetworkConfig] | None = None
    minibatches: Callable[[Any], int] = lambda settings: 1
    architecture: str = "actor_critic"
    defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def accepts(self, name: str) -> bool:
        """Whether `make` has a parameter for an argument in `OFFERED`.

        A `**` parameter accepts all of them but `experts`.
        """
        parameters = inspect.signature(self.make).parameters
        many = any(p.kind is p.VAR_KEYWORD for p in parameters.values()) and name != "experts"
        return name in parameters or many

    @property
    def needs_experts(self) -> bool:
        """Whether the student requires experts."""
        parameter = inspect.signature(self.make).parameters.get("experts")
        return parameter is not None and parameter.default is parameter.empty

    @property
    def kinds(self) -> dict[str, Any]:
        """The types of the settings by name; nested names are dotted, as in network.hidden."""
        if self.config is not None:
            return flat_kinds(self.config())
        kinds = list(kinds_of(self.make).items())[len(SPACES) :]
        return {name: kind for name, kind in kinds if name not in (*OFFERED, "**")}

    def read(self, texts: Sequence[str], option: str = "--student-settings") -> Any:
        """Parse settings from NAME=VALUE texts into an instance of `config`, or a dictionary.

        Raises:
            SettingError: a name is unknown or a value is not allowed.
        """
        values = parsed(option, texts, self.kinds, "student")
        if self.config is None:
            given = (set(kinds_of(self.make)) - set(self.kinds)) | set(values)
            try:
                require(self.make, given, self.kinds)
            except SettingError as error:
                name = f"{option} {error.setting}"
                raise SettingError(name, error.value, error.allowed) from None
            return values
        return updated(self.config(), nested(values), Names(f"{option} "))

    def texts(self, settings: Any) -> list[str]:
        """Return all settings as NAME=VALUE texts, the inverse of `read`.

        Defaults are written out, so that the texts stay valid if the defaults change.
        """
        if self.config is not None:
            values = flat(plain(settings))
        else:
            parameters = inspect.signature(self.make).parameters
            values = {name: parameters[name].default for name in self.kinds} | settings
        known = {name: kind for name, kind in self.kinds.items() if has_text(kind)}
        return [f"{name}={as_json(values[name])}" for name in known]

    def student(
        self,
        observation_space: Mapping[str, ArraySpace],
        action_space: Any,
        settings: Any,
        **offered: Any,
    ) -> Student:
        """Make the student.

        Args:
            observation_space, action_space: the spaces of the environment.
            settings: the settings, as returned by `read`.
            offered: arguments in `OFFERED`; those that `make` has no parameter for are ignored.

        Raises:
            SettingError: the student does not support these spaces.
        """
        known = {name: value for name, value in offered.items() if self.accepts(name)}
        if self.config is not None:
            known["config"] = settings
        else:
            known |= settings
        return self.make(observation_space, action_space, **known)


STUDENTS: Registry[Entry] = Registry(
    "student", Entry, "didact.students", builtin="didact.students.public"
)


def register(
    name: str,
    make: Callable[..., Student],
    description: str,
    *,
    config: type | None = None,
    network: Callable[[Any], NetworkConfig] | None = None,
    minibatches: Callable[[Any], int] = lambda settings: 1,
    architecture: str = "actor_critic",
    defaults: Mapping[str, Any] | None = None,
) -> None:
    """Register a student as `--student NAME`.

    Args:
        name: a name that is not registered yet.
        make: `make(observation_space, action_space, ...) -> Student`; see the module docstring and
            `OFFERED` for its other parameters.
        description: a one-line description.
        config, network, minibatches, architecture, defaults: see `Entry`.

    Raises:
        SettingError: the name is taken, or `config` is not a dataclass with defaults for all
            fields.
    """
    if config is not None:
        try:
            checked(config(), f"{name}.")
        except TypeError:
            allowed = "a dataclass whose fields all have defaults"
            raise SettingError(f"config of the student {name}", config, allowed) from None
    STUDENTS.register(
        name,
        make,
        description,
        config=config,
        network=network,
        minibatches=minibatches,
        architecture=architecture,
        defaults=dict(defaults or {}),
    )


def registered() -> tuple[Entry, ...]:
    """Return all entries in the order of registration."""
    return STUDENTS.entries()


def make(
    name: str, observation_space: Mapping[str, ArraySpace], action_space: Any, **settings: Any
) -> Student:
    """Make the student registered under `name`.

    Args:
        name: the registered name.
        observation_space, action_space: the spaces of the environment.
        settings: the student's settings, a `config`, or both, and arguments in `OFFERED`.

    Raises:
        SettingError: the name or a setting is unknown, or a value is not allowed.
    """
    entry = STUDENTS.find(name)
    offered = {key: settings.pop(key) for key in OFFERED if key in settings}
    if entry.config is None:
        own: Any = accepted(settings, entry.kinds, "student")
    else:
        own = updated(settings.pop("config", None) or entry.config(), settings, Names(f"{name}."))
    return entry.student(observation_space, action_space, own, **offered)


def for_card(entry: Entry, settings: Any) -> dict[str, Any]:
    """Return a policy card's entry for a student whose network is defined by the student itself."""
    return {"name": entry.name, "settings": entry.texts(settings)}


def check_on_card(student: Any, where: str) -> None:
    """Raise a SettingError unless `student` has the format of `for_card`."""
    fine = isinstance(student, dict) and set(student) == {"name", "settings"}
    if fine:
        texts = student["settings"]
        fine = isinstance(student["name"], str) and isinstance(texts, list)
        fine = fine and all(isinstance(text, str) for text in texts)
    if not fine:
        allowed = "an object with a name and a list of settings, each NAME=VALUE"
        raise SettingError(where, shown(student), allowed)


def from_card(
    card: Mapping[str, Any], observation_space: Mapping[str, ArraySpace], action_space: Any
) -> Student:
    """Make the student described by a card, for acting only; nothing is imported.

    Raises:
        SettingError: the student is not registered, or does not have these settings.
    """
    name, texts = card["student"]["name"], card["student"]["settings"]
    if name not in STUDENTS:
        raise SettingError("student", shown(name), f"registered{hint(card)}")
    entry = STUDENTS[name]
    settings = entry.read(texts, "student settings")
    return entry.student(observation_space, action_space, settings, num_updates=1, experts=())


def hint(card: Mapping[str, Any]) -> str:
    """Return the end of an error sentence that says which imports define a card's names."""
    # Cards are untrusted: drop control characters, which could reach a terminal.
    words = ["".join(c for c in text if c.isprintable())[:80] for text in card.get("imports", [])]
    if not words:
        return " here"
    return f" here; training used --import {', '.join(words[:4])}"
