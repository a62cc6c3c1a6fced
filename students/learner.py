"""What students with the recurrent actor-critic have in common: acting, and descending on losses.

PPO, distillation and cloning differ in their terms only.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from didact.environments import ArraySpace, Discrete, SettingError
from didact.students import losses
from didact.students.base import Rollout, Student
from didact.students.config import LearnerConfig
from didact.students.networks import actor_critic


class Lesson(NamedTuple):
    """What teaches beside a student's own losses, such as an expert.

    Attributes:
        name: of the weight in `LearnerState.weights` that its loss is multiplied by.
        term: the loss.
        initial_carry: `initial_carry(n) -> carry`, what is remembered at an episode's start.
        note: `note(carry, observation) -> (extras, carry)`, what has to be noted down of each step
            while the student acts: it becomes part of `Batch.extras`, each `[T, n, ...]`.
        lead: `lead(noted, updates) -> (advice [n, a], share [n])`, a distribution over actions from
            which this share of the student's actions is drawn, or None.
    """

    name: str
    term: losses.Term
    initial_carry: Any = lambda n: ()
    note: Any = lambda carry, observation: ({}, carry)
    lead: Any = None


class LearnerState(NamedTuple):
    """What a student carries from update to update."""

    params: Any
    optimiser: optax.OptState
    updates: Int[Array, ""]  # rollouts learned from
    weights: dict[str, Float[Array, ""]]  # of the lessons, by name; 1 unless somebody tunes them


def learner(
    observation_space: Mapping[str, ArraySpace],
    action_space: Discrete,
    config: LearnerConfig,
    terms: Sequence[tuple[float, losses.Term]],
    *,
    num_updates: int,
    lessons: Sequence[Lesson] = (),
    axes: Sequence[str] = (),
    seeds_axis: str | None = None,
) -> Student:
    """A student that descends on a sum of losses.

    It reads the observations of `observation_space` and no others, whatever else it is shown.

    Args:
        observation_space, action_space: of the environment.
        config: settings.
        terms: weighted losses.
        num_updates: rollouts over which the learning rate falls.
        lessons: what teaches beside them.
        axes: names of mapped device axes; gradients are averaged over them.
        seeds_axis: name of the axis over which seeds are mapped, if they are.

    Raises:
        SettingError: a setting has no meaning, or two lessons have the same name.
    """
    if num_updates < 1:
        raise SettingError("num_updates", num_updates, "at least 1")
    names = [lesson.name for lesson in lessons]
    if len(set(names)) < len(names):
        raise SettingError("lessons", names, "lessons with names of their own")
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
    term = losses.total((*terms, *((1.0, lesson.term) for lesson in lessons)))

    def own(carry):
        """The student's own part of the carry, without what the lessons remember."""
        return carry[0] if lessons else carry

    def initial_carry(n):
        memory = jnp.zeros((n, config.network.memory))
        return (memory, tuple(x.initial_carry(n) for x in lessons)) if lessons else memory

    def seen(observation):
        return {name: observation[name] for name in observation_space}

    def init(key):
        example = {
            name: jnp.zeros((1, 1, *space.shape), space.dtype)
            for name, space in observation_space.items()
        }
        params = network.init(key, example, own(initial_carry(1)), jnp.zeros((1, 1), bool))
        weights = {name: jnp.ones(()) for name in names}
        return LearnerState(params, optimiser.init(params), jnp.zeros((), jnp.int32), weights)

    def read(state, carry, observation, start) -> tuple[Any, Any]:
        outputs, memory = network.apply(state.params, seen(observation), own(carry), start)
        return outputs, (memory, carry[1]) if lessons else memory

    def look(state, carry, observation) -> tuple[Any, Any]:
        now = jax.tree.map(lambda x: x[None], seen(observation))
        n = jax.tree.leaves(now)[0].shape[1]
        outputs, carry = read(state, carry, now, jnp.zeros((1, n), bool))
        return jax.tree.map(lambda x: x[0], outputs), carry

    def act(state, carry, observation, key):
        outputs, carry = look(state, carry, observation)
        logits, extras = outputs.logits, {"value": outputs.value}
        if lessons:
            notes = []
            for lesson, remembered in zip(lessons, carry[1], strict=True):
                noted, after = lesson.note(remembered, observation)
                if lesson.lead is not None:
                    logits = _mixed(logits, *lesson.lead(noted, state.updates))
                extras |= noted
                notes.append(after)
            carry = carry[0], tuple(notes)
        action = jax.random.categorical(key, logits)
        # Of whoever acts: losses that compare policies do so with the one that chose.
        extras["log_prob"] = losses.log_prob(logits, action)
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
        advantage = estimate(rollout)
        return {
            "value": rollout.extras["value"],
            "positive_value_loss": jnp.maximum(advantage, 0),
            "mean_negative_advantage": jnp.maximum(-advantage, 0),
            "max_negative_advantage": jnp.maximum(-advantage, 0),
        }

    def learn(state: LearnerState, rollout: Rollout, key):
        advantage = estimate(rollout)
        batch = losses.Batch(
            seen(rollout.observation),
            rollout.start,
            own(rollout.carry),
            rollout.action,
            rollout.extras,
            advantage,
            advantage + rollout.extras["value"],
        )
        now = losses.Moment(
            state.updates,
            jnp.minimum(state.updates / num_updates, 1.0),
            state.weights,
            jax.random.fold_in(key, 0),
        )

        def loss(params, part):
            def read(observation: Any) -> Any:
                return network.apply(params, observation, part.carry, part.start)[0]

            return term(read(part.observation), part, now._replace(read=read))

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
        return LearnerState(params, opt_state, state.updates + 1, state.weights), metrics

    return Student(init, initial_carry, look, act, act_greedily, learn, step_scores, read)


def _mixed(
    logits: Float[Array, "n a"], advice: Float[Array, "n a"], share: Float[Array, " n"]
) -> Float[Array, "n a"]:
    """Log-probabilities of actions of which a share is drawn from the advice instead."""
    share = share[:, None]
    return jnp.log((1 - share) * jax.nn.softmax(logits) + share * advice)


def _take_worlds(batch: losses.Batch, worlds: Int[Array, " m"]) -> losses.Batch:
    """The sequences of some worlds; the carry has no time axis."""
    carry = jax.tree.map(lambda x: x[worlds], batch.carry)
    rest = jax.tree.map(lambda x: x[:, worlds], batch._replace(carry=()))
    return rest._replace(carry=carry)
