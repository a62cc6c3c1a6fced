"""The remarks on actions in the crafting world, and their wordings.

As in `feedback.wordings`, each remark has wordings for training, validation and test, the first of
which is the template.
"""

from didact.environments.crafting.layout import ACTIONS
from didact.environments.language.paraphrase_pool import SPLITS

# What remarks can be about.
THINGS = (
    *("wood", "a sapling", "water", "stone", "coal", "iron", "a diamond", "a table", "a furnace"),
    *("a wood pickaxe", "a stone pickaxe", "an iron pickaxe"),
    *("a wood sword", "a stone sword", "an iron sword"),
    *("a cow", "a zombie", "a skeleton", "a ripe plant"),
)
THING = {name: number for number, name in enumerate(THINGS)}

_HINDSIGHT = {
    "achieved": ("well done; you did it; perfect; that was asked for", "task done", "you made it"),
    "good": ("good; that was right; correct; yes , like that", "nice step", "that was good"),
    "hurt": (
        "that hurt you; you got hurt; take care , you are hurt; you lost health",
        "that was bad for your health",
        "you lost some health",
    ),
    "blocked": (
        "something is in your way; you are blocked; the way is blocked; you cannot walk there",
        "your way is blocked",
        "you cannot go through that",
    ),
    "nothing": (
        "that did nothing; nothing happened; that had no effect; that changed nothing",
        "it did nothing",
        "nothing changed",
    ),
    "useless": (
        "that did not help; that was of no help; it did not help; no progress",
        "that brought no progress",
        "you are not any closer",
    ),
}
_MOVES = {
    f"move_{way}": (
        f"go {word}; walk {word}; move {word}; head {word}",
        f"step {word}",
        f"take a step {word}",
    )
    for way, word in (("left", "west"), ("right", "east"), ("up", "north"), ("down", "south"))
}
_ACTIONS = {
    "noop": ("wait; stay here; do nothing", "wait here", "just wait"),
    **_MOVES,
    "do": ("do that; use that; act on that", "act now", "use what you face"),
    "sleep": ("sleep; go to sleep; sleep now", "have a rest", "rest here"),
    "place_stone": (
        "place a stone; put down a stone; set a stone here",
        "lay a stone",
        "drop a stone",
    ),
    "place_table": (
        "place a table; put down a table; set up a table",
        "build a table",
        "craft a table",
    ),
    "place_furnace": (
        "place a furnace; put down a furnace; set up a furnace",
        "build a furnace",
        "craft a furnace",
    ),
    "place_plant": (
        "place the sapling; plant the sapling; put down the sapling",
        "set the sapling here",
        "drop the sapling",
    ),
    **{
        f"make_{material}_{tool}": (
            f"make a {material} {tool}; craft a {material} {tool}; make the {material} {tool}",
            f"build a {material} {tool}",
            f"build the {material} {tool}",
        )
        for tool in ("pickaxe", "sword")
        for material in ("wood", "stone", "iron")
    },
}
_USES = {
    "collect": (
        "collect {thing}; gather {thing}; get {thing}; take {thing}",
        "obtain {thing}",
        "fetch {thing}",
    ),
    "attack": ("attack {thing}; fight {thing}; hit {thing}", "strike {thing}", "beat {thing}"),
    "eat": ("eat {thing}; have {thing}", "take a bite of {thing}", "bite into {thing}"),
}
# What is needed, and how it is called.
NEEDS = {
    "wood": "wood",
    "sapling": "a sapling",
    "stone": "stone",
    "coal": "coal",
    "iron": "iron",
    "table": "a table",
    "furnace": "a furnace",
    "wood_pickaxe": "a wood pickaxe",
    "stone_pickaxe": "a stone pickaxe",
    "iron_pickaxe": "an iron pickaxe",
}
_PURPOSES = {
    f"need_{name}": (
        f"because you need {what} for {{thing}}; because {{thing}} requires {what}; "
        f"as you need {what} for {{thing}}; you need {what} first , for {{thing}}",
        f"because {what} is needed for {{thing}}",
        f"because without {what} there is no {{thing}}",
    )
    for name, what in NEEDS.items()
} | {
    "to get": (
        "to get {thing}; for {thing}; because you need {thing}",
        "to have {thing}",
        "to reach {thing}",
    ),
}


def _by_split(texts: tuple[str, str, str]) -> dict[str, tuple[str, ...]]:
    parts = (tuple(wording.strip() for wording in text.split(";")) for text in texts)
    return dict(zip(SPLITS, parts, strict=True))


HINDSIGHT = tuple(_HINDSIGHT)
FORESIGHT = (*ACTIONS, *_USES)
PURPOSES = tuple(_PURPOSES)
PARTS = {"hindsight": HINDSIGHT, "action": FORESIGHT, "purpose": PURPOSES}
POOL = {
    name: _by_split(texts) for name, texts in (_HINDSIGHT | _ACTIONS | _USES | _PURPOSES).items()
}
