"""Plans over automata, and zero-shot behaviour in a world whose values are exact."""

import jax.numpy as jnp
import numpy as np
import pytest
import tabular_world

from didact.environments import SettingError
from didact.students.skills import at_most_one, automaton, values
from didact.students.skills.ltl import sampling
from didact.students.skills.ltl.batched_automata import batch_automata, initial_states, next_states
from didact.students.skills.machines import letters_of_goals, skill_machine
from didact.students.skills.plans import goal_plans


def fewest_letters(made, possible):
    """How many possible letters lead from each state to an accepting one; searched backwards."""
    distance = np.where(made.accepting, 0, -1)
    for k in range(1, made.num_states + 1):
        for state in np.flatnonzero(distance < 0):
            after = made.transitions[state, possible]
            if (distance[after] == k - 1).any():
                distance[state] = k
    return distance


@pytest.mark.parametrize("seed", range(3))
def test_values_tell_how_far_it_is(seed):
    rng = np.random.default_rng(seed)
    names = tuple("abcdefgh")
    for sampler in (
        sampling.partially_ordered(names, (1, 2), (1, 2)),
        sampling.until_avoiding(names),
    ):
        for _ in range(8):
            made = automaton(sampler(rng), max_propositions=8)
            for possible in (np.ones(made.transitions.shape[1], bool), at_most_one(made)):
                plan = skill_machine(made, possible, 0.9)
                distance = fewest_letters(made, possible)
                expected = np.where(distance > 0, 0.9 ** (distance - 1.0), 0)
                np.testing.assert_allclose(plan.values, expected)
                nearer = (distance[made.transitions] == distance[:, None] - 1) & possible
                assert (plan.wanted == nearer & (distance > 0)[:, None]).all()
                assert not (plan.wanted & plan.forbidden).any()


def test_the_skills_of_the_office():
    made = automaton("F(coffee & X F office) & G !decoration")
    plan = skill_machine(made, at_most_one(made))
    first, second = made.run([made.letter(["coffee"]), made.letter(["office"])])
    assert str(plan.skill(made.initial)) == "coffee & !decoration"
    assert str(plan.skill(first)) == "office & !decoration"
    assert str(plan.skill(second)) == "false & !decoration"  # nothing more is wanted
    assert plan.values.tolist() == pytest.approx([0.9, 1, 0, 0])


def test_what_never_holds_together_is_not_waited_for():
    made = automaton("F a & F b")
    assert str(skill_machine(made).skill(0)) == "a & b"
    goals = np.eye(2, dtype=bool)
    possible = letters_of_goals(made, ("b", "a"), goals)
    assert possible.tolist() == [True, True, True, False]
    assert set(str(skill_machine(made, possible).skill(0)).split(" | ")) == {"a", "b"}


OFFICE = tabular_world.World(
    "a...n..b",
    "..#.n...",
    "..#...#.",
    "m.##.o#c",
    "..n.....",
    "d...e..f",
)
FORMULAS = [
    "F(c & X F o) & G !n",
    "F(m & X F o) & G !n",
    "F(a & X F(b & X F(c & X F d))) & G !n",
    "F(c & X F o) & F(m & X F o) & G !n",
    "(!o U m) & F(a | f) & G !n",
    "!c U (e & (!m U b))",
    "F a & F b & F d & F f & G(e -> F c)",
    "G !a & F(d & X F d)",
]


def test_zero_shot():
    """From every cell, all formulas in one batch: each comes true, and no rule is broken."""
    automata = [automaton(text) for text in FORMULAS]
    names, goals = OFFICE.propositions, OFFICE.goals
    machines = batch_automata(automata, names, max_states=40)
    packed = goal_plans(automata, names, goals, max_states=40)
    count = len(goals)
    world = values.WorldValues(OFFICE.values(np.ones(count)), OFFICE.values(np.zeros(count)))
    free = np.flatnonzero(OFFICE.fact < 0)
    which = np.repeat(np.arange(len(automata)), len(free))
    cell = np.tile(free, len(automata))
    state = initial_states(machines, jnp.asarray(which))
    succeeded = np.zeros(len(cell), bool)
    for _ in range(80):
        wanted = np.asarray(packed.wanted[which, state]).T  # [goals, n]
        seen = values.WorldValues(world.most[:, cell], world.least[:, cell])
        actions = np.asarray(values.greedy(values.goal_task(seen, wanted)))
        cell = np.where(succeeded, cell, OFFICE.after[cell, actions])
        labels = jnp.asarray(np.arange(count) == OFFICE.fact[cell][:, None])
        after = next_states(machines, state, labels, jnp.asarray(which))
        state = jnp.where(succeeded, state, after)
        assert not np.asarray(machines.failed[which, state]).any()
        succeeded |= np.asarray(machines.accepting[which, state])
    assert succeeded.all()


def test_forbidden_goals():
    made = automaton("F c & G !n")
    packed = goal_plans([made], OFFICE.propositions, OFFICE.goals)
    told = dict(zip(OFFICE.propositions, np.asarray(packed.forbidden)[0, 0].tolist(), strict=True))
    assert told == {name: name == "n" for name in OFFICE.propositions}


def test_settings():
    made = automaton("F a & F b")
    with pytest.raises(SettingError, match="discount is 1"):
        skill_machine(made, discount=1)
    with pytest.raises(SettingError, match="at least one letter"):
        skill_machine(made, np.zeros(4, bool))
    with pytest.raises(SettingError, match="proposition is 'b', but must be one of a"):
        goal_plans([made], ("a",), np.eye(1, dtype=bool))
    with pytest.raises(SettingError, match=r"at most 2 states \(it has 4\)"):
        goal_plans([made], ("a", "b"), np.eye(2, dtype=bool), max_states=2)
    with pytest.raises(SettingError, match="at least one"):
        goal_plans([], ("a",), np.eye(1, dtype=bool))
