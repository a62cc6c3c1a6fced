"""The algebra of world value functions, on exact ones."""

import numpy as np
import pytest
import tabular_world
from hypothesis import given, settings
from hypothesis import strategies as st

from didact.environments import SettingError
from didact.students.skills import parse, values
from didact.students.skills.ltl import formulas as f

NAMES = ("a", "b", "c", "d")


def random_world(seed):
    rng = np.random.default_rng(seed)
    cells = np.full(20, ".")
    cells[rng.choice(20, 3, replace=False)] = "#"
    free = rng.permutation(np.flatnonzero(cells == "."))
    for place, name in zip(free[:6], "abcdab", strict=True):
        cells[place] = name
    return tabular_world.World(*("".join(row) for row in cells.reshape(4, 5)))


WORLDS = [random_world(seed) for seed in range(6)]
LEARNED = [values.WorldValues(w.values(np.ones(4)), w.values(np.zeros(4))) for w in WORLDS]
BOOLEAN = st.recursive(
    st.one_of(st.sampled_from(NAMES).map(f.Proposition), st.booleans().map(f.Constant)),
    lambda inner: st.one_of(
        st.builds(f.Not, inner),
        *(st.builds(kind, inner, inner) for kind in (f.And, f.Or, f.Implies, f.Iff)),
    ),
    max_leaves=6,
)


def true_of(formula, goal):
    """Of a goal with one fact, by Python's own logic."""
    match formula:
        case f.Constant(value=value):
            return value
        case f.Proposition(name=name):
            return name == NAMES[goal]
        case f.Not(operand=inner):
            return not true_of(inner, goal)
    left, right = true_of(formula.left, goal), true_of(formula.right, goal)
    return {
        f.And: left and right,
        f.Or: left or right,
        f.Implies: not left or right,
        f.Iff: left == right,
    }[type(formula)]


def close(one, other):
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(range(6)), BOOLEAN)
def test_what_is_composed_is_what_would_be_learned(i, formula):
    world, learned = WORLDS[i], LEARNED[i]
    rewarded = np.array([true_of(formula, goal) for goal in range(4)])
    exact = world.values(rewarded)
    close(values.composed(formula, learned, NAMES, world.goals), exact)
    close(values.goal_task(learned, rewarded), exact)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(range(6)), st.tuples(BOOLEAN, BOOLEAN, BOOLEAN))
def test_laws(i, three):
    world = LEARNED[i]
    p, q, r = (values.composed(each, world, NAMES, WORLDS[i].goals) for each in three)
    both, either = values.conjunction, values.disjunction

    def opposite(x):
        return values.negation(world, x)

    for join, other, nothing, everything in (
        (both, either, world.most, world.least),
        (either, both, world.least, world.most),
    ):
        close(join(p, q), join(q, p))
        close(join(p, join(q, r)), join(join(p, q), r))
        close(join(p, p), p)
        close(join(p, other(p, q)), p)
        close(join(p, other(q, r)), other(join(p, q), join(p, r)))
        close(opposite(join(p, q)), other(opposite(p), opposite(q)))
        close(join(p, nothing), p)
        close(join(p, everything), everything)
        close(join(p, opposite(p)), everything)
    close(opposite(opposite(p)), p)
    close(opposite(world.most), world.least)
    assert (np.asarray(p) <= world.most + 1e-5).all()
    assert (np.asarray(p) >= world.least - 1e-5).all()


def ways(world, start):
    """The fewest steps to each fact, passing by no other, by searching in breadth."""
    steps, seen, front = {}, {start}, [start]
    for k in range(1, len(world.cells) + 1):
        new = {int(cell) for old in front for cell in world.after[old]} - seen
        seen |= new
        for cell in new:
            if world.fact[cell] >= 0:
                steps.setdefault(world.propositions[world.fact[cell]], k)
        front = [cell for cell in new if world.fact[cell] < 0]
    return steps


@pytest.mark.parametrize(
    ("text", "ends"), [("a", "a"), ("b | c", "bc"), ("!(a | b | d)", "c"), ("a <-> b", "cd")]
)
def test_greedy_reaches_the_nearest_of_what_is_wanted(text, ends):
    tried = 0
    for world, learned in zip(WORLDS, LEARNED, strict=True):
        made = values.composed(parse(text), learned, world.propositions, world.goals)
        actions = np.asarray(values.greedy(made))
        for start in np.flatnonzero(world.fact < 0):
            steps = {name: k for name, k in ways(world, int(start)).items() if name in ends}
            if not steps:
                continue
            cell = start
            for _ in range(min(steps.values())):
                assert cell == start or world.fact[cell] < 0
                cell = world.after[cell, actions[cell]]
            assert steps[world.propositions[world.fact[cell]]] == min(steps.values())
            tried += 1
    assert tried > 20


def test_each_world_of_a_batch_has_its_own_task():
    rng = np.random.default_rng(0)
    most, least = rng.random((2, 4, 7, 3))
    rewarded = rng.random((4, 7)) < 0.5
    made = values.goal_task(values.WorldValues(most, least), rewarded)
    for i in range(7):
        alone = values.goal_task(values.WorldValues(most[:, i], least[:, i]), rewarded[:, i])
        close(made[:, i], alone)


@pytest.mark.parametrize(("text", "told"), [("F a", "without temporal"), ("a & x", "one of a, b")])
def test_what_has_no_value(text, told):
    with pytest.raises(SettingError, match=told):
        values.composed(parse(text), LEARNED[0], NAMES, WORLDS[0].goals)
