"""The replay buffer against a plain Python ring."""

import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.students.algorithms import replay_buffer
from didact.students.algorithms.replay_buffer import Transitions
from didact.students.base import Rollout
from didact.students.config import SACConfig

CAPACITY = 7


def transitions(numbers):
    values = jnp.asarray(numbers, jnp.float32)
    seen = {"o": values[:, None]}
    after = {"o": values[:, None] + 0.5}
    return Transitions(seen, values[:, None], values, values % 2 == 0, after)


def test_the_latest_transitions_are_kept():
    rng = np.random.default_rng(0)
    buffer, kept, number = replay_buffer.empty(transitions([0]), CAPACITY), [], 0
    add = jax.jit(replay_buffer.add)
    for _ in range(30):
        numbers = np.arange(number, number + 5)
        number += 5
        mask = rng.random(5) < 0.6
        buffer = add(buffer, transitions(numbers), jnp.asarray(mask))
        kept = (kept + numbers[mask].tolist())[-CAPACITY:]
        assert int(replay_buffer.size(buffer)) == len(kept)
        stored = np.asarray(buffer.transitions.reward)[: len(kept)]
        assert sorted(stored.tolist()) == sorted(kept)
        np.testing.assert_array_equal(
            buffer.transitions.following["o"][: len(kept), 0], stored + 0.5
        )


def test_the_count_never_overflows():
    buffer = replay_buffer.empty(transitions([0]), CAPACITY)
    for i in range(50):
        buffer = replay_buffer.add(buffer, transitions(np.arange(5) + 5 * i), jnp.ones(5, bool))
        assert int(buffer.count) < 2 * CAPACITY + 5
    assert sorted(np.asarray(buffer.transitions.reward).tolist()) == list(range(243, 250))


def test_the_largest_capacity_fits_into_its_counter():
    """Also just before the counter wraps around, with the largest rollout."""
    kind = typing.get_type_hints(SACConfig, include_extras=True)["replay_capacity"]
    most = typing.get_args(kind)[1].high
    assert 3 * most <= np.iinfo(np.int32).max
    full = jax.eval_shape(lambda: replay_buffer.empty(transitions([0]), most))
    jax.eval_shape(replay_buffer.add, full, transitions([0]), jnp.ones(1, bool))


def test_samples_are_uniform_over_what_is_there():
    buffer = replay_buffer.empty(transitions([0]), CAPACITY)
    buffer = replay_buffer.add(buffer, transitions(np.arange(1, 5)), jnp.ones(4, bool))
    drawn = np.asarray(replay_buffer.sample(buffer, jax.random.key(0), 40_000).reward)
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == [1, 2, 3, 4]
    # Four standard deviations of a binomial count.
    assert np.abs(counts - 10_000).max() < 4 * np.sqrt(40_000 * 0.25 * 0.75)


def test_steps_of_a_rollout_become_transitions_in_the_order_of_time():
    shape = 3, 2
    rows = jnp.arange(6, dtype=jnp.float32).reshape(shape)
    rollout = Rollout(
        observation={"o": rows[..., None], "unread": rows},
        start=jnp.zeros(shape, bool),
        action=rows[..., None],
        reward=rows,
        terminated=rows == 3,
        truncated=rows == 4,
        extras={},
        final_value=rows,
        last_value=rows[0],
        carry=(),
        learn=jnp.where(rows == 2, 0.0, 1.0),
        final_observation={"o": rows[..., None] + 10, "unread": rows},
    )
    made, keep = replay_buffer.transitions_of(rollout, ("o",))
    assert set(made.observation) == {"o"}
    assert made.reward.tolist() == [0, 1, 2, 3, 4, 5]
    assert made.following["o"][:, 0].tolist() == [10, 11, 12, 13, 14, 15]
    # A time limit does not end the value of what follows.
    assert made.terminated.tolist() == [False, False, False, True, False, False]
    assert keep.tolist() == [True, True, False, True, True, True]


@pytest.mark.parametrize("keep", [[], [0], [0, 1, 2, 3, 4]])
def test_nothing_but_what_is_kept_changes(keep):
    buffer = replay_buffer.add(
        replay_buffer.empty(transitions([0]), CAPACITY), transitions([9.0]), jnp.ones(1, bool)
    )
    mask = jnp.isin(jnp.arange(5), jnp.asarray(keep, jnp.int32)) if keep else jnp.zeros(5, bool)
    after = replay_buffer.add(buffer, transitions(np.arange(5)), mask)
    assert int(after.count) == 1 + len(keep)
    assert float(after.transitions.reward[0]) == 9.0
