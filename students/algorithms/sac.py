"""Soft actor-critic (Haarnoja et al., 2018) with a replay buffer inside the compiled loop."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from didact.common.settings import checked
from didact.environments import ActionSpace, ArraySpace, Continuous, SettingError
from didact.students.algorithms import replay_buffer
from didact.students.algorithms.replay_buffer import Replay, Transitions
from didact.students.base import Rollout, Student
from didact.students.config import NetworkConfig, SACConfig
from didact.students.networks.actor import ActionValue, Actor
from didact.students.networks.actor_critic import trunk_spaces


class ActorState(NamedTuple):
    """The state of a student that only acts."""

    params: Any


class SACState(NamedTuple):
    """The training state of SAC."""

    params: Any  # parameters of the actor
    critics: Any  # parameters of the two critics, each leaf with a leading axis of 2
    targets: Any  # parameters of the target critics
    log_alpha: Float[Array, ""]  # logarithm of the entropy coefficient
    optimisers: tuple[optax.OptState, optax.OptState, optax.OptState]  # actor, critics, alpha
    replay: Replay
    owed: Float[Array, ""]  # gradient steps still to be taken, carried over between rollouts
    steps: Int[Array, ""]  # gradient steps taken so far


def sac(
    observation_space: Mapping[str, ArraySpace],
    action_space: ActionSpace,
    config: SACConfig | None = None,
    *,
    num_updates: int = 1,
    axes: Sequence[str] = (),
    seeds_axis: str | None = None,
) -> Student:
    """Make a student that learns continuous actions by SAC.

    Each rollout is added to the replay buffer and followed by `updates_per_step` gradient steps per
    transition. Twin critics are trained on clipped double-Q targets, the actor with
    reparameterised gradients, and the entropy coefficient towards a target entropy, by default
    minus the dimension of the action. Actions are uniformly random until the buffer holds
    `learning_starts` transitions. There is no recurrent memory. Metrics are means over the gradient
    steps of an update, and 0 in updates without any, such as those before `learning_starts`.

    On several devices, each device holds the whole replay buffer and computes its share of every
    batch.

    Args:
        observation_space, action_space: the spaces of the environment; actions must be continuous.
        config: settings; the defaults are those of Stable-Baselines3.
        num_updates: number of rollouts; unused, since nothing is annealed.
        axes: names of the mapped device axes; gradients are averaged over them.
        seeds_axis: name of the mapped axis of seeds, or None.

    Raises:
        SettingError: actions are discrete, or a setting is invalid.

    References:
        Haarnoja et al., Soft actor-critic algorithms and applications, 2018 (arXiv:1812.05905),
        algorithm 1.
    """
    config = checked(config or SACConfig(), "sac.")
    if not isinstance(action_space, Continuous):
        raise SettingError("action space", action_space, "continuous for SAC")
    if config.network.memory:
        allowed = "0: SAC has no recurrent memory"
        raise SettingError("sac.network.memory", config.network.memory, allowed)
    if config.network.normalise_observations:
        allowed = "false: SAC keeps no running statistics of observations"
        raise SettingError("sac.network.normalise_observations", True, allowed)
    if config.learning_starts > config.replay_capacity:
        allowed = f"at most the replay capacity, {config.replay_capacity}"
        raise SettingError("sac.learning_starts", config.learning_starts, allowed)
    axes = tuple(axes)
    spaces = trunk_spaces(observation_space, config.network)
    names = tuple(name for name, _ in spaces)
    actor: Any = Actor(action_space, spaces, config.network, seeds_axis)
    critic: Any = ActionValue(spaces, config.network, seeds_axis)
    adam = optax.adam(config.learning_rate)
    target_entropy = config.target_entropy
    if target_entropy is None:
        target_entropy = -float(action_space.size)

    def seen(observation):
        return {name: observation[name] for name in names}

    def init(key):
        actor_key, critic_key = jax.random.split(key)
        example = {name: jnp.zeros((1, *space.shape), space.dtype) for name, space in spaces}
        action = jnp.zeros((1, action_space.size))
        params = actor.init(actor_key, example)
        keys = jax.random.split(critic_key, 2)
        critics = jax.vmap(lambda k: critic.init(k, example, action))(keys)
        log_alpha = jnp.float32(math.log(config.initial_alpha))
        like = Transitions(example, action, jnp.zeros(1), jnp.zeros(1, bool), example)
        return SACState(
            params,
            critics,
            jax.tree.map(jnp.copy, critics),
            log_alpha,
            (adam.init(params), adam.init(critics), adam.init(log_alpha)),
            replay_buffer.empty(like, config.replay_capacity),
            jnp.zeros(()),
            jnp.zeros((), jnp.int32),
        )

    def learn(state: SACState, rollout: Rollout, key):
        new, keep = replay_buffer.transitions_of(_gathered(rollout, axes), names)
        if len(keep) > config.replay_capacity:
            allowed = f"at least {len(keep)}, the number of steps in a rollout"
            raise SettingError("sac.replay_capacity", config.replay_capacity, allowed)
        buffer = replay_buffer.add(state.replay, new, keep)
        enough = replay_buffer.size(buffer) >= config.learning_starts
        # Only whole gradient steps are taken; the remainder is carried over to the next rollout.
        due = state.owed + config.updates_per_step * jnp.sum(keep) * enough
        most = math.ceil(config.updates_per_step * len(keep)) + 1
        count = jnp.minimum(jnp.floor(due), most).astype(jnp.int32)
        learned = (state.params, state.critics, state.targets, state.log_alpha, state.optimisers)

        def step(carry):
            i, learned, total = carry
            learned, metrics = gradient_step(buffer, learned, jax.random.fold_in(key, i))
            return i + 1, learned, jax.tree.map(jnp.add, total, metrics)

        shapes = jax.eval_shape(lambda x: gradient_step(buffer, x, key)[1], learned)
        nothing = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
        _, learned, total = jax.lax.while_loop(
            lambda carry: carry[0] < count, step, (jnp.int32(0), learned, nothing)
        )
        metrics = jax.tree.map(lambda x: x / jnp.maximum(count, 1), total)
        metrics |= {"gradient_steps": count.astype(jnp.float32)}
        metrics |= {"replay_size": replay_buffer.size(buffer).astype(jnp.float32)}
        state = SACState(*learned, buffer, due - count, state.steps + count)  # type: ignore
        return state, metrics

    def gradient_step(buffer, learned, key):
        params, critics, targets, log_alpha, (actor_opt, critic_opt, alpha_opt) = learned
        batch_key, next_key, action_key = jax.random.split(key, 3)
        share = config.batch_size
        for axis in axes:
            share = max(1, share // jax.lax.axis_size(axis))
        batch = replay_buffer.sample(buffer, batch_key, share)
        alpha = jnp.exp(log_alpha)

        def both(critics, observation, action):
            return jax.vmap(lambda c: critic.apply(c, observation, action))(critics)

        following, log_prob = _drawn(actor.apply(params, batch.following), next_key)
        ahead = jnp.min(both(targets, batch.following, following), axis=0) - alpha * log_prob
        target = batch.reward + config.discount * jnp.where(batch.terminated, 0, ahead)
        target = jax.lax.stop_gradient(target)
        taken = actor.apply(params, batch.observation).to_unit(batch.action)

        def critic_loss(critics):
            values = both(critics, batch.observation, taken)
            return jnp.sum(jnp.mean(0.5 * jnp.square(values - target), axis=1)), jnp.mean(values)

        (critic_error, value), grads = jax.value_and_grad(critic_loss, has_aux=True)(critics)
        changes, critic_opt = adam.update(_mean(grads, axes), critic_opt)
        critics = optax.apply_updates(critics, changes)

        def actor_loss(params):
            action, log_prob = _drawn(actor.apply(params, batch.observation), action_key)
            values = jnp.min(both(critics, batch.observation, action), axis=0)
            return jnp.mean(alpha * log_prob - values), jnp.mean(log_prob)

        (policy_error, log_prob), grads = jax.value_and_grad(actor_loss, has_aux=True)(params)
        changes, actor_opt = adam.update(_mean(grads, axes), actor_opt)
        params = optax.apply_updates(params, changes)
        if config.tune_alpha:
            grad = -_mean(log_prob, axes) - target_entropy
            change, alpha_opt = adam.update(grad, alpha_opt)
            log_alpha = optax.apply_updates(log_alpha, change)
        targets = optax.incremental_update(critics, targets, config.target_rate)
        metrics = {
            "critic_loss": critic_error,
            "actor_loss": policy_error,
            "entropy": -log_prob,
            "alpha": alpha,
            "value": value,
        }
        optimisers = actor_opt, critic_opt, alpha_opt
        return (params, critics, targets, log_alpha, optimisers), metrics

    acting = actor_student(observation_space, action_space, config.network, seeds_axis)

    def act(state, carry, observation, key):
        action, carry, extras = acting.act(state, carry, observation, key)
        anything = action_space.sample(jax.random.fold_in(key, 1), action.shape[0])
        ready = replay_buffer.size(state.replay) >= config.learning_starts
        return jnp.where(ready, action, anything), carry, extras

    return acting._replace(init=init, act=act, learn=learn, bootstraps=True)


def actor_student(
    observation_space: Mapping[str, ArraySpace],
    action_space: ActionSpace,
    network: NetworkConfig,
    seeds_axis: str | None = None,
) -> Student:
    """Make a student with SAC's policy that acts and does not learn.

    Args:
        observation_space, action_space: the spaces of the environment; actions must be continuous.
        network: sizes of the network.
        seeds_axis: name of the mapped axis of seeds, or None.

    Raises:
        SettingError: actions are discrete, or an observation has no encoder.
    """
    if not isinstance(action_space, Continuous):
        raise SettingError("action space", action_space, "continuous for SAC")
    spaces = trunk_spaces(observation_space, network)
    actor: Any = Actor(action_space, spaces, network, seeds_axis)

    def init(key):
        example = {name: jnp.zeros((1, *space.shape), space.dtype) for name, space in spaces}
        return ActorState(actor.init(key, example))

    def apply(state, carry, observation):
        seen = {name: observation[name] for name, _ in spaces}
        return actor.apply(state.params, seen), None, carry

    def act(state, carry, observation, key):
        return apply(state, carry, observation)[0].sample(key), carry, {}

    def act_greedily(state, carry, observation, key):
        return apply(state, carry, observation)[0].mode(), carry, {}

    def initial_carry(n):
        return jnp.zeros((n, 0))

    def learn(state, rollout, key):
        return state, {}

    return Student(init, initial_carry, apply, act, act_greedily, learn)


def _drawn(distribution: Any, key: Any) -> tuple[Float[Array, "m k"], Float[Array, " m"]]:
    """Sample actions scaled to [-1, 1], and return them with their log-density on that scale."""
    before = distribution.sample_before(key)
    log_prob = distribution.log_density(before) + jnp.sum(distribution.log_scale())
    return jnp.tanh(before), log_prob


def _mean(tree: Any, axes: tuple[str, ...]) -> Any:
    return jax.lax.pmean(tree, axes) if axes else tree


def _gathered(rollout: Rollout, axes: tuple[str, ...]) -> Rollout:
    """Gather the rollouts of all devices on each device."""
    wanted = rollout._replace(carry=(), extras={}, last_value=(), final_value=())  # type: ignore
    for axis in axes:
        wanted = jax.tree.map(lambda x: jax.lax.all_gather(x, axis, axis=1, tiled=True), wanted)  # noqa: B023
    return wanted
