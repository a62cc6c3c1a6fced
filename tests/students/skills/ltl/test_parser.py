"""Formulas as text: what is read, what is printed, and where errors are."""

import ltl_oracle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from didact.environments import SettingError
from didact.students.skills import FormulaError, parse
from didact.students.skills.ltl import formulas as f

a, b, c = map(f.Proposition, "abc")
true, false = f.Constant(True), f.Constant(False)
ANSWERED = f.Always(f.Implies(a, f.Eventually(b)))


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("a & b | c", f.Or(f.And(a, b), c)),
        ("a | b & c", f.Or(a, f.And(b, c))),
        ("a | b -> c <-> a", f.Iff(f.Implies(f.Or(a, b), c), a)),
        ("a & b U c", f.And(a, f.Until(b, c))),
        ("a U b W c", f.Until(a, f.WeakUntil(b, c))),
        ("a R b U c", f.Release(a, f.Until(b, c))),
        ("F a U b", f.Until(f.Eventually(a), b)),
        ("!a & b", f.And(f.Not(a), b)),
        ("a -> b -> c", f.Implies(a, f.Implies(b, c))),
        ("a & b & c", f.And(f.And(a, b), c)),
        ("a <-> b <-> c", f.Iff(f.Iff(a, b), c)),
        ("XF(b)", f.Next(f.Eventually(b))),
        ("WXG b", f.WeakNext(f.Always(b))),
        ("N a & last", f.And(f.WeakNext(a), f.Last())),
        ("<>a && []~b || not c", f.Or(f.And(f.Eventually(a), f.Always(f.Not(b))), f.Not(c))),
        ("a and b or c => a", f.Implies(f.Or(f.And(a, b), c), a)),
        ("a AND TRUE implies b IFF 0", f.Iff(f.Implies(f.And(a, true), b), false)),
        ("a <=> b", f.Iff(a, b)),
        ("□(a → ◇b) ∧ ○¬c ∨ a", f.Or(f.And(ANSWERED, f.Next(f.Not(c))), a)),
        ('"red ball" & "F" & "a"', f.And(f.And(f.Proposition("red ball"), f.Proposition("F")), a)),
        ("Fa & f & u", f.And(f.And(f.Proposition("Fa"), f.Proposition("f")), f.Proposition("u"))),
        ("\tF (a\n& b )", f.Eventually(f.And(a, b))),
        ("A & B_2", f.And(f.Proposition("A"), f.Proposition("B_2"))),
    ],
)  # fmt: skip
def test_read(text, formula):
    assert parse(text) == formula
    assert parse(str(formula)) == formula


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("((F(coffee & (X(F(office))))) & (G(!(decoration))))",
         "F(coffee & X F office) & G !decoration"),
        ("a U (b R c)", "a U (b R c)"),
        ("(a U b) U c", "(a U b) U c"),
        ("a U (b U c)", "a U b U c"),
        ("(a -> b) -> c", "(a -> b) -> c"),
        ("a & (b & c)", "a & (b & c)"),
        ("!(a & b)", "!(a & b)"),
        ("!!a", "!!a"),
        ("~ X ~ a", "!X !a"),
        ("(a | b) & c", "(a | b) & c"),
        ('"XF" | "and" | "True" | "1st"', '"XF" | "and" | "True" | "1st"'),
    ],
)  # fmt: skip
def test_printed(text, printed):
    assert str(parse(text)) == printed
    assert parse(printed) == parse(text)


