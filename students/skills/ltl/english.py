"""A parser of a fragment of English that converts instructions to formulas.

    instruction := clause { ("," | ";" | "." | "and") clause }
    clause      := sequence | rule | "whenever" choice "," sequence
    sequence    := ["first"] group { "then" group } | group "after" group
    group       := thing { ("," | "and") thing } [manner] | choice | rule "until" choice
    manner      := "in any order" | "in order" | "at the same time"
    choice      := thing { ("," | "or") thing }, with an "or" before the last
    rule        := ("never" | "always") choice

A thing is a name of the vocabulary, possibly with adjectives before it ("the blue ball"); articles,
verbs and similar words are ignored ("get the", "go to"). `lexicon.KEYWORDS` has all other words:
"avoid", "do not" and "without" mean "never", "stay" and "keep" mean "always", "but" means "and".
"and", "or" and "then" may have a comma before them.

| instruction | formula |
|---|---|
| coffee; get the coffee; eventually get a coffee | `F coffee` |
| first a, then b; a and then b; a before b; b after a; bring a to b | `F(a & X F b)` |
| a and b; a, b in any order | `F a & F b` |
| a, b and c in order | `F(a & X F(b & X F c))` |
| a and b at the same time; the blue ball | `F(a & b)`; `F(blue & ball)` |
| a or b | `F(a | b)` |
| a and b, then c | `F(a & X F c) & F(b & X F c)` |
| never c; avoid c; a without c | `G !c`, for all steps, at any place in the instruction |
| always c; stay in c | `G c` |
| avoid c until d | `!c U d` |
| a, then stay in c until d, then e | `F(a & X (c U (d & X F e)))` |
| whenever c, a | `G(c -> F a)` |
"""

from dataclasses import dataclass

from didact.students.skills.ltl.formulas import (
    Always,
    And,
    Eventually,
    Formula,
    Implies,
    Next,
    Not,
    Proposition,
    Until,
    all_of,
    any_of,
)
from didact.students.skills.ltl.lexicon import Lexicon, Word
from didact.students.skills.ltl.parser import FormulaError

RULES = ("never", "always")
STOPS = (",", ";", ".")


@dataclass(frozen=True)
class _Group:
    """Things to become true in any order, or one thing with a condition that holds until then."""

    things: list[Formula]
    meanwhile: Formula | None = None


def english(text: str, vocabulary: Lexicon) -> Formula:
    """Parse an instruction such as "get the coffee and then the mail, never touch a plant".

    Args:
        text: an instruction in the grammar of this module.
        vocabulary: the names of things.

    Returns:
        The formula of the instruction.

    Raises:
        FormulaError: a word is unknown or ambiguous, or the sentence does not follow the grammar.
            It is a `SettingError` that names the word and its position.
    """
    return _Reader(text, vocabulary).whole()


