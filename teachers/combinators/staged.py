"""A hand-made sequence of stages, each of which is practised until it is mastered."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from didact.common.errors import SettingError, require
from didact.environments.task_spaces import TaskSpace
from didact.teachers.base import Proposals, Teacher
from didact.teachers.ring_buffer import LARGE


class StagedState(NamedTuple):
    """The present stage, and the success in its latest episodes."""

    stage: Int[Array, ""]
    success: Float[Array, ""]  # exponential average in the stage, before bias correction
    count: Int[Array, ""]  # episodes of the stage


def staged(
    stages: Sequence[TaskSpace],
    *,
    until: float = 0.75,
    replay: float = 0.2,
    horizon: int = 200,
    minimum: int = 150,
) -> Teacher:
    """Uniform tasks of one stage after another, as an upper bound for other teachers.

    A stage ends when its success rate exceeds `until`; the last stage never ends. A fraction of the
    tasks are of earlier stages, so that these are not forgotten. Only episodes that were proposed
    for the present stage count.

    Args:
        stages: parts of one task space, from easy to hard.
        until: the success rate that ends a stage.
        replay: the fraction of tasks of earlier stages, all of them equally often.
        horizon: the number of episodes of the exponential average of the success rate.
        minimum: the minimum number of episodes of a stage.

    Returns:
        A teacher whose tags are the numbers of stages, and whose `picture` contains the probability
        of each.

    Raises:
        SettingError: there are no stages, their spaces differ, or a setting is out of range.
    """
    if not stages or len({stage.size for stage in stages}) > 1:
        allowed = "at least one, all of them parts of one task space"
        raise SettingError("stages", [stage.size for stage in stages], allowed)
    require("until", until, 0 <= until < 1, "at least 0 and below 1")
    require("replay", replay, 0 <= replay <= 1, "from 0 to 1")
    require("horizon", horizon, horizon >= 2, "at least 2")
    require("minimum", minimum, minimum >= 1, "at least 1")
    keep = 1 - 1 / horizon

    def init(key):
        return StagedState(jnp.int32(0), jnp.float32(0), jnp.int32(0))

    def propose(state, key, n):
        who_key, old_key, task_key = jax.random.split(key, 3)
        drawn = jnp.stack([s.sample(k, n) for s, k in zip(stages, _keys(task_key), strict=True)])
        earlier = jax.random.randint(old_key, (n,), 0, jnp.maximum(state.stage, 1))
        old = (jax.random.uniform(who_key, (n,)) < replay) & (state.stage > 0)
        stage = jnp.where(old, earlier, state.stage)
        tasks = jnp.take_along_axis(drawn, stage[None, :, None], axis=0)[0]
        return Proposals(tasks, jnp.ones(n), stage), state

    def _keys(key):
        return jax.random.split(key, len(stages))

    def observe(state, proposals, outcomes):
        counts = outcomes.valid & (proposals.tag == state.stage)
        later = jnp.sum(counts) - jnp.cumsum(counts)
        gain = jnp.where(counts, outcomes.success * keep**later, 0) / horizon
        count = jnp.minimum(state.count + jnp.sum(counts, dtype=jnp.int32), LARGE)
        success = state.success * keep ** jnp.sum(counts) + jnp.sum(gain)
        rate = success / jnp.maximum(1 - keep**count, 1e-6)
        last = state.stage == len(stages) - 1
        ended = (count >= minimum) & (rate > until) & ~last
        return StagedState(
            stage=state.stage + ended,
            success=jnp.where(ended, 0, success),
            count=jnp.where(ended, 0, count),
        )

    def picture(state):
        now = jax.nn.one_hot(state.stage, len(stages))
        earlier = jnp.arange(len(stages)) < state.stage
        share = jnp.where(state.stage > 0, replay, 0)
        return {"arms": (1 - share) * now + share * earlier / jnp.maximum(state.stage, 1)}

    return Teacher(init, propose, observe, picture)
