"""A language model that learns to teach inside the compiled program."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from didact.common.errors import SettingError, require
from didact.environments.task_spaces import Box
from didact.teachers import gaussian_mixtures, ring_buffer
from didact.teachers.adversary.transformer.critic import Critic, critic_loss, uncertainty
from didact.teachers.adversary.transformer.model import Transformer, draw, log_probabilities
from didact.teachers.adversary.transformer.tokens import Tokens
from didact.teachers.base import Teacher

EPISODES = 256  # in a step of the critic
COMPONENTS = 5  # in the picture


class TransformerState(NamedTuple):
    """d dimensions; a ring of h episodes (episode i is at i mod h) and a pool of m tasks."""

    policy: Any  # parameters of the transformer
    policy_moments: Any  # of its optimiser
    critic: Any  # parameters of the critic
    critic_moments: Any
    points: Float[Array, "h d"]  # episodes' tasks, in the unit cube
    targets: Float[Array, " h"]  # their successes, or regrets
    count: Int[Array, ""]  # episodes so far
    trained: Int[Array, ""]  # episodes at the latest training; 0 before the first
    pool: Float[Array, "m d"]  # the tasks that are proposed
    worth: Float[Array, " m"]  # what the critic says of them
    key: PRNGKeyArray  # for trainings


def policy_loss(
    log_probabilities: Float[Array, " n"], worth: Float[Array, " n"], temperature: float
) -> Float[Array, ""]:
    """Its gradient is minus that of E[worth] + temperature * entropy, from n tasks of the policy.

    REINFORCE with what the other tasks earn as the baseline of each. The entropy is earned, too:
    where the policy is proportional to exp(worth / temperature), every task earns the same, and
    the gradient is 0 without noise.
    """
    n = log_probabilities.shape[0]
    earned = worth - temperature * jax.lax.stop_gradient(log_probabilities)
    advantage = (earned - jnp.mean(earned)) * n / (n - 1)
    return -jnp.mean(jax.lax.stop_gradient(advantage) * log_probabilities)


def transformer(
    space: Box,
    *,
    reward: str = "uncertainty",
    score: str = "positive_value_loss",
    temperature: float = 0.15,
    random_fraction: float = 0.1,
    train_every: int = 64,
    memory: int = 2048,
    learning_rate: float = 3e-3,
    steps: int = 4,
    batch: int = 128,
    critic_steps: int = 16,
    bins: int = 32,
    width: int = 32,
    layers: int = 2,
    heads: int = 4,
) -> Teacher:
    """A small language model writes tasks token by token, paid where the student is uncertain.

    It needs no server and no words: its language is the numbers of the task space, see `Tokens`.
    Every `train_every` episodes (at most once in a call of `observe`) it is trained, in the
    compiled program:

    - A critic learns, from the latest `memory` episodes, how likely a task succeeds. What a task
      is worth is 4 p (1 - p), or the regret expected there.
    - The language model takes `steps` steps of policy gradient (REINFORCE with a leave-one-out
      baseline), each on `batch` fresh sentences that the critic values. Its aim is the mean worth
      plus `temperature` times the entropy, so it goes for proposals in proportion to
      exp(worth / temperature): an aim that is broad, and uniform again where nothing is left to
      learn.

    Because the critic values tasks before anybody tries them, outcomes that come many updates
    late do no harm, and no importance weights are needed: the student's outcomes train the critic,
    for which it does not matter who proposed them.

    The sentences of a training are the pool from which all tasks up to the next one are drawn,
    at random: a call of `propose` costs no more for a million tasks than choosing rows does. A
    part of the tasks is uniform, which keeps the critic honest everywhere.

    Args:
        space: the tasks.
        reward: "uncertainty", or "regret" (what PAIRED pays for).
        score: which of the outcomes' scores is the regret.
        temperature: how evenly tasks are proposed. The odds of the best tasks to the worst are
            up to exp(1 / temperature) to 1.
        random_fraction: the probability of a uniform task; before the first training it is 1.
        train_every: episodes between trainings.
        memory: how many of the latest episodes the critic learns from.
        learning_rate: of both networks, by Adam.
        steps: of policy gradient in a training.
        batch: sentences for each step.
        critic_steps: steps of the critic in a training, on 256 episodes each.
        bins: tokens at each position: bins of real numbers, and the base in which whole numbers
            of larger ranges are written.
        width, layers, heads: of the transformer.

    Returns:
        A teacher whose `picture` holds a Gaussian mixture fitted to the pool, with the worth as
        progress.

    Raises:
        SettingError: a setting is out of its range, tasks are not points of a box, or, when it
            observes, outcomes have no such score.

    References:
        Xia et al., Agent0: unleashing self-evolving agents from zero data via tool-integrated
        reasoning, 2025: a proposer that is paid where p is near 1/2. Dennis et al., Emergent
        complexity and zero-shot transfer via unsupervised environment design, NeurIPS 2020:
        regret. Kool, van Hoof and Welling, Buy 4 REINFORCE samples, get a baseline for free,
        2019. Racaniere et al., 2020 (see `critic`).
    """
    require("reward", reward, reward in ("uncertainty", "regret"), '"uncertainty" or "regret"')
    require("temperature", temperature, 0 < temperature < float("inf"), "above 0")
    require("random_fraction", random_fraction, 0 <= random_fraction <= 1, "from 0 to 1")
    require("learning_rate", learning_rate, 0 < learning_rate < 1, "between 0 and 1")
    require("batch", batch, batch >= 2, "at least 2")
    least = {"train_every": train_every, "memory": memory, "steps": steps, "width": width}
    least |= {"critic_steps": critic_steps, "layers": layers, "heads": heads}
    for name, value in least.items():
        require(name, value, value >= 1, "at least 1")
    require("width", width, width % heads == 0, f"a multiple of the heads, {heads}")
    language = Tokens(space, bins)
    model = Transformer(language.length, bins, width, layers, heads)
    critic = Critic(64)
    optimiser = optax.adam(learning_rate)

    def judged_by(parameters: Any, points: Float[Array, "n d"]) -> Any:
        return critic.apply(parameters, points)

    d = space.size
    extent = np.where(space.high > space.low, space.high - space.low, 0)
    drawn = steps * batch

    def init(key):
        policy_key, critic_key, key = jax.random.split(key, 3)
        policy = model.init(policy_key, jnp.zeros((1, language.length), jnp.int32))
        judge = critic.init(critic_key, jnp.zeros((1, d)))
        return TransformerState(
            policy=policy,
            policy_moments=optimiser.init(policy),
            critic=judge,
            critic_moments=optimiser.init(judge),
            points=jnp.zeros((memory, d)),
            targets=jnp.zeros(memory),
            count=jnp.int32(0),
            trained=jnp.int32(0),
            pool=jnp.zeros((drawn, d)),
            worth=jnp.zeros(drawn),
            key=key,
        )

    def propose(state, key, n):
        uniform_key, which_key, choice_key = jax.random.split(key, 3)
        anywhere = space.sample(uniform_key, n)
        chosen = state.pool[jax.random.randint(choice_key, (n,), 0, drawn)]
        uniform = jax.random.uniform(which_key, (n, 1)) < random_fraction
        return jnp.where(uniform | (state.trained == 0), anywhere, chosen), state

    value = uncertainty if reward == "uncertainty" else jax.nn.sigmoid

    def observe(state, proposals, outcomes):
        state = remember(state, proposals.tasks, outcomes)
        due = state.count - state.trained >= train_every
        # Not a `cond`: under `vmap` that would train whether or not any training is due.
        state, _ = jax.lax.while_loop(
            lambda carry: carry[1],
            lambda carry: (train(carry[0]), jnp.zeros_like(carry[1])),
            (state, due),
        )
        return state

    def target_of(outcomes):
        if reward == "uncertainty":
            return outcomes.success.astype(jnp.float32)
        if score not in outcomes.scores:
            known = ", ".join(sorted(outcomes.scores)) or "none: these outcomes have no scores"
            raise SettingError("score", score, known)
        return outcomes.scores[score]

    def remember(state, tasks, outcomes):
        targets = target_of(outcomes)
        counts = (outcomes.weights > 0) & jnp.isfinite(targets)  # one NaN would end all learning
        order, at, total = ring_buffer.slots(counts, state.count, memory)
        return state._replace(
            points=state.points.at[at].set(space.normalise(tasks)[order], mode="drop"),
            targets=state.targets.at[at].set(targets[order], mode="drop"),
            count=state.count + total,
        )

    def train(state):
        critic_key, policy_key = jax.random.split(jax.random.fold_in(state.key, state.count))
        known = jnp.minimum(state.count, memory)
        targets = state.targets
        if reward == "regret":
            # In units of what is large among the latest; the few that are larger count as that.
            there = jnp.where(jnp.arange(memory) < known, targets, jnp.nan)
            targets = jnp.clip(targets / jnp.maximum(jnp.nanquantile(there, 0.95), 1e-6), 0, 1)

        def judge(carry, key):
            parameters, moments = carry
            rows = jax.random.randint(key, (EPISODES,), 0, known)
            gradient = jax.grad(
                lambda p: critic_loss(judged_by(p, state.points[rows]), targets[rows])
            )(parameters)
            updates, moments = optimiser.update(gradient, moments, parameters)
            return (optax.apply_updates(parameters, updates), moments), None

        (critic_now, critic_moments), _ = jax.lax.scan(
            judge, (state.critic, state.critic_moments), jax.random.split(critic_key, critic_steps)
        )

        def improve(carry, key):
            parameters, moments = carry
            token_key, within_key = jax.random.split(key)
            tokens = draw(model, parameters, language, token_key, batch)
            tasks = language.tasks(tokens, jax.random.uniform(within_key, (batch, d)))
            worth = value(judged_by(critic_now, space.normalise(tasks)))

            def loss(parameters):
                chances = log_probabilities(model, parameters, language, tokens)
                return policy_loss(chances, worth, temperature)

            gradient = jax.grad(loss)(parameters)
            updates, moments = optimiser.update(gradient, moments, parameters)
            return (optax.apply_updates(parameters, updates), moments), (tasks, worth)

        improved, (pool, worth) = jax.lax.scan(
            improve, (state.policy, state.policy_moments), jax.random.split(policy_key, steps)
        )
        return state._replace(
            policy=improved[0],
            policy_moments=improved[1],
            critic=critic_now,
            critic_moments=critic_moments,
            trained=state.count,
            pool=pool.reshape(drawn, d),
            worth=worth.reshape(drawn),
        )

    def picture(state):
        # Together with what they are worth, as a frontier may be worth much at its crest alone.
        rows = jnp.concatenate([space.normalise(state.pool), state.worth[:, None]], axis=1)
        fitted, _ = gaussian_mixtures.fit(
            state.key, rows, jnp.ones(drawn, bool), np.array([COMPONENTS])
        )
        weights = jnp.where(state.trained > 0, fitted.weights[0], 0)
        used = weights > 0
        covariances = fitted.covariances[0, :, :d, :d] * np.outer(extent, extent)
        means = space.low + fitted.means[0, :, :d] * extent
        return {
            "weights": weights,
            "means": jnp.where(used[:, None], means, 0),
            "covariances": jnp.where(used[:, None, None], covariances, 0),
            "progress": jnp.where(used, fitted.means[0, :, d], 0),
        }

    return Teacher(init, propose, observe, jax.jit(picture))
