"""What instructions for bodies ask for, and the wordings of it.

As in `language.paraphrase_pool`, every instruction has wordings for training, validation and test,
none of which occurs in two splits. The first wording is the original one, and belongs to training.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, UInt8

from didact.common.errors import SettingError
from didact.environments.language import vocabulary
from didact.environments.language.paraphrase_pool import SPLITS

SLOW = 0.3  # m/s: slower bodies are still
NEAR = 1.2  # m: the distance at which a body is at a stump
RISE = 0.1  # m: how much higher than at the start of the episode a head is in a jump
HALF_SECOND = 25  # steps


class Sight(NamedTuple):
    """What goals see of n worlds."""

    labels: Mapping[str, Bool[Array, " n"]]  # by the names of propositions
    x: Float[Array, " n"]  # of the head, relative to the start of the episode
    y: Float[Array, " n"]
    speed: Float[Array, " n"]
    stumps: Float[Array, "n k"]  # the positions of the first stumps, relative to the head


class Goal(NamedTuple):
    """What one instruction asks for: that something holds for some steps without interruption."""

    holds: Callable[[Sight], Bool[Array, " n"]]
    steps: int
    train: tuple[str, ...]
    validation: str
    test: str

    def wordings(self, split: str | None) -> tuple[str, ...]:
        """Return the wordings of a split; None for the original one."""
        if split is None:
            return self.train[:1]
        if split not in SPLITS:
            raise SettingError("phrasing", split, "one of " + ", ".join(SPLITS))
        return self.train if split == "train" else (getattr(self, split),)


def _at(stump: int) -> Callable[[Sight], Bool[Array, " n"]]:
    return lambda see: (jnp.abs(see.stumps[:, stump]) < NEAR) & (see.speed < SLOW)


def _true(*names: str) -> Callable[[Sight], Bool[Array, " n"]]:
    def holds(see: Sight) -> Bool[Array, " n"]:
        found = see.labels[names[0]]
        for name in names[1:]:
            found = found & see.labels[name]
        return found

    return holds


STILL = Goal(
    lambda see: see.labels["upright"] & (see.speed < SLOW),
    *(2 * HALF_SECOND, ("stand still", "stop and stand", "please stand still")),
    *("you should stand still", "now stop and stand still"),
)
AHEAD = Goal(
    lambda see: see.x > 3.0,
    *(1, ("go ahead", "move ahead", "walk forward")),
    *("proceed ahead", "make your way forward"),
)
BACK = Goal(
    lambda see: see.x < -1.0,
    *(1, ("go back", "move back", "walk back")),
    *("head back", "make your way back"),
)
JUMP = Goal(
    lambda see: see.labels["in the air"] & (see.y > RISE),  # not only falling
    *(10, ("jump", "please jump", "jump up")),
    *("you should jump", "now jump up"),
)
STUMPS = (
    Goal(
        _at(0),
        HALF_SECOND,
        ("walk to the first stump and stop", "go to the first stump and stop"),
        *("head to the first stump and stop", "stop at the first stump"),
    ),
    Goal(
        _at(1),
        HALF_SECOND,
        ("walk to the second stump and stop", "go to the second stump and stop"),
        *("head to the second stump and stop", "stop at the second stump"),
    ),
    Goal(
        _true("stump 1", "upright"),
        *(1, ("walk over the first stump", "go over the first stump")),
        *("make your way over the first stump", "move over the first stump"),
    ),
    Goal(
        _true("stump 2", "upright"),
        *(1, ("walk over the second stump", "go over the second stump")),
        *("make your way over the second stump", "move over the second stump"),
    ),
)
CLIMBS = (
    Goal(
        _true("holding"),
        2 * HALF_SECOND,
        ("hang", "hold on", "please hang"),
        *("you should hang", "now hold on"),
    ),
    Goal(
        _true("holding with both hands"),
        2 * HALF_SECOND,
        ("hang with both hands", "hold on with both hands"),
        *("use both hands to hang", "now hang with both hands"),
    ),
    Goal(
        lambda see: see.labels["holding"] & ~see.labels["holding with both hands"],
        HALF_SECOND,
        ("hang with a hand", "hold on with only a hand"),
        *("use only a hand to hang", "now hang with a hand"),
    ),
    Goal(
        lambda see: see.labels["holding"] & (see.x > 1.5),
        1,
        ("go ahead and hang", "move ahead and hold on"),
        *("proceed ahead and hang", "make your way forward and hang"),
    ),
    Goal(
        lambda see: see.labels["holding"] & (see.x < -1.0),
        1,
        ("go back and hang", "move back and hold on"),
        *("head back and hang", "make your way back and hang"),
    ),
)
SWIMS = (
    Goal(
        lambda see: see.labels["under water"] & (see.x > 3.0),
        *(1, ("swim ahead", "swim forward", "go ahead")),
        *("proceed ahead", "make your way forward"),
    ),
    Goal(
        lambda see: see.labels["under water"] & (see.x < -1.0),
        *(1, ("swim back", "go back", "move back")),
        *("head back", "make your way back"),
    ),
    Goal(
        lambda see: see.labels["under water"] & (see.y > 2.0),
        *(1, ("swim up", "go up", "move up")),
        *("head up", "make your way up"),
    ),
    Goal(
        lambda see: see.labels["under water"] & (see.y < -0.5),
        *(1, ("dive", "swim down", "go down")),
        *("head down", "make your way down"),
    ),
    Goal(
        lambda see: see.labels["under water"] & (see.speed < SLOW),
        *(2 * HALF_SECOND, ("be still", "stop", "please be still")),
        *("you should be still", "now stop"),
    ),
)
ON_LAND = (AHEAD, BACK, STILL, JUMP)


def goals(world: str, kind: str) -> tuple[Goal, ...]:
    """Return the goals of a world, `StumpTracks` or `Parkour`, for a kind of body."""
    if world == "StumpTracks":
        return (*STUMPS, *ON_LAND)
    return {"climber": CLIMBS, "swimmer": SWIMS}.get(kind, ON_LAND)


LENGTH = max(
    len(vocabulary.tokens(text))
    for goal in (*STUMPS, *ON_LAND, *CLIMBS, *SWIMS)
    for text in (*goal.train, goal.validation, goal.test)
)


def table(
    chosen: tuple[Goal, ...], split: str | None
) -> tuple[UInt8[np.ndarray, "g w l"], np.ndarray]:
    """Return the wordings of goals as token ids, and their numbers int32[g]."""
    rows = [goal.wordings(split) for goal in chosen]
    words = np.zeros((len(rows), max(map(len, rows)), LENGTH), np.uint8)
    for i, texts in enumerate(rows):
        for j, text in enumerate(texts):
            words[i, j] = vocabulary.encode(text, LENGTH)
    return words, np.array([len(texts) for texts in rows], np.int32)
