"""Lets many environments act: restarts those whose episode has ended, and takes a step in all.

`advance` is one step, `play` is many in one scan, and `collect` is what a student learns from.
Training, evaluation, recordings and exploration differ in who acts (an `Actor`, see `actors`), in
which episode comes next (a `Take`, see `sources`), and in what they note down of each step.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from didact.environments import Environment, Restart, Timestep, map_in_groups
from didact.students import Rollout, Student

MAX = "max_"  # scores with this prefix are maxima over an episode, all others are means


class RolloutState(NamedTuple):
    """n environments, each in an episode or at the end of one."""

    state: Any  # the environment's
    observation: dict[str, Array]  # each [n, ...]
    carry: Any  # the actor's memory, each [n, ...]
    over: Bool[Array, " n"]  # the episode has ended, and no other has begun
    tasks: Float[Array, "n d"]  # the task of the episode
    learn: Float[Array, " n"]  # 1 where the student learns from the episode, else 0
    tag: Int[Array, " n"]  # what the episode was marked with
    totals: dict[str, Float[Array, " n"]]  # `episode_totals` of the episode so far; may be empty


class Actor(NamedTuple):
    """Who acts in n environments.

    Attributes:
        initial_carry: `initial_carry(n)`, the memory at an episode's start, each [n, ...].
        act: `act(params, worlds, key) -> (actions [n, ...], carry, extras)`. An actor with
            privileges may use `worlds.state`; `extras` are arrays [n, ...] by name.
        value: `value(params, carry, observation) -> [n]`, or None where there is no such estimate.
        params: of an actor that does not change.
    """

    initial_carry: Callable[[int], Any]
    act: Callable[[Any, RolloutState, PRNGKeyArray], tuple[Array, Any, dict[str, Array]]]
    value: Callable[[Any, Any, dict[str, Array]], Float[Array, " n"]] | None = None
    params: Any = ()


class Next(NamedTuple):
    """The episodes that n environments begin if they are at the end of one."""

    tasks: Float[Array, "n d"]
    learn: Float[Array, " n"]
    tag: Int[Array, " n"]
    keys: PRNGKeyArray  # of the levels, [n]
    there: Bool[Array, " n"] | None = None  # where there is one at all; None: everywhere


# `take(queue, key, over) -> (next, queue)`: environments where `over` is True and an episode is
# there take it; the others must find it again.
Take = Callable[[Any, PRNGKeyArray, Bool[Array, " n"]], tuple[Next, Any]]


class Runner(NamedTuple):
    """What does not change while environments act."""

    environment: Environment
    restart: Restart
    actor: Actor
    take: Take


class Step(NamedTuple):
    """One step of n environments."""

    worlds: RolloutState  # as they stood when the actor acted
    start: Bool[Array, " n"]  # the step is the first of its episode
    playing: Bool[Array, " n"]  # False where the environment waits for an episode
    action: Array
    extras: dict[str, Array]
    seen: Timestep  # where the environment waits: the last observation again, and nothing happens
    final_value: Float[Array, " n"]  # value of the last observation where truncated, else 0


def new_worlds(environment: Environment, actor: Actor, n: int) -> RolloutState:
    """n environments before their first episode: `advance` begins one in each."""
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
    """Begins episodes where they have ended, and takes a step in all environments.

    Args:
        runner: who acts where.
        params: of the actor.
        worlds: where the environments stand.
        queue: the state of what comes next, for `runner.take`.
        key: of actions, levels and whatever is random in the environments.
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
    """`steps` steps in one scan.

    Args:
        runner, params, worlds, queue, key: as in `advance`.
        steps: T.
        record: what to note down of each step, arrays [n, ...].

    Returns:
        Where the environments stand, the queue, and the notes, each [T, n, ...].
    """

    def one(carry, key):
        worlds, queue = carry
        worlds, queue, step = advance(runner, params, worlds, queue, key)
        return (worlds, queue), record(step)

    carry, notes = jax.lax.scan(one, (worlds, queue), jax.random.split(key, steps))
    return *carry, notes


class Episodes(NamedTuple):
    """Where episodes ended in a rollout of T steps of n environments, and what they were."""

    done: Bool[Array, "T n"]
    tasks: Float[Array, "T n d"]
    learn: Float[Array, "T n"]
    tag: Int[Array, "T n"]
    success: Bool[Array, "T n"]  # fulfilled in the episode up to this step, inclusive
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
    """A rollout for the student to learn from.

    Rows in which an environment waits belong to no episode: the student may not learn from them
    (`learn` is 0), they count nowhere, and nothing crosses from them to the episodes before and
    after, as each is marked as a start.

    Args:
        runner: who acts where; the actor is the student.
        student, student_state: who learns.
        worlds, queue, key: as in `advance`.
        steps: T.

    Returns:
        Where the environments stand, the queue, the rollout, the episodes that ended in it, and
        in how many of the rows an environment waited.
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
        return row, (now.tasks, now.learn, now.tag, seen.success, step.playing)

    worlds, queue, notes = play(runner, student_state, worlds, queue, key, steps, record)
    rollout, (tasks, learn, tag, success, playing) = notes
    last_value = jnp.zeros(playing.shape[1])
    if runner.actor.value is not None:
        last_value = runner.actor.value(student_state, worlds.carry, worlds.observation)
    rollout = rollout._replace(last_value=last_value, carry=carry)
    done = rollout.terminated | rollout.truncated
    quantities = {
        "return": rollout.reward,
        "length": jnp.ones_like(rollout.reward),
        "success": success.astype(jnp.float32),
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
    """Sums over each episode up to and with every step; and what the next rollout carries.

    Args:
        quantities: of each step, by name. Names that begin with `max_` are not summed: of these,
            the largest so far is given.
        done: whether the step was its episode's last.
        playing: whether the step belongs to an episode.
        before: the totals of the running episodes when the rollout began; empty: they begin there.
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
    """The total of a quantity before the first step of an episode."""
    return -jnp.inf if name.startswith(MAX) else 0.0


def _where(chosen: Bool[Array, " n"], yes: Any, no: Any) -> Any:
    """Rows of one tree of arrays [n, ...] where chosen, of the other elsewhere."""
    return jax.tree.map(
        lambda x, y: jnp.where(chosen.reshape(-1, *[1] * (x.ndim - 1)), x, y), yes, no
    )


def zeros_like_shape(like: Any) -> Array:
    """An array of a shape and type."""
    if jnp.issubdtype(like.dtype, jax.dtypes.prng_key):
        return jnp.broadcast_to(jax.random.key(0), like.shape)
    return jnp.zeros(like.shape, like.dtype)
