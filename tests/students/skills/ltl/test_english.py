"""Instructions in English: what they mean, and what is said of those that mean nothing."""

import numpy as np
import pytest

from didact.environments import SettingError
from didact.environments.toys.moving_targets import MovingTargets
from didact.students.skills import FormulaError, automaton, english, lexicon, parse
from didact.students.skills.ltl.lexicon import KEYWORDS

OFFICE = lexicon(
    ("coffee", "mail", "office", "decoration", "red_ball", "blue_ball", "A", "B", "C", "D"),
    {"decoration": ("plant", "vase"), "red_ball": ("ball",), "blue_ball": ("ball",)},
)


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("coffee", "F coffee"),
        ("Get the coffee.", "F coffee"),
        ("please go to the office", "F office"),
        ("eventually get a coffee", "F coffee"),
        ("get the coffee and then the mail, never touch a decoration",
         "F(coffee & X F mail) & G !decoration"),
        ("deliver the coffee to the office without breaking a vase",
         "F(coffee & X F office) & G !decoration"),
        ("first A, then B", "F(A & X F B)"),
        ("go to room A, then to the place B", "F(A & X F B)"),
        ("first go to A, and then to B", "F(A & X F B)"),
        ("A, then B, then C", "F(A & X F(B & X F C))"),
        ("A next B", "F(A & X F B)"),
        ("get A, after that get B", "F(A & X F B)"),
        ("A before B", "F(A & X F B)"),
        ("get the mail after you get the coffee", "F(coffee & X F mail)"),
        ("A and B in any order", "F A & F B"),
        ("both A and B", "F A & F B"),
        ("A, B and C, in any order", "F A & F B & F C"),
        ("A, B", "F A & F B"),
        ("visit A, B, C and D in order", "F(A & X F(B & X F(C & X F D)))"),
        ("get A and B at the same time", "F(A & B)"),
        ("either A or B", "F(A | B)"),
        ("A, B or C, then D", "F((A | B | C) & X F D)"),
        ("A or B, and C", "F(A | B) & F C"),
        ("A and B, then C", "F(A & X F C) & F(B & X F C)"),
        ("A, then B and C", "F(A & X(F B & F C))"),
        ("avoid C until D", "!C U D"),
        ("don't touch a plant before you get the coffee", "!decoration U coffee"),
        ("do not touch A or B until C", "!(A | B) U C"),
        ("A, then avoid C until D, then B", "F(A & X(!C U (D & X F B)))"),
        ("stay in the office until mail", "office U mail"),
        ("always stay in the office", "G office"),
        ("keep A", "G A"),
        ("never touch A, B or C", "G !(A | B | C)"),
        ("always avoid plants and get the coffee", "G !decoration & F coffee"),
        ("whenever you see a plant or A, get the mail, then B",
         "G(decoration | A -> F(mail & X F B))"),
        ("get the coffee. get the mail. never A", "F coffee & F mail & G !A"),
        ("get the red ball but avoid blue balls", "F red_ball & G !blue_ball"),
        ("A decoration", "F decoration"),
        ("a A", "F A"),
        ("visit A, B, C in order", "F(A & X F(B & X F C))"),
        ("A coffee", "F coffee"),
        ("bring the coffee to the office, then the mail to A",
         "F(coffee & X F(office & X F(mail & X F A)))"),
        ("bring coffee to A. bring mail to B", "F(coffee & X F A) & F(mail & X F B)"),
        ("take the mail to A and B", "F(mail & X (F A & F B))"),
        ("never get the coffee before the mail", "!coffee U mail"),
        ("A", "F A"),
    ],
)  # fmt: skip
def test_meaning(text, formula):
    assert english(text, OFFICE) == parse(formula)


@pytest.mark.parametrize(
    ("text", "position", "told"),
    [
        (
            "get the banana",
            8,
            "'banana' is neither a word of the grammar nor a thing (coffee, mail",
        ),
        ("get the cofee", 8, "nor a thing, such as coffee."),
        ("get coffee untill mail", 11, "such as until."),
        ("touch a ball", 8, "'ball' may mean red_ball or blue_ball"),
        ("never touch A and B", 14, "'and' is ambiguous: use 'or', or 'get' for the next thing"),
        ("never touch A, B", 13, "',' is ambiguous"),
        ("A or B and C", 7, "'and' is ambiguous after 'or'"),
        ("A and B or C", 8, "'or' is ambiguous after 'and'"),
        ("A after B, then C", 11, "'then' is ambiguous together with 'after'"),
        ("A and B, then avoid C until D", 0, "'until' is ambiguous after several things"),
        ("get A, then never B", 12, "'never' after 'then' needs an 'until'"),
        ("first get A", 0, "'first' must be followed by a 'then'"),
        ("coffee mail", 7, "'and', 'then' or a comma is missing before 'mail'"),
        ("whenever B get C", 15, "a comma is missing before 'C'"),
        ("A, then", 7, "a thing is missing before the end"),
        ("", 0, "a thing is missing before the end"),
        ("avoid plants, get A; then B", 21, "a thing is missing before 'then'"),
        ("then A", 0, "a thing is missing before 'then'"),
        ("get the coffee!", 14, "'!' is neither"),
        ("visit A B", 8, "a comma is missing before 'B'"),
        ("bring coffee to A and mail to B", 27, "a second 'to' is ambiguous"),
        ("take the coffee and bring it to A", 29, "'it' is ambiguous: name the thing"),
        ("always get the coffee before the mail", 15, "'always' with 'get' is ambiguous"),
        ("always coffee before mail", 14, "'before' after 'always' is ambiguous"),
        ("always return to the office", 21, "'always' with 'return' is ambiguous"),
        ("eventually stay in A", 11, "'eventually' before 'stay' is ambiguous"),
    ],
)
def test_errors_name_the_word(text, position, told):
    with pytest.raises(FormulaError) as caught:
        english(text, OFFICE)
    assert told in str(caught.value)
    assert caught.value.position == position
    assert str(caught.value).startswith(f"instruction is {text!r}, but must be correct")


