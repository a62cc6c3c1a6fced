"""What players need for the achievements that are wanted, through the technology tree."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int32

from didact.environments.crafting.expert.scene import Stations
from didact.environments.crafting.layout import ACHIEVEMENT, ITEM, MAKES, MOST, PLACES, TOOLS

FENCE = 5  # stones around a plant, and one for a shelter
FEW = 2  # wanted achievements, with which there is time for growing plants
SPARE_STONES = 3  # for shelters and bridges
TABLE_WOOD, FURNACE_STONES = (
    next(rule.uses[1] for rule in PLACES if rule.name == name) for name in ("table", "furnace")
)


class Wishes(NamedTuple):
    """What n players should obtain, given what they have."""

    make: dict[str, Bool[Array, " n"]]  # tools that can be made here and now
    ready: Bool[Array, " n"]  # the materials for the next tools are there, so a table is needed
    smelts: Bool[Array, " n"]  # a furnace is needed as well
    table: Bool[Array, " n"]  # to be placed here
    furnace: Bool[Array, " n"]  # to be placed here
    wood: Bool[Array, " n"]  # to be collected
    stone: Bool[Array, " n"]
    stones: Bool[Array, " n"]  # more of them, for a camp, if they are near
    coal: Bool[Array, " n"]
    iron: Bool[Array, " n"]
    diamond: Bool[Array, " n"]
    drink: Bool[Array, " n"]
    sapling: Bool[Array, " n"]
    farm: Bool[Array, " n"]  # plants should be grown, protected by stones
    place_stone: Bool[Array, " n"]
    place_plant: Bool[Array, " n"]


def wishes(
    inventory: Int32[Array, "n 16"], wanted: Bool[Array, "n 22"], stations: Stations
) -> Wishes:
    """Return what players need for the wanted achievements.

    Args:
        inventory: in the order of `layout.ITEMS`.
        wanted: the achievements to unlock, in the order of `layout.ACHIEVEMENTS`.
        stations: where tools can be made.
    """

    def have(item: str) -> Int32[Array, " n"]:
        return inventory[:, ITEM[item]]

    def want(achievement: str) -> Bool[Array, " n"]:
        return wanted[:, ACHIEVEMENT[achievement]]

    wood, stone, coal, iron = (have(item) for item in ("wood", "stone", "coal", "iron"))
    tools = {tool: want(f"make_{tool}") for tool in TOOLS}
    # A tool is also wanted if something wanted requires it.
    diamond = want("collect_diamond")
    tools["iron_pickaxe"] |= diamond & (have("iron_pickaxe") == 0)
    smelted = tools["iron_pickaxe"].astype(jnp.int32) + tools["iron_sword"]
    digs_iron = want("collect_iron") | (iron < smelted)
    tools["stone_pickaxe"] |= digs_iron & (have("stone_pickaxe") == 0)
    stone_tools = tools["stone_pickaxe"].astype(jnp.int32) + tools["stone_sword"]
    first_furnace = want("place_furnace")
    digs = want("collect_stone") | want("place_stone") | want("collect_coal") | first_furnace
    farm = want("eat_plant") & (jnp.sum(wanted, 1) <= FEW)
    digs |= (farm & (stone < FENCE)) | (stone_tools + smelted > 0) | digs_iron | diamond
    tools["wood_pickaxe"] |= digs & (have("wood_pickaxe") == 0)
    wood_tools = tools["wood_pickaxe"].astype(jnp.int32) + tools["wood_sword"]

    # The next stage of tools whose materials are complete; a table is placed once for each.
    first = (wood_tools > 0) & (wood >= wood_tools)
    second = (stone_tools > 0) & (wood >= stone_tools) & (stone >= stone_tools)
    third = (smelted > 0) & (wood > 0) & (coal > 0) & (iron > 0)
    first &= ~((have("wood_pickaxe") > 0) & ~tools["wood_pickaxe"] & second)
    second &= ~first & ((have("wood_pickaxe") > 0) | ~digs)
    third &= ~first & ~second
    ready = first | second | third
    used = jnp.where(first, wood_tools, jnp.where(second, stone_tools, jnp.minimum(smelted, iron)))
    needs_table = ready & ~stations.table_close
    needs_table |= want("place_table") & ~ready & (wood_tools == 0)
    table = needs_table & (wood >= TABLE_WOOD + jnp.where(ready, used, 0))
    needs_furnace = third & ~stations.both_close
    furnace = needs_furnace & stations.at_table
    furnace |= first_furnace & (stone_tools == 0)
    spare = jnp.where(needs_furnace, 0, stone_tools)
    furnace &= stone >= FURNACE_STONES + spare

    make = {}
    for rule in MAKES:
        possible = tools[rule.tool] & stations.at_table
        if len(rule.stations) > 1:
            possible &= stations.at_both
        for item, amount in rule.uses:
            possible &= have(item) >= amount
        make[rule.tool] = possible

    plants = want("place_plant") | (farm & ~stations.plant_close & (stone >= FENCE))
    digger = have("wood_pickaxe") > 0
    total_wood = wood_tools + stone_tools + smelted
    total_wood += jnp.where(stations.table_close & (wood_tools + stone_tools > 0), 0, TABLE_WOOD)
    # Later stages may need tables of their own.
    total_wood += jnp.where((wood_tools > 0) & (stone_tools > 0), TABLE_WOOD, 0)
    total_wood += jnp.where((stone_tools > 0) & (smelted > 0), TABLE_WOOD, 0)
    any_tool = (wood_tools + stone_tools + smelted > 0) | want("place_table")
    # Before the first pickaxe, no more wood than for the first table and tools.
    total_wood = jnp.where(wood_tools > 0, TABLE_WOOD + wood_tools, total_wood)
    total_stone = stone_tools + SPARE_STONES + want("place_stone")
    total_stone = jnp.where(farm, jnp.maximum(total_stone, FENCE), total_stone)
    total_stone += jnp.where(first_furnace | (smelted > 0), FURNACE_STONES, 0)
    return Wishes(
        make=make,
        ready=ready,
        smelts=third,
        table=table,
        furnace=furnace,
        wood=want("collect_wood") | (any_tool & (wood < jnp.minimum(total_wood, MOST))),
        stone=digger & (want("collect_stone") | (stone < jnp.minimum(total_stone, MOST))),
        stones=digger & (stone < MOST),
        coal=digger & (want("collect_coal") | (coal < smelted)),
        iron=(have("stone_pickaxe") > 0) & digs_iron,
        diamond=(have("iron_pickaxe") > 0) & diamond,
        drink=want("collect_drink"),
        sapling=want("collect_sapling") | (plants & (have("sapling") == 0)),
        farm=farm,
        place_stone=want("place_stone") & (stone > 0),
        place_plant=plants & (have("sapling") > 0),
    )
