"""SPDL: a Gaussian over tasks that moves from easy tasks to all of them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from didact.common.errors import require
from didact.environments.task_spaces import Box
from didact.teachers import ring_buffer
from didact.teachers.base import Proposals, Teacher
from didact.teachers.pacing import box_parts
from didact.teachers.pacing.gaussian_trust_region import (
    Gaussian,
    divergence,
    log_density,
    maximized,
)
from didact.teachers.rare_work import when

OWN, FALLBACK = 0, 1  # tags: tasks of the Gaussian, and tasks that were drawn without it
WIDTH = 0.1  # standard deviation of an unknown start, as a fraction of each range
FARTHEST = 20.0  # the largest log importance ratio


class SelfPacedState(NamedTuple):
    """k dimensions that vary; a ring buffer with episode i in row i mod h."""

    mean: Float[Array, " k"]  # of the Gaussian over tasks in the unit cube
    factor: Float[Array, "k k"]  # the Cholesky factor of its covariance
    fallback: Float[Array, ""]  # the probability of a task that the Gaussian did not draw
    updates: Int[Array, ""]  # updates so far
    progress: Float[Array, ""]  # the mean outcome of the Gaussian's tasks at the latest update
    points: Float[Array, "h k"]  # the tasks of episodes, in the unit cube
    values: Float[Array, " h"]  # their returns or successes
    success: Float[Array, " h"]
    own: Bool[Array, " h"]  # whether the Gaussian drew the task
    count: Int[Array, ""]  # episodes so far, less `ring_buffer.surplus`
    updated: Int[Array, ""]  # episodes at the latest update
    amount: Float[Array, ""]  # episodes or steps since the latest update (at first, minus `start`)


def self_paced(
    space: Box,
    *,
    easy: Box | None = None,
    target: Box | None = None,
    update_every: int = 250,
    start: int = 0,
    counted: str = "episodes",
    max_kl: float = 0.1,
    zeta: float = 0.25,
    alpha_offset: int = 10,
    outcome: str = "return",
    min_std: float = 0.0,
    kl_threshold: float = 0.0,
    memory: int = 1000,
    iterations: int = 20,
) -> Teacher:
    """A Gaussian over tasks that trades the student's outcomes against closeness to a target.

    Each update maximizes E[v(c)] - alpha KL(p || target) over Gaussians p with
    KL(p_old || p) <= `max_kl`, where v(c) is the outcome of task c, and the expectation is
    estimated from the episodes since the previous update by importance weights. The coefficient
    alpha is 0 in the first `alpha_offset` updates; later, it is such that the penalty is `zeta`
    times the mean outcome. So p first moves to tasks at which the student succeeds, and then to the
    target as quickly as success permits. The bound on the divergence holds at every update (see
    `min_std` for the exception).

    Where no task of p succeeds and all outcomes are equal, nothing can be estimated. Tasks are then
    drawn from the easy box, or uniformly if none is given. When some of these succeed, half of the
    tasks are again those of p, and p moves towards the successes in updates with the same bound.
    (The original algorithm would stay where it is.)

    In integer dimensions, tasks are rounded, and their densities are those of p at the rounded
    numbers; the importance weights are then only approximate.

    It differs from the authors' code in three more respects. The values are outcomes, not
    predictions of the student's value function in initial states, which teachers do not know. Their
    mean is subtracted, because importance weights of few episodes would otherwise reward density at
    the sampled tasks. The optimization problem is solved to convergence, not by one step.

    Args:
        space: the task space.
        easy: expert knowledge of the start, whose center and a quarter of whose extent become the
            initial mean and standard deviations. Without it, the initial mean is random, with a
            standard deviation of a tenth of each range.
        target: expert knowledge of the tasks to learn, from which the target Gaussian is made in
            the same way. The default is the whole space.
        update_every: the number of episodes or steps between updates; at most one update per call
            of `observe`.
        start: no update before this number of episodes or steps.
        counted: what `update_every` and `start` count, "episodes" or "steps".
        max_kl: the bound on KL(p_old || p) of an update.
        zeta: the weight of closeness to the target, relative to the mean outcome.
        alpha_offset: the number of initial updates without the target. (The authors' code has one
            less than the setting of this name.)
        outcome: "return" or "success". Negative mean returns count as 0 in alpha.
        min_std: the smallest standard deviation, as a fraction of each range, while the divergence
            from the target exceeds `kl_threshold`. An update raises a smaller one, beyond `max_kl`
            if necessary, as in the authors' code.
        kl_threshold: see `min_std`.
        memory: the number of latest episodes that an update uses, at most those since the last one.
        iterations: the maximum number of gradient steps of an update.

    Returns:
        A teacher whose `picture` contains the Gaussian, with the mean outcome as progress.

    Raises:
        SettingError: a setting is out of range, a box has other dimensions than the space, or the
            task space is not a `Box`.

    References:
        Klink, D'Eramo, Peters and Pajarinen, Self-paced deep reinforcement learning, NeurIPS 2020,
        algorithm 1 and equation 7; Romac et al., TeachMyAgent: a benchmark for automatic
        curriculum learning in deep RL, ICML 2021.
    """
    box_parts.check(space, easy=easy, target=target)
    for name, value in {"update_every": update_every, "iterations": iterations}.items():
        require(name, value, value >= 1, "at least 1")
    require("memory", memory, memory >= 2, "at least 2")
    for name, value in {"start": start, "zeta": zeta, "alpha_offset": alpha_offset}.items():
        require(name, value, value >= 0, "at least 0")
    require("counted", counted, counted in ("episodes", "steps"), '"episodes" or "steps"')
    require("outcome", outcome, outcome in ("return", "success"), '"return" or "success"')
    require("max_kl", max_kl, 0 < max_kl < float("inf"), "above 0")
    require("min_std", min_std, 0 <= min_std < 1, "at least 0 and below 1")
    require("kl_threshold", kl_threshold, kl_threshold >= 0, "at least 0")
    require("zeta", zeta, zeta < float("inf"), "finite")
    columns = np.flatnonzero(space.high > space.low)
    columns = columns if len(columns) else np.arange(1)  # a single task
    k = len(columns)

    def gaussian_of(part):
        mean, std = box_parts.center_and_std(space, part)
        return Gaussian(jnp.asarray(mean[columns]), jnp.diag(std[columns]))

    goal = gaussian_of(target or space)
    beginning = None if easy is None else gaussian_of(easy)
    elsewhere = space if easy is None else easy

    def init(key):
        unknown = Gaussian(jax.random.uniform(key, (k,)), WIDTH * jnp.eye(k))
        first = unknown if beginning is None else beginning
        return SelfPacedState(
            mean=first.mean,
            factor=first.factor,
            fallback=jnp.float32(0),
            updates=jnp.int32(0),
            progress=jnp.float32(0),
            points=jnp.zeros((memory, k)),
            values=jnp.zeros(memory),
            success=jnp.zeros(memory),
            own=jnp.zeros(memory, bool),
            count=jnp.int32(0),
            updated=jnp.int32(0),
            amount=jnp.float32(min(0, update_every - start)),
        )

    def propose(state, key, n):
        which_key, normal_key, else_key = jax.random.split(key, 3)
        noise = jax.random.normal(normal_key, (n, k))
        points = state.mean + jnp.dot(noise, state.factor.T, precision="highest")
        points = jnp.zeros((n, space.size)).at[:, columns].set(points)
        drawn = space.clip(elsewhere.sample(else_key, n))
        fell_back = jax.random.uniform(which_key, (n,)) < state.fallback
        tasks = jnp.where(fell_back[:, None], drawn, space.denormalise(points))
        return Proposals.of(tasks, tag=jnp.where(fell_back, FALLBACK, OWN)), state

    def observe(state, proposals, outcomes):
        values = outcomes.success if outcome == "success" else outcomes.returns
        counts = outcomes.valid
        order, at, total = ring_buffer.slots(counts, state.count, memory)
        surplus = ring_buffer.surplus(state.count, memory)

        def put(x, new):
            return x.at[at].set(new[order].astype(x.dtype), mode="drop")

        each = outcomes.lengths if counted == "steps" else jnp.ones_like(values)
        state = state._replace(
            points=put(state.points, space.normalise(proposals.tasks)[:, columns]),
            values=put(state.values, values),
            success=put(state.success, outcomes.success),
            own=put(state.own, proposals.tag == OWN),
            count=state.count + total - surplus,
            updated=state.updated - surplus,
            amount=state.amount + jnp.sum(jnp.where(counts, each, 0)),
        )
        due = (state.amount >= update_every) & (state.count > state.updated)
        return when(due, update, state, state)

    def update(state):
        old = Gaussian(state.mean, state.factor)
        age = (state.count - 1 - jnp.arange(memory)) % memory
        fresh = age < jnp.minimum(state.count - state.updated, memory)
        own, other = fresh & state.own, fresh & ~state.own
        mean = _mean(state.values, own)
        spread = jnp.where(own, jnp.abs(state.values - mean), 0)
        informed = jnp.any(own & (state.success > 0)) | (jnp.max(spread) > 1e-6)
        found = other & ((state.success > 0) | (state.values > _mean(state.values, other) + 1e-6))
        rescued = ~informed & jnp.any(found)
        successes = Gaussian(
            jnp.sum(jnp.where(found[:, None], state.points, 0), 0) / jnp.maximum(jnp.sum(found), 1),
            WIDTH * jnp.eye(k),
        )
        away = divergence(old, goal)
        alpha = jnp.minimum(zeta * jnp.maximum(mean, 0) / jnp.maximum(away, 1e-10), 1e5)
        alpha = jnp.where(state.updates < alpha_offset, 0, alpha)
        alpha = jnp.where(informed, alpha, jnp.where(rescued, 1, 0))
        anchor = jax.tree.map(lambda a, b: jnp.where(rescued, a, b), successes, goal)
        gains = jnp.where(own & informed, state.values - mean, 0) / jnp.maximum(jnp.sum(own), 1)
        density = log_density(old, state.points)

        def objective(p):
            ratio = jnp.exp(jnp.minimum(log_density(p, state.points) - density, FARTHEST))
            return jnp.sum(ratio * gains) - alpha * divergence(p, anchor)

        floor = jnp.where(away > kl_threshold, min_std, 0.0)
        new = maximized(objective, old, max_kl, min_std=floor, iterations=iterations)
        new = widened(new)
        return state._replace(
            mean=new.mean,
            factor=new.factor,
            fallback=jnp.where(informed, 0.0, jnp.where(rescued, 0.5, 1.0)),
            updates=state.updates + 1,
            progress=mean,
            updated=state.count,
            amount=jnp.zeros_like(state.amount),
        )

    def widened(p):
        """Raise the standard deviations to their minimum, far from the target."""
        missing = jnp.maximum(min_std - jnp.diagonal(p.factor), 0)
        far = divergence(p, goal) > kl_threshold
        return p._replace(factor=p.factor + jnp.where(far, jnp.diag(missing), 0))

    def picture(state):
        extent = (space.high - space.low)[columns]
        means = jnp.asarray(space.low).at[columns].add(state.mean * extent)
        factor = state.factor * extent[:, None]
        rows = jnp.zeros((space.size, k)).at[columns].set(factor)
        covariances = jnp.dot(rows, rows.T, precision="highest")
        parts = {"means": means, "covariances": covariances, "progress": state.progress}
        parts |= {"weights": jnp.float32(1)}
        return {name: part[None] for name, part in parts.items()}

    return Teacher(init, propose, observe, picture)


def _mean(values: Float[Array, " h"], mask: Bool[Array, " h"]) -> Float[Array, ""]:
    return jnp.sum(jnp.where(mask, values, 0)) / jnp.maximum(jnp.sum(mask), 1)
