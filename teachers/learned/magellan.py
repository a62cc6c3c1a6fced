"""MAGELLAN: a learned predictor of learning progress over instructions."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from didact.common.errors import require
from didact.environments.task_spaces import Box
from didact.teachers.base import FOREIGN, Proposals, Teacher
from didact.teachers.learned.goal_sets import GoalSet, features_of
from didact.teachers.learned.success_models import SuccessModel, SuccessState, drawn
from didact.teachers.rare_work import when

EMBEDDING = 32  # numbers of the vector of a token


class Competence(nn.Module):
    """The logit of success at goals described by vectors [n, f] or by token ids [n, l]."""

    width: int
    vocabulary: int = 0  # the number of tokens; 0 for vectors

    @nn.compact
    def __call__(self, x: Array) -> Float[Array, " n"]:
        if self.vocabulary:
            said = (x > 0)[..., None]
            # Each token also has a vector for what follows it, so that order is represented.
            both = nn.Embed(self.vocabulary, 2 * EMBEDDING)(x)
            first, then = both[..., :EMBEDDING], both[..., EMBEDDING:]
            pairs = first[..., :-1, :] * then[..., 1:, :] * said[..., 1:, :]
            number = jnp.maximum(jnp.sum(said, -2), 1)
            mean = jnp.sum(both * said, -2) / number
            x = jnp.concatenate([mean, jnp.sum(pairs, -2) / number], -1)
        x = jnp.tanh(nn.Dense(self.width)(x))
        return nn.Dense(1, kernel_init=nn.initializers.zeros)(x)[..., 0]


class MagellanState(NamedTuple):
    """The predictor, and the latest predictions for m goals."""

    model: SuccessState  # its inputs are the indices of goals
    success: Float[Array, " m"]  # predicted probability of success
    progress: Float[Array, " m"]  # predicted absolute learning progress
    key: PRNGKeyArray


def magellan(
    space: Box,
    *,
    goals: Any = None,
    vectors: Any = None,
    tokens: Any = None,
    train_every: int = 64,
    delay: int = 3,
    memory: int = 5000,
    batch: int = 256,
    steps: int = 32,
    width: int = 128,
    learning_rate: float = 1e-3,
    threshold: float = 0.01,
    random_start: float = 1.0,
    random_end: float = 0.2,
    random_decay: float = 10.0,
) -> Teacher:
    """Goals in proportion to the learning progress that a network predicts from their wording.

    The network reads a goal (a sentence vector or token ids) and predicts the success of the
    student, so that what is observed at one instruction generalizes to similar ones. The learning
    progress of a goal is |p - p'|, where p' is the prediction of the same network `delay` trainings
    ago; values below `threshold` count as 0. A goal is uniform with a probability that decreases
    from `random_start` to `random_end`, or if all progress is 0 (as when nothing succeeds), and
    proportional to its progress otherwise.

    In the paper, the network is a low-rank adaptation of the language model that acts, with a
    perceptron on top of it. Here the sentence vectors are fixed and only the perceptron is trained,
    or embeddings of tokens are learned together with it.

    Args:
        space: the task space, see `goal_sets`: usually one with a dimension "instruction".
        goals: float[m, d], m rows of task parameters, NaN where a parameter is free. By default,
            the values of the dimension "instruction", or samples of a space without it.
        vectors: float[m, f], a sentence vector of each goal.
        tokens: int[m, l], the token ids of each goal, 0 for padding. Without vectors and tokens,
            complete tasks are described by their parameters, and goals with free parameters by
            one-hot vectors.
        train_every: the number of episodes between trainings; at most one per call of `observe`.
        delay: the age of the former prediction, in trainings.
        memory: the number of latest episodes that the network learns from, recent ones more often.
        batch: episodes per training step.
        steps: training steps per training.
        width: the width of the hidden layer.
        learning_rate: the learning rate of Adam.
        threshold: smaller progress counts as 0.
        random_start, random_end: the initial and the final probability of a uniform goal.
        random_decay: the number of trainings after which their difference is divided by e.

    Returns:
        A teacher whose `picture` has a task of each goal as `points`, its predicted success as
        `values`, and its predicted learning progress as `progress`.

    Raises:
        SettingError: a setting is out of range, or the goals do not fit the space.

    References:
        Gaven, Carta, Romac, Colas, Lamprier, Sigaud and Oudeyer, MAGELLAN: metacognitive
        predictions of learning progress guide autotelic LLM agents in large goal spaces, 2025
        (arXiv:2502.07709).
    """
    least = {"train_every": train_every, "delay": delay, "memory": memory, "batch": batch}
    least |= {"steps": steps, "width": width}
    for name, value in least.items():
        require(name, value, value >= 1, "at least 1")
    require("learning_rate", learning_rate, 0 < learning_rate < 1, "between 0 and 1")
    require("threshold", threshold, 0 <= threshold < 1, "at least 0 and below 1")
    for name, value in {"random_start": random_start, "random_end": random_end}.items():
        require(name, value, 0 <= value <= 1, "from 0 to 1")
    require("random_decay", random_decay, 0 < random_decay < float("inf"), "above 0")
    known = GoalSet(space, goals)
    described = jnp.asarray(features_of(known, vectors, tokens))
    m = len(known)
    network = Competence(width, 0 if tokens is None else int(described.max()) + 1)

    def logits(parameters: Any, index: Any) -> Any:
        return network.apply(parameters, described[index])

    model = SuccessModel(logits, optax.adam(learning_rate), batch, steps, delay, True)

    def init(key):
        network_key, key = jax.random.split(key)
        parameters = network.init(network_key, described[:1])
        state = model.init(parameters, jnp.zeros(memory, jnp.int32))
        return MagellanState(state, jnp.full(m, 0.5), jnp.zeros(m), key)

    def propose(state, key, n):
        which_key, even_key, goal_key, task_key = jax.random.split(key, 4)
        index = drawn(goal_key, state.progress, n)
        even = jax.random.uniform(which_key, (n,)) < epsilon(state.model.trainings)
        index = jnp.where(even, jax.random.randint(even_key, (n,), 0, m), index)
        return Proposals.of(known.tasks(task_key, index), tag=index), state

    def epsilon(trainings):
        return random_end + (random_start - random_end) * jnp.exp(-trainings / random_decay)

    def observe(state, proposals, outcomes):
        foreign = proposals.tag == FOREIGN
        index = jnp.where(foreign, known.find(proposals.tasks), proposals.tag)
        counts = outcomes.valid & (index >= 0) & (index < m)
        success = outcomes.success.astype(jnp.float32)
        state = state._replace(model=model.remember(state.model, index, success, counts))
        return when(state.model.count - state.model.trained >= train_every, train, state, state)

    def train(state):
        key, train_key = jax.random.split(state.key)
        mind = model.train(state.model, train_key)
        everything = jnp.arange(m)
        p = model.predicted(mind, everything)
        progress = jnp.abs(p - model.formerly(mind, everything))
        return MagellanState(mind, p, jnp.where(progress < threshold, 0, progress), key)

    def picture(state):
        points = known.tasks(jax.random.key(0), jnp.arange(m))
        return {"points": points, "values": state.success, "progress": state.progress}

    return Teacher(init, propose, observe, picture)
