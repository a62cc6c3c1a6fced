"""Mixtures of teachers with fixed proportions."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from didact.common.errors import SettingError
from didact.teachers.base import Teacher, propose
from didact.teachers.combinators.tags import chosen, largest_batch, most_students, shown_to


def mixture(parts: Sequence[tuple[float, Teacher]]) -> Teacher:
    """Draw each task from one of several teachers: `mixture([(0.8, a), (0.2, b)])`.

    All teachers observe all episodes, so that a teacher that estimates learning progress can use
    every one of them. Episodes proposed by another teacher have the tag `FOREIGN`.

    Args:
        parts: pairs of a weight and a teacher, all of the same task space.

    Returns:
        A teacher whose state is a tuple of the states of its parts, and whose picture is the first
        one that is not empty. Proposing costs as much as all parts together, because each part
        proposes all n tasks.

    Raises:
        SettingError: there are no parts, a weight is negative or not finite, or the weights do not
            sum to 1; when it proposes, if the task spaces differ.
    """
    parts = list(parts)
    weights = [float(weight) for weight, _ in parts]
    teachers = [teacher for _, teacher in parts]
    if not parts:
        raise SettingError("parts", parts, "at least one pair of a weight and a teacher")
    if not all(math.isfinite(w) and w >= 0 for w in weights) or abs(sum(weights) - 1) > 1e-6:
        raise SettingError("weights", weights, "numbers of at least 0 that sum to 1")
    edges = np.cumsum(weights)[:-1].astype(np.float32)

    def init(key):
        keys = jax.random.split(key, len(teachers))
        return tuple(teacher.init(k) for teacher, k in zip(teachers, keys, strict=True))

    def proposed(state, key, n):
        key, *keys = jax.random.split(key, len(teachers) + 1)
        parts = zip(teachers, state, keys, strict=True)
        drawn = [propose(teacher, s, k, n) for teacher, s, k in parts]
        who = jnp.sum(jax.random.uniform(key, (n, 1)) >= edges, axis=1)
        return chosen([each for each, _ in drawn], who), tuple(s for _, s in drawn)

    def observe(state, proposals, outcomes):
        return tuple(
            teacher.observe(s, shown_to(i, len(teachers), proposals), outcomes)
            for i, (teacher, s) in enumerate(zip(teachers, state, strict=True))
        )

    def picture(state):
        pictures = [teacher.picture(s) for teacher, s in zip(teachers, state, strict=True)]
        return next((drawn for drawn in pictures if drawn), {})

    sizes = largest_batch(*teachers), most_students(*teachers)
    return Teacher(init, proposed, observe, picture, *sizes)
