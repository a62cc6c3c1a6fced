"""A number that falls while everything else is as the teacher would have it."""

import jax
import numpy as np
import pytest

from didact.environments import Box, Dimension, SettingError
from didact.teachers import faded, uniform

SPACE = Box((Dimension("size", 1, 9), Dimension("help", 0.2, 1)))


def test_it_falls_by_what_was_proposed():
    plain, teacher = uniform(SPACE), faded(uniform(SPACE), SPACE, "help", 1000)
    state, inner = teacher.init(jax.random.key(0)), plain.init(jax.random.key(0))
    propose = jax.jit(teacher.propose, static_argnums=2)
    for number in range(6):
        key = jax.random.key(number)
        tasks, state = propose(state, key, 250)
        own, inner = plain.propose(inner, key, 250)
        left = max(0, 1 - number / 4)
        np.testing.assert_allclose(tasks[:, 0], own[:, 0])
        np.testing.assert_allclose(tasks[:, 1], 0.2 + (own[:, 1] - 0.2) * left, atol=1e-5)


def test_settings_without_meaning_are_refused():
    with pytest.raises(SettingError, match="sound"):
        faded(uniform(SPACE), SPACE, "sound", 10)
    with pytest.raises(SettingError, match="proposals is 0"):
        faded(uniform(SPACE), SPACE, "help", 0)
