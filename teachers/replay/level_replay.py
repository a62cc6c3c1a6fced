"""The core of PLR and ACCEL: new, replayed and edited levels, and a buffer with scores."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from didact.common.errors import require
from didact.environments.task_spaces import TaskSpace
from didact.teachers.base import Proposals, Teacher
from didact.teachers.recognition import tolerance_of
from didact.teachers.replay import level_buffer, step_shares
from didact.teachers.replay.level_buffer import LevelBuffer, NewLevels, capacity_for
from didact.teachers.replay.level_scores import score_called
from didact.teachers.replay.step_shares import StepShares

NEW, REPLAYED, EDITED = range(3)


class LevelReplayState(NamedTuple):
    """The levels, and the lengths of the episodes of each kind."""

    buffer: LevelBuffer
    shares: StepShares


def level_replay(
    space: TaskSpace,
    *,
    capacity: int,
    replay_share: float,
    score: str,
    temperature: float,
    staleness: float,
    minimum_fill: float,
    rate: float | None,
    learn_from_new: bool,
    edits: int | None = None,
) -> Teacher:
    """Replay levels of a buffer by score and staleness; see `plr` and `accel`.

    Published implementations decide once per rollout whether all environments play new levels or
    replayed ones, for a fixed number of steps. Here every proposal is one of these by chance, such
    that the expected shares of the environment steps are the same, and a level is played for one
    episode. Proposals and outcomes are asynchronous:

    - The tag of a replayed level is its slot. The outcome counts only if the slot still holds that
      level, so an outcome is never credited to the successor of an evicted level.
    - The outcome of a new level carries the level itself, which enters the buffer when the episode
      has ended. If the level is in the buffer already, the outcome counts for that slot.
    - Staleness is measured from the end of the latest episode, in finished episodes.
    - Episodes in the same level that end in the same call are averaged.

    Args:
        space, capacity, replay_share, score, temperature, staleness, minimum_fill, rate: see `plr`.
        learn_from_new: whether the student learns from levels that are not replayed.
        edits: None, or the number of edits of the levels that are played as often as replayed ones.
    """
    require("capacity", capacity, capacity >= 1, "at least 1")
    require("replay_share", replay_share, 0 <= replay_share <= 1, "from 0 to 1")
    require("temperature", temperature, 0 < temperature < float("inf"), "above 0")
    require("staleness", staleness, 0 <= staleness <= 1, "from 0 to 1")
    require("minimum_fill", minimum_fill, 0 < minimum_fill <= 1, "above 0 and at most 1")
    require("rate", rate, rate is None or 0 < rate <= 1, "None, or above 0 and at most 1")
    require("edits", edits, edits is None or edits >= 1, "at least 1")
    scoring = score_called(score)
    gain = scoring.rate if rate is None else rate
    several = score != "learnability" or gain < 1  # after one episode, p is 1/3 or 2/3
    require("rate", rate, several, f"below 1 for the score {score}")
    size, c = space.size, capacity_for(space, capacity)
    tolerance = tolerance_of(space)
    # In ACCEL, the children of a replayed batch are played for as long as their parents.
    edited = replay_share if edits else 0.0
    wanted = jnp.array([1 - replay_share, replay_share, edited]) / (1 + edited)

    def p_level(buffer):
        return level_buffer.replay_probabilities(buffer, temperature, staleness)

    def ready(buffer):
        return jnp.sum(buffer.filled) >= minimum_fill * c

    def init(key):
        return LevelReplayState(
            level_buffer.empty_buffer(size, c, scoring.extras), step_shares.no_shares(3)
        )

    def propose(state, key, n):
        kind_key, slot_key, new_key, edit_key = jax.random.split(key, 4)
        kind = step_shares.draw(kind_key, state.shares, wanted, n)
        kind = jnp.where(ready(state.buffer), kind, NEW)
        slot = level_buffer.draw(slot_key, p_level(state.buffer), n)
        known = state.buffer.tasks[slot]
        tasks = jnp.where((kind == NEW)[:, None], space.sample(new_key, n), known)
        if edits:
            children = space.mutate(edit_key, known, edits=edits)
            tasks = jnp.where((kind == EDITED)[:, None], children, tasks)
        replayed = kind == REPLAYED
        tag = jnp.where(replayed, slot, jnp.where(kind == EDITED, c + 1, c))
        return Proposals(tasks, jnp.where(replayed, 1.0, float(learn_from_new)), tag), state

    def observe(state, proposals, outcomes):
        tag, quantity = proposals.tag, scoring.quantity(outcomes)
        counts = outcomes.valid & (tag >= 0) & jnp.isfinite(quantity)
        kind = jnp.where(tag < c, REPLAYED, jnp.where(tag == c, NEW, EDITED))
        shares = step_shares.update(state.shares, jnp.where(counts, kind, -1), outcomes.lengths)
        tasks = jnp.where(counts[:, None], proposals.tasks, 0)
        buffer = state.buffer
        buffer = buffer._replace(clock=buffer.clock + jnp.sum(counts, dtype=jnp.int32))
        slot = level_buffer.slots_of(buffer, tasks, tag, counts, tolerance)
        buffer = rescored(buffer, slot, quantity, outcomes.returns)
        new = counts & (slot == c) & (tag >= c)
        levels = scored(tasks, new, quantity, outcomes.returns)
        buffer, _ = level_buffer.insert(buffer, levels, p_level(buffer))
        return LevelReplayState(level_buffer.without_overflow(buffer), shares)

    def rescored(buffer, slot, quantity, returns):
        """Update the levels that were played, given the slot of each episode (c: none)."""
        mean, number = level_buffer.averages(quantity, slot, c)
        updated, attempts = number > 0, buffer.attempts + number
        weight = jnp.maximum(1 - (1 - gain) ** number, number / jnp.maximum(attempts, 1))
        after = buffer._replace(
            seen=jnp.where(updated, buffer.clock, buffer.seen),
            attempts=attempts,
            estimate=buffer.estimate + weight * (mean - buffer.estimate),
            highest=buffer.highest.at[slot].max(returns, mode="drop"),
        )
        scores = scoring.value(after.estimate, jnp.minimum(attempts, 1 / gain), after.highest)
        changed = updated
        if scoring.bonus is not None:
            changed = after.filled & jnp.any(updated)
            extras, more = scoring.bonus(buffer, after, updated)
            scores += more
            extras = {k: jnp.where(changed, x, buffer.extras[k]) for k, x in extras.items()}
            after = after._replace(extras=extras)
        return after._replace(scores=jnp.where(changed, scores, buffer.scores))

    def scored(tasks, new, quantity, returns):
        """Return the distinct new levels and their scores, given the rows of new levels."""
        n = new.shape[0]
        first = level_buffer.distinct(tasks, new)
        mean, number = level_buffer.averages(quantity, first, n)
        highest = jnp.full(n, -jnp.inf).at[first].max(returns, mode="drop")
        scores = scoring.value(mean, jnp.minimum(number, 1 / gain), highest)
        valid = number > 0
        return NewLevels(tasks, valid, jnp.where(valid, scores, 0), number, mean, highest)

    def picture(state):
        buffer = state.buffer
        return level_buffer.picture_of(buffer.tasks, buffer.scores, p_level(buffer))

    return Teacher(init, propose, observe, picture)
