"""A model of the student's success over the task space, and tasks at which it can learn."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from didact.common.errors import require
from didact.environments.task_spaces import Box
from didact.teachers import outcome_values
from didact.teachers.adversary.transformer.critic import Critic
from didact.teachers.base import Teacher
from didact.teachers.learned.success_models import SuccessModel, SuccessState, drawn
from didact.teachers.pacing import box_parts
from didact.teachers.rare_work import when

PROBES = 256  # tasks in the picture


class LearnabilityState(NamedTuple):
    """The model of the student, and a pool of m candidates of d numbers."""

    model: SuccessState
    pool: Float[Array, "m d"]
    worth: Float[Array, " m"]  # of each candidate
    key: PRNGKeyArray


def learnability(
    space: Box,
    *,
    easy: Box | None = None,
    score: str = "learnability",
    outcome: str = "success",
    return_range: tuple[float, float] = (0.0, 1.0),
    train_every: int = 64,
    memory: int = 1024,
    batch: int = 256,
    steps: int = 16,
    width: int = 32,
    learning_rate: float = 1e-2,
    candidates: int = 1024,
    random_fraction: float = 0.15,
    power: float = 1.0,
    floor: float = 0.05,
    delay: int = 8,
) -> Teacher:
    """Tasks in proportion to a score of the student's predicted success.

    The teacher has a theory of the student's mind: a small network that predicts the probability of
    success p of any task, including those that were never played, and that is trained in the
    compiled program on the latest episodes. Every `train_every` episodes, uniform candidates are
    scored anew:

    - "learnability": p (1 - p), the variance of the outcome, largest where the student succeeds
      half of the time;
    - "progress": |p - p'|, where p' is the prediction of the network `delay` trainings ago;
    - "gain": max(p - p', 0), progress without what is being forgotten.

    If the largest score is below `floor`, there is nothing to learn from, because the student
    succeeds nowhere or everywhere. Tasks are then uniform, or from the easy box if one is given and
    the student fails at most tasks.

    Args:
        space: the task space.
        easy: expert knowledge of tasks that an untrained student sometimes masters.
        score: "learnability", "progress" or "gain".
        outcome: what the network predicts, "success" or "return".
        return_range: returns are scaled such that this range becomes 0 to 1, and clipped.
        train_every: the number of episodes between trainings; at most one per call of `observe`.
        memory: the number of latest episodes that the network learns from.
        batch: episodes per training step.
        steps: training steps per training.
        width: the width of the network's two layers.
        learning_rate: the learning rate of Adam.
        candidates: the number of tasks that are scored.
        random_fraction: the probability of a uniform task; 1 before the first training.
        power: scores are raised to this power.
        floor: the smallest maximum score that is trusted.
        delay: the age of the former prediction, in trainings.

    Returns:
        A teacher whose `picture` has fixed tasks as `points` and their predicted success as
        `values`.

    Raises:
        SettingError: a setting is out of range, or the task space is not a `Box`.

    References:
        Rutherford et al., No regrets: investigating and improving regret approximations for
        curriculum discovery, NeurIPS 2024 (p (1 - p)); Racaniere et al., Automated curricula
        through setter-solver interactions, ICLR 2020 (the judge); Gaven et al., MAGELLAN:
        metacognitive predictions of learning progress guide autotelic LLM agents in large goal
        spaces, 2025 (|p - p'|).
    """
    box_parts.check(space, easy=easy)
    scores = ("learnability", "progress", "gain")
    require("score", score, score in scores, '"learnability", "progress" or "gain"')
    require("outcome", outcome, outcome in ("success", "return"), '"success" or "return"')
    outcome_values.check_range(return_range)
    least = {"train_every": train_every, "memory": memory, "batch": batch, "steps": steps}
    least |= {"width": width, "candidates": candidates, "delay": delay}
    for name, value in least.items():
        require(name, value, value >= 1, "at least 1")
    require("learning_rate", learning_rate, 0 < learning_rate < 1, "between 0 and 1")
    require("random_fraction", random_fraction, 0 <= random_fraction <= 1, "from 0 to 1")
    require("power", power, 0 < power < float("inf"), "above 0")
    require("floor", floor, 0 <= floor <= 1, "from 0 to 1")
    critic = Critic(width)

    def logits(parameters: Any, points: Any) -> Any:
        return critic.apply(parameters, points)

    model = SuccessModel(logits, optax.adam(learning_rate), batch, steps, delay)

    def init(key):
        network_key, pool_key, key = jax.random.split(key, 3)
        parameters = critic.init(network_key, jnp.zeros((1, space.size)))
        return LearnabilityState(
            model=model.init(parameters, jnp.zeros((memory, space.size))),
            pool=space.sample(pool_key, candidates),
            worth=jnp.ones(candidates),
            key=key,
        )

    def propose(state, key, n):
        uniform_key, which_key, row_key = jax.random.split(key, 3)
        chosen = state.pool[drawn(row_key, state.worth, n)]
        uniform = jax.random.uniform(which_key, (n, 1)) < random_fraction
        uniform |= state.model.trained == 0
        return jnp.where(uniform, space.sample(uniform_key, n), chosen), state

    def observe(state, proposals, outcomes):
        targets = outcomes.success.astype(jnp.float32)
        if outcome == "return":
            scaled = (outcomes.returns - return_range[0]) / (return_range[1] - return_range[0])
            targets = jnp.clip(scaled, 0, 1)
        counts = outcomes.valid
        points = space.normalise(proposals.tasks)
        state = state._replace(model=model.remember(state.model, points, targets, counts))
        return when(state.model.count - state.model.trained >= train_every, train, state, state)

    def train(state):
        key, train_key, pool_key, easy_key = jax.random.split(state.key, 4)
        mind = model.train(state.model, train_key)
        pool = space.sample(pool_key, candidates)
        points = space.normalise(pool)
        p = model.predicted(mind, points)
        worth = p * (1 - p)
        if score != "learnability":
            change = p - model.formerly(mind, points)
            worth = jnp.abs(change) if score == "progress" else jnp.maximum(change, 0)
        hopeless = jnp.max(worth) < floor
        if easy is not None:
            failing = hopeless & (jnp.mean(p) < 0.5)
            pool = jnp.where(failing, easy.sample(easy_key, candidates), pool)
        worth = jnp.where(hopeless, 1.0, worth**power)
        return LearnabilityState(mind, pool, worth, key)

    def picture(state):
        points = space.sample(jax.random.key(0), PROBES)
        return {"points": points, "values": model.predicted(state.model, space.normalise(points))}

    return Teacher(init, propose, observe, picture)
