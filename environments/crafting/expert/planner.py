"""The expert: from the state of n worlds to actions.

The planner has no memory. In every step, it lists what it could use (`wishes`), and searches for
the nearest of it, where things that matter more count as nearer (`paths`). Some situations take
precedence over the search: creatures next to the player, tools that can be made, and shelters.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int32, UInt32

from didact.environments.crafting import layout
from didact.environments.crafting.expert import boards, paths
from didact.environments.crafting.expert.camp import Camp, camp
from didact.environments.crafting.expert.scene import (
    ARROWS,
    COWS,
    DIAMOND,
    PLANTS,
    RIPE,
    SIDES,
    SKELETONS,
    ZOMBIES,
    Scene,
    Stations,
    can_be_filled,
    scene,
    stations,
)
from didact.environments.crafting.expert.shelter import OPPOSITE, Shelter, shelter
from didact.environments.crafting.expert.wishes import Wishes, wishes
from didact.environments.crafting.layout import (
    ACHIEVEMENT,
    ACHIEVEMENTS,
    ACTION,
    MAKES,
    MOST,
    CraftingState,
)
from didact.environments.crafting.rules.nearby import ahead_of, among

DELAYS = (0, 6, 14, 30, 120)  # steps by which goals count as farther away, by their importance
_FREE = layout.WALKABLE
# Steps of the day: when players prepare for the night, and when they shelter from the zombies.
EVENING, DUSK, MORNING = 90, 140, 12
ARCHERY = 12  # steps to a skeleton, within which arrows can come
DAY = 0.8  # daylight above which zombies are rare
_SIDES = np.arange(4)[:, None]
SOON = 1  # the second of the delays


class Plan(NamedTuple):
    """What the planner does in n worlds."""

    action: Int32[Array, " n"]
    distance: Int32[Array, " n"]  # steps to the next goal, roughly


def act(state: CraftingState, wanted: Bool[Array, "n 22"]) -> Int32[Array, " n"]:
    """Return the actions of the planner; see `plan`."""
    return plan(state, wanted).action


def plan(state: CraftingState, wanted: Bool[Array, "n 22"]) -> Plan:
    """Return the next actions of the planner.

    Args:
        state: the worlds.
        wanted: the achievements to unlock, in the order of `layout.ACHIEVEMENTS`.
    """
    seen = scene(state)
    wanted = wanted & _possible(seen)
    places = stations(seen, state.position)
    needs = wishes(state.inventory, wanted, places)
    refuge, square = _refuges(seen)
    sealed = refuge.sealed | square.sealed
    rests = _rests(seen, sealed)
    goals, deep = _goals(seen, needs, wanted, rests)
    fed = jnp.minimum(seen.have("food"), seen.have("drink")) > 2
    can_fence = needs.farm & ~rests & fed & (seen.have("stone") > 0) & (seen.skeleton > ARCHERY)
    gaps = boards.on(can_fence, _gaps(seen))
    goals = goals.at[SOON].set(goals[SOON] | gaps)
    sites = _sites(seen, needs, places, rests)
    actions, distance = _towards(seen, state, needs, goals, sites, (deep, gaps))
    actions = jnp.where(rests & square.possible & (distance > square.open), square.action, actions)
    immediate = _immediate(seen, state, needs, wanted, refuge, sealed, rests)
    for condition, action in reversed(immediate):
        actions = jnp.where(condition, action, actions)
    actions = jnp.where(state.sleeping, ACTION["sleep"], actions).astype(jnp.int32)
    return Plan(actions, distance)


def _possible(seen: Scene) -> Bool[Array, "n 22"]:
    """Return which achievements are possible with what there is on the map."""
    no_iron = boards.empty(seen.materials(layout.IRON))
    lacks = {"collect_diamond": boards.empty(seen.materials(layout.DIAMOND))}
    lacks["collect_iron"] = no_iron
    for tool in ("iron_pickaxe", "iron_sword"):
        lacks[f"make_{tool}"] = no_iron & (seen.have("iron") == 0)
    lacks["collect_diamond"] |= lacks["make_iron_pickaxe"] & (seen.have("iron_pickaxe") == 0)
    yes = jnp.ones_like(no_iron)
    return jnp.stack([~lacks[name] if name in lacks else yes for name in ACHIEVEMENTS], 1)


def _refuges(seen: Scene) -> tuple[Shelter, Camp]:
    material, occupied = seen.material, seen.object >= 0
    free = among(material, _FREE) & ~occupied
    # Arrows fly over lava, next to which skeletons often live, and over water.
    open_cell = among(material, (*_FREE, layout.LAVA)) | occupied
    open_cell |= (material == layout.WATER) & (seen.skeleton <= ARCHERY)
    diggable = among(material, (layout.STONE, layout.COAL)) & (seen.have("wood_pickaxe") > 0)
    diggable |= (material == layout.WATER) & _bridges(seen)
    fillable = can_be_filled(material) & ~occupied & (seen.have("stone") > 0)
    near, mine, fill = open_cell[DIAMOND], diggable[DIAMOND], fillable[DIAMOND]
    return (
        shelter(near, free[DIAMOND], mine, fill, seen.facing),
        camp(open_cell, free, fillable, seen.facing, seen.have("stone")),
    )


def _bridges(seen: Scene) -> Bool[Array, " n"]:
    """Return who can place a stone on water, collect it, and still close a shelter."""
    return (seen.have("wood_pickaxe") > 0) & (seen.have("stone") > 1)


def _rests(seen: Scene, sealed: Bool[Array, " n"]) -> Bool[Array, " n"]:
    """Return who should sleep, recover or wait in a shelter."""
    health, energy = seen.have("health"), seen.have("energy")
    least = jnp.minimum(seen.have("food"), seen.have("drink"))
    night = (seen.phase >= DUSK) | (seen.phase < MORNING)
    fed = (least > 2) | (night & ((least > 0) | (health > 4))) | (energy <= 1)
    can = (seen.have("wood_pickaxe") > 0) & (seen.have("stone") > 0)
    can |= sealed
    tired, hurt = (energy <= 4) | night, health <= 4
    besieged = (seen.zombie <= 6) & (least > 1)
    stays = sealed & ((energy < 8) | (health < 8) | besieged)
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

    enough = jnp.where(evening, 7, 3)

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
        (
            of(layout.STONE) & ~_fences(seen),
            [needs.stone & calm, no, needs.stones & calm, needs.stone, no],
        ),
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


def _fences(seen: Scene) -> UInt32[Array, "64 2 n"]:
    """Return the cells next to plants that are not ripe."""
    return boards.around(seen.objects[PLANTS])


def _gaps(seen: Scene) -> UInt32[Array, "64 2 n"]:
    """Return the cells from which a creature could eat a plant."""
    return _fences(seen) & seen.materials(*_FREE) & ~seen.all_objects


def _sites(
    seen: Scene, needs: Wishes, places: Stations, rests: Bool[Array, " n"]
) -> list[UInt32[Array, "64 2 n"]]:
    """Return the cells at which to make the next tools, or to wait for plants, for each delay."""
    calm = needs.ready & ~rests & (seen.have("food") > 2) & (seen.have("drink") > 2)
    near = jnp.where(needs.smelts & places.both_close, places.both, places.tables)
    none = jnp.zeros_like(near)
    far = boards.on(calm & needs.smelts & ~places.both_close, places.both)
    late = boards.on(needs.ready, near)
    # Plants only grow near the player.
    fed = (seen.have("food") > 5) & (seen.have("drink") > 5)
    garden = boards.on(needs.farm & fed & ~rests, boards.blocks(seen.objects[PLANTS], 2))
    return [boards.on(calm & places.table_close, near), none, far, none, late | garden]


def _ground(seen: Scene) -> paths.Ground:
    of, objects = seen.materials, seen.objects
    creatures = boards.union([objects[COWS], objects[ZOMBIES], objects[SKELETONS], objects[ARROWS]])
    plants = objects[PLANTS] | objects[RIPE]
    tools = [seen.have(f"{kind}_pickaxe") > 0 for kind in ("wood", "stone", "iron")]
    cleared = boards.union(
        [
            of(layout.TREE),
            boards.on(tools[0], of(layout.STONE, layout.COAL) & ~_fences(seen)),
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
    needs: Wishes,
    goals: UInt32[Array, "5 64 2 n"],
    sites: list[UInt32[Array, "64 2 n"]],
    filled: tuple[UInt32[Array, "64 2 n"], UInt32[Array, "64 2 n"]],
) -> tuple[Int32[Array, " n"], Int32[Array, " n"]]:
    """Return the actions that lead to the nearest goal and use it, and the delayed distance.

    Args:
        seen, state, needs: the worlds, and what the players need.
        goals: the cells to use, for each delay.
        sites: the cells to be at, for each delay.
        filled: the cells of `goals` in which to shelter, and on which to place stones.
    """
    ground = _ground(seen)
    ends = [boards.around(goal) | site for goal, site in zip(goals, sites, strict=True)]
    times = paths.arrivals(ground, jnp.stack(ends), DELAYS, state.position)
    sides = ahead_of(state.position, jnp.asarray(_SIDES))
    free, cleared, bridged, inside, gaps, *uses = boards.at([*ground, *filled, *goals], sides)
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

    uses = chosen < 4
    fences = uses & there(gaps)
    fills = (there(bridged) & (~uses | there(inside))) | fences
    ahead = jnp.where(fills, ACTION["place_stone"], ACTION["do"])
    # To face a free cell, a player takes a step away from it, and back.
    opposite = jnp.asarray(OPPOSITE)[side]
    can_leave = jnp.take_along_axis(free, opposite[None], 0, mode="promise_in_bounds")[0]
    move = jnp.where(fences & can_leave, ACTION["move_left"] + opposite, move)
    walks = (chosen >= 4) & there(free)
    action = jnp.where(walks | (side != state.facing), move, ahead)
    stays = jnp.where(needs.ready, _turn_aside(state, free, cleared), ACTION["noop"])
    action = jnp.where(chosen < 8, action, stays)
    return jnp.where(found, action, _wander(state, free)), times[paths.HERE]


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
    sealed: Bool[Array, " n"],
    rests: Bool[Array, " n"],
) -> list[tuple[Bool[Array, " n"], Int32[Array, " n"] | int]]:
    """Return actions that need no search, each with its condition; the first that holds counts."""
    energy, drink = seen.have("energy"), seen.have("drink")
    kinds, around = seen.object[SIDES], seen.material[SIDES]
    material = seen.faced(around)
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
    least = jnp.minimum(seen.have("food"), drink)
    quiet = (seen.zombie > 5) & ~rests & (least > 2)
    water_side = (around == layout.WATER) & (kinds < 0)
    sips = rests & sealed & (drink < 7) & jnp.any(water_side, 0)
    return [
        (seen.faced(hostile), ACTION["do"]),
        (jnp.any(hostile, 0), ACTION["move_left"] + jnp.argmax(hostile, 0)),
        *((needs.make[rule.tool], ACTION[f"make_{rule.tool}"]) for rule in MAKES),
        (sips & (material == layout.WATER), ACTION["do"]),
        (sips, ACTION["move_left"] + jnp.argmax(water_side, 0)),
        (rests & sealed & (energy < MOST), ACTION["sleep"]),
        (rests & sealed, ACTION["noop"]),
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
