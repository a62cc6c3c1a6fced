"""Automatic domain randomization: a box of tasks whose bounds move by thresholds."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from didact.common.errors import require
from didact.environments.task_spaces import Box
from didact.teachers import outcome_values
from didact.teachers.base import Proposals, Teacher
from didact.teachers.pacing import unit_boxes
from didact.teachers.recognition import MARGIN

SIDES = np.array([[-1.0], [1.0]], np.float32)  # the direction in which each bound widens the box


class AdrState(NamedTuple):
    """The box, and the episodes at each of its bounds since that bound last had a full queue."""

    bounds: Float[Array, "2 d"]  # the lower and the upper ones, in the unit cube
    totals: Float[Array, "2 d"]  # sums of outcomes
    counts: Int[Array, "2 d"]  # numbers of episodes, below `queue`


def adr(
    space: Box,
    easy: Box,
    *,
    boundary_fraction: float = 0.5,
    queue: int = 10,
    step: float = 0.1,
    task_units: bool = False,
    high: float = 0.8,
    low: float = 0.2,
    outcome: str = "success",
) -> Teacher:
    """A box that starts with the easy tasks, and whose bounds move by thresholds on outcomes.

    With probability `boundary_fraction`, one random dimension of a task has the value of its lower
    or upper bound, and the others are uniform in the box; else, all are uniform. When a bound has
    had `queue` such episodes, it moves outwards if their mean outcome is at least `high`, and
    inwards if it is at most `low`, but not beyond the easy tasks. Then its queue is emptied.

    An episode counts for a bound if it was proposed for it and the bound has not moved since. The
    original also counts episodes at earlier places of the bound, which occur when episodes run in
    parallel. Apart from that, a batch of episodes has the effect of the same episodes one by one.
    In TeachMyAgent's code, bounds also move inwards beyond the first task, until they meet.

    Args:
        space: the task space.
        easy: the initial tasks: a part of the space, such as a single task.
        boundary_fraction: the probability of a task at a bound.
        queue: the number of episodes at a bound before each decision.
        step: how far a bound moves, as a fraction of its range; at least one whole number in
            integer dimensions.
        task_units: whether `step` is in task units instead, the same for all dimensions.
        high, low: the mean outcomes at which a bound moves outwards and inwards.
        outcome: "return" or "success".

    Returns:
        A teacher whose `picture` contains the box.

    Raises:
        SettingError: a setting is out of range, or the task space is not a `Box`.

    References:
        Akkaya et al., Solving Rubik's cube with a robot hand, 2019 (arXiv:1910.07113), algorithm 1.
    """
    unit_boxes.check_space(space)
    unit_boxes.check_easy(space, easy)
    require("boundary_fraction", boundary_fraction, 0 < boundary_fraction <= 1, "above 0, up to 1")
    require("queue", queue, queue >= 1, "at least 1")
    most = np.inf if task_units else 1
    allowed = "a number above 0" if task_units else "above 0 and at most 1"
    require("step", step, 0 < step <= most and np.isfinite(step), allowed)
    require("high", high, np.isfinite(high), "a finite number")
    require("low", low, np.isfinite(low) and low < high, f"a number below high, {high:g}")
    outcome_values.check(outcome, (0.0, 1.0))
    d = space.size
    start = unit_boxes.bounds_of(space, easy)
    limits = np.where(SIDES < 0, 0, 1) * (space.high > space.low).astype(np.float32)
    steps = unit_boxes.whole_steps(space, unit_boxes.in_unit_cube(space, step, task_units))
    # Real numbers may come back moved, see `tolerance_of`, but not to the next place of the bound.
    tolerance = np.where(space.integer, unit_boxes.TOLERANCE, np.minimum(MARGIN, steps / 2))

    def by_face(x):
        """Flatten [2, d] in the order of the tags."""
        return x.T.reshape(-1)

    def by_side(x):
        return x.reshape(d, 2).T

    def init(key):
        return AdrState(jnp.asarray(start), jnp.zeros((2, d)), jnp.zeros((2, d), jnp.int32))

    def propose(state, key, n):
        which_key, face_key, inside_key = jax.random.split(key, 3)
        low, high = (jnp.broadcast_to(bound, (n, d)) for bound in state.bounds)
        free = np.flatnonzero(space.high > space.low)
        face = jax.random.randint(face_key, (n,), 0, 2 * max(len(free), 1))
        side, dimension = face % 2, jnp.asarray(free if len(free) else [0])[face // 2]
        at = jax.random.uniform(which_key, (n,)) < boundary_fraction
        pinned = at[:, None] & (jnp.arange(d) == dimension[:, None])
        low, high = (
            jnp.where(pinned & (side == 1)[:, None], high, low),
            jnp.where(pinned & (side == 0)[:, None], low, high),
        )
        tasks = unit_boxes.sample(space, inside_key, low, high)
        # Tag 0 is inside; the bound of side s of dimension i has the tag 1 + 2 i + s.
        return Proposals.of(tasks, tag=jnp.where(at, 1 + 2 * dimension + side, 0)), state

    def observe(state, proposals, outcomes):
        counts, values = outcome_values.values_of(outcomes, outcome)
        face = proposals.tag - 1
        side, dimension = face % 2, jnp.clip(face // 2, 0, d - 1)
        counts &= (face >= 0) & (face < 2 * d)
        point = jnp.take_along_axis(space.normalise(proposals.tasks), dimension[:, None], 1)[:, 0]
        away = jnp.abs(point - state.bounds[side, dimension])
        counts &= away <= jnp.asarray(tolerance)[dimension]
        # The queue of a bound is emptied whenever it is full, so its episodes form groups of equal
        # size. After a group that moves the bound, the others were played at its earlier place.
        n = counts.shape[0]
        here = counts[:, None] & (face[:, None] == jnp.arange(2 * d))
        queued = by_face(state.counts)
        number = jnp.sum(jnp.where(here, jnp.cumsum(here, axis=0) - 1 + queued, 0), axis=1)
        groups = 1 + (n + queue - 1) // queue
        column = jnp.where(counts, face, 2 * d)
        sums = jnp.zeros((groups, 2 * d)).at[number // queue, column].add(values, mode="drop")
        sums = sums.at[0].add(by_face(state.totals))
        total = queued + jnp.sum(here, axis=0)
        complete = (np.arange(groups)[:, None] + 1) * queue <= total
        means = sums / queue
        # A bound that is at its limit stays there, and its later episodes count.
        outwards = (means >= high) & by_face(jnp.abs(state.bounds - limits) > 0)
        inwards = (means <= low) & by_face(jnp.abs(state.bounds - start) > 0)
        decision = jnp.where(complete, outwards * 1 - inwards, 0)
        first = jnp.argmax(decision != 0, axis=0)
        decided = jnp.take_along_axis(decision, first[None], 0)[0]
        rest = jnp.take_along_axis(sums, (total // queue)[None], 0)[0]
        stays = decided == 0

        bounds = state.bounds + by_side(decided) * SIDES * steps
        within = np.sort([limits, start], axis=0)
        return AdrState(
            bounds=jnp.clip(bounds, *within),
            totals=by_side(jnp.where(stays, rest, 0)),
            counts=by_side(jnp.where(stays, total % queue, 0)),
        )

    def picture(state):
        return unit_boxes.picture(space, state.bounds[:1], state.bounds[1:])

    return Teacher(init, propose, observe, picture)
