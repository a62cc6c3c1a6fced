"""Sentences of Baby Language as structures, and a reader of them in any of the pool's wordings."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from didact.environments.language.paraphrase_pool import POOL, SPLITS

COLORS = ("red", "green", "blue", "purple", "yellow", "grey")
TYPES = ("door", "key", "ball", "box", "object")
VERBS = ("go to", "open", "pick up", "put / next to")
PLACES = ("on your left", "on your right", "in front of you", "behind you")


class Thing(NamedTuple):
    article: str
    color: str
    type: str
    place: str  # the phrase of BabyAI's, or ''


class Clause(NamedTuple):
    verb: str
    things: tuple[Thing, ...]


class Said(NamedTuple):
    """Two sides, of which the second may be empty, and the phrase that joins them."""

    one: tuple[Clause, ...]
    joiner: str
    other: tuple[Clause, ...]


def some_sentence(rng: np.random.Generator, places: bool = True) -> Said:
    def pick(options):
        return options[rng.integers(len(options))]

    def thing():
        place = pick(("", *PLACES)) if places else ""
        return Thing(pick(("a", "the")), pick(("", *COLORS)), pick(TYPES), place)

    def clause():
        verb = pick(VERBS)
        return Clause(verb, tuple(thing() for _ in range(2 if "/" in verb else 1)))

    def side():
        return tuple(clause() for _ in range(rng.integers(1, 3)))

    joiner = pick(("", ", then", "after you"))
    return Said(side(), joiner, side() if joiner else ())


def plain(said: Said) -> str:
    """The sentence as BabyAI words it."""

    def name(thing):
        return " ".join(filter(None, thing))

    def words(clause):
        first, _, second = clause.verb.partition(" / ")
        names = [name(thing) for thing in clause.things]
        return " ".join([first, names[0], *([second, names[1]] if second else [])])

    sides = [" and ".join(map(words, side)) for side in (said.one, said.other) if side]
    return f" {said.joiner} ".join(sides).replace(" ,", ",")


def readings(text: str) -> set[Said]:
    """Every structure that the text may have, whatever splits its wordings come from."""
    words = tuple(text.replace(",", " ,").split())
    end = len(words)

    def match(i: int, wording: str) -> Iterator[int]:
        said = tuple(wording.split())
        if words[i : i + len(said)] == said:
            yield i + len(said)

    def all_of(phrase: str) -> list[list[str]]:
        return [w.split(" / ") for split in SPLITS for w in POOL[phrase][split]]

    def thing(i: int) -> Iterator[tuple[int, Thing]]:
        if i < end and words[i] in ("a", "the"):
            for color in ("", *COLORS):
                for j in match(i + 1, color):
                    if j < end and words[j] in TYPES:
                        bare = Thing(words[i], color, words[j], "")
                        yield j + 1, bare
                        for place in PLACES:
                            for (wording,) in all_of(place):
                                for k in match(j + 1, wording):
                                    yield k, bare._replace(place=place)

    def clause(i: int) -> Iterator[tuple[int, Clause]]:
        for verb in VERBS:
            for parts in all_of(verb):
                for j in match(i, parts[0]):
                    for k, one in thing(j):
                        if len(parts) == 1:
                            yield k, Clause(verb, (one,))
                            continue
                        for m in match(k, parts[1]):
                            for last, other in thing(m):
                                yield last, Clause(verb, (one, other))

    def side(i: int) -> Iterator[tuple[int, tuple[Clause, ...]]]:
        for j, one in clause(i):
            yield j, (one,)
            for (wording,) in all_of("and"):
                for k in match(j, wording):
                    for last, other in clause(k):
                        yield last, (one, other)

    found = set()
    for (opening,) in all_of(""):
        for i in match(0, opening):
            for j, one in side(i):
                if j == end:
                    found.add(Said(one, "", ()))
                for joiner in (", then", "after you"):
                    for parts in all_of(joiner):
                        if len(parts) == 1:
                            for k in match(j, parts[0]):
                                found |= {
                                    Said(one, joiner, other) for e, other in side(k) if e == end
                                }
    for joiner in (", then", "after you"):
        for parts in all_of(joiner):
            if len(parts) == 2:
                for i in match(0, parts[0]):
                    for j, one in side(i):
                        for k in match(j, parts[1]):
                            found |= {Said(one, joiner, other) for e, other in side(k) if e == end}
    return found
