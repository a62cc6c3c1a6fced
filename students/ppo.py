"""Proximal policy optimisation (Schulman et al., 2017) for the recurrent actor-critic."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int

from didact.environments import ArraySpace, Discrete, SettingError
from didact.students import losses
from didact.students.base import Rollout, Student
from didact.students.config import PPOConfig
from didact.students.networks import actor_critic


class PPOState(NamedTuple):
    """What PPO carries from update to update."""

    params: Any
    optimiser: optax.OptState
    updates: Int[Array, ""]  # rollouts learned from


def ppo(
    observation_space: Mapping[str, ArraySpace],
    action_space: Discrete,
    config: PPOConfig | None = None,
    *,
    num_updates: int,
    extra_terms: Sequence[tuple[float, losses.Term]] = (),
    axes: Sequence[str] = (),
    seeds_axis: str | None = None,
) -> Student:
    """A student that learns by PPO.

    Args:
        observation_space, action_space: of the environment.
        config: settings; the defaults learn BabyAI's one-room levels in seconds.
        num_updates: rollouts over which learning rate and entropy weight fall.
        extra_terms: weighted losses beside PPO's own.
        axes: names of mapped device axes; gradients are averaged over them.
        seeds_axis: name of the axis over which seeds are mapped, if they are.

    Raises:
        SettingError: a setting has no meaning.
    """
    config = config or PPOConfig()
    if num_updates < 1:
        raise SettingError("num_updates", num_updates, "at least 1")
    network = actor_critic(observation_space, action_space.n, config.network, seeds_axis)
    batches = config.num_epochs * config.num_minibatches
    optimiser = optax.chain(
        optax.clip_by_global_norm(config.max_grad_norm),
        optax.adam(
            optax.linear_schedule(
                config.learning_rate, config.final_learning_rate, num_updates * batches
            ),
            eps=1e-5,
        ),
    )
    term = losses.total(
        (
            (1.0, losses.clipped_policy(config.clip, axes)),
            (config.value_coefficient, losses.value_error()),
            (
                1.0,
                losses.negative_entropy(
                    losses.linear(config.entropy_coefficient, config.final_entropy_coefficient)
                ),
            ),
            *extra_terms,
        )
    )

    def initial_carry(n):
        return jnp.zeros((n, config.network.memory))

    def init(key):
        example = {
            name: jnp.zeros((1, 1, *space.shape), space.dtype)
            for name, space in observation_space.items()
        }
        params = network.init(key, example, initial_carry(1), jnp.zeros((1, 1), bool))
        return PPOState(params, optimiser.init(params), jnp.zeros((), jnp.int32))

    def look(state, carry, observation):
        now = jax.tree.map(lambda x: x[None], observation)
        n = jax.tree.leaves(now)[0].shape[1]
        outputs, carry = network.apply(state.params, now, carry, jnp.zeros((1, n), bool))
        return jax.tree.map(lambda x: x[0], outputs), carry

    def act(state, carry, observation, key):
        outputs, carry = look(state, carry, observation)
        action = jax.random.categorical(key, outputs.logits)
        extras = {"value": outputs.value, "log_prob": losses.log_prob(outputs.logits, action)}
        return action, carry, extras

    def act_greedily(state, carry, observation, key):
        outputs, carry = look(state, carry, observation)
        return jnp.argmax(outputs.logits, axis=-1), carry, {"value": outputs.value}

    def estimate(rollout: Rollout):
        return losses.advantages(
            rollout.reward,
            rollout.extras["value"],
            rollout.terminated,
            rollout.truncated,
            rollout.final_value,
            rollout.last_value,
            config.discount,
            config.gae_lambda,
        )

    def step_scores(rollout: Rollout):
        return {
            "positive_value_loss": jnp.maximum(estimate(rollout), 0),
            "value": rollout.extras["value"],
        }

    def learn(state: PPOState, rollout: Rollout, key):
        advantage = estimate(rollout)
        batch = losses.Batch(
            rollout.observation,
            rollout.start,
            rollout.carry,
            rollout.action,
            rollout.extras["log_prob"],
            rollout.extras["value"],
            advantage,
            advantage + rollout.extras["value"],
        )
        progress = jnp.minimum(state.updates / num_updates, 1.0)

        def loss(params, part):
            outputs, _ = network.apply(params, part.observation, part.carry, part.start)
            return term(outputs, part, progress)

        def minibatch(carry, worlds):
            params, opt_state = carry
            part = _take_worlds(batch, worlds)
            (value, metrics), grads = jax.value_and_grad(loss, has_aux=True)(params, part)
            if axes:
                grads = jax.lax.pmean(grads, tuple(axes))
            changes, opt_state = optimiser.update(grads, opt_state, params)
            metrics |= {"loss": value, "gradient_norm": optax.tree.norm(grads)}
            return (optax.apply_updates(params, changes), opt_state), metrics

        n = rollout.reward.shape[1]
        order = jax.vmap(lambda k: jax.random.permutation(k, n))(
            jax.random.split(key, config.num_epochs)
        ).reshape(batches, -1)
        (params, opt_state), metrics = jax.lax.scan(
            minibatch, (state.params, state.optimiser), order
        )
        metrics = jax.tree.map(jnp.mean, metrics)
        return PPOState(params, opt_state, state.updates + 1), metrics

    return Student(init, initial_carry, act, act_greedily, learn, step_scores)


def _take_worlds(batch: losses.Batch, worlds: Int[Array, " m"]) -> losses.Batch:
    """The sequences of some worlds; the carry has no time axis."""
    carry = jax.tree.map(lambda x: x[worlds], batch.carry)
    rest = jax.tree.map(lambda x: x[:, worlds], batch._replace(carry=()))
    return rest._replace(carry=carry)
