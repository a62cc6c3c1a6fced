"""The words that an instruction may have: names of an environment's facts, and those of English."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from didact.environments import SettingError
from didact.students.skills.ltl.parser import FormulaError

# What the grammar is made of: each kind of word, and what it is called; see `english`.
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
# What says nothing of its own, such as "get the" in "get the coffee": each thing is a fact.
ARTICLES = frozenset(["a", "an", "the", "any", "some", "your", "its", "both", "either", "all"])
FILLERS = frozenset(
    [
        *("there", "you", "we", "i", "please", "must", "should", "have", "need", "want", "it"),
        *("them", "again", "eventually", "finally", "sometime", "get", "fetch", "go", "walk"),
        *("move", "head", "come", "run", "be", "reach", "visit", "touch", "touching", "step"),
        *("stepping", "take", "pick", "up", "grab", "collect", "find", "see", "bring", "deliver"),
        *("carry", "make", "way", "return", "back", "enter", "entering", "hit", "hitting", "on"),
        *("onto", "into", "in", "at", "of", "over", "with", "hold", "holding", "break", "breaking"),
        *("anything", "something", "thing", "things"),
    ]
)
# Those that are done once, and not all the time as "hold" and "be" may be.
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
_TOKEN = re.compile(r"[\w'’-]+|\S")


@dataclass(frozen=True)
class Word:
    """A word of an instruction, or several that mean one thing."""

    kind: str  # of `KEYWORDS`, "thing", "article", "filler" or "end"
    text: str  # as it was written, or the proposition of a thing
    position: int
    led: bool = False  # whether something like "get" or "go to the" stands before it
    verb: str = ""  # such as "get", of `MOTION_VERBS`


@dataclass(frozen=True)
class Lexicon:
    """What an environment's facts are called.

    Attributes:
        names: from phrases, as rows of words, to the propositions that they may mean.
        adjectives: propositions that tell of what kind a thing is: "a blue ball" is both at once.
    """

    names: Mapping[tuple[str, ...], tuple[str, ...]]
    adjectives: frozenset[str] = frozenset()

    @property
    def propositions(self) -> tuple[str, ...]:
        """All that can be named."""
        return tuple(dict.fromkeys(name for names in self.names.values() for name in names))

    def words(self, text: str) -> list[Word]:
        """What an instruction says: its words without articles and fillers, and its end.

        Raises:
            FormulaError: a word is unknown, or may mean several propositions.
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
                problem = f"{before!r} before {meaning!r} has two readings: say until or when"
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
        """What "to" is: "go to a" says no more than "go a", but "bring a to b" is "a, then b"."""
        if before in PRONOUNS:
            problem = f"what {before!r} is must be told: name the thing"
            raise FormulaError(text, position, problem, "instruction")
        if led or not words or words[-1].kind != "thing":
            return "filler"
        listed = False  # since the last "to": "bring a to b and c to d"
        for word in reversed(words):
            if word.kind in (";", ".") or (word.kind == "then" and word.text != "to"):
                break
            if word.kind == "then" and listed:
                problem = "a second 'to' has two readings: say 'then', or begin a new sentence"
                raise FormulaError(text, position, problem, "instruction")
            listed = listed or word.kind in ("and", ",", "or")
        return "then"

    def _next(self, text: str, parts: list[tuple[str, int]], at: int) -> tuple[str, str, int]:
        """Of the next word: its kind, what was written or is meant, and of how many parts it is."""
        small = [part.lower() for part, _ in parts[at : at + _MAX_LENGTH]]
        length, meant = self._longest(parts, at)
        # The article of "a coffee", where some fact is called A; but "A B" names both.
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
        """How many words the longest name here has, and what it may mean."""
        best: tuple[int, tuple[str, ...]] = 0, ()
        for phrase, meant in self.names.items():
            there = tuple(part for part, _ in parts[at : at + len(phrase)])
            fits = len(there) == len(phrase) and all(map(_same, there, phrase))
            # Of names that differ in capitals alone, the one that is written is meant.
            if fits and (len(phrase) + (there == phrase) > best[0]):
                best = len(phrase), meant
        return best


def lexicon(
    propositions: Sequence[str],
    synonyms: Mapping[str, Sequence[str]] | None = None,
    adjectives: Sequence[str] = (),
) -> Lexicon:
    """What the facts of an environment are called in instructions.

    Each is called by its name, with spaces for underscores, and by its synonyms; the last word may
    also be in the plural. Capitals do not matter, but in names of one letter.

    Args:
        propositions: `Environment.propositions`.
        synonyms: other phrases for some of them. One phrase for several is ambiguous, and is told
            to be so where it is used.
        adjectives: `Environment.adjectives`.

    Raises:
        SettingError: there is no such proposition, or a phrase has a word of the grammar in it.
    """
    synonyms = dict(synonyms or {})
    for setting, known in (("synonyms of", synonyms), ("adjective", adjectives)):
        for name in known:
            if name not in propositions:
                raise SettingError(setting, name, "one of " + ", ".join(propositions))
    names: dict[tuple[str, ...], list[str]] = {}
    for name in propositions:
        for phrase in (name, *synonyms.get(name, ())):
            for words in _forms(phrase):
                meant = names.setdefault(words, [])
                if name not in meant:
                    meant.append(name)
    return Lexicon({words: tuple(meant) for words, meant in names.items()}, frozenset(adjectives))


def _forms(phrase: str) -> list[tuple[str, ...]]:
    """A phrase as words, in the singular and in the plural."""
    words = re.split(r"[\s_]+", phrase.strip())
    if len(phrase) > 1:
        words = [word.lower() for word in words]
    for word in words:
        if (word,) in _KINDS or word == "to" or not _WORD.fullmatch(word):
            raise SettingError("name of a thing", phrase, f"without {word!r}")
    *before, last = words
    return [(*before, last + end) for end in (("",) if len(last) == 1 else ("", "s", "es"))]


def _same(written: str, word: str) -> bool:
    return written == word or (len(word) > 1 and written.lower() == word)
