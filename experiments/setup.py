"""Build the environment, teacher, student and loop from training settings."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax

import didact.experiments.imitation.expert_setup as expert_setup
import didact.teachers as teachers
from didact.common.registry import suggest
from didact.common.settings import pairs, parsed
from didact.environments import Box, Environment, SettingError, TaskSpace
from didact.environments.text_settings import make_with_text_settings
from didact.experiments import objects
from didact.experiments.config import TrainConfig
from didact.experiments.loop import DEVICES, SEEDS, Loop
from didact.students import Expert, Student
from didact.students.policies.cards import acting
from didact.students.registry import STUDENTS
from didact.students.registry import Entry as StudentEntry
from didact.teachers import Teacher
from didact.teachers.registry import TEACHERS

AUTO = "auto"  # the default of --teacher


def environment_of(config: TrainConfig) -> Environment:
    """Make the environment given by `--env` and `--env-settings`, or return the given object."""
    given = objects.objects_of(config).env
    if given is not None:
        return given
    return make_environment(config.env, config.env_settings)


def make_environment(name: str, texts: tuple[str, ...] = (), option: str = "--env") -> Environment:
    """Make an environment from its name and NAME=VALUE settings.

    Args:
        name: registered name.
        texts: settings as NAME=VALUE.
        option: name of the option that gave the name, for error messages.

    Raises:
        SettingError: the environment, a setting or a value is unknown.
    """
    if objects.is_label(name):
        raise objects.missing(option, name, "env")
    return make_with_text_settings(name, texts, option, "--env-settings")


def with_teacher(config: TrainConfig, environment: Environment) -> TrainConfig:
    """Return the settings with the environment's default teacher in place of `auto`.

    The name of the environment is written as it is registered, so that groups of runs agree.
    The choice follows benchmarks/results/suites.md: where the easy tasks are known, `paced` was the
    best teacher, and where they are not, ALP-GMM was better than uniform sampling.
    """
    if environment.name.lower() == config.env.lower() and environment.name != config.env:
        config = dataclasses.replace(config, env=environment.name)
    if config.teacher != AUTO:
        return config
    space = teacher_space_of(config, environment)
    if not isinstance(space, Box) or (space.low == space.high).all():  # or there is no choice
        name = "uniform"
    elif environment.easy_space.intersection(space) in (None, space):
        name = "alp_gmm"
    else:
        name = "paced"
    return dataclasses.replace(config, teacher=name)


def space_of(config: TrainConfig, environment: Environment) -> TaskSpace:
    """Return the environment's task space, restricted by `--tasks`."""
    return narrow_task_space(environment.task_space, config.tasks)


