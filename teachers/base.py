"""What a teacher is.

A teacher is three pure functions in a tuple, as an optimiser is in optax. Its state is a pytree
and all three can be jitted, so thirty-two seeds of a curriculum are one `vmap`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

FOREIGN = -1  # the tag of an episode that another part of a mixture proposed


class Proposals(NamedTuple):
    """n tasks, and what the teacher wants done with each."""

    tasks: Float[Array, "n d"]
    # 1: the student learns from the episode; 0: the episode is only played for its outcomes.
    learn: Float[Array, " n"]
    # The teacher's own mark of at least 0 (a buffer index, an arm, ...), returned with the outcome.
    tag: Int[Array, " n"]

    @classmethod
    def of(cls, tasks: "Float[Array, 'n d'] | Proposals", learn: Any = 1, tag: Any = 0):
        """Proposals of these tasks; `learn` and `tag` are numbers, or one number for each task.

        What already is `Proposals` is returned as it is.
        """
        if isinstance(tasks, Proposals):
            return tasks
        n = tasks.shape[:-1]
        return cls(
            tasks,
            jnp.broadcast_to(jnp.asarray(learn, jnp.float32), n),
            jnp.broadcast_to(jnp.asarray(tag, jnp.int32), n),
        )


class Outcomes(NamedTuple):
    """The outcomes of n finished episodes. Rows of weight 0 carry nothing.

    `scores` are averages (or, where the name begins with `max_`, maxima) over the steps of an
    episode; which ones there are is up to the student. Students with a value function V and
    advantages A (generalised advantage estimates) give

    - `value`: the mean of V;
    - `positive_value_loss`: the mean of max(A, 0) (Jiang et al., 2021a, "PVL");
    - `mean_negative_advantage`: the mean of max(-A, 0), how much worse than expected it went;
    - `max_negative_advantage`: the largest max(-A, 0).

    Advantages are estimated within each rollout, as in the literature: in an episode that a
    rollout cuts, the steps before the cut are judged by V at the cut.

    The regret estimate `max_mc` (Jiang et al., 2021b) needs the highest return ever seen in a
    level, which only the teacher can keep: see `scores.max_mc`.
    """

    returns: Float[Array, " n"]  # undiscounted
    success: Float[Array, " n"]  # 1 where the instruction was fulfilled, else 0
    lengths: Float[Array, " n"]  # steps
    weights: Float[Array, " n"]  # 1 where the row is a finished episode, else 0
    scores: dict[str, Float[Array, " n"]]  # by name, see above


class Teacher(NamedTuple):
    """Proposes tasks and observes the outcomes.

    Attributes:
        init: `init(key) -> state`.
        propose: `propose(state, key, n) -> (proposals of n tasks, state)`, n static. May return
            plain tasks float32[n, d] for `Proposals` with learn 1 and tag 0; call it by the
            function `propose`, which always gives `Proposals`.
        observe: `observe(state, proposals, outcomes) -> state`; the proposals are those of the
            finished episodes, with their tags. Rows are in the order in which episodes ended;
            rows of weight 0 must change nothing, and rows with the tag `FOREIGN` were proposed by
            another teacher, so that their tags mean nothing.
        picture: `picture(state) -> dict` of arrays that draw the teacher's beliefs: empty, or
            `means` [k, d] and `covariances` [k, d, d] in task units with `weights` [k] and
            `progress` [k] (0 for components not in use).
        batch: None where proposals are cheap: the loop then asks for fresh ones in every update,
            of which it uses a few. A number for a teacher whose proposals are costly: the loop
            asks for so many at once, and only for as many as were used.

    `testing.check` tests a teacher of your own.
    """

    init: Callable[[PRNGKeyArray], Any]
    propose: Callable[[Any, PRNGKeyArray, int], tuple[Any, Any]]
    observe: Callable[[Any, Proposals, Outcomes], Any]
    picture: Callable[[Any], dict[str, Array]] = lambda state: {}
    batch: int | None = None


def propose(teacher: Teacher, state: Any, key: PRNGKeyArray, n: int) -> tuple[Proposals, Any]:
    """What a teacher proposes, as `Proposals` even if it returns plain tasks; and its state."""
    tasks, state = teacher.propose(state, key, n)
    return Proposals.of(tasks), state
