"""Makes environment, teacher, student and loop from the settings of a training."""

import inspect
import typing
from collections.abc import Sequence
from typing import Any

import didact.experiments.advisers as advisers
import didact.teachers as teachers
from didact.environments import Box, Environment, SettingError, TaskSpace, make, registered
from didact.environments.registry import suggest
from didact.environments.words import make_told, pairs, parsed
from didact.experiments.config import TrainConfig
from didact.experiments.loop import DEVICES, SEEDS, Loop
from didact.students import Expert, PPOConfig, Student, distill, ppo
from didact.teachers import Teacher

STUDENTS = {
    "ppo": "PPO with an instructed, recurrent network (Schulman et al., 2017)",
    "distill": "Learns from --experts alone, in its own states (Ross et al., 2011)",
}


def environment_of(config: TrainConfig) -> Environment:
    """The environment called `--env`, with `--env-settings`."""
    return made(config.env, config.env_settings)


def made(name: str, texts: tuple[str, ...] = (), option: str = "--env") -> Environment:
    """The environment that an option names, with settings told by NAME=VALUE texts.

    Raises:
        SettingError: there is none of that name, or it has no such setting or value.
    """
    return make_told(name, texts, option, "--env-settings")


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


def taught_space_of(config: TrainConfig, environment: Environment) -> TaskSpace:
    """What the teacher chooses from: `space_of`, but if feedback fades out, not how often it is.

    Raises:
        SettingError: there is no feedback that could fade out.
    """
    space = space_of(config, environment)
    if not config.fade:
        return space
    name = environment.help_parameter
    if name not in space.names or not isinstance(space, Box):
        raise SettingError("--fade", config.fade, "0 where there is no feedback")
    return space.restricted(**{name: space.dimensions[space.column(name)].high})


def teacher_of(config: TrainConfig, environment: Environment) -> Teacher:
    """The teacher called `--teacher`, with feedback that fades out if `--fade` says so."""
    teacher, space = _teacher_of(config, environment), space_of(config, environment)
    name = environment.help_parameter
    if not config.fade or name is None or not isinstance(space, Box):
        return teacher
    proposals = round(config.fade * config.num_updates * config.steps_per_update)
    return teachers.faded(teacher, space, name, max(1, proposals))


def _teacher_of(config: TrainConfig, environment: Environment) -> Teacher:
    """The teacher alone, after a warm-up in the easy tasks if there are any."""
    space = taught_space_of(config, environment)
    if config.teacher == advisers.TEACHER:
        if config.teacher_settings:
            raise SettingError("--teacher-settings", config.teacher_settings, "left out here")
        return advisers.teacher_of(config, space_of(config, environment))
    known = {entry.name: entry for entry in teachers.registered()}
    if config.teacher not in known:
        raise suggest("--teacher", config.teacher, [*known, advisers.TEACHER])
    make_teacher = known[config.teacher].make
    hints = typing.get_type_hints(make_teacher)
    kinds = {
        name: hints.get(name, Any) for name in list(inspect.signature(make_teacher).parameters)[1:]
    }
    settings = parsed("--teacher-settings", config.teacher_settings, kinds, "teacher")
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


def student_of(
    config: TrainConfig,
    environment: Environment,
    *,
    alone: bool = False,
    experts: Sequence[Expert] = (),
) -> Student:
    """The student called `--student`.

    Args:
        config, environment: of the training.
        alone: to act outside the loop, without its axes and without experts.
        experts: who else teaches.
    """
    if config.student not in STUDENTS:
        raise suggest("--student", config.student, list(STUDENTS))
    spaces = environment.observation_space, environment.action_space
    settings: Any = {
        "num_updates": config.num_updates,
        "axes": () if alone else (DEVICES,),
        "seeds_axis": SEEDS if config.num_seeds > 1 and not alone else None,
    }
    if alone:
        # Losses are of no use here, so any student with this network will do.
        return ppo(*spaces, PPOConfig(network=config.learner.network), **settings)
    if config.student == "distill":
        return distill(*spaces, experts, config.distill, **settings)
    lessons = advisers.lessons_of(config, environment, experts)
    return ppo(*spaces, config.ppo, lessons=lessons, **settings)


def loop_of(config: TrainConfig, environment: Environment, devices: Sequence[Any]) -> Loop:
    """The compiled loop over these devices."""
    experts = advisers.experts_of(config, environment)
    minibatches = config.learner.num_minibatches
    parts = len(devices) * minibatches
    if config.num_envs % parts:
        raise SettingError(
            "--num-envs",
            config.num_envs,
            f"a multiple of {parts} ({minibatches} minibatches, {len(devices)} devices)",
        )
    return Loop(
        environment,
        teacher_of(config, environment),
        student_of(config, environment, experts=experts),
        num_envs=config.num_envs,
        rollout_length=config.rollout_length,
        devices=devices,
        num_seeds=config.num_seeds,
        reveal=advisers.reveal_of(experts, environment, scenes=config.hindsight > 0),
    )


def evaluation_tasks_of(config: TrainConfig, environment: Environment) -> dict[str, Any]:
    """The tasks to evaluate on, by name: those of `--evaluate-on`, or the environment's own.

    Raises:
        SettingError: a name is unknown, or is not a single task of the environment.
    """
    known = environment.evaluation_tasks
    return {
        name: known[name] if name in known else _task_called(name, environment)
        for name in config.evaluate_on or known
    }


def _task_called(name: str, environment: Environment) -> Any:
    """The only task of the environment registered as `name`, as a task of this one."""
    names = [entry.name for entry in registered()]
    if name not in names:
        raise suggest("--evaluate-on", name, [*environment.evaluation_tasks, *names])
    task = environment.point_of(make(name).task_space)
    if task is None:
        allowed = f"a point of the task space of {environment.name}"
        raise SettingError("--evaluate-on", name, allowed)
    return task
