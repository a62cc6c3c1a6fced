"""Teachers for gymnasium's vector environments, so that any training code can use them."""

import os
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from gymnasium import Space, spaces
from gymnasium.error import ResetNeeded
from gymnasium.vector import (
    AsyncVectorEnv,
    AutoresetMode,
    SyncVectorEnv,
    VectorEnv,
    VectorWrapper,
)
from jaxtyping import Bool, Float

from didact.common.errors import SettingError
from didact.common.setting_types import Range, shown, value_of
from didact.environments.adapters.gymnasium import VectorEnvironment
from didact.environments.base import Environment
from didact.environments.task_spaces import TaskSpace
from didact.teachers import registry
from didact.teachers.base import Proposals, Teacher
from didact.teachers.state_arrays import load_arrays, save_arrays
from didact.teachers.stateful import StatefulTeacher


def make_vec(
    env: str | Environment,
    num_envs: int = 1,
    *,
    teacher: str | Teacher | None = None,
    teacher_settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    tasks: TaskSpace | None = None,
    render_mode: str | None = None,
    **settings: Any,
) -> VectorEnv:
    """Make a gymnasium vector environment whose tasks a teacher chooses.

    Args:
        env: the registered name of an environment, or an environment.
        num_envs: the number of worlds.
        teacher: the registered name of a teacher, or a teacher; None samples tasks uniformly.
        teacher_settings: the settings of the teacher, if it is given by name.
        seed: the random seed of the teacher, and of a first `reset` without a seed.
        tasks: the part of the task space to choose from; by default all of it.
        render_mode: see `VectorEnvironment`.
        settings: the settings of the environment, if it is given by name.

    Returns:
        A vector environment with autoreset in the same step; a `TaughtVectorEnv` if there is a
        teacher.

    Raises:
        SettingError: a name or a setting is invalid.
    """
    if teacher is None:
        if teacher_settings:
            raise SettingError("teacher_settings", dict(teacher_settings), "given with a teacher")
        return VectorEnvironment(env, num_envs, render_mode, tasks, **settings)
    mode = AutoresetMode.DISABLED
    envs = VectorEnvironment(env, num_envs, render_mode, tasks, autoreset_mode=mode, **settings)
    return with_teacher(envs, teacher, tasks, teacher_settings=teacher_settings, seed=seed)


def with_teacher(
    envs: VectorEnv,
    teacher: str | Teacher,
    space: TaskSpace | None = None,
    *,
    teacher_settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    success: str = "success",
) -> "TaughtVectorEnv":
    """Let a teacher choose the tasks of a vector environment.

    Args:
        envs: a vector environment whose `reset` has the options `reset_mask`, as in gymnasium, and
            `task`. The environments inside gymnasium's `SyncVectorEnv` and `AsyncVectorEnv` receive
            `task` as one task, float32[d]; other vector environments receive float32[n, d], one row
            for each environment. Any autoreset mode works; `AutoresetMode.DISABLED` avoids resets
            without a task.
        teacher: the registered name of a teacher, or a teacher.
        space: the task space. May be omitted for environments of this package.
        teacher_settings: the settings of the teacher, if it is given by name. A teacher that starts
            from easy tasks requires them as `easy`; environments of this package provide them, and
            the range of returns.
        seed: the random seed of the teacher, and of a first `reset` without a seed.
        success: the name in `infos` that holds the success of each environment. Without it, every
            episode counts as unsuccessful, and only teachers that use returns are of use.

    Raises:
        SettingError: a name or a setting is invalid, or the teacher requires scores that only
            students of this package provide.
    """
    environment = getattr(envs.unwrapped, "environment", None)
    if space is None:
        if not isinstance(environment, Environment):
            raise SettingError("space", None, "the task space of the environments, such as a Box")
        space = environment.task_space
    label = f"teacher {teacher}" if isinstance(teacher, str) else "given teacher"
    if isinstance(teacher, str):
        settings = dict(teacher_settings or {})
        if isinstance(environment, Environment):
            kinds, easy = registry.settings_of(teacher), environment.easy_space.intersection(space)
            if "easy" in kinds and easy != space:
                settings.setdefault("easy", easy)
            if "return_range" in kinds:
                settings.setdefault("return_range", environment.return_range)
        teacher = registry.make(teacher, space, **settings)
    elif not isinstance(teacher, Teacher):
        raise SettingError("teacher", shown(teacher), "the name of a teacher, or a teacher")
    elif teacher_settings:
        allowed = "omitted with a teacher that is already made"
        raise SettingError("teacher_settings", dict(teacher_settings), allowed)
    value_of("seed", seed, Annotated[int, Range(0, 2**63 - 1)])
    try:
        stateful = StatefulTeacher(teacher, envs.num_envs, space.size, seed)
    except SettingError as error:
        if error.setting != "score":
            raise
        raise SettingError(f"score of the {label}", error.value, error.allowed) from None
    return TaughtVectorEnv(envs, stateful, success, seed)