def test_then_after_several_things_is_after_all_of_them():
    """The formula beside the plain meaning: the last D comes after the first of each."""
    formula = english("A, B and C, then D", OFFICE)
    names = ("A", "B", "C", "D")
    made = automaton(formula, names)
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(500):
        trace = rng.random((7, 4)) < 0.25
        steps = [np.flatnonzero(trace[:, i]) for i in range(4)]
        done = all(map(len, steps)) and steps[3][-1] > max(step[0] for step in steps[:3])
        letters = (trace @ (1 << np.arange(4))).tolist()
        assert made.accepting[made.run(letters)[-1]] == done
        seen.add(bool(done))
    assert seen == {True, False}


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("touch a blue ball", "F(blue & ball)"),
        ("the blue ball, then a purple box, never anything yellow",
         "F(blue & ball & X F(purple & box)) & G !yellow"),
        ("touch something purple and a box", "F purple & F box"),
        ("a yellow or a blue ball", "F(yellow | blue & ball)"),
        ("avoid yellow boxes until you touch a ball", "!(yellow & box) U ball"),
        ("get blue, get ball", "F blue & F ball"),
    ],
)  # fmt: skip
def test_adjectives_and_their_thing_hold_at_once(text, formula):
    made = english(text, lexicon(MovingTargets.propositions, None, MovingTargets.adjectives))
    assert str(made) == str(parse(formula))


def test_only_adjectives_join_what_follows():
    with pytest.raises(FormulaError, match="'and', 'then' or a comma is missing"):
        english("ball blue", lexicon(MovingTargets.propositions, None, MovingTargets.adjectives))
    with pytest.raises(SettingError, match="adjective is 'red'"):
        lexicon(("blue", "ball"), adjectives=("red",))


def test_names_of_one_letter_know_capitals():
    letters = lexicon(("a", "b", "B"))
    assert english("get a, then b and B", letters) == parse("F(a & X(F b & F B))")
    assert english("get a b", letters) == parse("F b")


def test_longest_names_are_meant():
    things = lexicon(("ball", "red_ball", "red"))
    assert english("red ball, then the ball, then Red", things) == parse(
        "F(red_ball & X F(ball & X F red))"
    )


@pytest.mark.parametrize(
    ("kind", "text", "formula"),
    [
        ("first", "{} A, then B", "F(A & X F B)"),
        ("then", "A, {} B", "F(A & X F B)"),
        ("then", "A {} to B", "F(A & X F B)"),
        ("after", "B {} A", "F(A & X F B)"),
        ("before", "A {} B", "F(A & X F B)"),
        ("before", "do not go to A {} B", "!A U B"),
        ("and", "A {} B", "F A & F B"),
        ("and", "A, {} never B", "F A & G !B"),
        ("or", "A {} B", "F(A | B)"),
        ("never", "{} A", "G !A"),
        ("never", "A, then {} B until C", "F(A & X(!B U C))"),
        ("always", "{} A", "G A"),
        ("whenever", "{} A, B", "G(A -> F B)"),
        ("until", "never A {} B", "!A U B"),
        ("any order", "A, B {}", "F A & F B"),
        ("in order", "A and B {}", "F(A & X F B)"),
        ("together", "A and B, {}", "F(A & B)"),
        (",", "A{} then B", "F(A & X F B)"),
        (";", "A{} B", "F A & F B"),
        (".", "A{} B{}", "F A & F B"),
    ],
)
def test_every_word_of_the_grammar(kind, text, formula):
    for word in KEYWORDS[kind]:
        assert english(text.format(word, word), OFFICE) == parse(formula), word


def test_no_word_of_the_grammar_is_left_out():
    tried = test_every_word_of_the_grammar.pytestmark[0].args[1]
    assert {kind for kind, *_ in tried} == set(KEYWORDS)


@pytest.mark.parametrize(
    ("names", "synonyms", "told"),
    [
        (("a",), {"a": ["then"]}, "name of a thing is 'then', but must be without 'then'."),
        (("a",), {"a": ["go to"]}, "name of a thing is 'go to', but must be without 'to'."),
        (("a",), {"a": ["x,y"]}, "name of a thing is 'x,y', but must be without 'x,y'."),
        (("a",), {"b": ["x"]}, "synonyms of is 'b', but must be one of a."),
    ],
)
def test_names_that_cannot_be(names, synonyms, told):
    with pytest.raises(SettingError) as caught:
        lexicon(names, synonyms)
    assert str(caught.value) == told
