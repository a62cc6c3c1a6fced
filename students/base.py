"""The student interface: pure functions over a state that is a pytree."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Array, Bool, Float, PRNGKeyArray


class Rollout(NamedTuple):
    """The data a student learns from: T steps of n parallel environments, time first.

    Row t holds the observation before action t and the result of that action.
    """

    observation: dict[str, Array]  # each [T, n, ...]
    start: Bool[Array, "T n"]  # True on the first row of an episode; the carry is reset before it
    action: Array  # int32[T, n] if discrete, float32[T, n, k] if continuous
    reward: Float[Array, "T n"]
    terminated: Bool[Array, "T n"]
    truncated: Bool[Array, "T n"]
    extras: dict[str, Array]  # extras returned by `act`: log_prob, value, ... each [T, n, ...]
    # Values are 0 without a value function, and for students that set `bootstraps`.
    final_value: Float[Array, "T n"]  # value of the final observation where truncated, else 0
    last_value: Float[Array, " n"]  # value of the observation after the rollout
    carry: Any  # the recurrent carry before row 0, each [n, ...]
    learn: Float[Array, "T n"]  # 1 if the student may learn from the row, else 0
    # The observation after each action, before any reset; {} unless the student sets `bootstraps`.
    final_observation: dict[str, Array]


class Student(NamedTuple):
    """A set of pure functions that act and learn.

    Attributes:
        init: `init(key) -> state`.
        initial_carry: `initial_carry(n) -> carry`, the memory at the start of an episode.
        apply: `apply(state, carry, observation) -> (distribution, value, carry)`. The
            `Distribution` over actions has batch shape [n]; `value` is [n], or None if the student
            has no value function.
        act: `act(state, carry, observation, key) -> (action, carry, extras)`, with a sampled
            action. `extras` holds what `learn` needs about the choice, such as `value` and
            `log_prob`.
        act_greedily: as `act`, with the mode of the distribution.
        learn: `learn(state, rollout, key) -> (state, metrics)`; metrics are scalars by name. Rows
            whose `learn` is 0 do not change the parameters.
        step_scores: `step_scores(rollout) -> dict` of arrays [T, n], one number per step. The
            training loop reduces each over the steps of an episode into the teacher's
            `Outcomes.scores`: with the maximum if the name starts with `max_`, otherwise with the
            mean.
        read: `read(state, carry, observation, start) -> (distribution, value, carry)`: `apply` over
            sequences [T, n, ...], time first; the carry is reset where `start` is True. None if the
            student cannot learn from recordings.
        bootstraps: whether `learn` needs `Rollout.final_observation`.
    """

    init: Callable[[PRNGKeyArray], Any]
    initial_carry: Callable[[int], Any]
    apply: Callable[[Any, Any, dict[str, Array]], tuple[Any, Any, Any]]
    act: Callable[[Any, Any, dict[str, Array], PRNGKeyArray], tuple[Array, Any, dict[str, Array]]]
    act_greedily: Callable[..., tuple[Array, Any, dict[str, Array]]]
    learn: Callable[[Any, Rollout, PRNGKeyArray], tuple[Any, dict[str, Array]]]
    step_scores: Callable[[Rollout], dict[str, Array]] = lambda rollout: {}
    read: Callable[[Any, Any, dict[str, Array], Array], tuple[Any, Any, Any]] | None = None
    bootstraps: bool = False
