"""Automata beside the semantics of finite traces, and beside other ways to make them."""

import itertools
import re
import shutil

import ltl_oracle
import numpy as np
import pytest

from didact.environments import SettingError
from didact.students.skills import automaton, parse
from didact.students.skills.ltl import automata
from didact.students.skills.ltl import formulas as f

NAMES = ("a", "b", "c")


def random_formulas(n, seed):
    rng = np.random.default_rng(seed)
    for i in range(n):
        names = NAMES[: 2 + (i % 4 == 0)]
        yield names, ltl_oracle.random_formula(rng, names, int(rng.integers(1, 5)))


@pytest.mark.parametrize("seed", range(4))
def test_automata_and_semantics_agree_on_all_traces(seed):
    """2,000 formulas over two or three propositions, traces of up to 6 steps."""
    for names, formula in random_formulas(500, seed):
        made = automaton(formula, names)
        for told, held in zip(
            ltl_oracle.accepted(made, 6), ltl_oracle.truth(formula, names, 6), strict=True
        ):
            wrong = np.flatnonzero(told != held)
            assert not len(wrong), f"{formula}: trace {wrong[0]} of {len(told)}"


def test_the_oracle_by_hand():
    a, b = f.Proposition("a"), f.Proposition("b")

    def holds(formula, *trace):
        number = 0
        for names in trace:
            number = 4 * number + ("a" in names) + 2 * ("b" in names)
        return bool(ltl_oracle.truth(formula, ("a", "b"), len(trace))[-1][number])

    assert holds(f.Until(a, b), "a", "a", "b")
    assert not holds(f.Until(a, b), "a", "", "b")
    assert not holds(f.Until(a, b), "a", "a")
    assert holds(f.WeakUntil(a, b), "a", "a")
    assert holds(f.Release(a, b), "b", "ab", "")
    assert not holds(f.Release(a, b), "b", "a")
    assert holds(f.Release(a, b), "b", "b")
    assert holds(f.WeakNext(a), "b")
    assert not holds(f.Next(a), "b")
    assert holds(f.Next(a), "", "a")
    assert holds(f.Eventually(f.And(a, f.Last())), "", "a")
    assert not holds(f.Eventually(f.And(a, f.Last())), "a", "")


def brzozowski(made):
    """How many states the minimal automaton has, by reversing and determinising twice."""

    def reverse(starts, ends, steps, letters):
        back = [{} for _ in range(letters)]
        for source, letter, target in steps:
            back[letter].setdefault(target, set()).add(source)
        begin = frozenset(ends)
        seen, waiting, found = {begin: 0}, [begin], []
        while waiting:
            state = waiting.pop()
            for letter in range(letters):
                target = frozenset(s for t in state for s in back[letter].get(t, ()))
                if target not in seen:
                    seen[target] = len(seen)
                    waiting.append(target)
                found.append((seen[state], letter, seen[target]))
        return {0}, {i for state, i in seen.items() if state & starts}, found, len(seen)

    states, letters = made.transitions.shape
    steps = [(s, x, int(made.transitions[s, x])) for s in range(states) for x in range(letters)]
    ends = set(np.flatnonzero(made.accepting).tolist())
    starts, ends, steps, _ = reverse({made.initial}, ends, steps, letters)
    return reverse(starts, ends, steps, letters)[-1]


def indistinguishable(made):
    """A pair of states without a word that tells them apart, by filling the table of pairs."""
    apart = made.accepting[:, None] != made.accepting[None, :]
    while True:
        after = made.transitions
        more = apart | apart[after[:, None, :], after[None, :, :]].any(-1)
        if (more == apart).all():
            break
        apart = more
    same = np.argwhere(~apart & ~np.eye(len(apart), dtype=bool))
    return same[0].tolist() if len(same) else None


def test_automata_are_minimal():
    for names, formula in random_formulas(300, 9):
        made = automaton(formula, names)
        assert indistinguishable(made) is None, str(formula)
        assert brzozowski(made) == made.num_states, str(formula)
        reached = {made.initial, *made.transitions.ravel().tolist()}
        assert reached == set(range(made.num_states)), str(formula)


def test_equal_languages_have_equal_arrays():
    pairs = [
        ("a U b", "b | a & X(a U b)"),
        ("!(a U b)", "!a R !b"),
        ("a W b", "a U b | G a"),
        ("F G a", "F(a & last)"),  # which is so on finite traces
        ("G F a", "F G a"),
        ("!X a", "WX !a"),
        ("F a & F b", "F(a & F b) | F(b & F a)"),
        ("(a <-> b) <-> c", "a <-> (b <-> c)"),
        ("last", "WX false"),
        ("G(a -> X a)", "G !a"),  # strong: the last step has no next
    ]
    for one, other in pairs:
        assert automaton(one, NAMES).same_as(automaton(other, NAMES)), one
    assert not automaton("a U b", NAMES).same_as(automaton("a W b", NAMES))
    with pytest.raises(SettingError, match="propositions is"):
        automaton("a").same_as(automaton("b"))


