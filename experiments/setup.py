"""Makes environment, teacher, student and loop from the settings of a training."""

import contextlib
import functools
import inspect
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any

import pydantic

import didact.teachers as teachers
from didact.environments import Environment, SettingError, TaskSpace, make, registered
from didact.environments.registry import suggest
from didact.experiments.config import LANDMARKS, TrainConfig, pairs
from didact.experiments.evaluate import landmark_tasks, landmarks
from didact.experiments.loop import DEVICES, SEEDS, Loop
from didact.students import Student, ppo
from didact.teachers import Teacher

STUDENTS = {"ppo": "PPO with an instructed, recurrent network (Schulman et al., 2017)"}


def environment_of(config: TrainConfig) -> Environment:
    """The environment called `--env`, with `--env-settings`."""
    return made(config.env, config.env_settings)


def made(name: str, texts: tuple[str, ...] = (), option: str = "--env") -> Environment:
    """The environment that an option names, with settings told by NAME=VALUE texts.

    Raises:
        SettingError: there is none of that name, or it has no such setting or value.
    """
    makers = {entry.name: entry.make for entry in registered()}
    if name not in makers:
        raise suggest(option, name, list(makers))
    settings = _settings("--env-settings", texts, _told_in_words(makers[name]), "environment")
    try:
        return make(name, **settings)
    except SettingError as error:
        if error.setting not in settings:
            raise
        raise SettingError(f"--env-settings {error.setting}", error.value, error.allowed) from None


def _told_in_words(maker: Callable[..., Any]) -> dict[str, Any]:
    """Those parameters of a function that words and numbers can tell, with their kinds.

    What is passed on, `**settings: Unpack[Kinds]`, counts as well.
    """
    inner: Any = maker
    while isinstance(inner, functools.partial):
        inner = inner.func
    kinds = typing.get_type_hints(inner.__init__ if isinstance(inner, type) else inner)
    known: dict[str, Any] = {}
    for name in inspect.signature(maker).parameters:
        kind = kinds.get(name)
        if typing.get_origin(kind) is typing.Unpack:
            known |= typing.get_type_hints(*typing.get_args(kind))
        else:
            known[name] = kind
    return {name: kind for name, kind in known.items() if _can_be_told(kind)}


def _can_be_told(kind: Any) -> bool:
    """Whether words and numbers, or some of them, can be of a kind."""
    if typing.get_origin(kind) in (types.UnionType, typing.Union, tuple):
        parts = [part for part in typing.get_args(kind) if part is not types.NoneType]
        return all(map(_can_be_told, parts))
    return kind in (bool, int, float, str)


def space_of(config: TrainConfig, environment: Environment) -> TaskSpace:
    """The environment's task space as narrowed by `--tasks`."""
    return narrowed(environment.task_space, config.tasks)


def narrowed(space: TaskSpace, texts: tuple[str, ...]) -> TaskSpace:
    """The part of the space told by NAME=VALUE and NAME=LOW..HIGH texts.

    Raises:
        SettingError: a name is unknown or a value out of bounds.
    """
    bounds: dict[str, float | tuple[float, float]] = {}
    for name, text in pairs("--tasks", texts).items():
        if name not in space.names:
            raise suggest("--tasks", name, list(space.names))
        low, dots, high = text.partition("..")
        try:
            bounds[name] = (float(low), float(high)) if dots else float(low)
        except ValueError:
            raise SettingError(f"--tasks {name}", text, "a number or LOW..HIGH") from None
        if dots and float(low) > float(high):
            raise SettingError(f"--tasks {name}", text, "LOW..HIGH with LOW at most HIGH")
    try:
        return space.restricted(**bounds)
    except SettingError as error:
        raise SettingError(f"--tasks {error.setting}", error.value, error.allowed) from None


