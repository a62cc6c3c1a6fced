"""Pools of wordings for feedback: the built-in pool of grid worlds, and pools read from files.

Hindsight evaluates the last action; foresight says what to do next and for what purpose. Every
remark has ten wordings, in fixed splits for training, validation and test (80 : 10 : 10). The first
wording is the template. No wording occurs in two splits or has two meanings. `{thing}` stands for a
color and a type, such as "red ball". Other environments define their own pools in
`capabilities.Feedback`, which can be changed by files in the same way.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from didact.common.errors import SettingError
from didact.common.foreign_files import read_bytes, reason
from didact.environments.language import vocabulary
from didact.environments.language.paraphrase_pool import SPLITS

TEMPLATE = "template"
PHRASINGS = (TEMPLATE, *SPLITS)
THING = "{thing}"
FILE_BYTES = 1 << 20
MAX_TOKENS = 24  # per wording
MAX_WORDINGS = 1000  # per remark and split

# For each remark the wordings of train, validation and test, separated by semicolons.
_HINDSIGHT = {
    "fulfilled": (
        "well done , that was asked for; you did it; done as you were told; this part is done; "
        "you have fulfilled that; that is what was asked for; perfect , it is done; task done",
        "you completed that",
        "you finished what was asked",
    ),
    "good": (
        "good; well done; that was right; correct; good job; nice step; exactly; yes , like that",
        "that is the way",
        "that was good",
    ),
    "blocked": (
        "you cannot walk there; something is in your way; you are blocked; the way is blocked; "
        "you walked into something; there is no way through; that cell is not free; you bumped",
        "your way is blocked",
        "you cannot go through that",
    ),
    "nothing": (
        "that did nothing; nothing happened; that had no effect; it was no use here; that was in "
        "vain; that changed nothing; you did nothing; no effect",
        "it did nothing",
        "nothing changed",
    ),
    "wrong thing": (
        "you should not have the {thing}; the {thing} is the wrong object; you did not need the "
        "{thing}; do not carry the {thing}; you took the {thing} , that was wrong; wrong , that is "
        "the {thing}; nobody asked for the {thing}; you picked up the wrong object , the {thing}",
        "it was wrong to take the {thing}",
        "you should not have picked up the {thing}",
    ),
    "dropped": (
        "you should not have dropped the {thing}; it was wrong to drop the {thing}; do not leave "
        "the {thing} there; you put down the {thing} too soon; the {thing} does not belong there; "
        "you dropped the {thing} in the wrong place; you needed the {thing} in your hand; wrong "
        "place for the {thing}",
        "you should have kept the {thing}",
        "that is the wrong place for the {thing}",
    ),
    "closed": (
        "you should not have closed the {thing}; it was wrong to close the {thing}; do not close "
        "the {thing}; the {thing} should be open; you closed the {thing} , that was wrong; leave "
        "the {thing} open; you need the {thing} open; no need to close the {thing}",
        "you should have left the {thing} open",
        "keep the {thing} open",
    ),
    "opened": (
        "you should not have opened the {thing}; it was wrong to open the {thing}; the {thing} did "
        "not have to be opened; you opened the {thing} for nothing; there was no need to open the "
        "{thing}; the {thing} is not your way; you did not need to open the {thing}; wrong , that "
        "opened the {thing}",
        "nobody asked you to open the {thing}",
        "the {thing} should have stayed closed",
    ),
    "away": (
        "you moved away; you went the wrong way; that step was wrong; wrong way; you walked away "
        "from it; that step took you farther away; you are farther away now; not that way",
        "you should not walk that way",
        "you walked the wrong way",
    ),
    "turned": (
        "you turned the wrong way; that turn was wrong; wrong turn; you turned away; you should "
        "not have turned that way; do not turn that way; you turned away from it; bad turn",
        "that was the wrong turn",
        "turning that way was wrong",
    ),
    "useless": (
        "that did not help; you are no nearer; you came no closer; that was of no help; that took "
        "you nowhere; it did not help; you are as far away as before; no progress",
        "that brought no progress",
        "you are not any closer",
    ),
}
_ACTIONS = {
    "left": (
        "turn left; turn to the left; turn to your left; go left; look to your left; rotate left; "
        "face left; make a left turn",
        "rotate to the left",
        "face to your left",
    ),
    "right": (
        "turn right; turn to the right; turn to your right; go right; look to your right; rotate "
        "right; face right; make a right turn",
        "rotate to the right",
        "face to your right",
    ),
    "forward": (
        "go forward; walk forward; step forward; move forward; walk ahead; go ahead; take a step "
        "forward; move ahead",
        "step ahead",
        "take a step ahead",
    ),
    "pick up": (
        "pick up the {thing}; take the {thing}; grab the {thing}; get the {thing}; lift the "
        "{thing}; pick the {thing} up; take the {thing} in your hand; collect the {thing}",
        "grab hold of the {thing}",
        "lift the {thing} up",
    ),
    "drop": (
        "drop the {thing}; put down the {thing}; put the {thing} down; lay down the {thing}; let "
        "go of the {thing}; drop the {thing} here; leave the {thing} here; place the {thing} here",
        "lay the {thing} down",
        "put the {thing} down here",
    ),
    "open": (
        "open the {thing}; open up the {thing}; pull open the {thing}; push open the {thing}; get "
        "the {thing} open; make the {thing} open; swing open the {thing}; unlatch the {thing}",
        "push the {thing} open",
        "pull the {thing} open",
    ),
    "close": (
        "close the {thing}; shut the {thing}; push the {thing} shut; pull the {thing} shut; get "
        "the {thing} closed; make the {thing} closed; swing the {thing} shut; shut the {thing} "
        "first",
        "close up the {thing}",
        "get the {thing} shut",
    ),
    "done": (
        "say done; you are done; stop; stop here; there is nothing left to do; wait; stay here; "
        "you can stop",
        "say that you are done",
        "you can stay here",
    ),
}
_PURPOSES = {
    "to go to": (
        "to go to the {thing}; to get to the {thing}; to reach the {thing}; to come to the "
        "{thing}; towards the {thing}; on your way to the {thing}; your goal is the {thing}; the "
        "{thing} is your goal",
        "to arrive at the {thing}",
        "because you go to the {thing}",
    ),
    "to open": (
        "to open the {thing}; and then open the {thing}; because the {thing} must be opened; then "
        "you can open the {thing}; so that you can open the {thing}; you want to open the {thing}; "
        "as you have to open the {thing}; , the {thing} is to be opened",
        "so as to open the {thing}",
        "because you have to open the {thing}",
    ),
    "to pick up": (
        "to pick up the {thing}; and then pick up the {thing}; because you need the {thing}; then "
        "you can pick up the {thing}; so that you can take the {thing}; you want to take the "
        "{thing}; to take the {thing}; to get hold of the {thing}",
        "so as to take the {thing}",
        "because you have to pick up the {thing}",
    ),
    "to put next to": (
        "to put it next to the {thing}; to put it beside the {thing}; it belongs next to the "
        "{thing}; it belongs beside the {thing}; to leave it next to the {thing}; to lay it beside "
        "the {thing}; so that it lies next to the {thing}; and put it next to the {thing}",
        "so that it lies beside the {thing}",
        "to place it beside the {thing}",
    ),
    "to lay down": (
        "to lay down the {thing}; to put down the {thing}; to drop the {thing}; and then drop the "
        "{thing}; to get rid of the {thing}; because your hand must be free of the {thing}; so "
        "that you can drop the {thing}; you do not need the {thing} any more",
        "so as to drop the {thing}",
        "because you have to lay down the {thing}",
    ),
}
Pool = Mapping[str, Mapping[str, tuple[str, ...]]]  # remark -> split -> wordings


def _by_split(texts: tuple[str, str, str]) -> dict[str, tuple[str, ...]]:
    pairs = zip(SPLITS, texts, strict=True)
    return {split: tuple(part.strip() for part in text.split(";")) for split, text in pairs}


HINDSIGHT, ACTIONS, PURPOSES = tuple(_HINDSIGHT), tuple(_ACTIONS), tuple(_PURPOSES)
REMARKS = (*HINDSIGHT, *ACTIONS, *PURPOSES)
POOL: Pool = {name: _by_split(texts) for name, texts in (_HINDSIGHT | _ACTIONS | _PURPOSES).items()}
WITH_THING = frozenset(name for name in REMARKS if THING in POOL[name]["train"][0])


def words_of(text: str) -> list[str]:
    """Split a wording into lower-case words; commas and `{thing}` count as words."""
    return re.findall(r"\{thing\}|[^\s,]+|,", text.lower())


def read_pool(path: str | os.PathLike[str], base: Pool = POOL) -> Pool:
    """Read a pool from a JSON file, which may have been written by a language model.

    The file contains one object. It maps each remark of `base` either to a list of at least three
    wordings, or to an object with lists for `train`, `validation` and `test`. Of a single list, the
    last tenth (at least one wording) is used for test and the tenth before it for validation.
    Remarks that contain `{thing}` in `base` must contain it once in each wording, all others never.
    Remarks that are missing keep the wordings of `base`.

    Args:
        path: the path of the file.
        base: the environment's own pool.

    Returns:
        The pool.

    Raises:
        SettingError: the file cannot be read, or does not have this format.
    """
    file = Path(path)
    try:
        content = json.loads(read_bytes(file, FILE_BYTES).decode())
    except (OSError, ValueError, RecursionError) as error:
        raise SettingError("pool", str(file), f"a JSON file ({reason(error)})") from None
    return checked_pool(content, str(file), base)


def checked_pool(content: Any, where: str = "pool", base: Pool = POOL) -> Pool:
    """Validate the content of a JSON file as a pool.

    Args:
        content: the content of the file.
        where: the source of the content, for errors.
        base: see `read_pool`.

    Raises:
        SettingError: the content does not have the format described in `read_pool`.
    """
    if not isinstance(content, dict):
        raise SettingError("pool", where, "an object with lists of wordings by remark")
    for name in content:
        if name not in base:
            raise _wrong(where, name, f"one of {', '.join(base)}")
    with_thing = {name for name in base if THING in base[name]["train"][0]}
    pool = {
        name: _split(name, content[name], where, name in with_thing)
        if name in content
        else base[name]
        for name in base
    }
    said: dict[tuple[str, ...], str] = {}
    for name, split, text in _wordings(pool):
        words = tuple(words_of(text))
        if words in said:
            allowed = f"a wording that occurs only once ({said[words]} has it, too)"
            raise _wrong(where, f"{name}, {split}: {text}", allowed)
        said[words] = f"{name}, {split}"
    return pool


def _wordings(pool: Pool) -> Iterable[tuple[str, str, str]]:
    for name, splits in pool.items():
        for split, texts in splits.items():
            for text in texts:
                yield name, split, text


def _split(name: str, content: Any, where: str, thing: bool) -> dict[str, tuple[str, ...]]:
    """Return the wordings of one remark by split."""
    if isinstance(content, list):
        few = max(1, round(len(content) / 10))
        content = {
            "train": content[: -2 * few],
            "validation": content[-2 * few : -few],
            "test": content[-few:],
        }
    if not isinstance(content, dict) or set(content) != set(SPLITS):
        raise _wrong(where, name, f"a list of wordings, or lists for {', '.join(SPLITS)}")
    result = {}
    for split in SPLITS:
        texts = content[split]
        if not isinstance(texts, list) or not 0 < len(texts) <= MAX_WORDINGS:
            allowed = f"a list of 1 to {MAX_WORDINGS} wordings (at least three without splits)"
            raise _wrong(where, f"{name}, {split}", allowed)
        for text in texts:
            _check_wording(name, text, where, thing)
        result[split] = tuple(" ".join(words_of(text)) for text in texts)
    return result


def _check_wording(name: str, text: Any, where: str, thing: bool) -> None:
    words = words_of(text) if isinstance(text, str) else []
    plain = all(word in (",", THING) or re.fullmatch(r"[a-z0-9'-]{1,20}", word) for word in words)
    if not words or len(words) > MAX_TOKENS or not plain:
        allowed = f"1 to {MAX_TOKENS} words of a-z, 0-9, ' and -, optionally with commas"
        raise _wrong(where, f"{name}: {text!r:.80}", allowed)
    if words.count(THING) != thing:
        allowed = f"with {THING} once" if thing else f"without {THING}"
        raise _wrong(where, f"{name}: {text!r:.80}", allowed)
    named = {*vocabulary.COLORS, *vocabulary.TYPES} & set(words)
    if named:
        allowed = f"without names of colors and types ({', '.join(sorted(named))})"
        raise _wrong(where, f"{name}: {text!r:.80}", allowed)


def _wrong(where: str, value: str, allowed: str) -> SettingError:
    return SettingError(f"pool {where}", value, allowed)
