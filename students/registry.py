"""Students by name.

A registered student is a function
`make(observation_space, action_space, ..., **offered) -> Student`. Its settings are the fields of a
config dataclass, which it gets as `config`, or, without one, its other parameters. Of what a
training offers (`OFFERED`) it gets what it has parameters for.
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

# What a training offers to the functions that make students:
OFFERED = (
    "num_updates",  # int: how many times `learn` will be called
    "auxiliary_losses",  # auxiliary losses, as of --experts and --hindsight
    "experts",  # those of --experts; without a default, the student cannot learn without any
    "axes",  # names of mapped axes of devices, over which gradients are to be averaged
    "seeds_axis",  # name of the mapped axis of seeds, or None
)
SPACES = ("observation_space", "action_space")


@dataclasses.dataclass(frozen=True)
class Entry(AnyEntry):
    """A registered student.

    Attributes:
        name, make, description: as in every registry.
        config: the dataclass of its settings, all with defaults; None: its parameters are settings.
        network: for students whose parameters are those of the recurrent actor-critic: from
            settings to the sizes of that network. Their policies can be loaded without them. None:
            the state of such a student has a field `params`, which is all that acting needs.
        minibatches: from settings to the number of parts that environments are cut into; the
            environments of a training must be a multiple of it.
        architecture: of its network, as `cards.register_architecture` has it.
        defaults: settings of a training that suit it, where they are not given.
    """

    config: type | None = None
    network: Callable[[Any], NetworkConfig] | None = None
    minibatches: Callable[[Any], int] = lambda settings: 1
    architecture: str = "actor_critic"
    defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def accepts(self, name: str) -> bool:
        """Whether its function has a parameter for one of `OFFERED`; `**` takes all but experts."""
        parameters = inspect.signature(self.make).parameters
        many = any(p.kind is p.VAR_KEYWORD for p in parameters.values()) and name != "experts"
        return name in parameters or many

    @property
    def needs_experts(self) -> bool:
        """Whether it cannot learn without experts."""
        parameter = inspect.signature(self.make).parameters.get("experts")
        return parameter is not None and parameter.default is parameter.empty

    @property
    def kinds(self) -> dict[str, Any]:
        """The kinds of its settings, by name; those of parts are dotted, as in network.hidden."""
        if self.config is not None:
            return flat_kinds(self.config())
        kinds = list(kinds_of(self.make).items())[len(SPACES) :]
        return {name: kind for name, kind in kinds if name not in (*OFFERED, "**")}

    def read(self, texts: Sequence[str], option: str = "--student-settings") -> Any:
        """Its settings from NAME=VALUE texts: an instance of `config`, or a dictionary.

        Raises:
            SettingError: there is no such setting or value.
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
        """The inverse of `read`: all settings, so that other defaults later do not matter."""
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
        """The student.

        Args:
            observation_space, action_space: of the environment.
            settings: as `read` gives them.
            offered: see `OFFERED`; what it has no parameter for is left out.

        Raises:
            SettingError: it cannot be made for these spaces.
        """
        known = {name: value for name, value in offered.items() if self.accepts(name)}
        if self.config is not None:
            known["config"] = settings
        else:
            known |= settings
        return self.make(observation_space, action_space, **known)


STUDENTS: Registry[Entry] = Registry("student", Entry, "didact.students")


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
    """Makes a student known as `--student NAME`.

    Args:
        name: not registered yet.
        make: `make(observation_space, action_space, ...) -> Student`; see the module and `OFFERED`
            for its other parameters.
        description: one line.
        config, network, minibatches, architecture, defaults: see `Entry`.

    Raises:
        SettingError: the name is taken, or `config` is no dataclass that has defaults.
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
    """All entries, in the order they were registered."""
    return STUDENTS.entries()


def make(
    name: str, observation_space: Mapping[str, ArraySpace], action_space: Any, **settings: Any
) -> Student:
    """The student registered under `name`.

    Args:
        name: as it is registered.
        observation_space, action_space: of the environment.
        settings: its own, or its `config`, and those of `OFFERED`.

    Raises:
        SettingError: there is none of that name, or it has no such setting or value.
    """
    entry = STUDENTS.find(name)
    offered = {key: settings.pop(key) for key in OFFERED if key in settings}
    if entry.config is None:
        own: Any = accepted(settings, entry.kinds, "student")
    else:
        own = updated(settings.pop("config", None) or entry.config(), settings, Names(f"{name}."))
    return entry.student(observation_space, action_space, own, **offered)


def for_card(entry: Entry, settings: Any) -> dict[str, Any]:
    """What a policy's card says of a student whose network only the student itself knows."""
    return {"name": entry.name, "settings": entry.texts(settings)}


def check_on_card(student: Any, where: str) -> None:
    """Raises a SettingError unless that is what `for_card` gives."""
    fine = isinstance(student, dict) and set(student) == {"name", "settings"}
    if fine:
        texts = student["settings"]
        fine = isinstance(student["name"], str) and isinstance(texts, list)
        fine = fine and all(isinstance(text, str) for text in texts)
    if not fine:
        allowed = "an object with a name and settings, a list of NAME=VALUE"
        raise SettingError(where, shown(student), allowed)


def from_card(
    card: Mapping[str, Any], observation_space: Mapping[str, ArraySpace], action_space: Any
) -> Student:
    """The student that a card describes, to act; nothing is imported for it.

    Raises:
        SettingError: it is not registered here, or not with such settings.
    """
    name, texts = card["student"]["name"], card["student"]["settings"]
    if name not in STUDENTS:
        raise SettingError("student", shown(name), f"registered{hint(card)}")
    entry = STUDENTS[name]
    settings = entry.read(texts, "student settings")
    return entry.student(observation_space, action_space, settings, num_updates=1, experts=())


def hint(card: Mapping[str, Any]) -> str:
    """The end of a sentence that says which code a card's names come from."""
    # A card may hold anything, and a terminal obeys some of it.
    words = ["".join(c for c in text if c.isprintable())[:80] for text in card.get("imports", [])]
    if not words:
        return " here"
    return f" here, by code that was imported in training as {', '.join(words[:4])}: see --import"