class TaughtVectorEnv(VectorWrapper):
    """A vector environment whose tasks a teacher chooses; made by `with_teacher` and `make_vec`.

    When episodes end, the teacher observes their returns and successes, and the environments
    restart in the same step with the tasks that it proposes next. Episodes that a `reset` cuts off
    are not observed.

    In addition to the wrapped environment's, `infos` of `step` contains

    - `task`, float32[n, d]: the tasks of the episodes that the step belongs to;
    - `learn`, float32[n]: 0 where the teacher only needs the outcome of the episode and the student
      should not learn from the step, else 1;
    - when episodes end, `final_obs` and `episode`, as from gymnasium's `SAME_STEP` autoreset and
      `RecordEpisodeStatistics`: in `episode` the return `r` and the length `l`, and the success
      `s`. So do not wrap it in `RecordEpisodeStatistics`.

    The infos of a restart replace those of the step, which are then in `final_info`.
    """

    def __init__(
        self,
        envs: VectorEnv,
        teacher: StatefulTeacher,
        success: str = "success",
        seed: int | None = None,
    ):
        super().__init__(envs)
        self.teacher, self._success, self._seed = teacher, success, seed
        mode = AutoresetMode.SAME_STEP
        self._inner_restarts = envs.metadata.get("autoreset_mode") == mode
        self.metadata = {**envs.metadata, "autoreset_mode": mode}
        # Gymnasium passes the same options to each of its environments.
        self._one_by_one = isinstance(envs.unwrapped, SyncVectorEnv | AsyncVectorEnv)
        self._playing: Proposals | None = None
        self._returns = np.zeros(self.num_envs)
        self._lengths = np.zeros(self.num_envs, int)

    @property
    def tasks(self) -> Float[np.ndarray, "n d"]:
        """The tasks of the current episodes.

        Raises:
            ResetNeeded: the environments have not been reset yet.
        """
        if self._playing is None:
            raise ResetNeeded("The environments have not started yet: call reset first.")
        return np.array(self._playing.tasks)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ):
        """Start all environments, or those of the option `reset_mask`, with proposed tasks."""
        options = dict(options or {})
        if "task" in options:
            raise SettingError("task", options["task"], "omitted: the teacher chooses the tasks")
        mask = options.pop("reset_mask", None)
        if mask is None:
            self._next(np.ones(self.num_envs, bool))
            return self._start(seed, options)
        _ = self.tasks  # raises if there was no reset yet
        flags = isinstance(mask, np.ndarray) and mask.dtype == bool
        if not flags or mask.shape != (self.num_envs,) or not mask.any():
            allowed = f"a NumPy array of {self.num_envs} booleans, not all of them False"
            raise SettingError("reset_mask", shown(mask), allowed)
        self._next(mask)
        return self._restart(mask, seed, options)

    def step(self, actions: Any):
        playing = self._playing
        if playing is None:
            raise ResetNeeded("The environments have not started yet: call reset first.")
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        done = np.logical_or(terminated, truncated)
        self._returns += rewards
        self._lengths += 1
        every = np.ones(self.num_envs, bool)
        infos = {**infos, "task": playing.tasks.copy(), "_task": every}
        infos |= {"learn": playing.learn.copy(), "_learn": every}
        if done.any():
            success = self._successes(infos, done)
            infos["episode"] = {
                "r": np.where(done, self._returns, 0.0),
                "l": np.where(done, self._lengths, 0),
                "s": success,
                **{f"_{name}": done for name in "rls"},
            }
            infos["_episode"] = done
            if not self._inner_restarts:
                infos |= {"final_info": {**infos}, "_final_info": done}
                infos |= {"final_obs": self._each(observations, done), "_final_obs": done}
            finite = np.isfinite(self._returns)
            self.teacher.observe(playing, self._returns, success, self._lengths, done & finite)
            self._next(done)
            observations, new = self._restart(done, None, {})
            infos = _merged(infos, new)
        return observations, rewards, terminated, truncated, infos

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return the state of the teacher as arrays by name, without the current episodes."""
        return self.teacher.state_dict()

    def load_state_dict(self, arrays: Mapping[str, Any]) -> None:
        """Restore the state of the teacher; then call `reset` for tasks of the restored teacher.

        Raises:
            SettingError: it is not the state of the same teacher with the same settings.
        """
        self.teacher.load_state_dict(arrays)

    def save_teacher(self, path: str | os.PathLike[str]) -> Path:
        """Write the state of the teacher to an .npz file.

        Raises:
            SettingError: the file cannot be written.
        """
        return save_arrays(path, self.state_dict())

    def load_teacher(self, path: str | os.PathLike[str]) -> None:
        """Restore the state of the teacher from a file of `save_teacher`; see `load_state_dict`.

        Raises:
            SettingError: the file cannot be read, or is not from the same teacher.
        """
        self.load_state_dict(load_arrays(path))

    def _next(self, mask: Bool[np.ndarray, " n"]) -> None:
        """Take the next proposals for the environments of a mask."""
        rows = self.teacher.propose(int(mask.sum()))
        chosen = [np.array(x) for x in (rows if self._playing is None else self._playing)]
        for old, new in zip(chosen, rows, strict=True):
            old[mask] = new
        self._playing = Proposals._make(chosen)

    def _restart(self, mask: Bool[np.ndarray, " n"], seed: Any, options: dict[str, Any]) -> Any:
        """Start the environments of a mask with the proposed tasks."""
        self._returns[mask], self._lengths[mask] = 0.0, 0
        tasks = self.tasks
        if not self._one_by_one:
            options = {**options, "reset_mask": mask.copy(), "task": tasks}
            return self.env.reset(seed=seed, options=options)
        observations, infos = None, {}
        for i in np.flatnonzero(mask):
            now = {**options, "reset_mask": np.arange(self.num_envs) == i, "task": tasks[i]}
            observations, new = self.env.reset(seed=seed, options=now)
            infos = _merged(infos, new)
        return observations, infos

    def _start(self, seed: Any, options: dict[str, Any]) -> Any:
        """Start all environments with the proposed tasks."""
        seed, self._seed = self._seed if seed is None else seed, None
        if self._one_by_one:
            # Gymnasium accepts masks only after a reset of all environments.
            self.env.reset(seed=seed, options={**options, "task": self.tasks[0]})
            return self._restart(np.ones(self.num_envs, bool), seed, options)
        self._returns[:], self._lengths[:] = 0.0, 0
        return self.env.reset(seed=seed, options={**options, "task": self.tasks})

    def _each(self, observations: Any, done: Bool[np.ndarray, " n"]) -> np.ndarray:
        """Return the observations of the environments that are done, and None for the others."""
        result = np.full(self.num_envs, None, object)
        for i in np.flatnonzero(done):
            result[i] = deepcopy(_row(self.env.single_observation_space, observations, i))
        return result

    def _successes(
        self, infos: dict[str, Any], done: Bool[np.ndarray, " n"]
    ) -> Float[np.ndarray, " n"]:
        """Return the success of the episodes that ended."""
        found = infos.get("final_info", infos)
        values = found.get(self._success, 0.0) if isinstance(found, dict) else 0.0
        values = np.where(done, np.asarray(values, float), 0.0)
        return np.clip(np.nan_to_num(values), 0.0, 1.0)


def _row(space: Space, observations: Any, i: Any) -> Any:
    """Return the observation of one environment from those of all."""
    if isinstance(space, spaces.Dict):
        return {name: _row(part, observations[name], i) for name, part in space.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(_row(part, rows, i) for part, rows in zip(space, observations, strict=True))
    return observations[i]


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Merge the infos of some environments into those of others, in gymnasium's format."""
    result = dict(old)
    for name, value in new.items():
        before: Any = result.get(name)
        mask = new.get(f"_{name}")
        if name.startswith("_") and before is not None:
            result[name] = before | value
        elif isinstance(before, dict):
            result[name] = _merged(before, value)
        elif mask is not None and before is not None:
            result[name] = np.array(before, np.result_type(before, value))
            result[name][mask] = value[mask]
        else:
            result[name] = value
    return result
