"""The pool of paraphrases: alternative wordings of each phrase of Baby Language.

Every phrase has at least ten wordings, in fixed splits for training, validation and test
(80 : 10 : 10). The first wording is BabyAI's own and belongs to the training split. No wording
occurs in two splits, and no sentence made of wordings from any splits is ambiguous.

A wording may have two parts, separated by a slash. The parts of "put / next to" precede the first
and the second object. Of wordings that join two sides, the first part precedes the whole sentence,
in place of an opening, and the second stands between the sides. So "A after you B" may become
"before you A, B", and "A, then B" may become "after you A, B".
"""

SPLITS = ("train", "validation", "test")

# The wordings of each split, separated by semicolons.
# Optional openings of a sentence.
_OPENING = (
    "; please; now; you should; you have to; you need to; your task is to; i want you to",
    "your goal is to",
    "i would like you to",
)
_GO_TO = (
    "go to; walk to; walk over to; go over to; head to; move to; move over to; travel to; "
    "make your way to; proceed to; approach; step up to; come to; get to; go up to; reach",
    "head over to; navigate to",
    "find your way to; visit",
)
_OPEN = (
    "open; open up; pull open; push open; swing open; throw open; fling open; slide open; "
    "ease open; go open; crack open; nudge open; unseal; unfasten; make sure to open; "
    "proceed to open",
    "tug open; unbar",
    "yank open; unlatch",
)
_PICK_UP = (
    "pick up; grab; take; fetch; get; collect; lift; lift up; take hold of; grab hold of; "
    "get hold of; retrieve; seize; obtain; acquire; take possession of",
    "snatch up; gather up",
    "scoop up; secure",
)
_PUT_NEXT_TO = (
    "put / next to; put / beside; put / right next to; put / down next to; place / next "
    "to; place / beside; place / right beside; set / down next to; set / down beside; lay "
    "/ next to; move / next to; move / beside; leave / beside; drop / next to; drop / "
    "right beside; deposit / next to",
    "position / adjacent to; bring / alongside",
    "rest / side by side with; park / directly beside",
)
_AND = (
    "and; and also; , and; , and also; and additionally; as well as; , as well as; plus",
    "and besides that",
    ", also",
)
_THEN = (
    ", then; , and then; , after that; , and after that; , next; , and next; , afterwards; "
    ", and afterwards; , once that is done; first / , then; first / , and then; first / , "
    "after that; first / , next; after you / ,; once you / ,; as soon as you / ,",
    ", soon after that; first / , soon after that",
    ", subsequently; first / , subsequently",
)
_AFTER_YOU = (
    "after you; once you; as soon as you; right after you; only after you; only once you; "
    ", after you; , once you; , as soon as you; , right after you; , but only after you; , "
    "but only once you; , but first; , but before that; before you / ,; right before you / ,",
    "immediately after you; immediately before you / ,",
    ", but beforehand; well before you / ,",
)
_ON_YOUR_LEFT = (
    "on your left; to your left; at your left; on your left side; to the left of you; on "
    "the left of you; left of you; on your left hand side",
    "at your left hand",
    "over on your left",
)
_IN_FRONT_OF_YOU = (
    "in front of you; ahead of you; in front; ahead; up ahead; up ahead of you; out in "
    "front; out in front of you",
    "forward of you",
    "to your front",
)
_BEHIND_YOU = (
    "behind you; at your back; behind your back; to your rear; at your rear; back behind "
    "you; in back of you; to the rear of you",
    "rearward of you",
    "to your back",
)


def _by_split(texts: tuple[str, str, str]) -> dict[str, tuple[str, ...]]:
    return {
        split: tuple(wording.strip() for wording in text.split(";"))
        for split, text in zip(SPLITS, texts, strict=True)
    }


# Maps BabyAI's phrase ("" for openings, which BabyAI does not have) to the wordings of each split.
POOL: dict[str, dict[str, tuple[str, ...]]] = {
    "": _by_split(_OPENING),
    "go to": _by_split(_GO_TO),
    "open": _by_split(_OPEN),
    "pick up": _by_split(_PICK_UP),
    "put / next to": _by_split(_PUT_NEXT_TO),
    "and": _by_split(_AND),
    ", then": _by_split(_THEN),
    "after you": _by_split(_AFTER_YOU),
    "on your left": _by_split(_ON_YOUR_LEFT),
    "on your right": {
        split: tuple(wording.replace("left", "right") for wording in wordings)
        for split, wordings in _by_split(_ON_YOUR_LEFT).items()
    },
    "in front of you": _by_split(_IN_FRONT_OF_YOU),
    "behind you": _by_split(_BEHIND_YOU),
}
