"""Setter-Solver: a normalizing flow of tasks of a requested feasibility, trained by a judge."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from didact.common.errors import require
from didact.environments.task_spaces import Box
from didact.teachers import ring_buffer
from didact.teachers.base import Proposals, Teacher
from didact.teachers.learned.real_nvp import Couplings, RealNvp
from didact.teachers.learned.setter_losses import (
    GRADES,
    Judge,
    feasibility,
    judge_loss,
    setter_loss,
)
from didact.teachers.pacing import box_parts
from didact.teachers.rare_work import when


class SetterSolverState(NamedTuple):
    """d dimensions, a ring buffer with episode i in row i mod h, and a pool of m tasks."""

    setter: Couplings
    setter_moments: Any  # the optimizer state
    judge: Any  # parameters
    judge_moments: Any
    points: Float[Array, "h d"]  # the tasks of episodes, in the unit cube
    grades: Int[Array, " h"]  # their feasibilities, see `GRADES`; -1 if unknown
    success: Float[Array, " h"]
    count: Int[Array, ""]  # episodes so far, less `ring_buffer.surplus`
    trained: Int[Array, ""]  # episodes at the latest training
    pool: Float[Array, "m d"]  # the tasks that are proposed
    pool_grades: Int[Array, " m"]
    key: PRNGKeyArray


def setter_solver(
    space: Box,
    *,
    easy: Box | None = None,
    update_every: int = 50,
    memory: int = 512,
    batch: int = 64,
    steps: int = 8,
    noise: float = 0.1,
    width: int = 64,
    blocks: int = 3,
    judge_width: int = 64,
    learning_rate: float = 1e-3,
    pool: int = 512,
) -> Teacher:
    """Tasks of uniformly drawn feasibility, written by a network that a judge of success trains.

    The setter is a flow (see `real_nvp`) from noise and a feasibility f to a task. The judge
    predicts the success of a task. Every `update_every` episodes, both are trained: the judge by
    cross-entropy, and the setter by the sum of three losses:

    - feasibility: the mean square of judge(task) - logit(f), for generated tasks;
    - validity: the mean of -log p(task | f) over tasks at which the student succeeded, moved by
      uniform noise, so that solved tasks remain likely;
    - coverage: the mean log-density of generated tasks, so that they are as diverse as possible.

    Feasibilities are uniform, so the tasks range from impossible to mastered ones.

    If no episode since the latest training succeeded, the next tasks are from the easy box, or
    uniform without it, because the judge has nothing to tell the setter. (In the public code of
    TeachMyAgent, the validity loss, a mean of no numbers, is then not a number.) Also unlike there,
    the noise of the validity loss has mean 0, the setter's couplings share a network for scale and
    shift, and several training steps with episodes from a longer memory are taken: the
    preset "tma" has that code's numbers.

    Args:
        space: the task space.
        easy: expert knowledge of tasks that an untrained student sometimes masters.
        update_every: the number of episodes between trainings; at most one training per call of
            `observe`. The tasks until the next training are drawn from a pool that is generated
            after each training.
        memory: the number of latest episodes that the networks learn from.
        batch: episodes, and generated tasks, per training step.
        steps: training steps of both networks per training.
        noise: the width of the uniform noise, as a fraction of each range.
        width: the width of the setter's networks.
        blocks: the number of blocks of three couplings.
        judge_width: the width of the judge.
        learning_rate: the learning rate of Adam.
        pool: the number of tasks in the pool.

    Returns:
        A teacher whose `picture` has the pool as `points` and the judge's success probabilities as
        `values`.

    Raises:
        SettingError: a setting is out of range, or the task space is not a `Box`.

    References:
        Racaniere, Lampinen, Santoro, Reichert, Firoiu and Lillicrap, Automated curricula through
        setter-solver interactions, ICLR 2020, sections 3.2 and 3.3; Romac et al., TeachMyAgent: a
        benchmark for automatic curriculum learning in deep RL, ICML 2021.
    """
    box_parts.check(space, easy=easy)
    least = {"update_every": update_every, "memory": memory, "batch": batch, "steps": steps}
    least |= {"width": width, "blocks": blocks, "judge_width": judge_width, "pool": pool}
    for name, value in least.items():
        require(name, value, value >= 1, "at least 1")
    require("noise", noise, 0 <= noise < 1, "at least 0 and below 1")
    require("learning_rate", learning_rate, 0 < learning_rate < 1, "between 0 and 1")
    d = space.size
    flow, judge = RealNvp(d, width, blocks), Judge(judge_width)
    optimizer = optax.adam(learning_rate)

    def init(key):
        setter_key, judge_key, pool_key, key = jax.random.split(key, 4)
        setter = flow.init(setter_key)
        judged = judge.init(judge_key, jnp.zeros((1, d)))
        tasks, grades = generated(setter, pool_key)
        return SetterSolverState(
            setter=setter,
            setter_moments=optimizer.init(setter),
            judge=judged,
            judge_moments=optimizer.init(judged),
            points=jnp.zeros((memory, d)),
            grades=jnp.zeros(memory, jnp.int32),
            success=jnp.zeros(memory),
            count=jnp.int32(0),
            trained=jnp.int32(0),
            pool=tasks,
            pool_grades=grades,
            key=key,
        )

    def generated(setter, key):
        noise_key, grade_key = jax.random.split(key)
        grades = jax.random.randint(grade_key, (pool,), 0, GRADES)
        latent = jax.random.normal(noise_key, (pool, d))
        points, _ = flow.sample(setter, latent, feasibility(grades))
        return space.denormalise(points), grades

    def propose(state, key, n):
        rows = jax.random.randint(key, (n,), 0, pool)
        return Proposals.of(state.pool[rows], tag=state.pool_grades[rows]), state

    def observe(state, proposals, outcomes):
        counts = outcomes.valid
        order, at, total = ring_buffer.slots(counts, state.count, memory)
        surplus = ring_buffer.surplus(state.count, memory)

        def put(x, new):
            return x.at[at].set(new[order].astype(x.dtype), mode="drop")

        state = state._replace(
            points=put(state.points, space.normalise(proposals.tasks)),
            grades=put(state.grades, proposals.tag),
            success=put(state.success, outcomes.success),
            count=state.count + total - surplus,
            trained=state.trained - surplus,
        )
        return when(state.count - state.trained >= update_every, train, state, state)

    def train(state):
        key, step_key, pool_key, else_key = jax.random.split(state.key, 4)
        known = jnp.minimum(state.count, memory)

        def step(carry, key):
            setter, setter_moments, judged, judge_moments = carry
            row_key, grade_key, latent_key, noise_key = jax.random.split(key, 4)
            rows = jax.random.randint(row_key, (batch,), 0, known)
            points, success, grades = (x[rows] for x in (state.points, state.success, state.grades))
            gradient = jax.grad(lambda p: judge_loss(judge.apply(p, points), success))(judged)
            updates, judge_moments = optimizer.update(gradient, judge_moments, judged)
            judged: Any = optax.apply_updates(judged, updates)
            f = feasibility(jax.random.randint(grade_key, (batch,), 0, GRADES))
            latent = jax.random.normal(latent_key, (batch, d))
            moved = points + noise * (jax.random.uniform(noise_key, points.shape) - 0.5)
            solved = (success > 0.5) & (grades >= 0)

            def loss(setter):
                made, density = flow.sample(setter, latent, f)
                likely = flow.log_density(setter, moved, feasibility(grades))
                return setter_loss(judge.apply(judged, made), f, density, likely, solved)

            gradient = jax.grad(loss)(setter)
            updates, setter_moments = optimizer.update(gradient, setter_moments, setter)
            changed: Any = optax.apply_updates(setter, updates)
            return (changed, setter_moments, judged, judge_moments), None

        start = state.setter, state.setter_moments, state.judge, state.judge_moments
        networks, _ = jax.lax.scan(step, start, jax.random.split(step_key, steps))
        age = (state.count - 1 - jnp.arange(memory)) % memory
        latest = age < jnp.minimum(state.count - state.trained, memory)
        some = jnp.any(latest & (state.success > 0))
        tasks, grades = generated(networks[0], pool_key)
        other = (space if easy is None else easy).sample(else_key, pool)
        predicted: Any = judge.apply(networks[2], space.normalise(other))
        guessed = jnp.floor(jax.nn.sigmoid(predicted) * GRADES).astype(jnp.int32)
        return SetterSolverState(
            *networks,
            points=state.points,
            grades=state.grades,
            success=state.success,
            count=state.count,
            trained=state.count,
            pool=jnp.where(some, tasks, other),
            pool_grades=jnp.where(some, grades, jnp.clip(guessed, 0, GRADES - 1)),
            key=key,
        )

    def picture(state):
        logits: Any = judge.apply(state.judge, space.normalise(state.pool))
        return {"points": state.pool, "values": jax.nn.sigmoid(logits)}

    return Teacher(init, propose, observe, picture)
