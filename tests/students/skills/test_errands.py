"""Instruction policies under orders: what is due by hand, and a sequence that is really done."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.benchmarks.errands import ErrandsConfig, compare, errands_of, formula_of, whole
from didact.environments import SettingError
from didact.environments.grid import cells
from didact.students import load_policy
from didact.students.skills import automaton
from didact.students.skills.errands import NOBODY, act, begin, orders

SKILLS = {"a": "go to a", "b": "go to b", "c": "go to c"}


def encode(text):
    return np.array([ord(text[-1])], np.uint8)


def test_orders_are_the_next_facts_of_the_plan():
    made = [automaton("F(b & X F a)"), automaton("F c"), automaton("F(c & X F(a & X F b)) & G !d")]
    told = orders(made, SKILLS, encode, max_states=6)
    np.testing.assert_array_equal(told.words[:, 0], [ord(x) for x in "abc"])
    for number, (each, sequence) in enumerate(zip(made, ("ba", "c", "cab"), strict=True)):
        state = each.initial
        for name in sequence:
            assert told.due[number, state] == "abc".index(name)
            state = int(each.transitions[state, each.letter([name])])
        assert told.due[number, state] == NOBODY


def test_what_no_skill_reaches_is_told():
    with pytest.raises(SettingError, match="fulfilled by skills: a, b, c"):
        orders([automaton("F(a & X F d)")], SKILLS, encode)
    with pytest.raises(SettingError, match="at least one"):
        orders([], SKILLS, encode)
    with pytest.raises(SettingError, match="at most 2 states"):
        orders([automaton("F(a & X F b)")], SKILLS, encode, max_states=2)


def test_memory_is_lost_with_each_order_and_kept_in_between():
    policy = load_policy("goto-seq")
    made = [automaton("F(a & X F b)")]
    length = policy.observation_space["instruction"].shape[0]
    told = orders(made, SKILLS, lambda text: np.full(length, ord(text[-1]) % 7 + 1, np.uint8))
    seen = {
        name: jnp.zeros((2, *space.shape), space.dtype)
        for name, space in policy.observation_space.items()
    }
    first, then = (int(s) for s in made[0].run([made[0].letter([]), made[0].letter(["a"])]))
    which, memory = jnp.zeros(2, jnp.int32), begin(policy, 2)
    _, memory = act(policy, told, memory, seen, jnp.full(2, first), which)
    once = jax.tree.leaves(memory.memory)
    # The second world gets another order; its memory is that of a first step under this order.
    _, mixed = act(policy, told, memory, seen, jnp.array([first, then]), which)
    _, anew = act(policy, told, begin(policy, 2), seen, jnp.full(2, then), which)
    for a, b, c in zip(
        once, jax.tree.leaves(mixed.memory), jax.tree.leaves(anew.memory), strict=True
    ):
        assert not np.allclose(a[0], b[0])
        np.testing.assert_allclose(b[1], c[1], rtol=1e-5, atol=1e-6)


def test_errands_are_things_of_the_level_and_told_as_they_are_tested():
    objects = np.array([cells.code(cells.BALL, cells.RED), cells.code(cells.CLOSED_DOOR, 2), 0, 0])
    names = errands_of(objects, 2, np.random.default_rng(0))
    assert sorted(names) == ["blue_door", "red_ball"]
    assert errands_of(objects, 3, np.random.default_rng(0)) is None
    assert whole(["red_ball", "blue_door"]) == "go to the red ball, then go to the blue door"
    assert formula_of(["red_ball", "blue_door"]) == "F(red_ball & X F blue_door)"


@pytest.mark.slow
def test_composed_sequences_do_not_get_worse_with_their_length():
    """About two minutes."""
    result = compare(ErrandsConfig(lengths=(1, 4), episodes=200))["lengths"]
    assert result["4"]["composed"]["success"] >= 0.85
    assert result["4"]["composed"]["success"] > result["4"]["monolithic"]["success"] + 0.1
