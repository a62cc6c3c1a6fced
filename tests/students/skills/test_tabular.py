"""Tables of goals and constraints, beside breadth-first search and matrices solved exactly."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import SettingError
from didact.students.skills import tabular, values
from didact.students.skills.tabular import Transitions

DISCOUNT = 0.9


def grid(rng, side=5, labels=4):
    """All steps of an empty square with a few marked cells."""
    places = side * side
    marks = np.zeros((places, labels), bool)
    marks[rng.choice(places, labels, replace=False), range(labels)] = True
    rows = []
    for place, (dx, dy) in itertools.product(range(places), [(1, 0), (0, 1), (-1, 0), (0, -1)]):
        x, y = place % side + dx, place // side + dy
        inside = 0 <= x < side and 0 <= y < side
        rows.append((place, len(rows) % 4, y * side + x if inside else place))
    place, action, after = np.array(rows).T
    return Transitions(place, action, after, marks[after], np.zeros(len(rows), bool)), marks


def searched(seen, marks, goal, avoided):
    """Steps from all places to a goal's cells by breadth-first search; inf: no way."""
    count = len(marks)
    steps = np.full(count, np.inf)
    is_goal = (marks == goal).all(1)
    bad = np.array([any((row == no).all() for no in avoided) for row in marks])
    for _ in range(count):
        for place, after in zip(seen.place, seen.after, strict=True):
            if is_goal[after]:
                steps[place] = min(steps[place], 1)
            elif not bad[after]:
                steps[place] = min(steps[place], 1 + steps[after])
    return steps


def test_values_are_those_of_a_search():
    rng = np.random.default_rng(0)
    seen, marks = grid(rng)
    table = tabular.learn_table(seen, len(marks), 4, discount=DISCOUNT)
    assert len(table.goals) == 5  # four marked cells, and anywhere else
    everywhere = jnp.arange(len(marks))
    for g, goal in enumerate(table.goals):
        for avoided in ([], [1], [1, 2], [2, 3, 4]):
            avoided = [i for i in avoided if i != g]
            mask = np.isin(np.arange(5), avoided)
            ours = np.asarray(table.action_values(everywhere, jnp.tile(mask, (len(marks), 1))))[
                g
            ].max(-1)
            steps = searched(seen, marks, goal, [table.goals[i] for i in avoided])
            np.testing.assert_allclose(ours, DISCOUNT ** (steps - 1), rtol=1e-5)
            cells = np.flatnonzero((marks[:, None] == table.goals).all(-1).any(1))
            for h in range(5):
                at = [c for c in cells if (marks[c] == table.goals[h]).all()]
                expected = DISCOUNT * ours[at].mean()  # discount**steps
                np.testing.assert_allclose(table.goal_values(mask)[h, g], expected, rtol=1e-5)


def test_chance_is_averaged():
    """A slippery corridor, beside the linear equations of its only policy."""
    rng = np.random.default_rng(1)
    n, slip = 6, 0.3
    place = rng.integers(0, n - 1, 4000)
    after = place + (rng.random(4000) > slip)
    labels = (after == n - 1)[:, None]
    nothing = np.zeros(4000, bool)
    table = tabular.learn_table(
        Transitions(place, np.zeros(4000, int), after, labels, nothing), n, 1, discount=DISCOUNT
    )
    goal = int(np.flatnonzero(table.goals[:, 0])[0])
    ours = np.asarray(table.world_values().most)[goal, :-1, 0]
    moved = np.array([np.mean(after[place == i] > i) for i in range(n - 1)])
    matrix = np.eye(n - 1) - DISCOUNT * np.diag(1 - moved)
    matrix -= DISCOUNT * np.diag(moved[:-1], 1)
    np.testing.assert_allclose(
        ours, np.linalg.solve(matrix, np.eye(n - 1)[-1] * moved), rtol=1e-4, atol=1e-5
    )


def test_an_end_of_the_world_is_the_end():
    """The goal lies behind a step that ends the world."""
    steps = np.array([0, 1]), np.zeros(2, int), np.array([1, 2])
    labels = np.array([[False], [True]])
    for end, value in ((False, DISCOUNT), (True, 0)):
        table = tabular.learn_table(
            Transitions(*steps, labels, np.array([end, False])), 3, 1, discount=DISCOUNT
        )
        goal = int(np.flatnonzero(table.goals[:, 0])[0])
        assert float(table.values[0, 0, goal, 0]) == pytest.approx(value)


def test_the_algebra_of_values_holds_for_what_was_learned():
    """Min, max and negation of learned values are those of the goals' sets, in every place."""
    seen, marks = grid(np.random.default_rng(2))
    table = tabular.learn_table(seen, len(marks), 4)
    world = table.world_values()
    rng = np.random.default_rng(3)
    for _ in range(20):
        a, b = jnp.asarray(rng.random((2, len(table.goals))) < 0.5)
        one, other = values.goal_task(world, a), values.goal_task(world, b)
        for ours, goals in (
            (values.conjunction(one, other), a & b),
            (values.disjunction(one, other), a | b),
            (values.negation(world, one), ~a),
        ):
            np.testing.assert_array_equal(ours, values.goal_task(world, goals))


def test_many_marked_places_are_told_apart_by_their_labels_only(monkeypatch):
    monkeypatch.setattr(tabular, "MAX_PLACES", 2)
    seen, marks = grid(np.random.default_rng(0))
    both = marks[:, :2].any(1, keepdims=True)  # two cells with one label
    table = tabular.learn_table(seen._replace(labels=both[seen.after]), len(marks), 4)
    assert len(table.goals) == 3
    monkeypatch.setattr(tabular, "MAX_PLACES", 1)
    assert (
        len(tabular.learn_table(seen._replace(labels=both[seen.after]), len(marks), 4).goals) == 2
    )


def test_what_has_no_meaning_is_refused(monkeypatch):
    seen, _ = grid(np.random.default_rng(0))
    with pytest.raises(SettingError, match="discount is 1"):
        tabular.learn_table(seen, 25, 4, discount=1)
    with pytest.raises(SettingError, match="at least one step"):
        tabular.learn_table(Transitions(*(x[:0] for x in seen)), 25, 4)
    monkeypatch.setattr(tabular, "MAX_LABELS", 3)
    with pytest.raises(SettingError, match="labels is '5"):
        tabular.learn_table(seen, 25, 4)