@pytest.mark.parametrize(
    ("text", "position", "problem"),
    [
        ("F(a & )", 6, "a proposition or '(' is missing before ')'"),
        ("F(a & b", 7, "to close the '(' at character 2"),
        ("(a & (b | c) d", 13, "to close the '(' at character 1"),
        ("a)", 1, "an unmatched ')'"),
        ("a b", 2, "an operator such as '&' is missing before 'b'"),
        ("a & ! | b", 6, "is missing before '|'"),
        ("a U", 3, "is missing before the end"),
        ("a U  ", 5, "is missing before the end"),
        ("", 0, "is missing before the end"),
        ("a # b", 2, "an unexpected '#'"),
        ('a & "b', 4, "a quote is not closed"),
        ('a & ""', 4, "a name is missing"),
        ("a & 2b", 4, "cannot begin with the digit 2"),
        ("FGXa & XFX", 10, "is missing before the end"),
        ("a &\n& b", 4, "is missing before '&'"),
        ("(" * 101 + "a" + ")" * 101, 100, "more than 100 deep"),
        ("!" * 5000 + "a", 100, "more than 100 deep"),
        ("a" + " & a" * 5000, 400, "more than 100 deep"),
    ],
)
def test_errors_point_at_the_character(text, position, problem):
    with pytest.raises(FormulaError) as caught:
        parse(text)
    error = caught.value
    assert error.position == position
    assert f"at character {position + 1} " in str(error)
    assert problem in str(error)
    line, caret = error.marked.split("\n")
    assert len(line) == len(text)
    assert caret == " " * position + "^"
    assert isinstance(error, SettingError)


def test_names_that_are_none_of_the_propositions():
    office = ("coffee", "mail", "office")
    assert parse("F coffee", office) == f.Eventually(f.Proposition("coffee"))
    with pytest.raises(FormulaError, match=r"'cofee' is unknown .similar propositions: coffee"):
        parse("G !mail & F cofee", office)
    with pytest.raises(
        FormulaError, match=r"'x' is unknown .propositions: coffee, mail, office"
    ) as caught:
        parse("mail & x", office)
    assert caught.value.position == 7


ODD_NAMES = ["X", "WX", "U", "and", "Last", "TRUE", "XF", "red ball", "é1", "1"]
LETTERS = st.characters(exclude_characters='"', exclude_categories=["C", "Z"])
NAMES = st.one_of(st.sampled_from(["a", "b", *ODD_NAMES]), st.text(LETTERS, min_size=1, max_size=4))
ATOMS = st.one_of(
    st.builds(f.Proposition, NAMES), st.builds(f.Constant, st.booleans()), st.builds(f.Last)
)
FORMULAS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.one_of([st.builds(kind, inner) for kind in ltl_oracle.UNARY]),
        st.one_of([st.builds(kind, inner, inner) for kind in ltl_oracle.BINARY]),
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(FORMULAS)
def test_what_is_printed_is_read_back(formula):
    assert parse(str(formula)) == formula


def test_what_is_printed_is_read_back_without_hypothesis():
    rng = np.random.default_rng(0)
    for _ in range(1000):
        formula = ltl_oracle.random_formula(rng, ("a", "b"), 5)
        assert parse(str(formula)) == formula


@pytest.mark.parametrize("kind", [*ltl_oracle.UNARY, *ltl_oracle.BINARY])
@pytest.mark.parametrize("inner", [*ltl_oracle.UNARY, *ltl_oracle.BINARY])
def test_every_operator_within_every_other(kind, inner):
    small = inner(a) if inner in ltl_oracle.UNARY else inner(a, b)
    large = [kind(small)] if kind in ltl_oracle.UNARY else [kind(small, c), kind(c, small)]
    for formula in large:
        assert parse(str(formula)) == formula


def test_formulas_are_values():
    assert {f.And(a, b), f.And(a, b), f.Or(a, b)} == {f.Or(a, b), f.And(a, b)}
    assert f.Eventually(a) != f.Always(a)
    assert a & b | ~c == f.Or(f.And(a, b), f.Not(c))
    assert parse("F(c & b) U (a & c)").propositions == ("c", "b", "a")
    with pytest.raises(AttributeError):
        f.And(a, b).left = c  # type: ignore[misc]
    with pytest.raises(SettingError, match="without quotes"):
        f.Proposition('a"b')
