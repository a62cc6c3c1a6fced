"""The learner shared by all students with the actor-critic: acting and gradient descent on losses.

PPO, distillation and behaviour cloning differ only in their loss terms.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from didact.environments import ActionSpace, ArraySpace, Continuous, SettingError
from didact.students.algorithms import losses
from didact.students.algorithms.losses import Outputs
from didact.students.base import Rollout, Student
from didact.students.config import LearnerConfig
from didact.students.networks import actor_critic, normalisation
from didact.students.networks.distributions import Distribution
from didact.students.networks.encoders import normalised, read_spaces


class AuxiliaryLoss(NamedTuple):
    """An auxiliary loss, with the per-step data that it needs, such as an expert's distribution.

    Attributes:
        name: the name of its weight in `LearnerState.weights`.
        term: the loss.
        initial_carry: `initial_carry(n) -> carry`, its memory at the start of an episode.
        annotate: `annotate(carry, observation) -> (extras, carry)`, called at each step while the
            student acts. The extras become part of `Batch.extras`, each `[T, n, ...]`.
        mixture: None, or `mixture(extras, updates) -> (advice, chances)`: distributions with batch
            shape [n, e], and the probability float[n, e] that the student's action is drawn from
            each of them instead of its own distribution.
    """

    name: str
    term: losses.Term
    initial_carry: Any = lambda n: ()
    annotate: Any = lambda carry, observation: ({}, carry)
    mixture: Any = None


class LearnerState(NamedTuple):
    """The training state of a student with the actor-critic."""

    params: Any
    optimiser: optax.OptState
    updates: Int[Array, ""]  # number of rollouts learned from
    weights: dict[str, Float[Array, ""]]  # weights of the auxiliary losses by name; 1 unless tuned
    returns: dict[str, Array]  # running statistics of discounted returns, for scaling rewards


def learner(
    observation_space: Mapping[str, ArraySpace],
    action_space: ActionSpace,
    config: LearnerConfig,
    terms: Sequence[tuple[float, losses.Term]],
    *,
    num_updates: int,
    auxiliary_losses: Sequence[AuxiliaryLoss] = (),
    axes: Sequence[str] = (),
    seeds_axis: str | None = None,
) -> Student:
    """Make a student that minimises a sum of losses by gradient descent.

    It reads the observations in `observation_space` and ignores all others.

    Args:
        observation_space, action_space: the spaces of the environment.
        config: settings.
        terms: losses with their weights.
        num_updates: number of rollouts over which the learning rate is annealed, whether or not
            there is anything to learn from in them.
        auxiliary_losses: auxiliary losses.
        axes: names of the mapped device axes; gradients are averaged over them.
        seeds_axis: name of the mapped axis of seeds, or None.

    Raises:
        SettingError: a setting is invalid, two auxiliary losses have the same name, or, when
            learning, the environments cannot be split into equal minibatches.
    """
    if num_updates < 1:
        raise SettingError("num_updates", num_updates, "at least 1")
    names = [auxiliary.name for auxiliary in auxiliary_losses]
    if len(set(names)) < len(names):
        raise SettingError("auxiliary_losses", names, "losses with distinct names")
    leading = [auxiliary.name for auxiliary in auxiliary_losses if auxiliary.mixture is not None]
    if len(leading) > 1:
        raise SettingError(
            "auxiliary_losses", leading, "losses of which at most one has a mixture of actions"
        )
    axes = tuple(axes)
    network = actor_critic(observation_space, action_space, config.network, seeds_axis)
    batches = config.num_epochs * config.num_minibatches
    final = min(config.learning_rate, config.final_learning_rate)
    optimiser = optax.chain(
        optax.clip_by_global_norm(config.max_grad_norm),
        optax.chain(
            optax.scale_by_adam(eps=1e-5),
            scale_by_rate(optax.linear_schedule(config.learning_rate, final, 1)),
        ),
    )
    term = losses.weighted_sum((*terms, *((1.0, auxiliary.term) for auxiliary in auxiliary_losses)))
    scales_rewards = config.scale_rewards
    if scales_rewards is None:
        scales_rewards = isinstance(action_space, Continuous)
    used = read_spaces(observation_space)
    real = [name for name, space in used.items() if normalised(space)]
    real = real if config.network.normalise_observations else []

    def own(carry):
        """Return the student's own carry, without the carries of the auxiliary losses."""
        return carry[0] if auxiliary_losses else carry

    def initial_carry(n):
        memory = jnp.zeros((n, config.network.memory))
        return (
            (memory, tuple(x.initial_carry(n) for x in auxiliary_losses))
            if auxiliary_losses
            else memory
        )

    def seen(observation):
        return {name: observation[name] for name in used}

    def init(key):
        example = {
            name: jnp.zeros((1, 1, *space.shape), space.dtype) for name, space in used.items()
        }
        params = network.init(key, example, own(initial_carry(1)), jnp.zeros((1, 1), bool))
        weights = {name: jnp.ones(()) for name in names}
        returns: dict[str, Array] = {}
        if scales_rewards:
            returns = {"mean": jnp.zeros(1), "variance": jnp.ones(1), "count": jnp.zeros(())}
        updates = jnp.zeros((), jnp.int32)
        return LearnerState(params, optimiser.init(params), updates, weights, returns)

    def read(state, carry, observation, start) -> tuple[Distribution, Array, Any]:
        outputs: Any = network.apply(state.params, seen(observation), own(carry), start)
        distribution, value, memory = outputs
        return distribution, value, (memory, carry[1]) if auxiliary_losses else memory

    def apply(state, carry, observation) -> tuple[Distribution, Array, Any]:
        now = jax.tree.map(lambda x: x[None], seen(observation))
        n = jax.tree.leaves(now)[0].shape[1]
        distribution, value, carry = read(state, carry, now, jnp.zeros((1, n), bool))
        distribution, value = jax.tree.map(lambda x: x[0], (distribution, value))
        return distribution, value, carry

    def act(state, carry, observation, key):
        distribution, value, carry = apply(state, carry, observation)
        action, extras = None, {"value": value}
        if state.returns:  # a student that only acts may be given the state of one that learns
            extras["reward_scale"] = jnp.broadcast_to(reward_scale(state.returns), value.shape)
        if auxiliary_losses:
            notes = []
            for auxiliary, remembered in zip(auxiliary_losses, carry[1], strict=True):
                noted, after = auxiliary.annotate(remembered, observation)
                extras |= noted
                notes.append(after)
                if auxiliary.mixture is not None:
                    advice, chances = auxiliary.mixture(noted, state.updates)
                    action, extras["log_prob"] = sample_mixture(distribution, advice, chances, key)
            carry = carry[0], tuple(notes)
        if action is None:
            action = distribution.sample(key)
            extras["log_prob"] = distribution.log_prob(action)
        return action, carry, extras

    def act_greedily(state, carry, observation, key):
        distribution, value, carry = apply(state, carry, observation)
        return distribution.mode(), carry, {"value": value}

    def reward_scale(returns: dict[str, Array]) -> Array:
        return jax.lax.rsqrt(jnp.maximum(returns["variance"][0], 1e-8))

    def estimate(rollout: Rollout, reward: Array):
        return losses.advantages(
            reward,
            rollout.extras["value"],
            rollout.terminated,
            rollout.truncated,
            rollout.final_value,
            rollout.last_value,
            config.discount,
            config.gae_lambda,
        )

    def step_scores(rollout: Rollout):
        # Values are in units of scaled rewards; scores are in units of the environment's rewards.
        scale = rollout.extras.get("reward_scale", jnp.ones(()))
        advantage = estimate(rollout, rollout.reward * scale) / scale
        return {
            "value": rollout.extras["value"] / scale,
            "positive_value_loss": jnp.maximum(advantage, 0),
            "mean_negative_advantage": jnp.maximum(-advantage, 0),
            "max_negative_advantage": jnp.maximum(-advantage, 0),
        }

    def learn(state: LearnerState, rollout: Rollout, key):
        returns = state.returns
        if scales_rewards:
            sums = discounted(rollout, config.discount)[..., None]
            returns = normalisation.update(returns, sums, rollout.learn, axes)
        reward = rollout.reward
        if scales_rewards:
            # Clipped, because the first reward after many rollouts without rewards would be huge.
            limit = normalisation.LIMIT
            reward = jnp.clip(reward * reward_scale(returns), -limit, limit)
        advantage = estimate(rollout, reward)
        learned = _everywhere(jnp.mean(rollout.learn), axes)
        weight = rollout.learn / jnp.where(learned > 0, learned, 1)
        batch = losses.Batch(
            {name: rollout.observation[name] for name in observation_space},
            rollout.start,
            own(rollout.carry),
            rollout.action,
            rollout.extras,
            advantage,
            advantage + rollout.extras["value"],
            weight,
        )
        now = losses.TrainingProgress(
            state.updates,
            jnp.minimum(state.updates / num_updates, 1.0),
            state.weights,
        )

        def loss(params, part, key):
            def read(observation: Any) -> Outputs:
                return Outputs(*network.apply(params, observation, part.carry, part.start)[:2])  # type: ignore

            return term(read(part.observation), part, now._replace(key=key, read=read))

        def minibatch(carry, part):
            params, opt_state = carry
            rows, loss_key, number = part
            part = _take(batch, rows)
            # In floats: the number of minibatches of a training may not fit into 32 bits.
            done = state.updates.astype(jnp.float32) * batches + number
            progress = done / float(num_updates * batches)
            (value, metrics), grads = jax.value_and_grad(loss, has_aux=True)(params, part, loss_key)
            grads = _everywhere(grads, axes)
            changes, after = optimiser.update(grads, opt_state, params, progress=progress)
            metrics |= {"loss": value, "gradient_norm": optax.tree.norm(grads)}
            # Without rows to learn from, Adam's momentum must not change the parameters either.
            any_row = _everywhere(jnp.sum(part.weight), axes) > 0
            new = optax.apply_updates(params, changes), after
            old = params, opt_state
            return jax.tree.map(lambda x, y: jnp.where(any_row, x, y), new, old), metrics

        n = rollout.reward.shape[1]
        if n % config.num_minibatches:
            allowed = f"a multiple of {config.num_minibatches}, the number of minibatches"
            raise SettingError("num_envs (per device and student)", n, allowed)
        keys = jax.random.split(key, config.num_epochs + 1)
        order = jax.vmap(lambda k: jax.random.permutation(k, n))(keys[:-1]).reshape(batches, -1)
        loss_keys = jax.random.split(keys[-1], batches)
        (params, opt_state), metrics = jax.lax.scan(
            minibatch, (state.params, state.optimiser), (order, loss_keys, jnp.arange(batches))
        )
        params = normalisation.after(params, real, rollout.observation, rollout.learn, axes)
        metrics = jax.tree.map(jnp.mean, metrics)
        updates = state.updates + 1
        return LearnerState(params, opt_state, updates, state.weights, returns), metrics

    return Student(init, initial_carry, apply, act, act_greedily, learn, step_scores, read)


