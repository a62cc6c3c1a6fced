"""Training settings given in Python: objects in place of names, and dictionaries.

An environment, teacher or student may be an object instead of a registered name. Objects cannot be
written to config.json. A run stores a label in their place, such as `<Signs object>`, and can only
be resumed when the same objects are passed again.
"""

import dataclasses
import json
import os
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, NamedTuple

import jax

from didact.common.errors import SettingError
from didact.common.setting_types import Range, as_json, shown, value_of
from didact.common.settings import Names, fields_of, flat, updated
from didact.environments import Environment, TaskSpace
from didact.environments.base import name_of
from didact.experiments.config import TrainConfig, defaults_for, option
from didact.students import Student
from didact.students.registry import Entry
from didact.teachers import Teacher, propose


class Objects(NamedTuple):
    """The objects of a training; None for the parts that are given by name."""

    env: Environment | None = None
    teacher: Teacher | None = None
    student: Student | None = None


@dataclasses.dataclass(frozen=True)
class ObjectConfig(TrainConfig):
    """Training settings in which some names are the labels of objects."""

    objects: Objects = dataclasses.field(default_factory=Objects)


KINDS: dict[str, Any] = {"env": Environment, "teacher": Teacher, "student": Student}
TEXTS = ("tasks", "env_settings", "teacher_settings", "student_settings")


def objects_of(config: TrainConfig) -> Objects:
    """Return the objects of a training."""
    return config.objects if isinstance(config, ObjectConfig) else Objects()


def label(value: Any) -> str:
    """Return the text that config.json contains in place of an object; it is no valid name."""
    name = name_of(value) if isinstance(value, Environment) else type(value).__name__
    return f"<{name} object>"


def is_label(name: str) -> bool:
    """Whether a setting is the label of an object."""
    return name.startswith("<") and name.endswith(" object>")


def without_label(name: str) -> str:
    """Return the name within a label, for names of folders; other names are unchanged."""
    return name[1 : -len(" object>")] if is_label(name) else name


def check_arguments(config: Any, resume: Any, checkpoint: Any, callbacks: Any) -> None:
    """Check the kinds of the arguments of `train`.

    Raises:
        SettingError: an argument is of another kind.
    """
    if config is not None and not isinstance(config, TrainConfig):
        raise SettingError("config", shown(config), "a TrainConfig, or omitted")
    if resume is not None and not isinstance(resume, str | os.PathLike):
        raise SettingError("resume", shown(resume), "the path of a run folder")
    if checkpoint is not None:
        value_of("checkpoint", checkpoint, Annotated[int, Range(0)])
        if resume is None:
            raise SettingError("checkpoint", checkpoint, "given together with resume")
    if not isinstance(callbacks, Iterable) or isinstance(callbacks, str | bytes | Mapping):
        allowed = "a list of Callback objects, and of functions of a row of metrics"
        raise SettingError("callbacks", shown(callbacks), allowed)


def read(settings: Mapping[str, Any], base: TrainConfig | None = None) -> TrainConfig:
    """Make training settings from the keyword arguments of `train`.

    Args:
        settings: any fields of `TrainConfig`. `env`, `teacher` and `student` may be objects,
            `tasks` may map names to numbers or pairs, `env_settings`, `teacher_settings` and
            `student_settings` may map names to values, and `ppo`, `llm`, ... may be nested
            dictionaries of the settings to change.
        base: the other settings; by default those of the student.

    Raises:
        SettingError: a name is unknown, or a value is invalid.
    """
    values, objects = dict(settings), {}
    for part, kind in KINDS.items():
        value = values.get(part, "")
        if isinstance(value, kind):
            objects[part], values[part] = value, label(value)
            own = f"{part}_settings"
            if values.get(own):
                allowed = f"omitted with a {kind.__name__} object"
                raise SettingError(option(own), shown(values[own]), allowed)
        elif not isinstance(value, str):
            allowed = f"a registered name, or an object of the class {kind.__name__}"
            raise SettingError(option(part), shown(value), allowed)
    for name in TEXTS:
        if isinstance(values.get(name), Mapping):
            values[name] = texts(name, values[name])
    if base is None:
        base = defaults_for(values.get("student", TrainConfig.student))
    config = updated(base, values, Names("--"))
    return attached(config, Objects(**objects)) if objects else config


