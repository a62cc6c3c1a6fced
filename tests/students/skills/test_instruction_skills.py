"""Instruction policies under orders: what is due by hand, and a sequence that is really done."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.benchmarks.skills.instruction_sequences import (
    InstructionSequencesConfig,
    compare,
    formula_of,
    instructions_of,
    whole,
)
from didact.environments import SettingError
from didact.environments.grid import cells
from didact.students import load_policy
from didact.students.skills import automaton
from didact.students.skills.instruction_skills import (
    act,
    initial_memory,
    instruction_schedule,
    policies_of,
)
from didact.students.skills.library import Library, Skill

FACTS = ("a", "b", "c", "d")
SKILLS = Library().added(*(Skill(x, f"go to {x}", x, "goto-seq") for x in "abc"))


def encode(text):
    return np.array([ord(text[-1])], np.uint8)


def test_orders_are_the_next_facts_of_the_plan():
    made = [automaton("F(b & X F a)"), automaton("F c"), automaton("F(c & X F(a & X F b)) & G !d")]
    told = instruction_schedule(made, SKILLS, FACTS, encode, max_states=6)
    np.testing.assert_array_equal(told.words[:, 0], [ord(x) for x in "abc"])
    for number, (each, sequence) in enumerate(zip(made, ("ba", "c", "cab"), strict=True)):
        state = each.initial
        for name in sequence:
            assert "".join(np.array(list("abc"))[told.leads[number, state]]) == name
            state = int(each.transitions[state, each.letter([name])])
        assert not told.leads[number, state].any()


def test_what_no_skill_reaches_is_told():
    with pytest.raises(SettingError, match="the skills can fulfil: a, b, c"):
        instruction_schedule([automaton("F(a & X F d)")], SKILLS, FACTS, encode)
    for automata, library, name in (([], SKILLS, "automata"), ([1], Library(), "library")):
        with pytest.raises(SettingError, match=f"{name} is .* at least one"):
            instruction_schedule(automata, library, FACTS, encode)
    with pytest.raises(SettingError, match="at most 2 states"):
        instruction_schedule([automaton("F(a & X F b)")], SKILLS, FACTS, encode, max_states=2)
    with pytest.raises(SettingError, match="'c' is unknown"):
        instruction_schedule([automaton("F a")], SKILLS, FACTS[:2], encode)


def zeros(policy, n):
    return {
        name: jnp.zeros((n, *space.shape), space.dtype)
        for name, space in policy.observation_space.items()
    }


def words(policy):
    length = policy.observation_space["instruction"].shape[0]
    return lambda text: np.full(length, ord(text[-1]) % 7 + 1, np.uint8)


def test_memory_is_lost_with_each_order_and_kept_in_between():
    policy = load_policy("goto-seq")
    made = [automaton("F(a & X F b)")]
    told = instruction_schedule(made, SKILLS, FACTS, words(policy))
    seen, none = zeros(policy, 2), jnp.zeros((2, 4), bool)
    first, then = (int(s) for s in made[0].run([made[0].letter([]), made[0].letter(["a"])]))
    which = jnp.zeros(2, jnp.int32)

    @jax.jit
    def step(memory, states):
        return act([policy], told, memory, seen, none, states, which)[1]

    def go(memory, *states):
        return step(memory, jnp.array(states))

    memory = go(initial_memory([policy], 2), first, first)
    once, mixed = memory.memory, go(memory, first, then).memory
    # The second world gets another order; its memory is that of a first step under this order.
    anew = go(initial_memory([policy], 2), then, then).memory
    for a, b, c in zip(*map(jax.tree.leaves, (once, mixed, anew)), strict=True):
        assert not np.allclose(a[0], b[0])
        np.testing.assert_allclose(b[1], c[1], rtol=1e-5, atol=1e-6)


def test_skills_begin_where_they_can_and_are_kept_until_they_end():
    """b leads on as well as c, but can only begin where d holds; c goes on when d comes."""
    library = Library().added(
        Skill("b", "go to b", "b", "goto-seq", begins="d & !a"),
        Skill("c", "go to c", "c", "put-next-local"),
    )
    assert policies_of(library) == ["goto-seq", "put-next-local"]
    policies = [load_policy(name) for name in policies_of(library)]
    made = [automaton("F(b | c)")]
    told = instruction_schedule(made, library, FACTS, words(policies[0]))
    seen = {**zeros(policies[1], 3), **zeros(policies[0], 3)}
    at, which = jnp.full(3, made[0].initial), jnp.zeros(3, jnp.int32)
    labels = jnp.array([[0, 0, 0, 0], [0, 0, 0, 1], [1, 0, 0, 1]], bool)
    step = jax.jit(lambda memory, labels: act(policies, told, memory, seen, labels, at, which))
    _, memory = step(initial_memory(policies, 3), labels)
    np.testing.assert_array_equal(memory.due, [1, 0, 1])
    _, memory = step(memory, labels.at[:, 3].set(True))
    np.testing.assert_array_equal(memory.due, [1, 0, 1])


def test_who_is_told_nothing_does_nothing():
    """c leads on, but can only begin where d holds."""
    library = Library().added(Skill("c", "go to c", "c", "goto-seq", begins="d"))
    policy = load_policy("goto-seq")
    made = [automaton("F c")]
    told = instruction_schedule(made, library, FACTS, words(policy))
    seen = zeros(policy, 2)
    at, which = jnp.full(2, made[0].initial), jnp.zeros(2, jnp.int32)
    labels = jnp.array([[0, 0, 0, 0], [0, 0, 0, 1]], bool)
    step = jax.jit(lambda memory: act([policy], told, memory, seen, labels, at, which))
    action, memory = step(initial_memory([policy], 2))
    np.testing.assert_array_equal(memory.due, [-1, 0])
    # The policy itself, told the same, would walk.
    alone, _ = policy.act({**seen, "instruction": jnp.stack([words(policy)("c")] * 2)})
    names = np.array(policy.action_space.action_names)
    assert names[action[0]] == "done"
    assert names[action[1]] == names[alone[1]] != "done"


def test_errands_are_things_of_the_level_and_told_as_they_are_tested():
    objects = np.array([cells.code(cells.BALL, cells.RED), cells.code(cells.CLOSED_DOOR, 2), 0, 0])
    names = instructions_of(objects, 2, np.random.default_rng(0))
    assert sorted(names) == ["blue_door", "red_ball"]
    assert instructions_of(objects, 3, np.random.default_rng(0)) is None
    assert whole(["red_ball", "blue_door"]) == "go to the red ball, then go to the blue door"
    assert formula_of(["red_ball", "blue_door"]) == "F(red_ball & X F blue_door)"


@pytest.mark.slow
def test_composed_sequences_do_not_get_worse_with_their_length():
    """About two minutes."""
    result = compare(InstructionSequencesConfig(lengths=(1, 4), episodes=200))["lengths"]
    assert result["4"]["composed"]["success"] >= 0.85
    assert result["4"]["composed"]["success"] > result["4"]["monolithic"]["success"] + 0.1
