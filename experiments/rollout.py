"""Rollouts of many environments, with automatic restarts.

`advance` takes one step, `play` scans many steps, and `collect` collects a rollout for a student to
learn from. Training, evaluation, recording and exploration share these functions; they differ in
the `Actor` (see `actors`), in the source of the next episodes (a `Take`, see `task_sources`) and in
what they record of each step.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from didact.environments import Environment, Restart, Timestep, map_in_groups
from didact.experiments.evaluation.achievements import ACHIEVED, achieved_now
from didact.students import Rollout, Student

MAX = "max_"  # scores with this prefix are maxima over an episode, all others are means


class RolloutState(NamedTuple):
    """The state of n environments, each within an episode or at the end of one."""

    state: Any  # the environment's state
    observation: dict[str, Array]  # each [n, ...]
    carry: Any  # the actor's memory, each [n, ...]
    over: Bool[Array, " n"]  # the episode has ended and the next has not begun
    tasks: Float[Array, "n d"]  # the task of the episode
    learn: Float[Array, " n"]  # 1 where the student learns from the episode, else 0
    tag: Int[Array, " n"]  # the tag of the episode's proposal
    totals: dict[str, Float[Array, " n"]]  # `episode_totals` of the episode so far; may be empty


class Actor(NamedTuple):
    """Selects the actions of n environments.

    Attributes:
        initial_carry: `initial_carry(n)` returns the memory at an episode's start, each [n, ...].
        act: `act(params, worlds, key) -> (actions [n, ...], carry, extras)`. A privileged actor may
            use `worlds.state`; `extras` are arrays [n, ...] by name.
        value: `value(params, carry, observation) -> [n]`, or None for actors without a critic.
        params: parameters of an actor that does not change.
    """

    initial_carry: Callable[[int], Any]
    act: Callable[[Any, RolloutState, PRNGKeyArray], tuple[Array, Any, dict[str, Array]]]
    value: Callable[[Any, Any, dict[str, Array]], Float[Array, " n"]] | None = None
    params: Any = ()


class Next(NamedTuple):
    """The next episodes of n environments, used by those that have finished theirs."""

    tasks: Float[Array, "n d"]
    learn: Float[Array, " n"]
    tag: Int[Array, " n"]
    keys: PRNGKeyArray  # keys of the levels, [n]
    there: Bool[Array, " n"] | None = None  # where an episode is available; None: everywhere


# `take(queue, key, over) -> (next, queue)`. An environment begins its episode where `over` is True
# and an episode is available; the queue must keep the other episodes.
Take = Callable[[Any, PRNGKeyArray, Bool[Array, " n"]], tuple[Next, Any]]


class Runner(NamedTuple):
    """The parts of a rollout that stay fixed over its steps."""

    environment: Environment
    restart: Restart
    actor: Actor
    take: Take


class Step(NamedTuple):
    """One step of n environments."""

    worlds: RolloutState  # the state in which the actor acted
    start: Bool[Array, " n"]  # the step is the first of its episode
    playing: Bool[Array, " n"]  # False where the environment waits for an episode
    action: Array
    extras: dict[str, Array]
    seen: Timestep  # result of the step; a waiting environment repeats its last observation
    final_value: Float[Array, " n"]  # value of the last observation where truncated, else 0


def new_worlds(environment: Environment, actor: Actor, n: int) -> RolloutState:
    """Return n environments before their first episode, which `advance` begins."""
    keys, tasks = (
        jax.random.split(jax.random.key(0), n),
        jnp.zeros((n, environment.task_space.size)),
    )
    state, first = jax.tree.map(zeros_like_shape, jax.eval_shape(environment.reset, keys, tasks))
    marks = jnp.ones(n), jnp.zeros(n, jnp.int32)
    over = jnp.ones(n, bool)
    return RolloutState(state, first.observation, actor.initial_carry(n), over, tasks, *marks, {})


def advance(
    runner: Runner, params: Any, worlds: RolloutState, queue: Any, key: PRNGKeyArray
) -> tuple[RolloutState, Any, Step]:
    """Begin new episodes where the last ones have ended, then step all environments.

    Args:
        runner: environment, actor and source of episodes.
        params: parameters of the actor.
        worlds: state of the environments.
        queue: state of the source of episodes, for `runner.take`.
        key: key for actions, levels and random events in the environments.

    Returns:
        The new state of the environments, the new queue, and the step.
    """
    environment, restart, actor, take = runner
    n = worlds.over.shape[0]
    next_key, act_key, step_key = jax.random.split(key, 3)
    following, queue = take(queue, next_key, worlds.over)
    begins, playing = worlds.over, jnp.ones(n, bool)
    waits = following.there is not None
    if following.there is not None:
        begins = worlds.over & following.there
        playing = ~worlds.over | begins
    no = jnp.zeros(n, bool)
    labels = jnp.zeros((n, len(environment.propositions)), bool)
    before = Timestep(worlds.observation, jnp.zeros(n), no, no, no, labels)
    state, shown = restart(following.keys, following.tasks, begins, worlds.state, before)
    worlds = worlds._replace(
        state=state,
        observation=shown.observation,
        carry=_where(begins, actor.initial_carry(n), worlds.carry),
        over=~playing,
        tasks=jnp.where(begins[:, None], following.tasks, worlds.tasks),
        learn=jnp.where(begins, following.learn, worlds.learn),
        tag=jnp.where(begins, following.tag, worlds.tag),
    )
    action, carry, extras = actor.act(params, worlds, act_key)
    state, seen = environment.step(step_key, state, action)
    if waits:
        seen = seen._replace(
            observation=_where(playing, seen.observation, worlds.observation),
            reward=jnp.where(playing, seen.reward, 0),
            terminated=seen.terminated & playing,
            truncated=seen.truncated & playing,
            success=seen.success & playing,
        )
    final_value = jnp.zeros(n)
    if actor.value is not None:
        value = actor.value

        def value_at_the_end(index):
            remembered, observation = jax.tree.map(lambda x: x[index], (carry, seen.observation))
            return value(params, remembered, observation)

        cut = seen.truncated & ~seen.terminated
        final_value = map_in_groups(value_at_the_end, cut, final_value, restart.group_size)
    after = worlds._replace(
        state=state, observation=seen.observation, carry=carry, over=worlds.over | seen.done
    )
    return after, queue, Step(worlds, begins, playing, action, extras, seen, final_value)


def play(
    runner: Runner,
    params: Any,
    worlds: RolloutState,
    queue: Any,
    key: PRNGKeyArray,
    steps: int,
    record: Callable[[Step], Any],
) -> tuple[RolloutState, Any, Any]:
    """Take many steps in one scan.

    Args:
        runner, params, worlds, queue, key: as in `advance`.
        steps: number of steps T.
        record: maps a step to the arrays [n, ...] to record.

    Returns:
        The new state of the environments, the new queue, and the recorded arrays, each [T, n, ...].
    """

    def one(carry, key):
        worlds, queue = carry
        worlds, queue, step = advance(runner, params, worlds, queue, key)
        return (worlds, queue), record(step)

    carry, notes = jax.lax.scan(one, (worlds, queue), jax.random.split(key, steps))
    return *carry, notes


class Episodes(NamedTuple):
    """The episodes of a rollout of T steps in n environments, and where they ended."""

    done: Bool[Array, "T n"]
    tasks: Float[Array, "T n d"]
    learn: Float[Array, "T n"]
    tag: Int[Array, "T n"]
    success: Bool[Array, "T n"]  # success in the episode up to and including this step
    totals: dict[str, Float[Array, "T n"]]  # `episode_totals`


def collect(
    runner: Runner,
    student: Student,
    student_state: Any,
    worlds: RolloutState,
    queue: Any,
    key: PRNGKeyArray,
    steps: int,
) -> tuple[RolloutState, Any, Rollout, Episodes, Float[Array, ""]]:
    """Collect a rollout for the student to learn from.

    Steps in which an environment waits belong to no episode: the student must not learn from them
    (`learn` is 0), they are not counted, and each is marked as a start, so that nothing propagates
    between them and the adjacent episodes.

    Args:
        runner: environment, actor and source of episodes; the actor wraps the student.
        student, student_state: the student that will learn, and its state.
        worlds, queue, key: as in `advance`.
        steps: number of steps T.

    Returns:
        The new state of the environments, the new queue, the rollout, its episodes, and the number
        of steps, over all environments, that were spent waiting.
    """
    carry = worlds.carry

    def record(step: Step):
        now, seen = step.worlds, step.seen
        row = Rollout(
            observation=now.observation,
            start=step.start | ~step.playing,
            action=step.action,
            reward=seen.reward,
            terminated=seen.terminated,
            truncated=seen.truncated,
            extras=step.extras,
            final_value=step.final_value,
            last_value=(),  # type: ignore[arg-type]
            carry=(),
            learn=jnp.where(step.playing, now.learn, 0),
            final_observation=seen.observation if student.bootstraps else {},
        )
        achieved = achieved_now(runner.environment, seen.labels)
        return row, (now.tasks, now.learn, now.tag, seen.success, step.playing, achieved)

    worlds, queue, notes = play(runner, student_state, worlds, queue, key, steps, record)
    rollout, (tasks, learn, tag, success, playing, achieved) = notes
    last_value = jnp.zeros(playing.shape[1])
    if runner.actor.value is not None:
        last_value = runner.actor.value(student_state, worlds.carry, worlds.observation)
    rollout = rollout._replace(last_value=last_value, carry=carry)
    done = rollout.terminated | rollout.truncated
    quantities = {
        "return": rollout.reward,
        "length": jnp.ones_like(rollout.reward),
        "success": success.astype(jnp.float32),
        **{ACHIEVED + name: held.astype(jnp.float32) for name, held in achieved.items()},
        **student.step_scores(rollout),
    }
    totals, running = episode_totals(quantities, done, playing, worlds.totals)
    succeeded = totals.pop("success") > 0
    episodes = Episodes(done, tasks, learn, tag, succeeded, totals)
    waited = jnp.sum(~playing, dtype=jnp.float32)
    return worlds._replace(totals=running), queue, rollout, episodes, waited


def episode_totals(
    quantities: dict[str, Float[Array, "T n"]],
    done: Bool[Array, "T n"],
    playing: Bool[Array, "T n"],
    before: dict[str, Float[Array, " n"]],
) -> tuple[dict[str, Float[Array, "T n"]], dict[str, Float[Array, " n"]]]:
    """Compute running totals over each episode.

    Args:
        quantities: per-step values, by name. Names that begin with `max_` are not summed; their
            running maximum is returned instead.
        done: whether the step was the last of its episode.
        playing: whether the step belongs to an episode.
        before: totals of the running episodes before the rollout; empty if all begin with it.

    Returns:
        The totals up to and including each step, and the totals that the next rollout starts from.
    """
    blank = {name: no_total(name) for name in quantities}
    before = {name: before.get(name, jnp.full(done.shape[1], blank[name])) for name in quantities}

    def add(total, now):
        step, last, counts = now
        for name, x in step.items():
            x = jnp.where(counts, x, blank[name])
            x = jnp.maximum(total[name], x) if name.startswith(MAX) else total[name] + x
            step = step | {name: x}
        return {name: jnp.where(last, blank[name], x) for name, x in step.items()}, step

    running, totals = jax.lax.scan(add, before, (quantities, done, playing))
    return totals, running


def no_total(name: str) -> float:
    """Return the total of a quantity before the first step of an episode."""
    return -jnp.inf if name.startswith(MAX) else 0.0


def _where(chosen: Bool[Array, " n"], yes: Any, no: Any) -> Any:
    """Select rows of `yes` where `chosen` and of `no` elsewhere, for trees of arrays [n, ...]."""
    return jax.tree.map(
        lambda x, y: jnp.where(chosen.reshape(-1, *[1] * (x.ndim - 1)), x, y), yes, no
    )


def zeros_like_shape(like: Any) -> Array:
    """Return zeros (or a fixed key) with the shape and dtype of `like`."""
    if jnp.issubdtype(like.dtype, jax.dtypes.prng_key):
        return jnp.broadcast_to(jax.random.key(0), like.shape)
    return jnp.zeros(like.shape, like.dtype)
