"""A self-paced curriculum: from the easiest corner of a box to the whole of it, by one number."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from didact.common.errors import require
from didact.environments.task_spaces import Box
from didact.teachers.base import FOREIGN, Teacher
from didact.teachers.pacing import success_rates, unit_boxes


class PacedState(NamedTuple):
    """How far the curriculum is, and the success in its latest episodes."""

    level: Float[Array, ""]  # 0: the corner alone; 1: the whole space, uniformly
    wins: Float[Array, ""]  # successes, with exponential forgetting
    seen: Float[Array, ""]  # episodes, forgotten likewise


def paced(
    space: Box,
    easy: Box,
    *,
    episodes: int = 1250,
    up: float = 0.7,
    down: float = 0.3,
    minimum: int = 50,
    horizon: int = 100,
    spread: float = 0.4,
) -> Teacher:
    """Gaussian tasks that move and widen from an easy corner while enough of them succeed.

    At level l, a task is (1 - l) c + l (0.5 + spread z) in the unit cube, clipped, where c is the
    corner and z is standard normal. At level 1, tasks are uniform. After every episode the level
    rises by 1 / `episodes` if the recent success rate is above `up`, and falls by as much if it is
    below `down`. The corner is the end of each range that the easy part shares with the space, or
    the middle of the easy part if it shares neither; dimensions in which it shares both are always
    uniform.

    Each episode counts on its own, so the pace is the same for one episode per call of `observe`
    and for many. Episodes of other teachers are ignored. If nothing succeeds, the level falls to 0
    and the tasks return to the corner.

    Args:
        space: the task space.
        easy: a part of the space that touches it where tasks are easiest.
        episodes: the minimum number of episodes from the corner to the whole space. Use many times
            the number of parallel environments if episodes are long: outcomes of episodes that are
            under way come late, and the level overshoots.
        up, down: the success rates above and below which the level changes.
        minimum: the number of episodes before the level changes.
        horizon: the number of episodes of the exponential average of the success rate.
        spread: the standard deviation of tasks at level 1, as a fraction of each range.

    Returns:
        A teacher whose `picture` contains the box of one standard deviation around the mean.

    Raises:
        SettingError: a setting is out of range, or the task space is not a `Box`.

    References:
        The schedule is one of this package. Self-paced learning with a trust region instead of
        fixed steps: Klink et al., Self-paced deep reinforcement learning, NeurIPS 2020.
    """
    unit_boxes.check_space(space)
    unit_boxes.check_easy(space, easy)
    require("episodes", episodes, episodes >= 1, "at least 1")
    require("up", up, 0 <= up < 1, "at least 0 and below 1")
    require("down", down, 0 <= down <= up, f"from 0 to up, {up:g}")
    require("horizon", horizon, horizon >= 2, "at least 2")
    require("minimum", minimum, 1 <= minimum < horizon, f"from 1 to below the horizon, {horizon}")
    require("spread", spread, 0 < spread < float("inf"), "a number above 0")
    corner, unknown = unit_boxes.corner_of(space, easy)

    def init(key):
        return PacedState(jnp.float32(0), jnp.float32(0), jnp.float32(0))

    def propose(state, key, n):
        near_key, far_key = jax.random.split(key)
        noise = jax.random.normal(near_key, (n, space.size))
        anywhere = space.sample(far_key, n)
        # Tasks that are clipped lie on the boundary, so a share of the easiest tasks remains.
        near = space.denormalise(centre_of(state.level) + state.level * spread * noise)
        uniform = unknown | (state.level >= 1)
        return jnp.where(uniform, anywhere, near), state

    def observe(state, proposals, outcomes):
        counts = outcomes.valid & (proposals.tag != FOREIGN)
        wins = success_rates.decayed_sums(outcomes.success, counts, state.wins, horizon)
        seen = success_rates.decayed_sums(jnp.ones_like(wins), counts, state.seen, horizon)
        rate = wins / jnp.maximum(seen, 1)
        direction = (rate > up).astype(jnp.float32) - (rate < down)
        steps = jnp.where(counts & (seen >= minimum), direction / episodes, 0)
        level = success_rates.bounded_walk(state.level, steps)
        return PacedState(level, wins[-1], seen[-1])

    def centre_of(level):
        return (1 - level) * corner + level * 0.5

    def picture(state):
        centre, apart = centre_of(state.level), state.level * spread
        uniform = unknown | (state.level >= 1)
        low = jnp.where(uniform, 0, jnp.clip(centre - apart, 0, 1))
        high = jnp.where(uniform, 1, jnp.clip(centre + apart, 0, 1))
        return unit_boxes.picture(space, low[None], high[None])

    return Teacher(init, propose, observe, picture)
