"""Rejects proposals that are known to be hopeless."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from didact.common.errors import require
from didact.environments.task_spaces import TaskSpace
from didact.teachers.base import Proposals, Teacher, propose
from didact.teachers.combinators.tags import chosen, largest_batch, most_students, shown_to
from didact.teachers.uniform import uniform


def solvable_first(
    teacher: Teacher,
    predicate: Callable[[Float[Array, "n d"]], Bool[Array, " n"]],
    *,
    tries: int = 16,
    fallback: Teacher | TaskSpace | None = None,
) -> Teacher:
    """Reject the tasks of a teacher that a predicate calls hopeless, and ask again.

    Each hopeless proposal is replaced by the one in the same row of the teacher's next proposals,
    for up to `tries` requests in total. So for a teacher that proposes independent tasks, the
    result is its distribution given that the task can be solved. It is the control that separates
    what a curriculum contributes from merely avoiding unsolvable tasks.

    Args:
        teacher: proposes tasks. Its state follows all requests, rejected proposals included.
        predicate: a function that can be jitted; returns which tasks can be solved, such as
            `space.solvable` of mazes.
        tries: the maximum number of requests, including the first.
        fallback: proposes in place of what is still hopeless after that; a task space is sampled
            uniformly. The teacher observes those episodes with the tag `FOREIGN`. If None, such a
            row repeats a random solvable proposal of the same call, or stays as it is if there is
            none.

    Returns:
        The combined teacher.

    Raises:
        SettingError: `tries` is below 1; when it proposes, if the predicate does not return
            bool[n].

    References:
        ATLAS, AAAI 2026 (arXiv:2511.12706), where levels are drawn given the task as a control.
    """
    require("tries", tries, tries >= 1, "at least 1")
    own = fallback is None or isinstance(fallback, Teacher)
    other: Teacher | None = fallback if own else uniform(fallback)  # type: ignore[arg-type]

    def hopeless(tasks):
        solved = predicate(tasks)
        kind = getattr(solved, "dtype", None), getattr(solved, "shape", None)
        shown = f"of the type {kind[0]} and the shape {kind[1]}"
        require("predicate", shown, kind == (jnp.bool_, tasks.shape[:1]), "a function to bool[n]")
        return ~solved

    def requested(state, key, n) -> tuple[Proposals, Bool[Array, " n"], Any]:
        """Return proposals, which of them are still hopeless, and the teacher's state."""
        key, again_key = jax.random.split(key)
        first, state = propose(teacher, state, key, n)

        def again(carry):
            number, proposals, wrong, state = carry
            new, state = propose(teacher, state, jax.random.fold_in(again_key, number), n)
            kept = jax.tree.map(
                lambda x, y: jnp.where(wrong.reshape(-1, *[1] * (x.ndim - 1)), x, y), new, proposals
            )
            return number + 1, kept, hopeless(kept.tasks), state

        carry = jnp.int32(1), first, hopeless(first.tasks), state
        carry = jax.lax.while_loop(lambda c: (c[0] < tries) & jnp.any(c[2]), again, carry)
        return carry[1:]

    def repeated(key, proposals, wrong):
        """Replace hopeless rows by random other ones."""
        order = jnp.argsort(wrong, stable=True)  # solvable rows first
        count = jnp.sum(~wrong)
        n = wrong.shape[0]
        row = order[jax.random.randint(key, (n,), 0, jnp.maximum(count, 1))]
        row = jnp.where(wrong & (count > 0), row, jnp.arange(n))
        return jax.tree.map(lambda x: x[row], proposals)

    if other is None:

        def proposed(state, key, n):
            ask_key, repeat_key = jax.random.split(key)
            proposals, wrong, state = requested(state, ask_key, n)
            return repeated(repeat_key, proposals, wrong), state

        return teacher._replace(propose=proposed)

    def init(key):
        first, second = jax.random.split(key)
        return teacher.init(first), other.init(second)

    def proposed_or_other(state, key, n):
        ask_key, other_key = jax.random.split(key)
        proposals, wrong, inner = requested(state[0], ask_key, n)
        others, rest = propose(other, state[1], other_key, n)
        return chosen([proposals, others], wrong.astype(jnp.int32)), (inner, rest)

    def observe(state, proposals, outcomes):
        parts = zip((teacher, other), state, strict=True)
        return tuple(
            part.observe(s, shown_to(i, 2, proposals), outcomes)
            for i, (part, s) in enumerate(parts)
        )

    def picture(state):
        return teacher.picture(state[0])

    sizes = largest_batch(teacher, other), most_students(teacher, other)
    return Teacher(init, proposed_or_other, observe, picture, *sizes)
