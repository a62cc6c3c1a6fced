"""The data layout of the crafting world: materials, objects, items, actions, achievements, state.

Maps have `SIDE` x `SIDE` cells. A cell is the number `y * SIDE + x`, with x to the right and y
down. Directions are numbered as in `DIRECTIONS`. All tables follow the order of the original
package (`crafter` 1.8.3), so its indices are ours.

Where other files of this folder connect:

- Everything is a function of `CraftingState`. `state.material` is the map; `unpack` converts
  `state.objects` into named fields; `state.inventory[:, ITEM["wood"]]` is an item; `light(state)`
  is the daylight; `state.achieved` lists what the last step achieved, in the order of
  `ACHIEVEMENTS`.
- `view.symbols(state)` is the symbolic observation as a dict, of which `picture.draw` and
  `text.tokens` are functions: they get what an agent can see, never the state.
- `offers.Offers`, the base class of `Crafter`, chooses observations and has everything optional:
  pictures, the terminal, the expert, propositions, feedback.
- `expert.act(state, wanted)` is the planner. `advice` is its advice in words.
- `propositions.make()` returns propositions besides the achievements, which are
  `Environment.propositions` already, with the names in `ACHIEVEMENTS`.
- `instructions.CrafterInstructions` is an environment around `Crafter`, which adds an instruction,
  written by `sentences.write`; `achieved.describer()` describes steps as instructions.

References:
    Hafner, Benchmarking the spectrum of agent capabilities, ICLR 2022 (arXiv:2109.06780).
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Int32, UInt8, UInt32

from didact.environments.spaces import ArraySpace, Discrete

SIDE = 64  # cells along each side of the map
CELLS = SIDE * SIDE
CHUNK = 12  # cells along each side of a chunk; the last chunks of a row or column are smaller
CHUNKS = -(-SIDE // CHUNK)  # chunks along each side of the map
START = SIDE // 2 * SIDE + SIDE // 2  # the cell where the player starts
MAX_STEPS = 10_000
DAY = 300  # steps
VIEW = (7, 9)  # rows and columns of the local view, with the player in its middle

MATERIALS = (
    *("none", "water", "grass", "stone", "path", "sand", "tree", "lava"),
    *("coal", "iron", "diamond", "table", "furnace"),
)
NONE, WATER, GRASS, STONE, PATH, SAND, TREE, LAVA, COAL, IRON, DIAMOND, TABLE, FURNACE = range(13)
WALKABLE = (GRASS, PATH, SAND)  # for creatures; the player can also step on lava
FLYABLE = (*WALKABLE, WATER, LAVA)  # for arrows

OBJECTS = ("none", "cow", "zombie", "skeleton", "arrow", "plant")
EMPTY, COW, ZOMBIE, SKELETON, ARROW, PLANT = range(6)
HEALTH = (0, 3, 5, 3, 0, 1)  # of new objects, by kind
RIPE = 301  # the age in steps from which a plant is ripe; ages stop here
MAX_OBJECTS = 256  # slots; the objects of a world are in the order of their creation
MOST_CREATURES = MAX_OBJECTS - 32  # of tasks with many; the other slots are for plants and arrows

# What a cell of the view shows besides its material: the codes of the second channel.
SIGHTS = (
    *("none", "cow", "zombie", "skeleton"),
    *("arrow left", "arrow right", "arrow up", "arrow down", "sapling", "ripe plant"),
)
ARROW_SIGHT, PLANT_SIGHT, RIPE_SIGHT = 4, 8, 9

DIRECTIONS = ("left", "right", "up", "down")
DX = np.array((-1, 1, 0, 0), np.int32)
DY = np.array((0, 0, -1, 1), np.int32)

ACTIONS = (
    *("noop", "move_left", "move_right", "move_up", "move_down", "do", "sleep"),
    *("place_stone", "place_table", "place_furnace", "place_plant"),
    *("make_wood_pickaxe", "make_stone_pickaxe", "make_iron_pickaxe"),
    *("make_wood_sword", "make_stone_sword", "make_iron_sword"),
)
ACTION = {name: number for number, name in enumerate(ACTIONS)}

VITALS = ("health", "food", "drink", "energy")
RESOURCES = ("sapling", "wood", "stone", "coal", "iron", "diamond")
TOOLS = (
    *("wood_pickaxe", "stone_pickaxe", "iron_pickaxe"),
    *("wood_sword", "stone_sword", "iron_sword"),
)
ITEMS = (*VITALS, *RESOURCES, *TOOLS)  # in the order of the inventory
ITEM = {name: number for number, name in enumerate(ITEMS)}
MOST = 9  # of each item

ACHIEVEMENTS = (
    *("collect_coal", "collect_diamond", "collect_drink", "collect_iron"),
    *("collect_sapling", "collect_stone", "collect_wood"),
    *("defeat_skeleton", "defeat_zombie", "eat_cow", "eat_plant"),
    *("make_iron_pickaxe", "make_iron_sword", "make_stone_pickaxe", "make_stone_sword"),
    *("make_wood_pickaxe", "make_wood_sword"),
    *("place_furnace", "place_plant", "place_stone", "place_table", "wake_up"),
)
ACHIEVEMENT = {name: number for number, name in enumerate(ACHIEVEMENTS)}


class Collect(NamedTuple):
    """Collecting from a material by the action "do"."""

    material: int
    needs: str | None  # an item of which at least one is required; it is kept
    gives: str  # the item, of which one is received
    leaves: int  # the material afterwards
    probability: float = 1.0  # of receiving the item; the material changes in any case

    @property
    def achievement(self) -> str:
        return f"collect_{self.gives}"


class Place(NamedTuple):
    """Placing something on the cell that the player faces."""

    name: str  # of a material, or "plant"
    uses: tuple[str, int]  # an item and the number of it that is used up
    where: tuple[int, ...]  # the materials on which it can be placed

    @property
    def achievement(self) -> str:
        return f"place_{self.name}"


class Make(NamedTuple):
    """Making a tool with stations in the 3x3 cells around the player."""

    tool: str
    uses: tuple[tuple[str, int], ...]
    stations: tuple[int, ...]

    @property
    def achievement(self) -> str:
        return f"make_{self.tool}"


COLLECTS = (
    Collect(TREE, None, "wood", GRASS),
    Collect(STONE, "wood_pickaxe", "stone", PATH),
    Collect(COAL, "wood_pickaxe", "coal", PATH),
    Collect(IRON, "stone_pickaxe", "iron", PATH),
    Collect(DIAMOND, "iron_pickaxe", "diamond", PATH),
    Collect(WATER, None, "drink", WATER),
    Collect(GRASS, None, "sapling", GRASS, 0.1),
)
PLACES = (
    Place("stone", ("stone", 1), (GRASS, SAND, PATH, WATER, LAVA)),
    Place("table", ("wood", 2), (GRASS, SAND, PATH)),
    Place("furnace", ("stone", 4), (GRASS, SAND, PATH)),
    Place("plant", ("sapling", 1), (GRASS,)),
)
MAKES = (
    Make("wood_pickaxe", (("wood", 1),), (TABLE,)),
    Make("stone_pickaxe", (("wood", 1), ("stone", 1)), (TABLE,)),
    Make("iron_pickaxe", (("wood", 1), ("coal", 1), ("iron", 1)), (TABLE, FURNACE)),
    Make("wood_sword", (("wood", 1),), (TABLE,)),
    Make("stone_sword", (("wood", 1), ("stone", 1)), (TABLE,)),
    Make("iron_sword", (("wood", 1), ("coal", 1), ("iron", 1)), (TABLE, FURNACE)),
)
DAMAGE = (("wood_sword", 2), ("stone_sword", 3), ("iron_sword", 5))  # of a hit; 1 without a sword


class Objects(NamedTuple):
    """Objects by field; each array has the same shape."""

    kind: Int32[Array, "*s"]  # EMPTY, COW, ...
    cell: Int32[Array, "*s"]
    health: Int32[Array, "*s"]
    extra: Int32[Array, "*s"]  # zombie: cooldown; skeleton: reload; arrow: direction; plant: age


class CraftingState(NamedTuple):
    """n worlds."""

    material: UInt8[Array, "n cells"]
    objects: Int32[Array, "n slots"]  # see `unpack`; free slots are 0
    num_slots: Int32[Array, " n"]  # slots used so far: free slots from here on
    chunks: UInt32[Array, "n 2"]  # bit c: chunk c has had an object, so it is balanced
    position: Int32[Array, " n"]  # the player's cell
    facing: Int32[Array, " n"]  # the player's direction
    inventory: Int32[Array, "n 16"]  # in the order of ITEMS, 0..9
    sleeping: Bool[Array, " n"]
    hunger: Float[Array, " n"]  # counters of the player, see `rules.player`
    thirst: Float[Array, " n"]
    fatigue: Float[Array, " n"]
    recovery: Float[Array, " n"]
    previous_health: Int32[Array, " n"]  # at the end of the player's last own update
    unlocked: Bool[Array, "n 22"]  # achievements of this episode
    achieved: Bool[Array, "n 22"]  # achievements of the last step, unlocked or repeated
    steps: Int32[Array, " n"]  # taken in this episode
    tasks: Float[Array, "n d"]


def pack(kind: Any, cell: Any, health: Any, extra: Any) -> Any:
    """Return objects as single numbers int32[*s]; the inverse of `unpack`.

    Bits 0-11 hold the cell, 12-14 the kind, 15-17 the health and 18-26 the extra number.
    """
    return cell | (kind << 12) | (health << 15) | (extra << 18)


def unpack(objects: Int32[Array, "*s"]) -> Objects:
    """Return the fields of packed objects; free slots have the kind EMPTY."""
    return Objects(
        (objects >> 12) & 7, objects & (CELLS - 1), (objects >> 15) & 7, (objects >> 18) & 511
    )


def chunk_of(cell: Int[Array, "*s"]) -> Int[Array, "*s"]:
    """Return the chunk of each cell, numbered in reading order."""
    return cell // SIDE // CHUNK * CHUNKS + cell % SIDE // CHUNK


def distance(a: Int[Array, "*s"], b: Int[Array, "*s"]) -> Int[Array, "*s"]:
    """Return the L1 distance between cells."""
    return jnp.abs(a % SIDE - b % SIDE) + jnp.abs(a // SIDE - b // SIDE)


# The daylight in each step of a day, from 0 to 1 (`crafter.Env._update_time`).
LIGHT = 1 - np.abs(np.cos(np.pi * (np.arange(DAY) / DAY + 0.3))) ** 3


OBSERVATION_SPACE = {
    # Materials and SIGHTS of the 7x9 cells around the player, in rows from top to bottom.
    "view": ArraySpace(
        (*VIEW, 2), np.uint8, 0, len(MATERIALS) - 1,
        kind="cells", codes=(len(MATERIALS), len(SIGHTS)),
    ),
    "inventory": ArraySpace((len(ITEMS),), np.float32, 0, MOST, kind="vector"),
    "facing": ArraySpace((), np.int32, 0, len(DIRECTIONS) - 1, kind="category"),
    "sleeping": ArraySpace((), np.int32, 0, 1, kind="category"),
    "light": ArraySpace((), np.float32, 0, 1, kind="vector"),
}  # fmt: skip
ACTION_SPACE = Discrete(len(ACTIONS), ACTIONS)
