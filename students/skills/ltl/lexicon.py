"""The vocabulary of instructions: names of an environment's propositions, and English words."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from didact.environments import SettingError
from didact.students.skills.ltl.parser import FormulaError

# The keywords of the grammar in `english`, by kind.
KEYWORDS = {
    "first": ("first",),
    "then": ("then", "and then", "next", "and next", "afterwards", "after that", "and after that"),
    "after": ("after",),
    "before": ("before",),
    "and": ("and", "but"),
    "or": ("or",),
    "never": (
        *("never", "avoid", "avoiding", "while avoiding", "always avoid", "without"),
        *("do not", "don't", "don’t", "dont"),
    ),
    "always": ("always", "stay", "keep", "always stay", "always keep"),
    "whenever": ("whenever",),
    "until": ("until",),
    "any order": ("in any order",),
    "in order": ("in order", "in this order", "in that order"),
    "together": ("together", "at once", "at the same time", "simultaneously"),
    **{mark: (mark,) for mark in (",", ";", ".")},
}
# Words without a meaning of their own, such as "get the" in "get the coffee".
ARTICLES = frozenset(["a", "an", "the", "any", "some", "your", "its", "both", "either", "all"])
FILLERS = frozenset(
    [
        *("there", "you", "we", "i", "please", "must", "should", "have", "need", "want", "it"),
        *("them", "again", "eventually", "finally", "sometime", "get", "fetch", "go", "walk"),
        *("move", "head", "come", "run", "be", "reach", "visit", "touch", "touching", "step"),
        *("stepping", "take", "pick", "up", "grab", "collect", "find", "see", "bring", "deliver"),
        *("carry", "make", "way", "return", "back", "enter", "entering", "hit", "hitting", "on"),
        *("onto", "into", "in", "at", "of", "over", "with", "hold", "holding", "break", "breaking"),
        *("anything", "something", "thing", "things", "room", "place", "spot", "location"),
    ]
)
# Verbs of single actions, unlike "hold" and "be", which can also describe a lasting state.
MOTION_VERBS = frozenset(
    [
        *("get", "fetch", "go", "walk", "move", "head", "come", "run", "reach", "visit", "take"),
        *("pick", "grab", "collect", "find", "bring", "deliver", "return", "enter", "hit"),
    ]
)
EVENTUALLY = frozenset(["eventually", "finally", "sometime"])
PRONOUNS = frozenset(["it", "them"])
_KINDS = {tuple(name.split()): kind for kind, names in KEYWORDS.items() for name in names}
_MAX_LENGTH = max(map(len, _KINDS))
_WORD = re.compile(r"[\w'’-]+")
_TOKEN = re.compile(r"(?:[^\W_]|['’-])+|[^\s_]")  # underscores separate words, as in names


@dataclass(frozen=True)
class Word:
    """A word of an instruction, or a phrase that counts as one word."""

    kind: str  # a key of `KEYWORDS`, "thing", "article", "filler" or "end"
    text: str  # the text as written, or the proposition of a thing
    position: int
    led: bool = False  # whether a filler such as "get" or "go to the" precedes it
    verb: str = ""  # the preceding verb in `MOTION_VERBS`, such as "get"


@dataclass(frozen=True)
class Lexicon:
    """The names of an environment's propositions.

    Attributes:
        names: a mapping from phrases, as tuples of words, to the propositions that they may mean.
        adjectives: propositions that describe things: "a blue ball" means both at once.
    """

    names: Mapping[tuple[str, ...], tuple[str, ...]]
    adjectives: frozenset[str] = frozenset()

    @property
    def propositions(self) -> tuple[str, ...]:
        """All propositions that have a name."""
        return tuple(dict.fromkeys(name for names in self.names.values() for name in names))

    def words(self, text: str) -> list[Word]:
        """Split an instruction into words, without articles and fillers, followed by an end mark.

        Raises:
            FormulaError: a word is unknown or ambiguous.
        """
        parts = [(match[0], match.start()) for match in _TOKEN.finditer(text)]
        words: list[Word] = []
        at, led, verb, before = 0, False, "", ""
        while at < len(parts):
            kind, meaning, length = self._next(text, parts, at)
            position = parts[at][1]
            if kind == "to":
                kind = self._to(text, words, position, led, before)
            if before in EVENTUALLY and kind in ("never", "always"):
                problem = f"{before!r} before {meaning!r} is ambiguous: specify until or when"
                raise FormulaError(text, position, problem, "instruction")
            if kind in ("article", "filler"):
                verb = meaning if meaning in MOTION_VERBS else verb
            else:
                words.append(Word(kind, meaning, position, led, verb))
                verb = ""
            led = kind == "filler" or (kind == "article" and led)
            before = meaning
            at += length
        return [*words, Word("end", "the end", len(text))]

    def _to(self, text: str, words: list[Word], position: int, led: bool, before: str) -> str:
        """Return the kind of "to": a filler in "go to a", but "then" in "bring a to b"."""
        if before in PRONOUNS:
            problem = f"{before!r} is ambiguous: name the thing"
            raise FormulaError(text, position, problem, "instruction")
        if led or not words or words[-1].kind != "thing":
            return "filler"
        listed = False  # since the last "to": "bring a to b and c to d"
        for word in reversed(words):
            if word.kind in (";", ".") or (word.kind == "then" and word.text != "to"):
                break
            if word.kind == "then" and listed:
                problem = "a second 'to' is ambiguous: use 'then' or a new sentence"
                raise FormulaError(text, position, problem, "instruction")
            listed = listed or word.kind in ("and", ",", "or")
        return "then"

    def _next(self, text: str, parts: list[tuple[str, int]], at: int) -> tuple[str, str, int]:
        """Return the kind of the next word, its text or proposition, and its number of parts."""
        small = [part.lower() for part, _ in parts[at : at + _MAX_LENGTH]]
        length, meant = self._longest(parts, at)
        # The article in "a coffee", although there is a proposition A; but "A B" names both.
        written = parts[at][0]
        following = self._longest(parts, at + 1)[0] if small[0] == "a" and length == 1 else 0
        begins = at == 0 and following and len(parts[at + 1][0]) > 1
        article = following and (written == "a" or begins)
        if length and not article:
            first, *others = meant
            if others:
                phrase = " ".join(part for part, _ in parts[at : at + length])
                problem = f"{phrase!r} may mean {' or '.join(meant)}"
                raise FormulaError(text, parts[at][1], problem, "instruction")
            return "thing", first, length
        for length in range(len(small), 0, -1):
            if kind := _KINDS.get(tuple(small[:length])):
                written = " ".join(part for part, _ in parts[at : at + length])
                return kind, written, length
        for kind, words in (("article", ARTICLES), ("filler", FILLERS), ("to", ("to",))):
            if small[0] in words:
                return kind, small[0], 1
        phrases = [" ".join(words) for words in (*self.names, *_KINDS)]
        near = difflib.get_close_matches(small[0], phrases, n=6, cutoff=0.7)
        near = [each for each in near if not any(each[:-1].startswith(other) for other in near)][:3]
        things = f", such as {', '.join(near)}" if near else f" ({', '.join(self.propositions)})"
        problem = f"{parts[at][0]!r} is neither a word of the grammar nor a thing{things}"
        raise FormulaError(text, parts[at][1], problem, "instruction")

    def _longest(self, parts: list[tuple[str, int]], at: int) -> tuple[int, tuple[str, ...]]:
        """Return the number of words of the longest name at this position, and its meanings."""
        best: tuple[int, tuple[str, ...]] = 0, ()
        for phrase, meant in self.names.items():
            there = tuple(part for part, _ in parts[at : at + len(phrase)])
            fits = len(there) == len(phrase) and all(map(_same, there, phrase))
            # Among names that differ only in case, prefer the one with matching case.
            if fits and (len(phrase) + (there == phrase) > best[0]):
                best = len(phrase), meant
        return best


def lexicon(
    propositions: Sequence[str],
    synonyms: Mapping[str, Sequence[str]] | None = None,
    adjectives: Sequence[str] = (),
) -> Lexicon:
    """Make the lexicon of an environment's propositions.

    The phrases of a proposition are its name, with spaces for underscores, and its synonyms; the
    last word may also be in the plural. Case is ignored, except in words of one letter. A name
    that contains a keyword of the grammar, such as next_door, can only be used in formulas.

    Args:
        propositions: `Environment.propositions`.
        synonyms: other phrases for some of the propositions. A phrase of several propositions is
            ambiguous, and raises an error when an instruction uses it.
        adjectives: `Environment.adjectives`.

    Raises:
        SettingError: a proposition is unknown, or a synonym contains a keyword of the grammar.
    """
    synonyms = dict(synonyms or {})
    for setting, known in (("synonyms of", synonyms), ("adjective", adjectives)):
        for name in known:
            if name not in propositions:
                raise SettingError(setting, name, "one of " + ", ".join(propositions))
    names: dict[tuple[str, ...], list[str]] = {}
    for name in propositions:
        known = () if _fault(name) is not None else (name,)
        for phrase in (*known, *synonyms.get(name, ())):
            for words in _forms(phrase):
                meant = names.setdefault(words, [])
                if name not in meant:
                    meant.append(name)
    return Lexicon({words: tuple(meant) for words, meant in names.items()}, frozenset(adjectives))


def _forms(phrase: str) -> list[tuple[str, ...]]:
    """Split a phrase into words, in the singular and in the plural."""
    if (fault := _fault(phrase)) is not None:
        raise SettingError("name of a thing", phrase, f"without {fault!r}")
    *before, last = _words(phrase)
    return [(*before, last + end) for end in (("",) if len(last) == 1 else ("", "s", "es"))]


def _words(phrase: str) -> list[str]:
    words = re.split(r"[\s_]+", phrase.strip())
    return [word.lower() if len(word) > 1 else word for word in words]


def _fault(phrase: str) -> str | None:
    """Return a part of a phrase that cannot be part of a name, or None."""
    for word in _words(phrase):
        if (word,) in _KINDS or word == "to" or not _WORD.fullmatch(word):
            return word
    return None


def _same(written: str, word: str) -> bool:
    return written == word or (len(word) > 1 and written.lower() == word)
