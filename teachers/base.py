"""The teacher interface: `Teacher`, `Proposals` and `Outcomes`.

A teacher is a tuple of three pure functions, like an optimizer in optax. Its state is a pytree and
all three functions can be jitted, so many seeds of a curriculum can run under one `vmap`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

FOREIGN = -1  # the tag of an episode that was proposed by another teacher of a mixture


class Proposals(NamedTuple):
    """n proposed tasks, and how to use each of them."""

    tasks: Float[Array, "n d"]
    # 1: the student learns from the episode; 0: the episode is played for its outcome only.
    learn: Float[Array, " n"]
    # A nonnegative label of the teacher (a buffer index, an arm, ...), returned with the outcome.
    tag: Int[Array, " n"]

    @classmethod
    def of(cls, tasks: "Float[Array, 'n d'] | Proposals", learn: Any = 1, tag: Any = 0):
        """Create proposals of tasks.

        Args:
            tasks: the tasks; `Proposals` are returned unchanged.
            learn, tag: one number for all tasks, or one for each.
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
    """The outcomes of n finished episodes. Rows of weight 0 are empty and must be ignored.

    An episode whose return is not finite went wrong, and must be ignored, too: `valid` says which
    rows count. A teacher that uses scores also ignores episodes in which these are not finite.

    `scores` are averages over the steps of an episode, or maxima if the name starts with `max_`.
    The student defines which scores exist. Students with a value function V and advantages A
    (generalized advantage estimates) provide

    - `value`: the mean of V;
    - `positive_value_loss`: the mean of max(A, 0) (Jiang et al., 2021a, "PVL");
    - `mean_negative_advantage`: the mean of max(-A, 0), the shortfall from expectations;
    - `max_negative_advantage`: the maximum of max(-A, 0).

    Advantages are estimated within each rollout, as in the literature: if a rollout cuts an
    episode, the advantages of the steps before the cut bootstrap from V at the cut.

    The regret estimate `max_mc` (Jiang et al., 2021b) requires the highest return seen in a level,
    which the teacher has to store: see `regret_scores.max_mc`.
    """

    returns: Float[Array, " n"]  # undiscounted
    success: Float[Array, " n"]  # 1 where the instruction was fulfilled, else 0; see `students`
    lengths: Float[Array, " n"]  # steps
    weights: Float[Array, " n"]  # 1 where the row is a finished episode, else 0
    scores: dict[str, Float[Array, " n"]]  # by name, see above

    @property
    def valid(self) -> Bool[Array, " n"]:
        """Which rows are finished episodes with a finite return."""
        return (self.weights > 0) & jnp.isfinite(self.returns)


class Teacher(NamedTuple):
    """Proposes tasks and observes their outcomes.

    Use `testing.check` to test your own teacher.

    Attributes:
        init: `init(key) -> state`.
        propose: `propose(state, key, n) -> (proposals of n tasks, state)`, n static. May return
            plain tasks, float32[n, d], instead of `Proposals` with learn 1 and tag 0. Call it
            through the function `propose`, which always returns `Proposals`.
        observe: `observe(state, proposals, outcomes) -> state`. The proposals are those of the
            finished episodes, with their tags. Rows are in the order in which episodes ended. Rows
            of weight 0, or without a finite return, must not change the state. Rows with the tag
            `FOREIGN` were proposed by another teacher.
        picture: `picture(state) -> dict` of arrays for plots of the teacher's beliefs; empty if it
            has none. The names determine the kind of beliefs (see `didact.common.pictures`), with k
            items and tasks in task units: Gaussians (`means` [k, d], `covariances` [k, d, d],
            `weights` [k], `progress` [k]), boxes (`low` [k, d], `high` [k, d], `weights` [k]), a
            success model (`points` [k, d], `values` [k]), levels (`levels` [k, d], `scores` [k],
            `probabilities` [k]), or parts of a combinator (`arms` [k]). All numbers are finite;
            unused items have the weight or probability 0.
        batch: None if proposals are cheap: the training loop then requests new ones in every update
            and uses only a few of them. A number if proposals are expensive: the loop requests
            that many at once, and replaces only those that were used.
        students: the number of students that play each level. With more than one, the first is the
            student that is trained, and the others are antagonists: students of the same design
            that learn from the same levels. They play a level until each has finished at least one
            episode, and the teacher then observes a single row for it, with the means over the
            first student's episodes (`success` is a share) and the scores `regret` and
            `population_regret`, see `adversary.regrets`.
    """

    init: Callable[[PRNGKeyArray], Any]
    propose: Callable[[Any, PRNGKeyArray, int], tuple[Any, Any]]
    observe: Callable[[Any, Proposals, Outcomes], Any]
    picture: Callable[[Any], dict[str, Array]] = lambda state: {}
    batch: int | None = None
    students: int = 1


def propose(teacher: Teacher, state: Any, key: PRNGKeyArray, n: int) -> tuple[Proposals, Any]:
    """Return n proposals of a teacher and its new state; plain tasks become `Proposals`.

    Raises:
        TypeError: the teacher returns something else than a pair.
    """
    found = teacher.propose(state, key, n)
    if not isinstance(found, tuple) or isinstance(found, Proposals) or len(found) != 2:
        raise TypeError("propose must return a pair of tasks and the new state")
    tasks, state = found
    return Proposals.of(tasks), state