def narrow_task_space(space: TaskSpace, texts: tuple[str, ...]) -> TaskSpace:
    """Restrict a task space by NAME=VALUE and NAME=LOW..HIGH settings.

    Raises:
        SettingError: a name is unknown or a value is out of bounds.
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


def teacher_space_of(config: TrainConfig, environment: Environment) -> TaskSpace:
    """Return the task space of the teacher: `space_of`, with the help parameter fixed if annealed.

    Raises:
        SettingError: `--anneal-help` is set, but the environment has no feedback.
    """
    space = space_of(config, environment)
    if not config.anneal_help:
        return space
    name = environment.help_parameter
    if name not in space.names or not isinstance(space, Box):
        allowed = "0 in an environment without feedback"
        raise SettingError("--anneal-help", config.anneal_help, allowed)
    return space.restricted(**{name: space.dimensions[space.column(name)].high})


def teacher_of(config: TrainConfig, environment: Environment) -> Teacher:
    """Make the teacher given by `--teacher`, with feedback annealed if `--anneal-help` is set.

    Raises:
        SettingError: a setting is invalid, or the teacher cannot be combined with annealing.
    """
    teacher, space = _teacher_of(config, environment), space_of(config, environment)
    name = environment.help_parameter
    if not config.anneal_help or name is None or not isinstance(space, Box):
        return teacher
    if teacher.batch:
        allowed = "0 with a teacher that proposes only what is played: see `Teacher.batch`"
        raise SettingError("--anneal-help", config.anneal_help, allowed)
    several = teacher.students > 1  # which play each level together
    each = config.num_envs // teacher.students if several else config.steps_per_update
    proposals = round(config.anneal_help * config.num_updates * each)
    return teachers.annealed(teacher, space, name, max(1, proposals))


def _teacher_of(config: TrainConfig, environment: Environment) -> Teacher:
    """Make the teacher, with a warm-up on the easy tasks if there are any."""
    config = with_teacher(config, environment)
    space = teacher_space_of(config, environment)
    if config.teacher == expert_setup.TEACHER:
        if config.teacher_settings:
            allowed = f"omitted with --teacher {expert_setup.TEACHER}"
            raise SettingError("--teacher-settings", config.teacher_settings, allowed)
        return expert_setup.teacher_of(config, space_of(config, environment))
    given = objects.objects_of(config).teacher
    if given is not None:
        objects.check_teacher(given, space)
        return _warmed_up(given, config, environment, space)
    if objects.is_label(config.teacher):
        raise objects.missing("--teacher", config.teacher, "teacher")
    name = TEACHERS.find(config.teacher, "--teacher", more=(expert_setup.TEACHER,)).name
    kinds = teachers.settings_of(name)
    settings = parsed("--teacher-settings", config.teacher_settings, kinds, "teacher")
    if "return_range" in kinds:
        settings.setdefault("return_range", environment.return_range)
    starts_easy = teachers.starts_easy(name)
    if starts_easy:
        settings["easy"] = _easy_tasks(config, environment, space)
    elif "easy" in kinds:
        easy = environment.easy_space.intersection(space)
        settings["easy"] = None if easy == space else easy
    try:
        teacher = teachers.make(name, space, **settings)
    except SettingError as error:
        if error.setting == "space":
            allowed = f"one that fits {config.env}: the task space must be {error.allowed}"
            raise SettingError("--teacher", config.teacher, allowed) from None
        raise SettingError(
            f"--teacher-settings {error.setting}", error.value, error.allowed
        ) from None
    return teacher if starts_easy else _warmed_up(teacher, config, environment, space)


def _easy_tasks(
    config: TrainConfig, environment: Environment, space: TaskSpace
) -> TaskSpace | None:
    """Return the easy tasks for a teacher that starts from them, and so needs no warm-up.

    Raises:
        SettingError: there are none, or they are the whole task space.
    """
    easy = environment.easy_space.intersection(space)
    if isinstance(space, Box) and (easy is None or easy == space):
        allowed = f"one that does not start from easy tasks: {config.env} has none within --tasks"
        raise SettingError("--teacher", config.teacher, allowed)
    return easy


def _warmed_up(
    teacher: Teacher, config: TrainConfig, environment: Environment, space: TaskSpace
) -> Teacher:
    """Add the warm-up on the easy tasks, if it is enabled and there are any."""
    easy = environment.easy_space.intersection(space)
    if config.warm_up and easy is not None and easy != space:
        teacher = teachers.warm_started(teacher, easy, until=config.warm_up)
    return teacher


def student_entry(config: TrainConfig) -> StudentEntry:
    """Return the registry entry of `--student`.

    Raises:
        SettingError: no student of that name is registered.
    """
    given = objects.objects_of(config).student
    if given is not None:
        return objects.student_entry(given)
    if objects.is_label(config.student):
        raise objects.missing("--student", config.student, "student")
    return STUDENTS.find(config.student, "--student")


def student_settings(config: TrainConfig) -> Any:
    """Return the student's settings: its section of the config, or `--student-settings`.

    Raises:
        SettingError: a setting is unknown or invalid.
    """
    entry = student_entry(config)
    section = getattr(config, entry.name, None)
    if entry.config is None or not isinstance(section, entry.config):
        return entry.read(config.student_settings)
    if config.student_settings:
        allowed = f"omitted with --student {entry.name}, which has options --{entry.name}.NAME"
        raise SettingError("--student-settings", config.student_settings, allowed)
    return section


def student_of(
    config: TrainConfig,
    environment: Environment,
    *,
    alone: bool = False,
    experts: Sequence[Expert] = (),
) -> Student:
    """Make the student given by `--student`.

    Args:
        config: training settings.
        environment: environment of the training.
        alone: make a student that acts outside the loop, without mapped axes and experts.
        experts: experts to learn from.

    Raises:
        SettingError: the student is unknown, or does not support a setting or the experts.
    """
    entry, settings = student_entry(config), student_settings(config)
    spaces = environment.observation_space, environment.action_space
    offered: dict[str, Any] = {"num_updates": config.num_updates, "experts": experts}
    if alone:
        if entry.network is None:
            return entry.student(*spaces, settings, **offered)
        return acting(entry.architecture, *spaces, entry.network(settings))
    name = f"--student {entry.name}"
    if entry.needs_experts and not experts:
        raise SettingError("--experts", (), f"at least one expert for {name}")
    if experts and not (entry.accepts("experts") or entry.accepts("auxiliary_losses")):
        raise SettingError("--experts", config.experts, f"omitted with {name}")
    if config.hindsight and not entry.accepts("auxiliary_losses"):
        raise SettingError("--hindsight", config.hindsight, f"0 with {name}")
    if config.exploit_every and not entry.accepts("auxiliary_losses"):
        raise SettingError("--exploit-every", config.exploit_every, f"0 with {name}")
    if entry.accepts("auxiliary_losses"):
        offered["auxiliary_losses"] = expert_setup.auxiliary_losses_of(config, environment, experts)
    offered["axes"] = (DEVICES,)
    offered["seeds_axis"] = SEEDS if config.num_seeds > 1 else None
    return entry.student(*spaces, settings, **offered)


def loop_of(config: TrainConfig, environment: Environment, devices: Sequence[Any]) -> Loop:
    """Make the compiled loop on the given devices.

    Raises:
        SettingError: the settings are incompatible with each other or with the devices.
    """
    entry = student_entry(config)
    if len(devices) > 1 and not entry.accepts("axes"):
        # Each device would learn from its own environments only, and all but one result be lost.
        allowed = f"a student with a parameter `axes` when training on {len(devices)} devices"
        raise SettingError("--student", entry.name, allowed)
    minibatches = entry.minibatches(student_settings(config))
    teacher = teacher_of(config, environment)
    parts = len(devices) * minibatches * teacher.students
    if config.num_envs % parts:
        count = "1 device" if len(devices) == 1 else f"{len(devices)} devices"
        if teacher.students > 1:
            count += f", {teacher.students} students"
        allowed = f"a multiple of {parts} ({minibatches} minibatches, {count})"
        raise SettingError("--num-envs", config.num_envs, allowed)
    experts = expert_setup.experts_of(config, environment)
    student = student_of(config, environment, experts=experts)
    if objects.objects_of(config).student is not None:
        objects.check_student(student, environment)
    if entry.network is None and not hasattr(_like(student.init), "params"):
        allowed = "a student whose state has a field `params` with all that acting needs"
        raise SettingError("--student", entry.name, allowed)
    return Loop(
        environment,
        teacher,
        student,
        num_envs=config.num_envs,
        rollout_length=config.rollout_length,
        devices=devices,
        num_seeds=config.num_seeds,
        reveal=expert_setup.privileged_observations_of(
            experts, environment, scenes=config.hindsight > 0
        ),
    )


def _like(init: Any) -> Any:
    return jax.eval_shape(init, jax.random.key(0))
