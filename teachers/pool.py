"""A pool of tasks that a proposer fills, sampled where the student can learn most."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from didact.common.errors import require
from didact.environments.task_spaces import TaskSpace
from didact.teachers.base import Proposals, Teacher
from didact.teachers.language.proposer import Report, TaskReport
from didact.teachers.recognition import recognized, tolerance_of

REWEIGHTING = 0.1  # q of Kanitscheider et al.
ENOUGH = 10  # the episodes after which a task is evaluated


class PoolState(NamedTuple):
    """c rows with tasks of d numbers, and the student's performance in each."""

    tasks: Float[Array, "c d"]  # no two rows in use are equal
    filled: Bool[Array, " c"]  # which rows are in use
    attempts: Int[Array, " c"]  # finished episodes
    fast: Float[Array, " c"]  # the success rate, averaged over the latest episodes
    known: Float[Array, " c"]  # the effective number of episodes in `fast`
    slow: Float[Array, " c"]  # a slower average: `fast`, averaged again
    worth: Float[Array, " c"]  # the score of the task; 0 if the row is not in use
    entered: Int[Array, " c"]  # the refill that added the task; 0 at the start
    refills: Int[Array, ""]
    tried: Int[Array, ""]  # finished episodes of tasks in the pool
    episodes: Int[Array, ""]  # finished episodes of any task
    successes: Int[Array, ""]  # the number of those that succeeded


