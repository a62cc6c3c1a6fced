"""Edges as conditions: right for every letter, and as short as can be."""

from itertools import combinations, product

import ltl_oracle
import numpy as np
import pytest

from didact.students.skills import automaton
from didact.students.skills.ltl import formulas as f
from didact.students.skills.ltl.conditions import at_most_one, condition, edges

NAMES = tuple("abcde")


def letters_of(formula, names):
    return ltl_oracle.truth(formula, names, 1)[0]


@pytest.mark.parametrize("p", [1, 2, 3, 4, 5])
def test_a_condition_holds_for_just_these_letters(p):
    rng = np.random.default_rng(p)
    for _ in range(40):
        holds = rng.random(2**p) < rng.random()
        assert (letters_of(condition(holds, NAMES[:p]), NAMES[:p]) == holds).all()


def size(formula):
    """Clauses and literals of a disjunctive form."""
    literals = sum(isinstance(part, f.Proposition) for part in formula)
    return 1 + sum(isinstance(part, f.Or) for part in formula), literals


def smallest(holds):
    """The fewest cubes, then literals, whose union is a function of three bits; by trying all."""
    want = sum(1 << i for i in range(8) if holds[i])
    cubes = []
    for cube in product((0, 1, None), repeat=3):
        cells = [
            i for i in range(8) if all(c is None or (i >> b & 1) == c for b, c in enumerate(cube))
        ]
        mask = sum(1 << i for i in cells)
        if mask & ~want == 0:
            cubes.append((mask, 3 - cube.count(None)))
    for count in range(1, 5):
        sizes = []
        for chosen in combinations(cubes, count):
            union = 0
            for mask, _ in chosen:
                union |= mask
            if union == want:
                sizes.append(sum(literals for _, literals in chosen))
        if sizes:
            return count, min(sizes)
    raise AssertionError


def test_no_shorter_condition_does_it():
    rng = np.random.default_rng(0)
    for number in rng.choice(np.arange(1, 255), 40, replace=False):
        holds = (int(number) >> np.arange(8) & 1).astype(bool)
        assert size(condition(holds, NAMES[:3])) == smallest(holds), number


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("a & (b | !b)", "a"),
        ("!(a & b)", "!a | !b"),
        ("a & b | !a & c | b & c", "a & b | !a & c"),
        ("a <-> b", "a & b | !a & !b"),
        ("a | !a", "true"),
        ("a & !a", "false"),
        ("c & !a", "!a & c"),
    ],
)
def test_short(text, short):
    holds = automaton(text, NAMES[:3])
    accepted = holds.accepting[holds.transitions[0]]
    assert str(condition(accepted, NAMES[:3])) == short


def test_edges_of_the_office():
    made = automaton("F(coffee & X F office) & G !decoration")
    told = {(edge.source, edge.target): str(edge.condition) for edge in edges(made)}
    assert told == {
        (0, 0): "!coffee & !decoration",
        (0, 1): "coffee & !decoration",
        (0, 2): "decoration",
        (1, 1): "!office & !decoration",
        (1, 2): "decoration",
        (1, 3): "office & !decoration",
        (2, 2): "true",
        (3, 2): "decoration",
        (3, 3): "!decoration",
    }


def test_a_large_condition_is_right():
    rng = np.random.default_rng(1)
    names = tuple("abcdefgh")
    holds = rng.random(256) < 0.5
    assert (letters_of(condition(holds, names), names) == holds).all()


def test_what_cannot_come_need_not_be_told():
    made = automaton("F coffee & F mail & G !decoration")
    told = {(e.source, e.target): str(e.condition) for e in edges(made, at_most_one(made))}
    assert told[0, 1] == "coffee"
    assert told[0, 2] == "mail"
    done = made.run([made.letter(["coffee", "mail"])])[0]
    assert (0, done) not in told
    assert len(told) < len(edges(made))


def test_conditions_are_right_for_what_can_come():
    rng = np.random.default_rng(2)
    shorter = 0
    for _ in range(60):
        holds, possible = rng.random((2, 16)) < 0.5
        short = condition(holds, NAMES[:4], possible)
        assert (letters_of(short, NAMES[:4]) == holds)[possible].all()
        full = condition(holds & possible, NAMES[:4])
        assert size(short) <= size(full)
        shorter += size(short) < size(full)
    assert shorter > 30