def teacher_of(config: TrainConfig, environment: Environment) -> Teacher:
    """The teacher called `--teacher`, after a warm-up in the easy tasks if there are any."""
    space = space_of(config, environment)
    known = {entry.name: entry for entry in teachers.registered()}
    if config.teacher not in known:
        raise suggest("--teacher", config.teacher, list(known))
    make_teacher = known[config.teacher].make
    hints = typing.get_type_hints(make_teacher)
    kinds = {
        name: hints.get(name, Any) for name in list(inspect.signature(make_teacher).parameters)[1:]
    }
    settings = _settings("--teacher-settings", config.teacher_settings, kinds, "teacher")
    try:
        teacher = teachers.make(config.teacher, space, **settings)
    except SettingError as error:
        if error.setting == "space":
            allowed = f"one for the tasks of {config.env}: its space must be {error.allowed}"
            raise SettingError("--teacher", config.teacher, allowed) from None
        raise SettingError(
            f"--teacher-settings {error.setting}", error.value, error.allowed
        ) from None
    easy = environment.easy_space.common(space)
    if config.warm_up and easy is not None and easy != space:
        teacher = teachers.warm_started(teacher, easy, until=config.warm_up)
    return teacher


def _settings(
    option: str, texts: tuple[str, ...], kinds: dict[str, Any], whose: str
) -> dict[str, Any]:
    """NAME=VALUE texts as values of their kinds."""
    settings: dict[str, Any] = {}
    for name, text in pairs(option, texts).items():
        if name not in kinds:
            listed = ", ".join(kinds) or f"nothing: this {whose} has no settings"
            raise SettingError(option, name, f"one of {listed}")
        settings[name] = _parsed(f"{option} {name}", text, kinds[name])
    return settings


def _parsed(setting: str, text: str, kind: Any) -> Any:
    """A text as a value of its kind; words need no quotes."""
    adapter = pydantic.TypeAdapter(kind)
    for candidate in (text, f'"{text}"'):
        with contextlib.suppress(pydantic.ValidationError):
            return adapter.validate_json(candidate, strict=True)
    told = kind.__name__ if isinstance(kind, type) else str(kind)
    raise SettingError(setting, text, f"of the kind {told}")


def student_of(config: TrainConfig, environment: Environment, *, alone: bool = False) -> Student:
    """The student called `--student`; `alone`: to act outside the loop, without its axes."""
    if config.student not in STUDENTS:
        raise suggest("--student", config.student, list(STUDENTS))
    return ppo(
        environment.observation_space,
        environment.action_space,
        config.ppo,
        num_updates=config.num_updates,
        axes=() if alone else (DEVICES,),
        seeds_axis=SEEDS if config.num_seeds > 1 and not alone else None,
    )


def loop_of(config: TrainConfig, environment: Environment, devices: Sequence[Any]) -> Loop:
    """The compiled loop over these devices."""
    parts = len(devices) * config.ppo.num_minibatches
    if config.num_envs % parts:
        raise SettingError(
            "--num-envs",
            config.num_envs,
            f"a multiple of {parts} ({config.ppo.num_minibatches} minibatches, "
            f"{len(devices)} devices)",
        )
    return Loop(
        environment,
        teacher_of(config, environment),
        student_of(config, environment),
        num_envs=config.num_envs,
        rollout_length=config.rollout_length,
        devices=devices,
        num_seeds=config.num_seeds,
    )


def landmarks_of(config: TrainConfig, environment: Environment) -> dict[str, Any]:
    """Tasks to evaluate on, by name; empty where there are none."""
    names = config.evaluate_on
    if not names:
        space = environment.task_space
        single = space.point_of(space) is not None
        names = (environment.name,) if single else landmarks(environment, LANDMARKS)
    for name in names:
        if name not in {entry.name for entry in registered()}:
            raise suggest("--evaluate-on", name, [entry.name for entry in registered()])
    return dict(zip(names, landmark_tasks(environment, names), strict=True)) if names else {}