def pool(
    space: TaskSpace,
    capacity: int = 128,
    *,
    score: str = "learnability",
    rate: float = 0.05,
    optimism: float = 4.0,
    pool_fraction: float = 0.2,
    space_fraction: float = 0.0,
    first: Sequence[Sequence[float]] | None = None,
) -> Teacher:
    """Propose tasks from a pool, in proportion to how much can be learned from each.

    The pool starts with random tasks. It changes only when `refill` is called, which the training
    loop does between compiled chunks with the tasks that a proposer wrote. The state is a pytree of
    arrays, so everything can be jitted and mapped over seeds.

    Let p be the success rate of a task over its latest episodes. The score "learnability" is
    p (1 - p): highest if half of the episodes succeed, and 0 if all or none do. The score
    "progress" is |f(p) - f(p')|, where p' is a slower average and
    f(p) = p (1 - q) / (p + q (1 - 2 p)) with q = 0.1, which emphasizes the first successes. A task
    with few episodes gets a score close to the highest one; this bonus decreases with the number of
    episodes.

    An episode counts for the row that contains its task, whichever teacher proposed it. Episodes of
    tasks that were replaced in the meantime do not count.

    Args:
        space: the task space.
        capacity: the number of tasks in the pool, c.
        score: "learnability" or "progress".
        rate: the weight of a new episode in the averages; the first episodes are averaged evenly.
        optimism: the number of episodes after which the bonus is halved.
        pool_fraction: the probability of a uniform sample from the pool, so that every task is
            played again.
        space_fraction: the probability of a uniform sample from the space.
        first: the initial tasks, at most c; by default c samples from the space. Duplicates are
            dropped.

    Returns:
        The teacher, whose picture contains the tasks of the pool with their scores and
        probabilities.

    Raises:
        SettingError: a setting is out of range, or a row of `first` is not a task of the space.

    References:
        Rutherford et al., No regrets: investigating and improving regret approximations for
        curriculum discovery, NeurIPS 2024 (p (1 - p)); Kanitscheider et al., Multi-task curriculum
        learning in a complex, visual, hard-exploration domain: Minecraft, 2021 (arXiv:2106.14876;
        progress); Zhang et al., OMNI: open-endedness via models of human notions of
        interestingness, ICLR 2024.
    """
    require("capacity", capacity, capacity >= 1, "at least 1")
    require("score", score, score in ("learnability", "progress"), '"learnability" or "progress"')
    require("rate", rate, 0 < rate <= 1, "above 0 and at most 1")
    require("optimism", optimism, 0 <= optimism < np.inf, "a number of at least 0")
    require("pool_fraction", pool_fraction, 0 <= pool_fraction <= 1, "from 0 to 1")
    most = 1 - pool_fraction
    require("space_fraction", space_fraction, 0 <= space_fraction <= most, f"from 0 to {most:g}")
    tolerance = tolerance_of(space)
    given = None if first is None else np.asarray(first, np.float32)
    if given is not None:
        fits = given.shape[1:] == (space.size,) and 1 <= len(given) <= capacity
        require("first", given.shape, fits, f"1 to {capacity} tasks of {space.size} numbers")
        inside = np.asarray(space.contains(jnp.asarray(given)))
        require("first", given[~inside].tolist()[:1], inside.all(), "tasks of the space")

    def init(key):
        nothing = jnp.zeros(capacity, jnp.int32)
        none = jnp.int32(0)
        empty = PoolState(
            tasks=jnp.zeros((capacity, space.size)),
            filled=jnp.zeros(capacity, bool),
            attempts=nothing,
            fast=jnp.zeros(capacity),
            known=jnp.zeros(capacity),
            slow=jnp.zeros(capacity),
            worth=jnp.zeros(capacity),
            entered=nothing,
            refills=none,
            tried=none,
            episodes=none,
            successes=none,
        )
        tasks = space.sample(key, capacity) if given is None else jnp.asarray(given)
        return refill(empty, tasks, len(tasks))._replace(entered=nothing, refills=none)

    def chances(state):
        """Return the probability of each row; the sum is that of not sampling the space."""
        even = state.filled / jnp.sum(state.filled)
        total = jnp.sum(state.worth)
        scored = jnp.where(total > 0, state.worth / jnp.where(total > 0, total, 1), even)
        return (most - space_fraction) * scored + pool_fraction * even

    def propose(state, key, n):
        which_key, row_key, space_key = jax.random.split(key, 3)
        cumulative = jnp.cumsum(chances(state))
        # The draw may be rounded up to the total, so rows are limited to the last one in use.
        drawn = jax.random.uniform(row_key, (n,)) * cumulative[-1]
        last = jnp.max(jnp.where(state.filled, jnp.arange(capacity), 0))
        row = jnp.minimum(jnp.searchsorted(cumulative, drawn, side="right"), last)
        tasks = state.tasks[row]
        if space_fraction:
            anywhere = jax.random.uniform(which_key, (n,)) < space_fraction
            tasks = jnp.where(anywhere[:, None], space.sample(space_key, n), tasks)
            row = jnp.where(anywhere, capacity, row)
        return Proposals.of(tasks, tag=row), state

    def observe(state, proposals, outcomes):
        counts = outcomes.valid
        success = jnp.where(counts, outcomes.success, 0).astype(jnp.float32)
        hit = _same(proposals.tasks, state.tasks)
        row = jnp.clip(proposals.tag, 0, capacity - 1)
        own = (row == proposals.tag) & recognized(proposals.tasks, state.tasks[row], tolerance)
        hit = jnp.where(own[:, None], jnp.arange(capacity) == row[:, None], hit)
        hit &= state.filled & counts[:, None]
        new = jnp.sum(hit, axis=0, dtype=jnp.int32)
        mean = jnp.sum(jnp.where(hit, success[:, None], 0), axis=0) / jnp.maximum(new, 1)
        attempts = state.attempts + new
        # The episodes of one call are simultaneous, so they have equal weights.
        gain = jnp.maximum(1 - (1 - rate) ** new, new / jnp.maximum(attempts, 1))
        fast = state.fast + gain * (mean - state.fast)
        # The slow average follows the fast one episode by episode, which gives this closed form.
        # The first episodes are averaged evenly.
        kept, lead = (1 - rate) ** new, rate * new * (state.fast - mean)
        even = gain > 1 - kept
        slow = jnp.where(
            even, state.slow + gain * (fast - state.slow), mean + kept * (state.slow - mean + lead)
        )
        return state._replace(
            attempts=attempts,
            fast=fast,
            # An exponential average has the variance of an even one over (2 - rate) / rate.
            known=jnp.minimum(attempts, (2 - rate) / rate).astype(jnp.float32),
            slow=slow,
            worth=worth(state.filled, attempts, fast, slow),
            tried=state.tried + jnp.sum(new),
            episodes=state.episodes + jnp.sum(counts, dtype=jnp.int32),
            successes=state.successes + jnp.sum(success > 0, dtype=jnp.int32),
        )

    def worth(filled, attempts, fast, slow):
        if score == "learnability":
            value, best = fast * (1 - fast), 0.25
        else:
            value = jnp.abs(_reweighted(fast) - _reweighted(slow))
            best = jnp.max(jnp.where(filled & (attempts > 0), value, 0))
            best = jnp.where(best > 0, best, 1)
        doubt = jnp.where(attempts > 0, optimism / jnp.maximum(optimism + attempts, 1), 1)
        return jnp.where(filled, value + doubt * (best - value), 0)

    def picture(state):
        chance = jnp.where(state.filled, chances(state), 0)
        return {"levels": state.tasks, "scores": state.worth, "probabilities": chance}

    return Teacher(init, propose, observe, picture)