def test_office():
    made = automaton("F(coffee & X F office) & G !decoration")
    assert made.propositions == ("coffee", "office", "decoration")
    assert made.num_states == 4
    states = made.run([made.letter(names) for names in (["office"], ["coffee"], [], ["office"])])
    assert made.accepting[states].tolist() == [False, False, False, True]
    assert states[0] == made.initial
    broken = made.run([made.letter({"coffee": True, "decoration": True})])[0]
    assert made.failed[broken]
    assert not made.settled.any()  # a decoration can still be touched
    both = made.run([made.letter(["coffee", "office"])])[0]
    assert not made.accepting[both]  # the office has to come after the coffee


def test_settled_and_failed():
    made = automaton("F a")
    assert made.settled.tolist() == made.accepting.tolist() == [False, True]
    assert automaton("false").failed.all()
    assert not automaton("true").failed.any()
    assert automaton("true").accepting.tolist() == [False, True]  # a trace has a step


def test_more_propositions_than_the_formula_names():
    made = automaton("F c", ("a", "c", "b"))
    for letter in range(8):
        assert made.run([letter])[0] == (letter >> 1 & 1)


def chains(depth, *letters):
    def chain(name):
        formula = f.Eventually(f.Proposition(f"{name}0"))
        for i in range(1, depth):
            both = f.And(f.Proposition(f"{name}{i % 2}"), f.Next(formula))
            formula = f.Eventually(both)
        return formula

    return f.all_of([chain(name) for name in letters])


def test_the_states_of_independent_sequences_multiply():
    for conjuncts, depth in [(1, 4), (2, 3), (3, 4), (5, 2)]:
        made = automaton(chains(depth, *"abcde"[:conjuncts]))
        assert made.num_states == (depth + 1) ** conjuncts


@pytest.mark.parametrize(
    ("formula", "settings", "allowed"),
    [
        (" & ".join(f"F p{i}" for i in range(11)), {}, "at most 10 propositions (it has 11)"),
        ("F a & F b & F c", {"max_propositions": 2}, "at most 2 propositions (it has 3)"),
        (str(chains(4, *"abcd")), {}, "at most 512 states (it has 625)"),
        ("F a & F b & F c", {"max_states": 7}, "at most 7 states (it has 8)"),
        (
            "G(" + " & ".join(f"(p{i} -> X{'X' * i} p{i + 1})" for i in range(9)) + ")",
            {},
            "its automaton is too expensive to build",
        ),
        ("F a & F d", {"propositions": NAMES}, "'d' is unknown (propositions: a, b, c)"),
        (f.Proposition("d"), {"propositions": NAMES}, "one of a, b, c"),
    ],
)
def test_what_is_too_large_is_refused_in_one_sentence(formula, settings, allowed):
    with pytest.raises(SettingError, match=re.escape(allowed)) as caught:
        automaton(formula, **settings)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def for_ltlf2dfa(formula):
    """As ltlf2dfa reads it: it has no W, and versions differ in how constants are written."""
    match formula:
        case f.Constant(value=value):
            return "(a | !a)" if value else "(a & !a)"
        case f.Proposition() | f.Last():
            return str(formula)
        case f.Unary(operand=inner):
            return f"({formula.sign} ({for_ltlf2dfa(inner)}))"
        case f.WeakUntil(left=left, right=right):
            return for_ltlf2dfa(f.Or(f.Until(left, right), f.Always(left)))
    assert isinstance(formula, f.Binary)
    left, right = for_ltlf2dfa(formula.left), for_ltlf2dfa(formula.right)
    return f"(({left}) {formula.sign} ({right}))"


def table_of_mona(text, names):
    """Transitions int[states, letters] and accepting states of what mona prints.

    Lines such as `State 1: 0X -> state 2`, with one place for each free variable in mona's order.
    Mona's state 0 is where it stands before the first letter and reads no letter of the trace.
    """
    if "State 1:" not in text:  # where all traces fare alike, it may print no automaton
        assert ("is valid" in text) != ("is unsatisfiable" in text), text
        return np.ones((2, 2 ** len(names)), int), {1} if "is valid" in text else set()
    variables = re.search(r"free variables:[ \t]*(.*)", text)[1].lower().split()
    accepting = set(map(int, re.search(r"Accepting states:[ \t]*(.*)", text)[1].split()))
    rows = re.findall(r"State (\d+): ([01X]*) *-> state (\d+)", text)
    table = np.full((1 + max(int(row[0]) for row in rows), 2 ** len(names)), -1)
    for source, guard, target in rows:
        for letter in range(2 ** len(names)):
            bits = [str(letter >> names.index(variable) & 1) for variable in variables]
            if all(g in ("X", bit) for g, bit in zip(guard, bits, strict=True)):
                table[int(source), letter] = int(target)
    return table, accepting