def attached(config: TrainConfig, objects: Objects, resume: Any = None) -> TrainConfig:
    """Add objects to settings that contain their labels.

    Args:
        config: the settings.
        objects: the objects.
        resume: the run folder, if these are the settings of a run.

    Raises:
        SettingError: an object is missing, or not the one that the label stands for.
    """
    for part, value in objects._asdict().items():
        name, found = getattr(config, part), None if value is None else label(value)
        if is_label(name) and found is None and resume is not None:
            allowed = (
                f"resumed with the object that it was made with as {part}, {name}, which cannot be "
                f"saved: didact.train(resume=run, {part}=...)"
            )
            raise SettingError("--resume", str(resume), allowed)
        if found is not None and found != name:
            allowed = f"the object {name}" if is_label(name) else f"omitted: the run has {name}"
            raise SettingError(option(part), found, allowed)
    if all(value is None for value in objects):
        return config
    return ObjectConfig(**{**fields_of(config), "objects": objects})


def missing(setting: str, name: str, part: str) -> SettingError:
    """Return the error for a label without its object."""
    allowed = f"a registered name; it stands for an object, which only Python can pass as {part}"
    return SettingError(setting, name, allowed)


def texts(name: str, values: Mapping[str, Any]) -> tuple[str, ...]:
    """Write a dictionary of settings as NAME=VALUE texts, as on the command line."""
    write = _bounds if name == "tasks" else _text
    return tuple(f"{key}={write(f'{option(name)} {key}', v)}" for key, v in flat(values).items())


def _bounds(setting: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        ends = list(value) if isinstance(value, tuple | list) else [value]
        numbers = [float(end) for end in ends]
        if len(numbers) > 2 or not numbers:
            raise ValueError
    except (TypeError, ValueError):
        raise SettingError(setting, shown(value), "a number or a pair (LOW, HIGH)") from None
    return "..".join(str(int(x)) if x.is_integer() else repr(x) for x in numbers)


def _text(setting: str, value: Any) -> str:
    """Write a value so that it is read back as the same value."""
    if isinstance(value, str) and value and value == value.strip():
        try:
            json.loads(value)
        except ValueError:
            return value
    try:
        return as_json(value)
    except (TypeError, ValueError):
        allowed = "text, a number, a truth value, or a list of them"
        raise SettingError(setting, shown(value), allowed) from None


def student_entry(student: Student) -> Entry:
    """Return the registry entry of a student object, which has no settings."""
    return Entry(label(student), lambda observation_space, action_space: student, "an object")


def check_teacher(teacher: Teacher, space: TaskSpace) -> None:
    """Check that a teacher object proposes tasks of the right length.

    Raises:
        SettingError: it was made for another task space.
    """

    def first(key):
        return propose(teacher, teacher.init(key), key, 2)[0].tasks

    shape = jax.eval_shape(first, jax.random.key(0)).shape
    if shape != (2, space.size):
        allowed = f"a teacher for the task space of the environment, with tasks of {space.size}"
        raise SettingError("--teacher", label(teacher), f"{allowed} numbers (it has {shape[-1]})")


def check_student(student: Student, environment: Environment) -> None:
    """Check that a student object reads only observations of the environment when it acts.

    Raises:
        SettingError: it reads another one, such as the action of a privileged expert.
    """
    spaces = environment.observation_space
    seen = {name: jax.ShapeDtypeStruct((2, *s.shape), s.dtype) for name, s in spaces.items()}

    def act(key, seen):
        return student.act(student.init(key), student.initial_carry(2), seen, key)[0]

    try:
        jax.eval_shape(act, jax.random.key(0), seen)
    except KeyError as error:
        name = next(iter(error.args), None)
        if not isinstance(name, str) or name in spaces:
            raise
        allowed = (
            f"a student that acts without the observation {name!r}; only a registered student is "
            "given those of --experts and --hindsight"
        )
        raise SettingError("--student", label(student), allowed) from None


def default_name(config: TrainConfig) -> str:
    """Return the name of numbered folders of runs."""
    return "-".join(map(without_label, (config.env, config.teacher))).replace(os.sep, "-")