def refill(
    state: PoolState,
    tasks: Float[Array, "k d"],
    count: int | Int[Array, ""],
    *,
    enough: int = ENOUGH,
) -> PoolState:
    """Add new tasks to the pool, replacing those with the lowest scores.

    Free rows are used first, then the tasks with at least `enough` episodes in order of increasing
    score, then the others; ties are resolved by replacing the oldest task. Tasks that are already
    in the pool, duplicates, and tasks beyond the capacity are dropped.

    Args:
        state: the state of the pool.
        tasks: the new tasks; rows from `count` on are ignored.
        count: the number of new tasks.
        enough: the number of episodes after which a task can be evaluated.

    Returns:
        The new state.
    """
    k, capacity = len(tasks), len(state.tasks)
    new = jnp.arange(k) < count
    new &= ~jnp.any(_same(tasks, state.tasks) & state.filled, axis=1)
    earlier = _same(tasks, tasks) & np.tril(np.ones((k, k), bool), -1)
    new &= ~jnp.any(earlier & new, axis=1)
    judged = state.attempts >= enough
    order = jnp.lexsort((state.entered, state.worth, ~judged, state.filled))
    number = jnp.cumsum(new) - 1
    enters = new & (number < capacity)
    row = jnp.where(enters, order[jnp.minimum(number, capacity - 1)], capacity)

    def put(values, value):
        return values.at[row].set(value, mode="drop")

    refills = state.refills + jnp.any(enters)
    best = jnp.max(state.worth)  # until the next episodes are observed
    return state._replace(
        tasks=put(state.tasks, tasks),
        filled=put(state.filled, True),
        attempts=put(state.attempts, 0),
        fast=put(state.fast, 0.0),
        known=put(state.known, 0.0),
        slow=put(state.slow, 0.0),
        worth=put(state.worth, jnp.where(best > 0, best, 1.0)),
        entered=put(state.entered, refills),
        refills=refills,
    )


def report(
    state: PoolState,
    space: TaskSpace,
    *,
    environment: str = "",
    steps: int = 0,
    updates: int = 0,
    seed: int = 0,
    since: tuple[int, int] = (0, 0),
    refused: Sequence[str] = (),
) -> Report:
    """Create the report on a pool that a proposer gets, on the host.

    Args:
        state: the state of one pool, without an axis of seeds.
        space: the task space.
        environment, steps, updates, seed, refused: see `Report`.
        since: `episodes` and `successes` of the state at the last report.
    """
    state = jax.tree.map(np.asarray, state)
    # Add one success and one failure, so that the error of a few equal outcomes is not 0.
    smooth = (state.known * state.fast + 1) / (state.known + 2)
    error = np.sqrt(smooth * (1 - smooth) / np.maximum(state.known, 1))
    tasks = []
    for i in np.flatnonzero(state.filled):
        task: dict[str, Any] = json.loads(space.to_json(state.tasks[i]))
        attempts, success = int(state.attempts[i]), float(state.fast[i])
        progress = success - float(state.slow[i])
        known = float(state.known[i])
        tasks.append(TaskReport(task, attempts, success, float(error[i]), progress, known))
    # These int32 counts wrap around after 2^31 episodes, but their differences do not.
    episodes = (int(state.episodes) - since[0]) % 2**32
    successes = (int(state.successes) - since[1]) % 2**32
    return Report(
        environment=environment,
        schema=space.json_schema(),
        steps=steps,
        success=successes / max(episodes, 1),
        tasks=tuple(tasks),
        refused=tuple(refused),
        updates=updates,
        seed=seed,
    )


def _same(a: Float[Array, "m d"], b: Float[Array, "n d"]) -> Bool[Array, "m n"]:
    """Compare all pairs of rows."""
    return jnp.all(a[:, None] == b, axis=-1)


def _reweighted(p: Array) -> Array:
    return p * (1 - REWEIGHTING) / (p + REWEIGHTING * (1 - 2 * p))