class _Reader:
    """A recursive descent parser with a method for each rule of the grammar."""

    def __init__(self, text: str, vocabulary: Lexicon):
        self.text, self.adjectives = text, vocabulary.adjectives
        self.words: list[Word] = vocabulary.words(text)
        self.at = 0

    def peek(self, ahead: int = 0) -> str:
        return self.words[min(self.at + ahead, len(self.words) - 1)].kind

    def take(self, *kinds: str) -> bool:
        """Consume the next word if it is of one of these kinds, and return whether it is."""
        found = self.peek() in kinds
        self.at += found
        return found

    def error(self, problem: str, at: int | None = None) -> FormulaError:
        word = self.words[self.at if at is None else at]
        return FormulaError(self.text, word.position, problem, "instruction")

    def missing(self, what: str) -> FormulaError:
        word = self.words[self.at]
        return self.error(
            f"{what} is missing before {word.text if word.kind == 'end' else repr(word.text)}"
        )

    def whole(self) -> Formula:
        clauses = [self.clause()]
        while True:
            begin = self.at
            while self.take(*STOPS):
                pass
            if self.peek() == "end":
                return all_of(clauses)
            joined = self.take("and")
            if self.at == begin and self.peek() not in RULES and not joined:
                raise self.missing("'and', 'then' or a comma")
            clauses.append(self.clause())

    def clause(self) -> Formula:
        if self.take("whenever"):
            cause = self.choice()
            if not self.take(","):
                raise self.missing("a comma")
            return Always(Implies(cause, self.sequence()))
        if self.peek() in RULES:
            begin, rule = self.at, self.rule()
            if self.peek() not in ("until", "before"):
                self.one_reading()
                return Always(rule)
            self.at = begin
        return self.sequence()

    def rule(self) -> Formula:
        """Parse a condition that must hold always, or until something else holds."""
        begin, negative = self.words[self.at], self.peek() == "never"
        self.at += 1
        verb = self.words[self.at].verb
        if verb and not negative:
            raise self.error(f"{begin.text!r} with {verb!r} is ambiguous: use 'stay in'")
        fact = self.choice()
        if self.peek() == "before" and not negative:
            raise self.error(f"'before' after {begin.text!r} is ambiguous: use 'until'")
        return Not(fact) if negative else fact

    def sequence(self) -> Formula:
        begin, first = self.at, self.take("first")
        groups = self.group()
        if self.take("after"):
            groups = [*self.group(), *groups]
            if self.then():
                raise self.error("'then' is ambiguous together with 'after'", self.at - 1)
        else:
            while self.then():
                groups += self.group()
        if first and len(groups) == 1:
            raise self.error("'first' must be followed by a 'then'", begin)
        formula: Formula | None = None
        for i in reversed(range(len(groups))):
            if len(groups[i].things) > 1 and any(group.meanwhile for group in groups[i + 1 :]):
                problem = "'until' is ambiguous after several things in any order"
                raise self.error(f"{problem}: specify their order", begin)
            formula = _before(groups[i], formula)
        assert formula is not None
        return formula

    def then(self) -> bool:
        begin = self.at
        self.take(",")
        if self.take("then", "before"):
            self.take(",")
            return True
        self.at = begin
        return False

    def group(self) -> list[_Group]:
        """Parse one group, or several if the things are to be done in order."""
        if self.peek() in RULES:
            begin, rule = self.at, self.rule()
            if not self.take("until", "before"):
                problem = f"{self.words[begin].text!r} after 'then' needs an 'until'"
                raise self.error(f"{problem}; put a rule for all steps in its own clause", begin)
            group = _Group([self.choice()], rule)
            self.one_reading()
            return [group]
        things, joined = self.things()
        if joined == "or":
            return [_Group([any_of(things)])]
        begin = self.at
        self.take(",")
        if self.take("in order"):
            return [_Group([thing]) for thing in things]
        if self.take("together"):
            return [_Group([all_of(things)])]
        if not self.take("any order"):
            self.at = begin
        return [_Group(things)]

    def choice(self) -> Formula:
        """Parse one thing, or several things of which one suffices."""
        begin = self.at
        things, joined = self.things()
        if joined == "or" or len(things) == 1:
            return any_of(things)
        self.at = begin + 1
        return things[0]

    def one_reading(self) -> None:
        """Raise an error for "and b" or ", b" after a rule such as "never a"."""
        listed = self.peek() in ("and", ",") and self.peek(1) == "thing"
        if listed and not self.words[self.at + 1].led:
            word = self.words[self.at].text
            raise self.error(f"{word!r} is ambiguous: use 'or', or 'get' for the next thing")

    def things(self) -> tuple[list[Formula], str]:
        """Parse a list of things; return it with "and", "or", or "" if there are only commas."""
        things, joined = [self.thing()], ""
        while True:
            begin = self.at
            comma = self.take(",")
            word = self.peek() if self.peek() in ("and", "or") else ""
            self.at += bool(word)
            # A comma after "a or b" starts a new clause.
            over = comma and joined == "or" and word != "or"
            if over or not (comma or word) or self.peek() != "thing":
                self.at = begin
                return things, joined
            if word and joined and word != joined:
                problem = f"{self.words[self.at - 1].text!r} is ambiguous after '{joined}'"
                raise self.error(f"{problem}: use separate clauses", self.at - 1)
            joined = word or joined
            things.append(self.thing())

    def thing(self) -> Formula:
        if self.peek() != "thing":
            raise self.missing("a thing")
        word, self.at = self.words[self.at], self.at + 1
        fact = Proposition(word.text)
        if word.text in self.adjectives and self.peek() == "thing" and not self.words[self.at].led:
            return And(fact, self.thing())
        return fact


def _before(group: _Group, rest: Formula | None) -> Formula:
    """Return the formula of a group followed by the rest.

    "All of these, then the rest" is expressed as "each of these, then the rest". Both mean the same
    as long as the rest can always be done later, because it can then follow the last of them.
    """
    steps = [thing if rest is None else And(thing, Next(rest)) for thing in group.things]
    if group.meanwhile is not None:
        return Until(group.meanwhile, steps[0])
    return all_of([Eventually(step) for step in steps])
