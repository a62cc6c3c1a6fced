"""Samplers: what they draw, how much of it, and that it can be done."""

import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from didact.environments import SettingError
from didact.students.skills import automaton
from didact.students.skills.ltl import formulas as f
from didact.students.skills.ltl import sampling

NAMES = tuple("abcdefghijkl")


def draw(sampler, n=300, seed=0):
    rng = np.random.default_rng(seed)
    return [sampler(rng) for _ in range(n)]


@pytest.mark.parametrize(
    "sampler",
    [
        sampling.sequences(NAMES),
        sampling.partially_ordered(NAMES),
        sampling.until_avoiding(NAMES),
        sampling.bounded(sampling.partially_ordered(NAMES), 40, 6),
    ],
)
def test_seeded(sampler):
    assert draw(sampler, 20) == draw(sampler, 20)
    assert draw(sampler, 20) != draw(sampler, 20, seed=1)


def conjuncts(formula):
    if isinstance(formula, f.And):
        return conjuncts(formula.left) + conjuncts(formula.right)
    return [formula]


def things(chain):
    """The things of a sequence, in order."""
    assert isinstance(chain, f.Eventually)
    inner = chain.operand
    if isinstance(inner, f.And):
        assert isinstance(inner.right, f.Next)
        return [inner.left.propositions, *things(inner.right.operand)]
    return [inner.propositions]


def test_sequences():
    formulas = draw(sampling.sequences(NAMES[:3], (2, 4)), 600)
    rows = [things(formula) for formula in formulas]
    assert set(map(len, rows)) == {2, 3, 4}
    for row in rows:
        assert all(len(step) == 1 for step in row)
        assert all(one != other for one, other in pairwise(row))
    assert {row[0] for row in rows} == {("a",), ("b",), ("c",)}
    first = Counter((row[0], row[1]) for row in rows)
    assert len(first) == 6
    assert max(first.values()) < 150  # 100 each, on average


def test_a_sequence_is_done_in_its_order_only():
    made = automaton(draw(sampling.sequences(NAMES, (3, 3)), 1)[0])
    one, two, three = ([made.letter([name])] for name in made.propositions)
    assert made.accepting[made.run(one + two + three)[-1]]
    for order in (two + one + three, three + two + one, one + three + two):
        assert not made.accepting[made.run(order)[-1]]


def test_partially_ordered():
    formulas = draw(sampling.partially_ordered(NAMES), 500)
    rows = [[things(chain) for chain in conjuncts(formula)] for formula in formulas]
    assert set(map(len, rows)) == {1, 2, 3, 4, 5}
    chains = [chain for row in rows for chain in row]
    assert set(map(len, chains)) == {1, 2, 3, 4}
    steps = [step for chain in chains for step in chain]
    choices = np.mean([len(step) == 2 for step in steps])
    assert 0.21 < choices < 0.29
    for chain in chains:
        for one, other in pairwise(chain):
            assert not set(one) & set(other)


def test_until_avoiding_can_be_done():
    formulas = draw(sampling.until_avoiding(NAMES, (1, 2), (1, 3)), 60)
    sizes = set()
    for formula in formulas:
        names = formula.propositions
        assert len(names) == sum(isinstance(part, f.Proposition) for part in formula)
        chains = conjuncts(formula)
        assert all(isinstance(chain, f.Until) for chain in chains)
        sizes.add((len(chains), len(names)))
        if len(names) <= 8:
            made = automaton(formula)
            assert made.alive[made.initial]
            assert made.failed.any()  # what is to be avoided can be touched
    assert {size for _, size in sizes} >= {2, 4, 6, 8, 10, 12}


def test_bounded_formulas_fit():
    for formula in draw(sampling.bounded(sampling.partially_ordered(NAMES), 12, 4), 20):
        made = automaton(formula)
        assert made.num_states <= 12
        assert len(made.propositions) <= 4
    with pytest.raises(SettingError, match="larger: none of 5 formulas fits"):
        draw(sampling.bounded(sampling.sequences(NAMES, (4, 4)), 3, tries=5), 1)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: sampling.sequences("a"), "propositions is 1, but must be at least 2."),
        (lambda: sampling.sequences(NAMES, (0, 2)), "length is (0, 2), but must be a minimum"),
        (lambda: sampling.sequences(NAMES, (3, 2)), "length is (3, 2), but must be a minimum"),
        (lambda: sampling.partially_ordered("ab"), "propositions is 2, but must be at least 3."),
        (lambda: sampling.partially_ordered(NAMES, choice=2), "choice is 2, but must be between"),
        (lambda: sampling.until_avoiding("abc", (1, 1)), "propositions is 3, but must be at least"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused(make, told):
    with pytest.raises(SettingError, match=re.escape(told)):
        make()
