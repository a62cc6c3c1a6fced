"""What a student is: pure functions over a state that is a pytree."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Array, Bool, Float, PRNGKeyArray


class Rollout(NamedTuple):
    """T steps of n parallel environments, time first; what a student learns from.

    Row t holds the observation before action t and the result of that action.
    """

    observation: dict[str, Array]  # each [T, n, ...]
    start: Bool[Array, "T n"]  # row t is the first of its episode: the carry was reset before it
    action: Array  # int32[T, n] if discrete, float32[T, n, k] if continuous
    reward: Float[Array, "T n"]
    terminated: Bool[Array, "T n"]
    truncated: Bool[Array, "T n"]
    extras: dict[str, Array]  # what `act` returned: log_prob, value, ... each [T, n, ...]
    final_value: Float[Array, "T n"]  # value of the last observation where truncated, else 0
    last_value: Float[Array, " n"]  # value of the observation after the rollout
    carry: Any  # the recurrent carry before row 0, each [n, ...]
    learn: Float[Array, "T n"]  # 1 where the student may learn from the row, 0 where it may not
    # The observation that followed each action, before any restart; {} unless the student sets
    # `bootstraps`.
    final_observation: dict[str, Array]


class Student(NamedTuple):
    """Acts and learns.

    Attributes:
        init: `init(key) -> state`.
        initial_carry: `initial_carry(n) -> carry`, the memory at the start of an episode.
        apply: `apply(state, carry, observation) -> (distribution, value, carry)`: a
            `Distribution` over actions with batch shape [n], and `value` [n] or None for students
            that estimate none.
        act: `act(state, carry, observation, key) -> (action, carry, extras)`, sampled. `extras`
            holds what `learn` needs to know of the choice, such as `value` and `log_prob`.
        act_greedily: the same, with the mode of the distribution.
        learn: `learn(state, rollout, key) -> (state, metrics)`; metrics are scalars by name. Rows
            whose `learn` is 0 leave the parameters as they are.
        step_scores: `step_scores(rollout) -> dict` of numbers [T, n] for each step; the loop turns
            them into the teacher's `Outcomes.scores`.
        read: `read(state, carry, observation, start) -> (distribution, value, carry)`, as `apply`,
            but of sequences, time first, [T, n, ...]; the carry is reset where `start` is True.
            None: the student cannot learn from recordings.
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