MONA = """DFA for formula with free variables: A B
Initial state: 0
Accepting states: 2
Rejecting states: 0 1 3
Automaton has 4 states and 5 BDD-nodes
Transitions:
State 0: XX -> state 1
State 1: 00 -> state 3
State 1: X1 -> state 2
State 1: 10 -> state 1
State 2: XX -> state 2
State 3: XX -> state 3
"""


def same_language(made, table, accepting, start):
    """Pairs of states that some trace leads to accept alike; the empty trace is left out."""
    seen, waiting = set(), [(made.initial, start)]
    while waiting:
        one, other = waiting.pop()
        for letter in range(made.transitions.shape[1]):
            pair = int(made.transitions[one, letter]), int(table[other, letter])
            if bool(made.accepting[pair[0]]) != (pair[1] in accepting):
                return False
            if pair not in seen:
                seen.add(pair)
                waiting.append(pair)
    return True


def test_reading_what_mona_prints():
    table, accepting = table_of_mona(MONA, ("a", "b"))
    assert same_language(automaton("a U b", ("a", "b")), table, accepting, 1)
    assert not same_language(automaton("a W b", ("a", "b")), table, accepting, 1)
    assert not same_language(automaton("b U a", ("a", "b")), table, accepting, 1)


def test_equivalence_with_ltlf2dfa_and_mona():
    reason = "needs the package ltlf2dfa and the program mona (Debian's package of that name)"
    ltlf2dfa = pytest.importorskip("ltlf2dfa.parser.ltlf", reason=reason)
    if shutil.which("mona") is None:
        pytest.skip(reason)
    read = ltlf2dfa.LTLfParser()
    for names, formula in itertools.islice(random_formulas(10_000, 77), 60):
        text = read(for_ltlf2dfa(formula)).to_dfa(mona_dfa_out=True)
        table, accepting = table_of_mona(text, names)
        assert same_language(automaton(formula, names), table, accepting, 1), str(formula)


def in_any_order_again_and_again(pairs):
    """`F(a & X rest) & F(b & X rest)`: a tree that doubles with each pair; few different parts."""
    rest = f.Eventually(f.Proposition("c"))
    for _ in range(pairs):
        rest = f.And(*(f.Eventually(f.And(f.Proposition(x), f.Next(rest))) for x in "ab"))
    return rest


def test_sizes_and_depths_are_those_of_the_tree():
    for _, formula in random_formulas(50, 3):
        assert formula.size == sum(1 for _ in formula)
    formula = in_any_order_again_and_again(5)
    assert formula.size == sum(1 for _ in formula) == 9 * (2**5 - 1) + 2 * 2**5
    assert formula.depth == 4 * 5 + 2
    assert in_any_order_again_and_again(60).size == 9 * (2**60 - 1) + 2 * 2**60
    assert in_any_order_again_and_again(60).depth == 242


@pytest.mark.parametrize("pairs", [5, 7, 8, 16, 24])
def test_what_is_too_large_is_refused_in_a_short_sentence(pairs):
    """At 5 the automaton is too much to make, from 8 the tree is too large to be looked at."""
    with pytest.raises(SettingError, match=r"formula is .* must be (simpler|of at most)") as error:
        automaton(in_any_order_again_and_again(pairs), tuple("abcdefgh"))
    assert len(str(error.value)) < 300


def test_what_is_too_deep_is_refused():
    deep = f.Proposition("a")
    for _ in range(5000):
        deep = f.Next(deep)
    assert deep.depth == 5001
    with pytest.raises(SettingError, match="formula is '5001 deep', but must be at most 100 deep"):
        automaton(deep)
    assert f.And(f.Not(f.Last()), f.Last()).depth == 3


def test_letters():
    made = automaton("a & b & c")
    assert (
        made.letter(["c", "unknown", "a"]) == made.letter({"a": True, "b": False, "c": True}) == 5
    )


def test_a_text_is_parsed():
    assert automaton("F a").formula == parse("F a")


def test_products_of_large_automata_are_refused_early(monkeypatch):
    """The automaton of F(a & X ... X b) remembers the last steps: 2**k states for k operators."""
    assert len(automaton(f"F(a & {'X ' * 4}b)").accepting) == 2**4 + 1
    monkeypatch.setattr(automata, "product", lambda *_: pytest.fail("a product was built"))
    with pytest.raises(SettingError, match="too expensive to build"):
        automaton(f"F(a & {'X ' * 12}b) & F(c & {'X ' * 12}d)")
