"""What a teacher is.

A teacher is three pure functions in a tuple, as an optimiser is in optax. Its state is a pytree
and all three can be jitted, so thirty-two seeds of a curriculum are one `vmap`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Array, Float, PRNGKeyArray


class Outcomes(NamedTuple):
    """What a teacher learns of n finished episodes. Rows of weight 0 carry nothing."""

    returns: Float[Array, " n"]  # undiscounted
    success: Float[Array, " n"]  # 1 where the instruction was fulfilled, else 0
    lengths: Float[Array, " n"]  # steps
    weights: Float[Array, " n"]  # 1 where the row is a finished episode, else 0
    scores: dict[str, Float[Array, " n"]]  # regret scores by name: max_mc, positive_value_loss


class Teacher(NamedTuple):
    """Proposes tasks and observes what came of them.

    Attributes:
        init: `init(key) -> state`.
        propose: `propose(state, key, n) -> (tasks float32[n, d], state)`, n static.
        observe: `observe(state, tasks float32[n, d], outcomes) -> state`. Rows are in the order
            in which episodes ended; rows of weight 0 must change nothing.
        picture: `picture(state) -> dict` of arrays that draw the teacher's beliefs: empty, or
            `means` [k, d] and `covariances` [k, d, d] in task units with `weights` [k] and
            `progress` [k] (0 for components not in use).
    """

    init: Callable[[PRNGKeyArray], Any]
    propose: Callable[[Any, PRNGKeyArray, int], tuple[Float[Array, "n d"], Any]]
    observe: Callable[[Any, Float[Array, "n d"], Outcomes], Any]
    picture: Callable[[Any], dict[str, Array]] = lambda state: {}
