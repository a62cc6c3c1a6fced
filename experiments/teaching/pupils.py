"""Pupils: students that are cheap enough for thousands of short lives in one program."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from didact.common.errors import require
from didact.environments import Box, Dimension, Environment, Restart, SettingError
from didact.environments.base import name_of
from didact.environments.toys import toy_grid
from didact.experiments import rollout
from didact.experiments.actors import student_actor
from didact.experiments.evaluation.evaluate import evaluator
from didact.experiments.tasks.task_sources import by_step
from didact.students import Student
from didact.teachers import Proposals


class Lesson(NamedTuple):
    """What a pupil did with the m tasks of a lesson. Values where the weight is 0 are ignored."""

    returns: Float[Array, " m"]  # from 0 to 1; the mean, if a task was played several times
    success: Float[Array, " m"]  # from 0 to 1
    weights: Float[Array, " m"]  # 1 where the task was played, else 0


class Pupil(NamedTuple):
    """A student as pure functions of its state, for one pupil; `Teaching` maps them over many.

    Attributes:
        task_space: the tasks that it can be given.
        kinds: the parameters in which pupils differ.
        init: `init(key, kind) -> state` of a beginner.
        study: `study(state, tasks [m, d], key) -> (state, lesson)`: play the tasks and learn.
        test: `test(state) -> score`, from 0 to 1, on a test set.
    """

    task_space: Box
    kinds: Box
    init: Callable[[PRNGKeyArray, Float[Array, " p"]], Any]
    study: Callable[[Any, Float[Array, "m d"], PRNGKeyArray], tuple[Any, Lesson]]
    test: Callable[[Any], Float[Array, ""]]


class ToyPupilState(NamedTuple):
    """A learner of the toy grid."""

    competence: Float[Array, "..."]  # of each cell
    flipped: Float[Array, " d"]  # 1 in dimensions in which it begins at the upper end
    speed: Float[Array, ""]  # competence per visit


def toy_pupil(dimensions: int = 2, side: int = 10) -> Pupil:
    """A learner of the toy grid: a visit to an unlocked cell raises the competence there.

    Pupils differ in the corner of the space in which they begin, and in what they learn from a
    visit. The test is the mean return over all cells.

    Args:
        dimensions: the dimensions of the grid.
        side: the number of cells along each dimension.

    References:
        Portelas et al., CoRL 2019, section 5.1 (see `toy_grid`).
    """
    if side < 1:
        raise SettingError("side", side, "at least 1")
    space = toy_grid.task_space(dimensions)
    corners = 2**dimensions - 1
    kinds = Box(
        (
            Dimension("corner", 0, corners, integer=True, description="where the pupil begins"),
            Dimension("speed", 10, 40, unit="%", description="competence gained by a visit"),
        )
    )

    def init(key, kind):
        flipped = jnp.floor(kind[0] / 2.0 ** np.arange(dimensions)) % 2
        return ToyPupilState(toy_grid.initial_competence(dimensions, side), flipped, kind[1])

    def study(state, tasks, key):
        def visit(competence, task):
            index = toy_grid.cell(competence, task)
            now = competence[tuple(index)]
            reached = jnp.minimum(now + state.speed, toy_grid.MAX_VALUE)
            reached = jnp.where(toy_grid.unlocked(competence, index), reached, now)
            return competence.at[tuple(index)].set(reached), reached / toy_grid.MAX_VALUE

        tasks = jnp.where(state.flipped > 0, 1 - tasks, tasks)
        competence, returns = jax.lax.scan(visit, state.competence, tasks)
        success = (returns > 0).astype(jnp.float32)
        return state._replace(competence=competence), Lesson(returns, success, returns * 0 + 1)

    def test(state):
        return jnp.mean(state.competence) / toy_grid.MAX_VALUE

    return Pupil(space, kinds, init, study, test)


class TrainedPupilState(NamedTuple):
    """A student that is trained by reinforcement learning, and its environments."""

    student: Any
    worlds: rollout.RolloutState


def trained_pupil(
    environment: Environment,
    student: Student,
    test_tasks: Float[np.ndarray, "t d"],
    *,
    num_envs: int = 16,
    rollout_length: int = 32,
) -> Pupil:
    """A student of `didact.students`: a lesson is one rollout on its tasks, and one update.

    A pupil differs from others by its initial parameters only. The test is the success rate on
    fixed tasks. Each lesson begins with new episodes. Only episodes that begin early enough to end
    within it, whatever their length, are part of its results: among later ones, short episodes
    would be counted and long ones cut. Returns are scaled by the environment's `return_range`.

    Args:
        environment: the environment, whose task space is a `Box`.
        student: the student.
        test_tasks: the tasks of the test.
        num_envs: the number of parallel environments of each pupil.
        rollout_length: steps per environment and lesson, at least those of the longest episode.

    Raises:
        SettingError: the task space is not a `Box`, or the rollouts are too short.
    """
    if not isinstance(environment.task_space, Box):
        raise SettingError("environment", name_of(environment), "one whose task space is a Box")
    longest = environment.max_steps
    allowed = f"at least {longest}, the steps of the longest episode"
    require("rollout_length", rollout_length, rollout_length >= longest, allowed)
    low, high = environment.return_range
    kinds = Box((Dimension("pupil", 0, 0, description="pupils are all of one kind"),))
    actor, restart = student_actor(student), Restart(environment)
    examine = evaluator(environment, student, num_envs=len(test_tasks))

    def init(key, kind):
        worlds = rollout.new_worlds(environment, actor, num_envs)
        return TrainedPupilState(student.init(key), worlds)

    def study(state, tasks, key):
        m = tasks.shape[0]
        which_key, play_key, learn_key = jax.random.split(key, 3)
        which = jax.random.randint(which_key, (rollout_length, num_envs), 0, m)
        take, queue = by_step(Proposals.of(tasks[which], 1, which))
        runner = rollout.Runner(environment, restart, actor, take)
        worlds = state.worlds._replace(over=jnp.ones(num_envs, bool), totals={})
        worlds, _, seen, episodes, _ = rollout.collect(
            runner, student, state.student, worlds, queue, play_key, rollout_length
        )
        learned, _ = student.learn(state.student, seen, learn_key)
        begin = jnp.arange(1, rollout_length + 1)[:, None] - episodes.totals["length"]
        counted = episodes.done & (begin <= rollout_length - longest)
        at = jnp.where(counted, episodes.tag, m).reshape(-1)

        def total(x):
            return jnp.zeros(m).at[at].add(x.reshape(-1).astype(jnp.float32), mode="drop")

        count = total(counted)
        often = jnp.maximum(count, 1)
        returns = (total(episodes.totals["return"]) / often - low) / (high - low)
        returns = jnp.clip(returns, 0, 1)
        lesson = Lesson(returns, total(episodes.success) / often, (count > 0).astype(jnp.float32))
        return TrainedPupilState(learned, worlds._replace(totals={})), lesson

    def test(state):
        return jnp.mean(examine(state.student, jax.random.key(0), jnp.asarray(test_tasks)).success)

    return Pupil(environment.task_space, kinds, init, study, test)
