"""Tags of combinators, which tell each part its own episodes.

Combinators of several teachers encode the proposing teacher in the tag: with k teachers, the tag t
of teacher i becomes k t + i. When the episode has ended, that teacher observes the tag t, and all
others observe `FOREIGN`. So tags must be below 2^31 / k.
"""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Int

from didact.common.errors import SettingError
from didact.teachers.base import FOREIGN, Proposals, Teacher


def chosen(parts: Sequence[Proposals], who: Int[Array, " n"]) -> Proposals:
    """Select row i of the proposals of part who[i], with the part encoded in the tag.

    Raises:
        SettingError: the parts propose tasks of different spaces.
    """
    sizes = [part.tasks.shape[1] for part in parts]
    if len(set(sizes)) > 1:
        raise SettingError("parts", sizes, "teachers of one task space, with equal dimensions")
    selected = parts[0]
    for i, part in enumerate(parts[1:], 1):
        selected = Proposals(
            jnp.where(who[:, None] == i, part.tasks, selected.tasks),
            jnp.where(who == i, part.learn, selected.learn),
            jnp.where(who == i, part.tag, selected.tag),
        )
    return selected._replace(tag=selected.tag * len(parts) + who)


def shown_to(part: int, parts: int, proposals: Proposals) -> Proposals:
    """Return the proposals as one part observes them: its own tags, and `FOREIGN` for others."""
    # In nested combinators the tag may be FOREIGN itself, which is kept: -1 // parts is -1.
    own = jnp.where(proposals.tag % parts == part, proposals.tag // parts, FOREIGN)
    return proposals._replace(tag=own)


def largest_batch(*teachers: Teacher) -> int | None:
    """Return the largest batch of the parts, or None if proposals of all parts are cheap."""
    return max((t.batch for t in teachers if t.batch is not None), default=None)


def most_students(*teachers: Teacher) -> int:
    """Return the number of students that play each level, the largest of the parts."""
    return max(t.students for t in teachers)
