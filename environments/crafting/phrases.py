"""The wordings of achievements in instructions, and of what joins them.

As in `language.paraphrase_pool`, every phrase has wordings for training, validation and test, none
of which occurs in two splits. The first wording is the original one, and belongs to training.
"""

from didact.environments.crafting.layout import ACHIEVEMENTS
from didact.environments.language.paraphrase_pool import POOL, SPLITS

# The wordings of each split, separated by semicolons.
_TEXTS = {
    "collect_coal": (
        "collect coal; mine coal; get some coal; dig up coal; gather coal; fetch coal",
        "obtain coal",
        "dig out some coal",
    ),
    "collect_diamond": (
        "collect a diamond; mine a diamond; get a diamond; dig up a diamond; fetch a diamond",
        "obtain a diamond",
        "dig out a diamond",
    ),
    "collect_drink": (
        "collect a drink; drink water; drink some water; have a drink; get a drink",
        "take a drink of water",
        "go and drink",
    ),
    "collect_iron": (
        "collect iron; mine iron; get some iron; dig up iron; gather iron; fetch iron",
        "obtain iron",
        "dig out some iron",
    ),
    "collect_sapling": (
        "collect a sapling; get a sapling; find a sapling; fetch a sapling; pick up a sapling",
        "obtain a sapling",
        "find a sapling in the grass",
    ),
    "collect_stone": (
        "collect stone; mine stone; get some stone; dig up stone; gather stone; fetch stone",
        "obtain stone",
        "dig out some stone",
    ),
    "collect_wood": (
        "collect wood; chop a tree; get some wood; cut a tree; gather wood; fetch wood",
        "obtain wood",
        "chop some wood",
    ),
    "defeat_skeleton": (
        "defeat a skeleton; fight a skeleton; kill a skeleton; go and defeat a skeleton",
        "go and kill a skeleton",
        "find and defeat a skeleton",
    ),
    "defeat_zombie": (
        "defeat a zombie; fight a zombie; kill a zombie; go and defeat a zombie",
        "go and kill a zombie",
        "find and defeat a zombie",
    ),
    "eat_cow": (
        "eat a cow; kill and eat a cow; find and eat a cow; get food from a cow; eat some cow",
        "go and eat a cow",
        "eat the food of a cow",
    ),
    "eat_plant": (
        "eat a plant; eat a ripe plant; find and eat a plant; get food from a plant",
        "go and eat a plant",
        "eat the food of a plant",
    ),
    "make_iron_pickaxe": (
        "make an iron pickaxe; craft an iron pickaxe; build an iron pickaxe; get an iron pickaxe",
        "obtain an iron pickaxe",
        "craft a pickaxe of iron",
    ),
    "make_iron_sword": (
        "make an iron sword; craft an iron sword; build an iron sword; get an iron sword",
        "obtain an iron sword",
        "craft a sword of iron",
    ),
    "make_stone_pickaxe": (
        "make a stone pickaxe; craft a stone pickaxe; build a stone pickaxe; get a stone pickaxe",
        "obtain a stone pickaxe",
        "craft a pickaxe of stone",
    ),
    "make_stone_sword": (
        "make a stone sword; craft a stone sword; build a stone sword; get a stone sword",
        "obtain a stone sword",
        "craft a sword of stone",
    ),
    "make_wood_pickaxe": (
        "make a wood pickaxe; craft a wood pickaxe; build a wood pickaxe; make a wooden pickaxe",
        "obtain a wooden pickaxe",
        "craft a pickaxe of wood",
    ),
    "make_wood_sword": (
        "make a wood sword; craft a wood sword; build a wood sword; make a wooden sword",
        "obtain a wooden sword",
        "craft a sword of wood",
    ),
    "place_furnace": (
        "place a furnace; put down a furnace; build a furnace; set up a furnace; make a furnace",
        "craft a furnace",
        "position a furnace",
    ),
    "place_plant": (
        "place a plant; plant a sapling; put down a sapling; place a sapling; set a sapling",
        "put a sapling in the grass",
        "position a sapling",
    ),
    "place_stone": (
        "place a stone; put down a stone; set down a stone; lay down a stone; put a stone down",
        "drop a stone",
        "position a stone",
    ),
    "place_table": (
        "place a table; put down a table; build a table; set up a table; make a table",
        "craft a table",
        "position a table",
    ),
    "wake_up": (
        "wake up; sleep and wake up; go to sleep and wake up; rest and wake up",
        "have a rest and wake up",
        "sleep as long as you need",
    ),
}
_JOINERS = (
    ", then; , and then; , after that; , and after that; , next; , and next; , afterwards",
    ", soon after that",
    ", subsequently",
)


def _split(texts: tuple[str, str, str]) -> dict[str, tuple[str, ...]]:
    wordings = (tuple(part.strip() for part in text.split(";")) for text in texts)
    return dict(zip(SPLITS, wordings, strict=True))


PHRASES = {name: _split(_TEXTS[name]) for name in ACHIEVEMENTS}
"""The wordings of each achievement in each split."""
JOINERS = _split(_JOINERS)
"""What stands between two steps of an instruction."""
OPENINGS = POOL[""]
"""What an instruction can begin with."""
