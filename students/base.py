"""What a student is: three pure functions over a state that is a pytree."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray


class Rollout(NamedTuple):
    """T steps of n parallel worlds, time first; what a student learns from.

    Row t holds what was seen before action t and what came of it.
    """

    observation: dict[str, Array]  # each [T, n, ...]
    start: Bool[Array, "T n"]  # row t is the first of its episode: the carry was reset before it
    action: Int[Array, "T n"]
    reward: Float[Array, "T n"]
    terminated: Bool[Array, "T n"]
    truncated: Bool[Array, "T n"]
    extras: dict[str, Array]  # what `act` gave: log_prob, value, ... each [T, n, ...]
    final_value: Float[Array, "T n"]  # value of the last observation where truncated, else 0
    last_value: Float[Array, " n"]  # value of what stands after the rollout
    carry: Any  # the recurrent carry before row 0, each [n, ...]
    learn: Any = ()  # float[T, n]: 1 where the student may learn from the row, 0 where it may not
    # The observation that followed each action, before any restart; {} unless the student sets
    # `bootstraps`.
    final_observation: Any = ()


class Student(NamedTuple):
    """Acts and learns.

    Attributes:
        init: `init(key) -> state`.
        initial_carry: `initial_carry(n) -> carry`, what is remembered at an episode's start.
        look: `look(state, carry, observation) -> (outputs, carry)`, what it thinks without acting:
            `logits` [n, actions] and `value` [n].
        act: `act(state, carry, observation, key) -> (action [n], carry, extras)`, sampled.
            `extras` holds at least `value` [n], and what `learn` needs to know of the choice.
        act_greedily: the same, with the most probable action.
        learn: `learn(state, rollout, key) -> (state, metrics)`; metrics are scalars by name.
        step_scores: `step_scores(rollout) -> dict` of numbers [T, n] for each step; their means
            over an episode become the teacher's `Outcomes.scores`.
        read: `read(state, carry, observation, start) -> (outputs, carry)`, as `look`, but of
            sequences, time first, [T, n, ...]; the carry is as at an episode's start where `start`
            is True. None: it cannot learn from recordings.
        bootstraps: whether `learn` needs `Rollout.final_observation`.
    """

    init: Callable[[PRNGKeyArray], Any]
    initial_carry: Callable[[int], Any]
    look: Callable[[Any, Any, dict[str, Array]], tuple[Any, Any]]
    act: Callable[[Any, Any, dict[str, Array], PRNGKeyArray], tuple[Array, Any, dict[str, Array]]]
    act_greedily: Callable[..., tuple[Array, Any, dict[str, Array]]]
    learn: Callable[[Any, Rollout, PRNGKeyArray], tuple[Any, dict[str, Array]]]
    step_scores: Callable[[Rollout], dict[str, Array]] = lambda rollout: {}
    read: Callable[[Any, Any, dict[str, Array], Array], tuple[Any, Any]] | None = None
    bootstraps: bool = False
