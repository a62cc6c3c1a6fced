"""Batches of machines beside one automaton at a time."""

import jax
import jax.numpy as jnp
import ltl_oracle
import numpy as np
import pytest

from didact.environments import SettingError
from didact.students.skills import (
    automaton,
    batch_automata,
    initial_states,
    next_states,
    reward_machine,
    step_rewards,
)

LABELS = ("mail", "b", "unused", "a", "c")
FIXED = {"max_states": 40, "max_propositions": 3}


@pytest.fixture(scope="module")
def automata():
    rng = np.random.default_rng(5)
    formulas = [ltl_oracle.random_formula(rng, ("a", "b", "c"), 4) for _ in range(23)]
    return [automaton("F mail"), *map(automaton, formulas)]


@jax.jit
def walk(machines, labels):
    def one(state, now):
        after = next_states(machines, state, now)
        return after, (after, *step_rewards(machines, state, after))

    return jax.lax.scan(one, initial_states(machines), labels)[1]


def test_a_batch_steps_as_its_automata_do(automata):
    machines = batch_automata(automata, LABELS, **FIXED)
    assert machines.transitions.shape == (24, 40, 8)
    assert machines.transitions.dtype == machines.weights.dtype == jnp.uint8
    assert machines.weights.shape == (len(LABELS), 24)
    labels = np.random.default_rng(0).random((12, 24, len(LABELS))) < 0.3
    states, rewards, terminated, succeeded = map(np.asarray, walk(machines, labels))
    seen = set()
    for i, each in enumerate(automata):
        paying = reward_machine(each, success=1, failure=-1)
        names = [[name for name, on in zip(LABELS, row, strict=True) if on] for row in labels[:, i]]
        letters = [each.letter(row) for row in names]
        path = [each.initial, *each.run(letters)]
        assert states[:, i].tolist() == path[1:]
        paid = paying.rewards[path[:-1], letters]
        assert rewards[:, i].tolist() == paid.tolist()
        assert succeeded[:, i].tolist() == (paid > 0).tolist()
        assert terminated[:, i].tolist() == (paid != 0).tolist()
        seen |= set(paid.tolist())
    assert seen == {-1, 0, 1}


def test_a_single_machine_is_stepped_in_all_worlds(automata):
    rng = np.random.default_rng(2)
    labels = jnp.asarray(rng.random((30, len(LABELS))) < 0.5)
    letters = [{name for name, on in zip(LABELS, row, strict=True) if on} for row in labels]
    for each in automata[:4]:
        state = jnp.asarray(rng.integers(each.num_states, size=30))
        after = next_states(batch_automata([each], LABELS), state, labels)
        assert after.dtype == jnp.int32
        by_hand = each.transitions[state, [each.letter(letter) for letter in letters]]
        assert after.tolist() == by_hand.tolist()


def test_a_wide_automaton_needs_wider_numbers():
    names = tuple(f"p{i}" for i in range(9))
    made = automaton(" | ".join(f"F {name}" for name in names), max_propositions=9)
    machines = batch_automata([made, automaton("F p8")], names)
    assert machines.weights.dtype == jnp.uint16
    labels = jnp.eye(9, dtype=bool)[jnp.array([8, 8])]
    after = next_states(machines, machines.initial, labels)
    assert machines.accepting[jnp.arange(2), after].all()


def test_another_batch_of_that_size_needs_no_new_program(automata):
    labels = np.zeros((12, 24, len(LABELS)), bool)
    walk(batch_automata(automata, LABELS, **FIXED), labels)
    before = walk._cache_size()
    walk(batch_automata(automata[::-1], LABELS, **FIXED), labels)
    assert walk._cache_size() == before


def test_worlds_may_share_machines(automata):
    machines = batch_automata(automata, LABELS, **FIXED)
    rng = np.random.default_rng(1)
    which = jnp.asarray(rng.integers(24, size=50))
    states = jnp.asarray([rng.integers(automata[i].num_states) for i in which])
    labels = jnp.asarray(rng.random((50, len(LABELS))) < 0.5)
    copied = machines.chosen(which)
    shared = next_states(machines, states, labels, which)
    assert shared.tolist() == next_states(copied, states, labels).tolist()
    assert initial_states(machines, which).tolist() == initial_states(copied).tolist()
    for one, other in zip(
        step_rewards(machines, states, shared, which),
        step_rewards(copied, states, shared),
        strict=True,
    ):
        assert one.tolist() == other.tolist()


def test_rewards():
    made = automaton("F(coffee & X F office) & G !decoration")
    paying = reward_machine(made, success=2, failure=-0.5)
    coffee, office, decoration = (made.letter([name]) for name in made.propositions)
    first, second = made.run([coffee, office])
    broken = made.run([decoration])[0]
    assert paying.rewards[made.initial, [coffee, office, decoration]].tolist() == [0, 0, -0.5]
    assert paying.rewards[first, [coffee, office, decoration]].tolist() == [0, 2, -0.5]
    assert paying.rewards[second, [coffee, decoration]].tolist() == [0, -0.5]
    assert (paying.rewards[broken] == 0).all()
    assert np.flatnonzero(paying.terminal).tolist() == sorted([second, broken])


@pytest.mark.parametrize(
    ("labels", "settings", "told"),
    [
        (("a", "b"), {}, "proposition is 'c', but must be one of a, b."),
        (tuple("abc"), {"max_states": 3}, "at most 3 states (it has 4)."),
        (tuple("abc"), {"max_propositions": 1}, "at most 1 propositions (it has 2)."),
        (
            tuple("abc"),
            {"max_states": 2**20, "max_propositions": 11},
            "fewer than 2**31 transitions in total.",
        ),
    ],
)
def test_bounds(labels, settings, told):
    with pytest.raises(SettingError) as caught:
        batch_automata([automaton("F b"), automaton("F c & F b")], labels, **settings)
    assert str(caught.value).endswith(told)


def test_a_batch_of_none():
    with pytest.raises(SettingError, match="at least one"):
        batch_automata([], LABELS)


def test_a_formula_without_propositions():
    machines = batch_automata([automaton("true"), automaton("false")], ())
    after = next_states(machines, initial_states(machines), jnp.zeros((2, 0), bool))
    assert machines.accepting[jnp.arange(2), after].tolist() == [True, False]
