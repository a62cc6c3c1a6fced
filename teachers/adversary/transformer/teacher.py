"""A transformer teacher, trained inside the compiled program by the student's outcomes."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from didact.common.errors import SettingError, require
from didact.environments.task_spaces import Box
from didact.teachers import rare_work, ring_buffer
from didact.teachers.adversary.transformer.critic import Critic, critic_loss, uncertainty
from didact.teachers.adversary.transformer.model import Transformer, draw, log_probabilities
from didact.teachers.adversary.transformer.tokens import Tokens
from didact.teachers.base import Teacher
from didact.teachers.progress import gaussian_mixtures

EPISODES = 256  # the batch size of the critic
COMPONENTS = 5  # of the mixture in the picture
REWARDS = ("uncertainty", "regret", "minimax")


class TransformerState(NamedTuple):
    """d dimensions, a ring buffer with episode i in row i mod h, and a pool of m tasks."""

    policy: Any  # the parameters of the transformer
    policy_moments: Any  # the optimizer state of the transformer
    critic: Any  # the parameters of the critic
    critic_moments: Any  # the optimizer state of the critic
    points: Float[Array, "h d"]  # the tasks of episodes, in the unit cube
    targets: Float[Array, " h"]  # their successes, regrets or negative returns
    count: Int[Array, ""]  # episodes so far, less `ring_buffer.surplus`
    trained: Int[Array, ""]  # episodes at the latest training; 0 before the first
    pool: Float[Array, "m d"]  # the tasks that are proposed
    worth: Float[Array, " m"]  # their values according to the critic
    key: PRNGKeyArray  # the key for training


def policy_loss(
    log_probabilities: Float[Array, " n"], worth: Float[Array, " n"], temperature: float
) -> Float[Array, ""]:
    """Return a loss whose gradient is minus that of E[worth] + temperature * entropy.

    The gradient is estimated by REINFORCE from n samples, with the mean reward of the other samples
    as the baseline of each. The entropy is part of the reward: if the policy is proportional to
    exp(worth / temperature), all rewards are equal, and the gradient is 0 without noise.
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
    """A small transformer that generates tasks token by token, rewarded by student uncertainty.

    It needs no language model server: its language is the parameters of the task space (see
    `Tokens`). It is trained in the compiled program every `train_every` episodes (at most once per
    call of `observe`):

    - A critic learns the success probability p of a task from the latest `memory` episodes. The
      value of a task is 4 p (1 - p), or the expected regret, or minus the expected return.
    - The transformer takes `steps` policy gradient steps (REINFORCE with a leave-one-out baseline),
      each on `batch` new sentences that the critic evaluates. The objective is the mean value plus
      `temperature` times the entropy. Its maximum, a distribution proportional to
      exp(value / temperature), is broad, and uniform if nothing is left to learn.

    The critic evaluates tasks before they are played, so outcomes may arrive many updates later.
    No importance weights are needed either: outcomes train only the critic, and for the critic it
    does not matter which teacher proposed a task.

    The sentences of one training form the pool from which all tasks until the next training are
    sampled, so `propose` only has to select rows. A fraction of the tasks is uniform, which keeps
    the critic accurate everywhere.

    Args:
        space: the task space.
        reward: "uncertainty"; "regret", scaled by its 95 % quantile and clipped; or "minimax",
            minus the return, scaled to [0, 1]. See `paired` and `minimax`.
        score: the score of the outcomes that is used as regret.
        temperature: the weight of the entropy. The best tasks are proposed at most
            exp(1 / temperature) times as often as the worst.
        random_fraction: the probability of a uniform task; 1 before the first training.
        train_every: the number of episodes between trainings.
        memory: the number of latest episodes that the critic learns from.
        learning_rate: the learning rate of Adam for both networks.
        steps: policy gradient steps per training.
        batch: sentences per policy gradient step.
        critic_steps: critic steps per training, on 256 episodes each.
        bins: the number of tokens at each position: the bins of real-valued parameters, and the
            base in which integers with larger ranges are written.
        width, layers, heads: the size of the transformer.

    Returns:
        A teacher whose `picture` contains a Gaussian mixture fitted to the pool, with values as
        progress.

    Raises:
        SettingError: a setting is out of range, or the task space is not a `Box`; when it observes,
            if the outcomes do not have the score.

    References:
        Xia et al., Agent0: unleashing self-evolving agents from zero data via tool-integrated
        reasoning, 2025: a proposer that is rewarded where p is near 1/2. Dennis et al., Emergent
        complexity and zero-shot transfer via unsupervised environment design, NeurIPS 2020:
        regret. Kool, van Hoof and Welling, Buy 4 REINFORCE samples, get a baseline for free,
        2019. Racaniere et al., 2020 (see `critic`).
    """
    require("reward", reward, reward in REWARDS, "one of " + ", ".join(REWARDS))
    require("temperature", temperature, 0 < temperature < float("inf"), "above 0")
    require("random_fraction", random_fraction, 0 <= random_fraction <= 1, "from 0 to 1")
    require("learning_rate", learning_rate, 0 < learning_rate < 1, "between 0 and 1")
    require("batch", batch, batch >= 2, "at least 2")
    least = {"train_every": train_every, "memory": memory, "steps": steps, "width": width}
    least |= {"critic_steps": critic_steps, "layers": layers, "heads": heads}
    for name, value in least.items():
        require(name, value, value >= 1, "at least 1")
    require("width", width, width % heads == 0, f"a multiple of heads, {heads}")
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
        return rare_work.when(due, train, state, state)

    def target_of(outcomes):
        if reward == "uncertainty":
            return outcomes.success.astype(jnp.float32)
        if reward == "minimax":
            return -outcomes.returns
        if score not in outcomes.scores:
            known = ", ".join(sorted(outcomes.scores))
            allowed = f"one of {known}" if known else "used with outcomes that have scores"
            raise SettingError("score", score, allowed)
        return outcomes.scores[score]

    def remember(state, tasks, outcomes):
        targets = target_of(outcomes)
        counts = outcomes.valid & jnp.isfinite(targets)  # a NaN would spoil the networks
        order, at, total = ring_buffer.slots(counts, state.count, memory)
        surplus = ring_buffer.surplus(state.count, memory)
        return state._replace(
            points=state.points.at[at].set(space.normalise(tasks)[order], mode="drop"),
            targets=state.targets.at[at].set(targets[order], mode="drop"),
            count=state.count + total - surplus,
            trained=state.trained - surplus,
        )

    def train(state):
        critic_key, policy_key = jax.random.split(jax.random.fold_in(state.key, state.count))
        known = jnp.minimum(state.count, memory)
        targets = state.targets
        there = jnp.where(jnp.arange(memory) < known, targets, jnp.nan)
        if reward == "regret":
            # Scale by the 95 % quantile of the latest regrets, and clip those above it.
            targets = jnp.clip(targets / jnp.maximum(jnp.nanquantile(there, 0.95), 1e-6), 0, 1)
        if reward == "minimax":
            low, high = jnp.nanmin(there), jnp.nanmax(there)
            targets = jnp.clip((targets - low) / jnp.maximum(high - low, 1e-6), 0, 1)

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
        # Fit tasks and values together, because only a narrow ridge may have high values.
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
