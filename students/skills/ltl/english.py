"""Instructions in a small part of English, as formulas.

    instruction := clause { ("," | ";" | "." | "and") clause }
    clause      := sequence | rule | "whenever" choice "," sequence
    sequence    := ["first"] group { "then" group } | group "after" group
    group       := thing { ("," | "and") thing } [manner] | choice | rule "until" choice
    manner      := "in any order" | "in order" | "at the same time"
    choice      := thing { ("," | "or") thing }, with an "or" before the last
    rule        := ("never" | "always") choice

A thing is a name of the vocabulary, after adjectives if it has some ("the blue ball"); articles,
verbs and the like say nothing ("get the", "go to"). `vocabulary.KEYWORDS` has all other words:
"avoid", "do not" and "without" are "never", "stay" and "keep" are "always", "but" is "and". A comma
may stand before "and", "or" and "then".

| instruction | formula |
|---|---|
| coffee; get the coffee; eventually get a coffee | `F coffee` |
| first a, then b; a and then b; a before b; b after a; bring a to b | `F(a & X F b)` |
| a and b; a, b in any order | `F a & F b` |
| a, b and c in order | `F(a & X F(b & X F c))` |
| a and b at the same time; the blue ball | `F(a & b)`; `F(blue & ball)` |
| a or b | `F(a | b)` |
| a and b, then c | `F(a & X F c) & F(b & X F c)` |
| never c; avoid c; a without c | `G !c`, of all steps wherever it stands |
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
    """Things to come true in any order; or one, and what has to hold until then."""

    things: list[Formula]
    meanwhile: Formula | None = None


def english(text: str, vocabulary: Lexicon) -> Formula:
    """The formula of an instruction: "get the coffee and then the mail, never touch a plant".

    Args:
        text: in the grammar of this module.
        vocabulary: what things are called.

    Raises:
        FormulaError: a word is unknown or has several meanings, or the sentence is not of the
            grammar. It is a `SettingError` that names the word and knows the character.
    """
    return _Reader(text, vocabulary).whole()


class _Reader:
    """One method for each line of the grammar."""

    def __init__(self, text: str, vocabulary: Lexicon):
        self.text, self.adjectives = text, vocabulary.adjectives
        self.words: list[Word] = vocabulary.words(text)
        self.at = 0

    def peek(self, ahead: int = 0) -> str:
        return self.words[min(self.at + ahead, len(self.words) - 1)].kind

    def take(self, *kinds: str) -> bool:
        """Goes on if the next word is of one of these kinds."""
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
        """What has to hold, always or until something else does."""
        begin, negative = self.words[self.at], self.peek() == "never"
        self.at += 1
        verb = self.words[self.at].verb
        if verb and not negative:
            raise self.error(f"{begin.text!r} with {verb!r} has two readings: say 'stay in'")
        fact = self.choice()
        if self.peek() == "before" and not negative:
            raise self.error(f"'before' after {begin.text!r} has two readings: say 'until'")
        return Not(fact) if negative else fact

    def sequence(self) -> Formula:
        begin, first = self.at, self.take("first")
        groups = self.group()
        if self.take("after"):
            groups = [*self.group(), *groups]
            if self.then():
                raise self.error("'then' has two readings beside 'after'", self.at - 1)
        else:
            while self.then():
                groups += self.group()
        if first and len(groups) == 1:
            raise self.error("'first' needs a 'then' that follows", begin)
        formula: Formula | None = None
        for i in reversed(range(len(groups))):
            if len(groups[i].things) > 1 and any(group.meanwhile for group in groups[i + 1 :]):
                problem = "'until' has two readings after several things in any order"
                raise self.error(f"{problem}: say in which order", begin)
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
        """One group, or several where things are told to be in order."""
        if self.peek() in RULES:
            begin, rule = self.at, self.rule()
            if not self.take("until", "before"):
                problem = f"{self.words[begin].text!r} after 'then' needs an 'until'"
                raise self.error(f"{problem}; what holds from the beginning stands alone", begin)
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
        """One thing, or several of which one is enough."""
        begin = self.at
        things, joined = self.things()
        if joined == "or" or len(things) == 1:
            return any_of(things)
        self.at = begin + 1
        return things[0]

    def one_reading(self) -> None:
        """After "never a", what do "and b" and ", b" mean?"""
        listed = self.peek() in ("and", ",") and self.peek(1) == "thing"
        if listed and not self.words[self.at + 1].led:
            word = self.words[self.at].text
            raise self.error(f"{word!r} has two readings: say 'or', or 'get' what follows")

    def things(self) -> tuple[list[Formula], str]:
        """A list, and what joins it: "and", "or", or "" where only commas do."""
        things, joined = [self.thing()], ""
        while True:
            begin = self.at
            comma = self.take(",")
            word = self.peek() if self.peek() in ("and", "or") else ""
            self.at += bool(word)
            # After "a or b," something new begins.
            over = comma and joined == "or" and word != "or"
            if over or not (comma or word) or self.peek() != "thing":
                self.at = begin
                return things, joined
            if word and joined and word != joined:
                problem = f"{self.words[self.at - 1].text!r} has two readings beside '{joined}'"
                raise self.error(f"{problem}: put them in clauses of their own", self.at - 1)
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
    """The group, and then the rest.

    "All of these, and then the rest" needs no more than "each of these, and then the rest", if the
    rest may come later wherever it may come at all: then it may come after the last of them.
    """
    steps = [thing if rest is None else And(thing, Next(rest)) for thing in group.things]
    if group.meanwhile is not None:
        return Until(group.meanwhile, steps[0])
    return all_of([Eventually(step) for step in steps])
