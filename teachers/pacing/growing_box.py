"""A box that grows from the easy tasks, face by face, while tasks at its faces succeed."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from didact.common.errors import require
from didact.environments.task_spaces import Box
from didact.teachers.base import FOREIGN, Teacher
from didact.teachers.pacing import success_rates, unit_boxes

SIDES = np.array([[-1.0], [1.0]], np.float32)  # the direction in which each face widens the box


class GrowingBoxState(NamedTuple):
    """The box, and the success of the latest episodes at each of its faces."""

    bounds: Float[Array, "2 d"]  # the lower and the upper faces, in the unit cube
    wins: Float[Array, "2 d"]  # successes, with exponential forgetting
    seen: Float[Array, "2 d"]  # episodes, forgotten likewise


def growing_box(
    space: Box,
    easy: Box,
    *,
    edge_fraction: float = 0.7,
    step: float = 0.1,
    up: float = 0.7,
    down: float = 0.2,
    minimum: int = 24,
    horizon: int = 64,
) -> Teacher:
    """A box of tasks that starts with the easy ones and widens at the faces where tasks succeed.

    This is automatic domain randomization (see `adr`) with slices in place of exact bounds: with
    probability `edge_fraction`, a task is uniform in the outermost slice of the box at a random
    face that can still move; else it is uniform in the box. After at least `minimum` episodes in
    the slice of a face, the face moves outwards if the recent success rate there is above `up`, and
    inwards if it is below `down`. The box may shrink below the easy tasks, down to their corner, so
    it recovers where even the easy tasks are too hard.

    All episodes of this teacher in a slice count for its face, whatever they were proposed for. A
    face moves at most once per call of `observe`, after the episode that decides; later episodes of
    that call do not count for it.

    Args:
        space: the task space.
        easy: the initial tasks: a part of the space that touches it where tasks are easiest.
        edge_fraction: the probability of a task in the slice of a random face.
        step: how far a face moves, as a fraction of its range, and the thickness of its slice; at
            least one whole number in integer dimensions.
        up, down: the success rates above and below which a face moves.
        minimum: the number of episodes in a slice before its face moves.
        horizon: the number of episodes of the exponential average of the success rate.

    Returns:
        A teacher whose `picture` contains the box.

    Raises:
        SettingError: a setting is out of range, or the task space is not a `Box`.

    References:
        Akkaya et al., Solving Rubik's cube with a robot hand, 2019 (arXiv:1910.07113).
    """
    unit_boxes.check_space(space)
    unit_boxes.check_easy(space, easy)
    require("edge_fraction", edge_fraction, 0 < edge_fraction <= 1, "above 0 and at most 1")
    require("step", step, 0 < step <= 1, "above 0 and at most 1")
    require("up", up, 0 <= up < 1, "at least 0 and below 1")
    require("down", down, 0 <= down <= up, f"from 0 to up, {up:g}")
    require("horizon", horizon, horizon >= 2, "at least 2")
    require("minimum", minimum, 1 <= minimum < horizon, f"from 1 to below the horizon, {horizon}")
    d = space.size
    fixed = space.high <= space.low
    start = unit_boxes.bounds_of(space, easy)
    corner, unknown = unit_boxes.corner_of(space, easy)
    at_end = ((corner == 0) | (corner == 1)) & ~unknown
    least = np.where(at_end, corner, start)  # how far each face may move inwards, [2, d]
    ends = np.where(SIDES < 0, 0.0, 1.0) * ~fixed
    gap = unit_boxes.spacing(space)
    steps = unit_boxes.whole_steps(space, step)
    thickness = np.where(gap > 0, steps - gap, steps)

    def init(key):
        zero = jnp.zeros((2, d))
        return GrowingBoxState(jnp.asarray(start), zero, zero)

    def slices(bounds):
        """Return the lower and upper ends of the slice at each face, each [2, d]."""
        low, high = bounds
        lows = jnp.stack([low, jnp.maximum(high - thickness, low)])
        return lows, jnp.stack([jnp.minimum(low + thickness, high), high])

    def movable(bounds):
        return (jnp.abs(bounds - ends) > unit_boxes.TOLERANCE) & ~fixed

    def propose(state, key, n):
        face_key, which_key, inside_key = jax.random.split(key, 3)
        can_move = movable(state.bounds).reshape(-1)
        face = jax.random.categorical(face_key, jnp.where(can_move, 0.0, -jnp.inf), shape=(n,))
        at = (jax.random.uniform(which_key, (n,)) < edge_fraction) & jnp.any(can_move)
        here = at[:, None] & (jnp.arange(d) == face[:, None] % d)
        low, high = (
            jnp.where(here, edge[face // d], bound)
            for edge, bound in zip(slices(state.bounds), state.bounds, strict=True)
        )
        return unit_boxes.sample(space, inside_key, low, high), state

    def observe(state, proposals, outcomes):
        points = space.normalise(proposals.tasks)
        counts = outcomes.valid & (proposals.tag != FOREIGN)
        counts &= unit_boxes.contains(points, *state.bounds)
        lows, highs = slices(state.bounds)
        place = points[:, None, :, None]  # compared with each face's slice in its own dimension
        here = unit_boxes.contains(place, lows[..., None], highs[..., None])
        here &= counts[:, None, None]

        def decide(here, wins, seen, can_widen, can_narrow):
            """Return the direction of one face, and its sums."""
            wins = success_rates.decayed_sums(outcomes.success, here, wins, horizon)
            seen = success_rates.decayed_sums(jnp.ones_like(wins), here, seen, horizon)
            rate = wins / jnp.maximum(seen, 1)
            known = here & (seen >= minimum)
            outwards, inwards = known & (rate > up) & can_widen, known & (rate < down) & can_narrow
            first = jnp.argmax(outwards | inwards)
            direction = outwards[first] * 1.0 - inwards[first]
            stays = direction == 0
            return direction, jnp.where(stays, wins[-1], 0), jnp.where(stays, seen[-1], 0)

        can_narrow = jnp.abs(state.bounds - least) > unit_boxes.TOLERANCE
        each = jax.vmap(jax.vmap(decide, (1, 0, 0, 0, 0)), (1, 0, 0, 0, 0))
        rows = here, state.wins, state.seen, movable(state.bounds), can_narrow
        direction, wins, seen = each(*rows)
        bounds = state.bounds + direction * SIDES * steps
        lower, upper = np.stack([ends[0], least[1]]), np.stack([least[0], ends[1]])
        return GrowingBoxState(jnp.clip(bounds, lower, upper), wins, seen)

    def picture(state):
        return unit_boxes.picture(space, state.bounds[:1], state.bounds[1:])

    return Teacher(init, propose, observe, picture)