def scale_by_rate(rate: optax.Schedule) -> optax.GradientTransformationExtraArgs:
    """Scale updates by minus a learning rate that depends on the progress of the training.

    The progress, from 0 to 1, is passed to `update`. The count in the state is not read: it has the
    place of that of `optax.scale_by_schedule`, so that checkpoints of such an optimiser fit.
    """

    def init(params):
        return optax.ScaleByScheduleState(jnp.zeros((), jnp.int32))

    def update(updates, state: Any, params=None, **extra: Any):
        step = -jnp.asarray(rate(extra["progress"]))
        count = optax.safe_increment(state.count)
        return jax.tree.map(lambda x: step * x, updates), optax.ScaleByScheduleState(count)

    return optax.GradientTransformationExtraArgs(init, update)


def sample_mixture(
    own: Distribution,
    advice: Distribution,
    chances: Float[Array, "n e"],
    key: PRNGKeyArray,
) -> tuple[Array, Float[Array, " n"]]:
    """Sample actions from a mixture of experts and the student.

    Args:
        own: the student's distributions, batch shape [n].
        advice: the distributions of e experts, batch shape [n, e].
        chances: the probability that each expert acts; the student acts with the remaining
            probability.
        key: random key.

    Returns:
        The actions and their log-probabilities under the mixture.
    """
    who_key, advice_key, own_key = jax.random.split(key, 3)
    n, experts = chances.shape
    chances = jnp.maximum(chances, 0)  # annealed schedules may end slightly below 0 by rounding
    alone = jnp.maximum(1 - jnp.sum(chances, axis=1, keepdims=True), 0)
    shares = jnp.concatenate([chances, alone], axis=1)
    who = jax.random.categorical(who_key, jnp.log(shares))
    drawn = advice.sample(advice_key), own.sample(own_key)
    candidates = jax.tree.map(lambda x, y: jnp.concatenate([x, y[:, None]], 1), *drawn)
    action = jax.tree.map(lambda x: x[jnp.arange(n), who], candidates)
    repeated = jax.tree.map(lambda x: jnp.repeat(x[:, None], experts, 1), action)
    likely = jnp.concatenate([advice.log_prob(repeated), own.log_prob(action)[:, None]], axis=1)
    return action, jax.scipy.special.logsumexp(likely, axis=1, b=shares)


def discounted(rollout: Rollout, discount: float) -> Float[Array, "T n"]:
    """Return the discounted sums of rewards since the start of the episode or rollout."""

    def add(total, now):
        reward, start = now
        total = reward + discount * jnp.where(start, 0, total)
        return total, total

    first = jnp.zeros_like(rollout.reward[0])
    return jax.lax.scan(add, first, (rollout.reward, rollout.start))[1]


def _everywhere(tree: Any, axes: tuple[str, ...]) -> Any:
    """Return the means over device axes."""
    return jax.lax.pmean(tree, axes) if axes else tree


def _take(batch: losses.Batch, rows: Int[Array, " m"]) -> losses.Batch:
    """Select the sequences of some environments; the carry has no time axis."""
    carry = jax.tree.map(lambda x: x[rows], batch.carry)
    rest = jax.tree.map(lambda x: x[:, rows], batch._replace(carry=()))
    return rest._replace(carry=carry)
