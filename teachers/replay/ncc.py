"""NCC: optimized weights over a buffer of levels."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from didact.common.errors import require
from didact.environments.task_spaces import TaskSpace
from didact.teachers.base import Proposals, Teacher
from didact.teachers.recognition import tolerance_of
from didact.teachers.replay import candidates as rounds
from didact.teachers.replay import level_buffer, step_shares
from didact.teachers.replay.candidates import Candidates
from didact.teachers.replay.level_buffer import LevelBuffer, NewLevels, capacity_for
from didact.teachers.replay.step_shares import StepShares

REPLAYED, LOOK = range(2)


class NccState(NamedTuple):
    """The buffer of c levels (full, unless the space has fewer tasks) and their weights."""

    buffer: LevelBuffer
    log_weights: Float[Array, " c"]  # the weights are their softmax
    candidates: Candidates
    shares: StepShares
    key: PRNGKeyArray


def ncc(
    space: TaskSpace,
    *,
    capacity: int = 1000,
    candidates: int = 250,
    tries: int = 5,
    look_share: float = 0.25,
    entropy: float = 0.05,
    learning_rate: float = 0.1,
    rate: float = 0.1,
) -> Teacher:
    """Train on a distribution over a buffer that maximizes the learnability of its levels.

    The weights y of the levels, a point of the simplex, ascend y . s + lambda H(y), where s is the
    learnability p (1 - p) and H the entropy; the student minimizes its loss under these weights.
    The maximum is softmax(s / lambda). Levels are replayed in proportion to y. New levels are
    looked at without learning, as in `sfl`, and replace the levels of the least weight if their
    learnability is at least as high. A new level begins with the average weight.

    Published code takes projected gradient steps on y with an adaptive step size. These are
    unstable for many levels, because the gradient of the entropy grows as weights vanish, so this
    takes multiplicative (mirror ascent) steps with the same maximum, one per call of `observe`:
    log y increases by learning_rate * (s - lambda log y). Published code also plays the whole
    buffer without learning in every update, and does not count these steps; here the learnability
    of a level is updated by the episodes that the student learns from.

    Args:
        space: the task space.
        capacity: the number of levels in the buffer, c; initially random levels of equal weights.
        candidates: the number of new levels that are looked at in a round (see `candidates`).
        tries: the mean number of episodes per candidate.
        look_share: the share of the environment steps in candidates.
        entropy: lambda, the weight of the entropy.
        learning_rate: the step size of the weights; at most 1 / lambda.
        rate: the weight of the latest episode in the success rate of a level.

    Returns:
        A teacher whose `picture` contains the levels with the highest learnability.

    Raises:
        SettingError: a setting is out of range.

    References:
        Monette et al., An optimisation framework for unsupervised environment design, RLC 2025
        (arXiv:2505.20659).
    """
    require("capacity", capacity, capacity >= 1, "at least 1")
    require("candidates", candidates, candidates >= 1, "at least 1")
    require("tries", tries, tries >= 2, "at least 2")
    require("look_share", look_share, 0 < look_share < 1, "between 0 and 1")
    require("entropy", entropy, 0 < entropy < float("inf"), "above 0")
    most = 1 / entropy
    require("learning_rate", learning_rate, 0 < learning_rate <= most, f"above 0, up to {most:g}")
    require("rate", rate, 0 < rate <= 1, "above 0 and at most 1")
    c, tolerance = capacity_for(space, capacity), tolerance_of(space)
    wanted = jnp.array([1 - look_share, look_share])

    def init(key):
        key, buffer_key, first_key = jax.random.split(key, 3)
        tasks = space.sample(buffer_key, c)
        buffer = level_buffer.empty_buffer(space.size, c)
        buffer, _ = level_buffer.insert(
            buffer, new_levels(buffer, tasks, jnp.zeros(c), jnp.zeros(c, jnp.int32)), jnp.zeros(c)
        )
        return NccState(
            buffer=buffer,
            log_weights=jnp.zeros(c),
            candidates=rounds.first_round(space.sample(first_key, candidates)),
            shares=step_shares.no_shares(2),
            key=key,
        )

    def weights(state):
        return jax.nn.softmax(jnp.where(state.buffer.filled, state.log_weights, -jnp.inf))

    def propose(state, key, n):
        kind_key, slot_key, look_key = jax.random.split(key, 3)
        kind = step_shares.draw(kind_key, state.shares, wanted, n)
        slot = level_buffer.draw(slot_key, weights(state), n)
        row = rounds.choose(state.candidates, look_key, n, tries)
        looks = kind == LOOK
        tasks = jnp.where(looks[:, None], state.candidates.tasks[row], state.buffer.tasks[slot])
        return Proposals(tasks, 1.0 - looks, jnp.where(looks, c + row, slot)), state

    def observe(state, proposals, outcomes):
        tag, success = proposals.tag, outcomes.success
        finished = outcomes.valid & (tag >= 0)
        kind = jnp.where(finished, (tag >= c).astype(jnp.int32), -1)
        tasks = jnp.where(finished[:, None], proposals.tasks, 0)
        replays = finished & (tag < c)
        slot = level_buffer.slots_of(
            state.buffer, tasks, jnp.minimum(tag, c - 1), replays, tolerance
        )
        buffer = rescored(state.buffer, slot, success)
        step = learning_rate * (buffer.scores - entropy * state.log_weights)
        state = state._replace(
            buffer=buffer,
            log_weights=state.log_weights + jnp.where(jnp.any(finished), step, 0),
            candidates=rounds.add_outcomes(
                state.candidates, tag - c, tasks, success, finished, tolerance
            ),
            shares=step_shares.update(state.shares, kind, outcomes.lengths),
        )
        # A `cond` would always run under `vmap`, because it becomes a select.
        state, _ = jax.lax.while_loop(
            lambda carry: carry[1],
            lambda carry: (evaluate(carry[0]), jnp.zeros_like(carry[1])),
            (state, rounds.is_over(state.candidates, tries)),
        )
        return state

    def rescored(buffer, slot, success):
        """Update the learnability of the levels that were replayed."""
        mean, number = level_buffer.averages(success, slot, c)
        attempts = buffer.attempts + number
        gain = jnp.maximum(1 - (1 - rate) ** number, number / jnp.maximum(attempts, 1))
        p = buffer.estimate + gain * (mean - buffer.estimate)
        clock = buffer.clock + jnp.sum(number)
        rescored = buffer._replace(
            scores=jnp.where(number > 0, p * (1 - p), buffer.scores),
            seen=jnp.where(number > 0, clock, buffer.seen),
            attempts=attempts,
            estimate=p,
            clock=clock,
        )
        return level_buffer.without_overflow(rescored)

    def evaluate(state):
        """Insert levels of the preceding round into the buffer, and begin the next one."""
        new = new_levels(state.buffer, *rounds.evaluated(state.candidates))
        new = new._replace(valid=new.valid & (new.attempts > 0))
        buffer, slot = level_buffer.insert(state.buffer, new, weights(state))
        key = jax.random.fold_in(state.key, state.candidates.rounds)
        filled = state.buffer.filled
        known = jnp.where(filled, state.log_weights, -jnp.inf)
        # A new level has the average weight.
        mean = jax.nn.logsumexp(known) - jnp.log(jnp.maximum(jnp.sum(filled), 1))
        return state._replace(
            buffer=buffer,
            log_weights=state.log_weights.at[slot].set(mean, mode="drop"),
            candidates=rounds.next_round(state.candidates, space.sample(key, candidates)),
        )

    def new_levels(buffer, tasks, p, attempts):
        """Return those levels that are distinct and not in the buffer."""
        n = tasks.shape[0]
        everything = jnp.ones(n, bool)
        known = level_buffer.slots_of(buffer, tasks, jnp.full(n, c), everything, tolerance) < c
        first = level_buffer.distinct(tasks, everything) == jnp.arange(n)
        highest = jnp.full(n, -jnp.inf)
        return NewLevels(tasks, first & ~known, p * (1 - p), attempts, p, highest)

    def picture(state):
        return level_buffer.picture_of(state.buffer.tasks, state.buffer.scores, weights(state))

    return Teacher(init, propose, observe, picture)
