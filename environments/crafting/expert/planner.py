"""The expert: from the state of n worlds to actions.

The planner has no memory. In every step, it lists what it could use (`wishes`), and searches for
the nearest of it, where things that matter more count as nearer (`paths`). Some situations take
precedence over the search: creatures next to the player, tools that can be made, and shelters.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int32, UInt32

from didact.environments.crafting import layout
from didact.environments.crafting.expert import boards, paths
from didact.environments.crafting.expert.scene import (
    ARROWS,
    COWS,
    PLANTS,
    RIPE,
    SKELETONS,
    ZOMBIES,
    Scene,
    Stations,
    can_be_filled,
    scene,
    stations,
)
from didact.environments.crafting.expert.shelter import Shelter, shelter
from didact.environments.crafting.expert.wishes import Wishes, wishes
from didact.environments.crafting.layout import ACHIEVEMENT, ACTION, MAKES, MOST, CraftingState
from didact.environments.crafting.rules.nearby import ahead_of, among

DELAYS = (0, 6, 14, 30, 60)  # steps by which goals count as farther away, by their importance
_FREE = layout.WALKABLE
# Steps of the day: when players prepare for the night, and when they shelter from the zombies.
EVENING, DUSK, DAWN = 90, 140, 275
ARCHERY = 12  # steps to a skeleton, within which arrows can come
DAY = 0.8  # daylight above which zombies are rare
_SIDES = np.arange(4)[:, None]


def act(state: CraftingState, wanted: Bool[Array, "n 22"]) -> Int32[Array, " n"]:
    """Return the actions of the planner.

    Args:
        state: the worlds.
        wanted: the achievements to unlock, in the order of `layout.ACHIEVEMENTS`.
    """
    seen = scene(state)
    places = stations(seen, state.position)
    needs = wishes(state.inventory, wanted, places)
    refuge = _shelter(seen)
    rests = _rests(seen, refuge)
    goals, deep = _goals(seen, needs, wanted, rests)
    actions = _towards(seen, state, goals, _sites(seen, needs, places, rests), deep)
    for condition, action in reversed(_immediate(seen, state, needs, wanted, refuge, rests)):
        actions = jnp.where(condition, action, actions)
    return jnp.where(state.sleeping, ACTION["sleep"], actions).astype(jnp.int32)


def _shelter(seen: Scene) -> Shelter:
    material, occupied = seen.material, seen.object >= 0
    free = among(material, _FREE) & ~occupied
    # Arrows fly over lava, next to which skeletons often live, and over water.
    open_cell = among(material, (*_FREE, layout.LAVA)) | occupied
    open_cell |= (material == layout.WATER) & (seen.skeleton <= ARCHERY)
    diggable = among(material, (layout.STONE, layout.COAL)) & (seen.have("wood_pickaxe") > 0)
    diggable |= (material == layout.WATER) & _bridges(seen)
    fillable = can_be_filled(material) & ~occupied & (seen.have("stone") > 0)
    return shelter(open_cell, free, diggable, fillable, seen.facing)


def _bridges(seen: Scene) -> Bool[Array, " n"]:
    """Return who can place a stone on water, collect it, and still close a shelter."""
    return (seen.have("wood_pickaxe") > 0) & (seen.have("stone") > 1)


def _rests(seen: Scene, refuge: Shelter) -> Bool[Array, " n"]:
    """Return who should sleep, recover or wait in a shelter."""
    health, energy = seen.have("health"), seen.have("energy")
    least = jnp.minimum(seen.have("food"), seen.have("drink"))
    night = (seen.phase >= DUSK) & (seen.phase < DAWN)
    fed = (least > 2) | (night & ((least > 0) | (health > 4))) | (energy <= 1)
    can = (seen.have("wood_pickaxe") > 0) & (seen.have("stone") > 0)
    can |= refuge.sealed
    tired, hurt = (energy <= 4) | night, health <= 4
    stays = refuge.sealed & ((energy < 8) | (health < 8))
    return can & fed & (tired | hurt | stays)


def _goals(
    seen: Scene, needs: Wishes, wanted: Bool[Array, "n 22"], rests: Bool[Array, " n"]
) -> tuple[UInt32[Array, "5 64 2 n"], UInt32[Array, "64 2 n"]]:
    """Return the cells to use, for each delay, and those of them in which to shelter."""
    of, objects = seen.materials, seen.objects
    health, food, drink = (seen.have(item) for item in ("health", "food", "drink"))
    armed = (seen.have("stone_sword") > 0) | (seen.have("iron_sword") > 0)
    no = jnp.zeros_like(rests)

    def want(achievement):
        return wanted[:, ACHIEVEMENT[achievement]]

    # The night is spent in a shelter, so players eat and drink in the evening.
    evening = (seen.phase >= EVENING) & (seen.phase < DUSK)

    enough = jnp.where(evening, 6, 3)

    def by_need(value, wish):
        return [value <= enough, (value <= 5) | wish, no, value <= 7, no]

    starving = jnp.minimum(food, drink) < enough
    calm = ~starving & ~rests
    hunts = want("defeat_zombie") & (health >= 5)
    shoots = want("defeat_skeleton") & (health >= 6) & (armed | (health >= 8))
    listed = [
        (of(layout.WATER), by_need(drink, needs.drink)),
        (objects[COWS], by_need(food, want("eat_cow"))),
        (objects[RIPE], [want("eat_plant") | (food <= enough), food <= 5, no, no, no]),
        (of(layout.TREE), [needs.wood & calm, no, no, needs.wood, no]),
        (of(layout.STONE), [needs.stone & calm, no, no, needs.stone, no]),
        (of(layout.COAL), [needs.coal & calm, no, no, needs.coal, no]),
        (of(layout.IRON), [needs.iron & calm, no, no, needs.iron, no]),
        (of(layout.DIAMOND), [needs.diamond & calm, no, no, needs.diamond, no]),
        (objects[ZOMBIES], [no, hunts & calm, no, no, no]),
        (objects[SKELETONS], [no, no, shoots & calm, no, no]),
    ]
    dug = boards.on(seen.have("wood_pickaxe") > 0, of(layout.STONE, layout.COAL))
    archers = seen.skeleton <= ARCHERY
    dug |= boards.on(_bridges(seen) & ~archers, of(layout.WATER))
    shut = ~(of(*_FREE, layout.LAVA) | seen.all_objects | boards.on(archers, of(layout.WATER)))
    exposed = boards.blocks(objects[SKELETONS], ARCHERY // 2)
    deep = boards.on(rests, dug & boards.surrounded(shut) & ~exposed)
    by_delay = []
    for level in range(len(DELAYS)):
        parts = [boards.on(conditions[level], board) for board, conditions in listed]
        by_delay.append(boards.union(parts))
    by_delay[0] |= deep & boards.around(of(layout.WATER))  # with something to drink
    by_delay[1] |= deep
    return jnp.stack(by_delay), deep


def _sites(
    seen: Scene, needs: Wishes, places: Stations, rests: Bool[Array, " n"]
) -> list[UInt32[Array, "64 2 n"]]:
    """Return the cells at which the next tools can be made, for each delay."""
    calm = needs.ready & ~rests & (seen.have("food") > 2) & (seen.have("drink") > 2)
    near = jnp.where(needs.smelts & places.both_close, places.both, places.tables)
    none = jnp.zeros_like(near)
    far = boards.on(calm & needs.smelts & ~places.both_close, places.both)
    late = boards.on(needs.ready, near)
    return [boards.on(calm & places.table_close, near), none, far, none, late]


def _ground(seen: Scene) -> paths.Ground:
    of, objects = seen.materials, seen.objects
    creatures = boards.union([objects[COWS], objects[ZOMBIES], objects[SKELETONS], objects[ARROWS]])
    plants = objects[PLANTS] | objects[RIPE]
    tools = [seen.have(f"{kind}_pickaxe") > 0 for kind in ("wood", "stone", "iron")]
    cleared = boards.union(
        [
            of(layout.TREE),
            boards.on(tools[0], of(layout.STONE, layout.COAL)),
            boards.on(tools[1], of(layout.IRON)),
            boards.on(tools[2], of(layout.DIAMOND)),
            creatures & of(*_FREE),
        ]
    )
    bridged = boards.on(tools[0] & (seen.have("stone") > 0), of(layout.WATER))
    return paths.Ground(of(*_FREE) & ~creatures & ~plants, cleared, bridged)


def _towards(
    seen: Scene,
    state: CraftingState,
    goals: UInt32[Array, "5 64 2 n"],
    sites: list[UInt32[Array, "64 2 n"]],
    deep: UInt32[Array, "64 2 n"],
) -> Int32[Array, " n"]:
    """Return the actions that lead to the nearest goal and use it."""
    ground = _ground(seen)
    ends = [boards.around(goal) | site for goal, site in zip(goals, sites, strict=True)]
    times = paths.arrivals(ground, jnp.stack(ends), DELAYS, state.position)
    sides = ahead_of(state.position, _SIDES)
    free, cleared, bridged, inside, *uses = boards.at([*ground, deep, *goals], sides)
    here = boards.at(sites, state.position[None])[:, 0]
    delays = np.array(DELAYS)[:, None]
    use = jnp.min(jnp.where(jnp.stack(uses), delays[:, None], paths.NEVER), 0)
    stay = jnp.min(jnp.where(here, delays, paths.NEVER), 0)
    cost = jnp.where(free, paths.WALK, jnp.where(cleared, paths.CLEAR, paths.BRIDGE))
    go = jnp.where(free | cleared | bridged, times[:4] + cost, paths.NEVER)
    faced = state.facing == _SIDES
    # Among equally good directions, the faced one saves a turn.
    scores = jnp.concatenate([2 * use - faced, 2 * go - faced, 2 * stay[None]])
    chosen = jnp.argmin(scores, 0)
    found = jnp.min(scores, 0) < 2 * paths.NEVER - 1
    side = chosen % 4
    move = ACTION["move_left"] + side

    def there(values):
        return jnp.take_along_axis(values, side[None], 0, mode="promise_in_bounds")[0]

    fills = there(bridged) & ((chosen >= 4) | there(inside))
    ahead = jnp.where(fills, ACTION["place_stone"], ACTION["do"])
    walks = (chosen >= 4) & there(free)
    action = jnp.where(walks | (side != state.facing), move, ahead)
    aside = _turn_aside(state, free, cleared)
    return jnp.where(found, jnp.where(chosen < 8, action, aside), _wander(state, free))


def _turn_aside(
    state: CraftingState, free: Bool[Array, "4 n"], cleared: Bool[Array, "4 n"]
) -> Int32[Array, " n"]:
    """Return an action that leads to a free cell in front, to place something there."""
    solid = jnp.any(cleared, 0)
    side = jnp.where(solid, jnp.argmax(cleared, 0), jnp.argmax(free, 0))
    move = jnp.where(solid | jnp.any(free, 0), ACTION["move_left"] + side, ACTION["noop"])
    return jnp.where(jnp.any(cleared & (state.facing == _SIDES), 0), ACTION["do"], move)


def _wander(state: CraftingState, free: Bool[Array, "4 n"]) -> Int32[Array, " n"]:
    """Return a step in a direction that changes every few steps."""
    rank = (_SIDES + state.steps // 7 * 7919 % 1009) % 4
    side = jnp.argmin(jnp.where(free, rank, 4 + rank), 0)
    return jnp.where(jnp.any(free, 0), ACTION["move_left"] + side, ACTION["noop"])


def _immediate(
    seen: Scene,
    state: CraftingState,
    needs: Wishes,
    wanted: Bool[Array, "n 22"],
    refuge: Shelter,
    rests: Bool[Array, " n"],
) -> list[tuple[Bool[Array, " n"], Int32[Array, " n"] | int]]:
    """Return actions that need no search, each with its condition; the first that holds counts."""
    energy, drink = seen.have("energy"), seen.have("drink")
    kinds, material = seen.object[:4], seen.faced(seen.material[:4])
    vacant = seen.faced(kinds) < 0
    hostile = (kinds == ZOMBIES) | (kinds == SKELETONS)
    floor = vacant & among(material, _FREE)
    grass = vacant & (material == layout.GRASS)
    fillable = vacant & can_be_filled(material)
    water = vacant & (material == layout.WATER)
    safe = (seen.zombie > 10) & (seen.skeleton > ARCHERY)
    naps = wanted[:, ACHIEVEMENT["wake_up"]] & (energy < MOST) & (seen.light > DAY) & safe
    naps |= (energy <= 1) & safe & (seen.light > 0.5)
    digs = jnp.any(refuge.dig, 0)
    dig_side = jnp.argmax(refuge.dig, 0)
    through = jnp.where(material == layout.WATER, ACTION["place_stone"], ACTION["do"])
    dig = jnp.where(dig_side == state.facing, through, ACTION["move_left"] + dig_side)
    quiet = (seen.zombie > 5) & ~rests
    water_side = (seen.material[:4] == layout.WATER) & (kinds < 0)
    sips = rests & refuge.sealed & (drink < 7) & jnp.any(water_side, 0)
    return [
        (seen.faced(hostile), ACTION["do"]),
        (jnp.any(hostile, 0), ACTION["move_left"] + jnp.argmax(hostile, 0)),
        *((needs.make[rule.tool], ACTION[f"make_{rule.tool}"]) for rule in MAKES),
        (sips & (material == layout.WATER), ACTION["do"]),
        (sips, ACTION["move_left"] + jnp.argmax(water_side, 0)),
        (rests & refuge.sealed & (energy < MOST), ACTION["sleep"]),
        (rests & refuge.sealed, ACTION["noop"]),
        (rests & refuge.close, ACTION["place_stone"]),
        (rests & jnp.any(refuge.go, 0), ACTION["move_left"] + jnp.argmax(refuge.go, 0)),
        (rests & digs, dig),
        (naps, ACTION["sleep"]),
        (needs.table & floor & ~rests, ACTION["place_table"]),
        (needs.furnace & floor & ~rests, ACTION["place_furnace"]),
        (water & ((drink < MOST) | needs.drink) & ~rests, ACTION["do"]),
        (needs.place_stone & fillable & ~rests, ACTION["place_stone"]),
        (needs.place_plant & grass & quiet, ACTION["place_plant"]),
        (needs.sapling & grass & quiet, ACTION["do"]),
    ]
