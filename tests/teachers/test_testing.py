"""The public check of teachers: what keeps the contract passes, each way to break it is named."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from didact.environments import Box, Dimension
from didact.teachers import Proposals, Teacher, testing

SPACE = Box((Dimension("x", 0, 10), Dimension("n", 0, 4, integer=True)))


class Sum(NamedTuple):
    total: Array


def made(init=None, propose=None, observe=None, **more):
    """Proposes tasks near the sum of returns so far (kept between 0 and 10), with changes."""

    def usual_propose(state, key, n):
        noise = jax.random.normal(key, (n, 2))
        return SPACE.clip(jnp.abs(state.total % 10) + noise), state

    def usual_observe(state, proposals, outcomes):
        good = (outcomes.weights > 0) & jnp.isfinite(outcomes.returns)
        return Sum(state.total + jnp.sum(jnp.where(good, outcomes.returns, 0)))

    return lambda space: Teacher(
        init or (lambda key: Sum(jax.random.uniform(key))),
        propose or usual_propose,
        observe or usual_observe,
        **more,
    )


def test_a_teacher_that_keeps_the_contract_passes():
    testing.check(made(), SPACE, n=16)
    testing.check(made(batch=5), SPACE, n=8, rounds=2, seed=3)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda space: None, "must return a `Teacher`, but returns a NoneType"),
        (made(picture=lambda state: [1]), "picture must return a dictionary"),
    ],
)
def test_what_is_no_teacher_or_picture(make, words):
    with pytest.raises(AssertionError, match=words):
        testing.check(make, SPACE, n=4, rounds=1)


def outside(state, key, n):
    return jnp.full((n, 2), 11.0), state


def infinite(state, key, n):
    return jnp.full((n, 2), jnp.inf), state


def whole(state, key, n):
    return SPACE.sample(key, n).astype(jnp.int32), state


def too_many(state, key, n):
    return SPACE.sample(key, n + 1), state


def negative(state, key, n):
    return Proposals.of(SPACE.sample(key, n), tag=-1), state


def eager(state, key, n):
    return Proposals.of(SPACE.sample(key, n), learn=2), state


def forgetful(state, key, n):
    return SPACE.sample(key, n), (state.total,)


def changing(state, key, n):
    return SPACE.sample(key, n), Sum(jnp.int32(0))


def by_tracing(state, key, n):
    """Another value where it is compiled."""
    traced = isinstance(state.total, jax.core.Tracer)
    return jnp.full((n, 2), 1.0 if traced else 3.0), state


count = [0]


def global_state(state, key, n):
    count[0] += 1

    def draw():
        count[0] += 1
        return np.float32(count[0] % 10)

    value = jax.pure_callback(draw, jax.ShapeDtypeStruct((), jnp.float32))
    return SPACE.clip(jnp.full((n, 2), value)), state


def weightless(state, proposals, outcomes):
    return Sum(state.total + jnp.sum(jnp.nan_to_num(outcomes.returns)))


def multiplied(state, proposals, outcomes):
    return Sum(state.total + jnp.sum(outcomes.weights * outcomes.returns))


def counted(state, proposals, outcomes):
    return Sum(state.total + 1)


def trusting(state, proposals, outcomes):
    return Sum(state.total + jnp.sum(jnp.where(outcomes.weights > 0, outcomes.returns, 0)))


def successful(state, proposals, outcomes):
    """Counts the success of episodes without a finite return."""
    return Sum(state.total + jnp.sum(jnp.where(outcomes.weights > 0, outcomes.success, 0)))


def positional(state, proposals, outcomes):
    """Looks at the first row only, which may be empty."""
    return Sum(state.total + jnp.where(outcomes.valid[0], 3.0, 0))


def sequential(state, proposals, outcomes):
    """Looks at the first episode only."""
    first = jnp.argmax(outcomes.valid)
    return Sum(state.total + jnp.where(outcomes.valid[first], outcomes.lengths[first], 0))


def believing(state, proposals, outcomes):
    """Holds the tags of others for its own."""
    mine = jnp.where((outcomes.weights > 0) & (proposals.tag < 0), jnp.nan, 0)
    return Sum(state.total + jnp.sum(mine))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"init": lambda key: Sum(0.5)}, "state.total is of type float, but must be an array"),
        ({"propose": outside}, "the task .* is not in the task space"),
        ({"propose": infinite}, "the task .* is not finite"),
        ({"propose": whole}, "tasks is int32.*, but must be float32"),
        ({"propose": too_many}, r"tasks is float32\[2, 2\], but must be float32\[1, 2\]"),
        ({"propose": negative}, "tags must be at least 0"),
        ({"propose": eager}, "learn must be from 0 to 1"),
        ({"propose": forgetful}, "propose must keep the structure of the state"),
        ({"propose": changing}, "dtypes: .total was float32.* and became int32"),
        ({"propose": by_tracing}, "propose, when it is compiled, must propose the same"),
        ({"propose": global_state}, "the same state and key must give the same proposals"),
        ({"observe": weightless}, "the content of rows of weight 0 must not matter"),
        ({"observe": multiplied}, "the content of rows of weight 0 must not matter"),
        (
            {"observe": trusting},
            "episodes with returns and scores of nan must not change the state",
        ),
        ({"observe": successful}, "episodes with returns and scores of nan must not change"),
        ({"observe": positional}, "the places of rows of weight 0 must not matter"),
        ({"observe": believing}, "after episodes of other teachers, propose: the task"),
        ({"batch": 0}, "batch is 0"),
        ({"picture": lambda state: {"means": jnp.zeros((1, 2))}}, "'means' requires 'covariances'"),
        ({"picture": lambda state: {"means": jnp.full((1, 2), jnp.nan)}}, "must be finite"),
        ({"picture": lambda state: {"low": jnp.zeros((1, 2))}}, "'low' requires 'high'"),
        ({"observe": counted}, "rows of weight 0 must not change the state"),
    ],
    ids=lambda x: (
        "" if isinstance(x, str) else "-".join(getattr(v, "__name__", k) for k, v in x.items())
    ),
)
def test_what_breaks_the_contract_is_named(changes, words):
    with pytest.raises(AssertionError, match=words):
        testing.check(made(**changes), SPACE, n=16)


def test_the_order_of_rows_is_checked_where_it_must_not_matter():
    testing.check(made(), SPACE, n=16, ordered=False)
    testing.check(made(observe=sequential), SPACE, n=16)
    with pytest.raises(AssertionError, match="the order of rows must not matter"):
        testing.check(made(observe=sequential), SPACE, n=16, ordered=False)


def test_a_teacher_that_mixes_seeds_is_found():
    """`vmap` over a function that reduces over the axis of seeds."""

    @jax.custom_batching.custom_vmap
    def total(x):
        return x

    @total.def_vmap
    def _(size, batched, x):
        return jnp.broadcast_to(jnp.mean(x), x.shape), True

    def observe(state, proposals, outcomes):
        return Sum(total(state.total + jnp.sum(jnp.where(outcomes.valid, 1.0, 0))))

    with pytest.raises(AssertionError, match="under vmap over seeds must propose the same"):
        testing.check(made(observe=observe), SPACE, n=16)
