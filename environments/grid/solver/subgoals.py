"""Aims of plans: clauses and the steps that must precede them, as input for the path search."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int32, UInt32

from didact.environments.grid import cells, rules, verifier
from didact.environments.grid.rules import CARRIED, GONE, INSIDE
from didact.environments.grid.solver import bitboards
from didact.environments.grid.solver.bitboards import around, facing
from didact.environments.grid.solver.path_search import Ends, Found, Ground, Layers
from didact.environments.language import grammar
from didact.environments.language.grammar import GO_TO, KIND_BITS, OPEN, PICK_UP, PUT_NEXT

# Aims: pursue the clause itself, open a locked door, clear what is in the way, put down the carried
# object, or nothing.
PURSUE, UNLOCK, CLEAR, LAY_DOWN, GIVE_UP = range(5)
NO_COLOR = 7


class Scene(NamedTuple):
    """n worlds from the perspective of the current clause; boards [h, n] unless noted."""

    clause: Int32[Array, " n"]  # the current clause
    kind: Int32[Array, " n"]
    possible: Bool[Array, " n"]  # an object is left that the clause can refer to
    strict: Bool[Array, " n"]  # the wrong door or object is a failure
    target_held: Bool[Array, " n"]  # the target of the clause is carried
    key_held: Int32[Array, " n"]  # the color of the carried key, or NO_COLOR
    locks: Int32[Array, " n"]  # bit c: a door of color c is locked
    places: Int32[Array, "n k"]  # of the objects, or of the boxes that contain them
    boxed: Bool[Array, "n k"]
    open: UInt32[Array, "h n"]  # everything but walls and lava
    free: UInt32[Array, "h n"]
    empty: UInt32[Array, "h n"]
    safe: UInt32[Array, "h n"]  # empty, and an object dropped there blocks nothing
    closed: UInt32[Array, "h n"]  # closed doors, not locked
    opened: UInt32[Array, "h n"]  # open doors
    boxes: UInt32[Array, "h n"]  # empty boxes that no clause refers to
    portable: UInt32[Array, "h n"]
    targets: UInt32[Array, "h n"]
    boxed_targets: UInt32[Array, "h n"]
    known_targets: UInt32[Array, "h n"]  # the last known places of targets
    lone_target: UInt32[Array, "h n"]  # the target, if it is the only one and not carried
    fixed: UInt32[Array, "h n"]  # what to put the target next to,
    beside_fixed: UInt32[Array, "h n"]  # and the cells next to it
    late_doors: UInt32[Array, "h n"]  # not to be opened, picked up or faced yet
    late_objects: UInt32[Array, "h n"]
    late_places: UInt32[Array, "h n"]


def scene_of(state, width: int) -> Scene:
    """Return the scene of a `GridState` on maps `width` cells wide."""
    world, goal = state.world, state.goal
    height = world.cells.shape[1] // width
    m = goal.clauses.shape[1]
    kinds = goal.clauses & KIND_BITS
    clause = jnp.argmin(goal.done, 1)
    code = _of_clause(goal.clauses, clause)
    kind = (code & KIND_BITS).astype(jnp.int32)
    alone = _of_clause(kinds, clause ^ 1) == grammar.NONE if m > 1 else jnp.bool_(True)
    target = (goal.members >> (2 * clause)[:, None].astype(jnp.uint8)) & 1 == 1
    fixed = (goal.members >> (2 * clause + 1)[:, None].astype(jnp.uint8)) & 1 == 1
    fixed &= (kind == PUT_NEXT)[:, None]

    places = world.places.astype(jnp.int32)
    around_it = places
    for _ in range(2):  # a box in a box
        box = jnp.clip(INSIDE - around_it, 0)
        holder = jnp.take_along_axis(places, box, 1, mode="clip")
        around_it = jnp.where(around_it <= INSIDE, holder, around_it)
    boxed = places <= INSIDE
    held = places == CARRIED
    exists = places != GONE
    target_held = jnp.any(target & held, 1)
    known = goal.known.astype(jnp.int32)
    some = jnp.any(target & (exists | ((kind == GO_TO)[:, None] & (known >= 0))), 1)
    possible = some & ((kind != PUT_NEXT) | jnp.any(fixed & exists, 1))

    def board(wanted, places=around_it):
        return bitboards.of_places(places, wanted, width, height)

    def map_of(mask):
        return bitboards.of_cells(mask, width)

    what = cells.kind_of(world.cells)
    free = map_of(cells.is_walkable(what) & (what != cells.LAVA))
    empty = map_of(world.cells == cells.EMPTY)
    opened, closed = map_of(what == cells.DOOR), map_of(what == cells.CLOSED_DOOR)
    locked = map_of(what == cells.LOCKED_DOOR)
    boxes = map_of((what == cells.BOX) & (world.cells & cells.HOLDS == 0))
    boxes &= ~board((goal.members != 0) & ~boxed)
    targets = board(target & ~boxed)
    boxed_targets = board(target & boxed)
    lone = (jnp.sum(target & exists, 1) == 1) & ~target_held

    beacons = board(fixed & ~boxed)
    # Dropping an object next to the fixed object of a clause could take up the required cell.
    puts = (kinds == PUT_NEXT) & ~goal.done
    others = jnp.sum(jnp.where(puts, 2 << 2 * np.arange(m), 0), 1)[:, None]
    keep = around(board((goal.members & others != 0) & ~boxed))
    passable = free | closed | locked | boxes
    safe = empty & ~bitboards.divides(passable) & ~around(opened | closed | locked) & ~keep

    color = jnp.arange(6)
    lock_codes = cells.code(cells.LOCKED_DOOR, color).astype(jnp.uint8)
    locks = jnp.any(world.cells[:, None] == lock_codes[:, None], 2)
    carried_key = cells.kind_of(world.carried) == cells.KEY
    late = _late(goal)
    return Scene(
        clause=clause,
        kind=kind,
        possible=possible,
        strict=(code & grammar.STRICT != 0) & alone,
        target_held=target_held,
        key_held=jnp.where(carried_key, cells.color_of(world.carried), NO_COLOR).astype(jnp.int32),
        locks=jnp.sum(jnp.where(locks, 1 << color, 0), 1),
        places=around_it,
        boxed=boxed,
        open=map_of((what != cells.WALL) & (what != cells.LAVA)),
        free=free,
        empty=empty,
        safe=safe,
        closed=closed,
        opened=opened,
        boxes=boxes,
        portable=map_of(cells.is_portable(what)),
        targets=targets,
        boxed_targets=boxed_targets,
        known_targets=board(target, known),
        lone_target=jnp.where(lone, targets | boxed_targets, 0),
        fixed=beacons,
        beside_fixed=around(beacons),
        late_doors=board(late[OPEN]),
        late_objects=board(late[PICK_UP] & ~boxed),
        late_places=board(late[GO_TO], known),
    )


def _of_clause(x: Array, clause: Int32[Array, " n"]) -> Array:
    return jnp.take_along_axis(x, clause[:, None], 1, mode="promise_in_bounds")[:, 0]


def _late(goal: verifier.Goal) -> dict[int, Bool[Array, "n k"]]:
    """Return by kind the objects of clauses that must not be fulfilled before their turn."""
    m = goal.clauses.shape[1]
    kinds = goal.clauses & KIND_BITS
    none = jnp.zeros(goal.members.shape, bool)
    late = {GO_TO: none, OPEN: none, PICK_UP: none}
    if m < 4:
        return late
    early = ~jnp.all(goal.done[:, :2], 1) & (goal.clauses[:, 2] & grammar.ORDERED != 0)
    for c in (2, 3):
        waits = early & ~goal.done[:, c]
        meant = (goal.members >> (2 * c)) & 1 == 1
        for kind in late:
            late[kind] |= (waits & (kinds[:, c] == kind))[:, None] & meant
    return late


def ground_of(
    scene: Scene,
    world: rules.World,
    aim: Int32[Array, " n"],
    color: Int32[Array, " n"],
    careless: Bool[Array, " n"],
    width: int,
) -> Ground:
    """Return the ground for an aim, with the keys and locked doors of one color.

    Args:
        scene: the scene of `world`.
        world: n worlds.
        aim: the aim in each world.
        color: the color of keys and locked doors, or NO_COLOR.
        careless: whether objects may be dropped anywhere. Otherwise they are only dropped where
            they might block a path if no key or object to be put somewhere has yet to be carried.
        width: the width of the map, in cells.
    """
    height = scene.free.shape[0]
    strict_open = scene.strict & (scene.kind == OPEN)
    strict_pick = scene.strict & ((scene.kind == PICK_UP) | (scene.kind == PUT_NEXT))
    puts = (scene.kind == PUT_NEXT) & (aim == PURSUE)

    lock = cells.code(cells.LOCKED_DOOR, color).astype(jnp.uint8)
    locked = bitboards.of_cells(world.cells == lock[:, None], width)
    is_key = world.objects == cells.code(cells.KEY, color).astype(jnp.uint8)[:, None]
    is_key &= ~strict_pick[:, None]
    keys, boxed_keys = (
        bitboards.of_places(scene.places, is_key & where, width, height)
        for where in (~scene.boxed, scene.boxed)
    )
    somewhere = (world.places >= 0) | scene.boxed
    lone = (jnp.sum(is_key & somewhere, 1) == 1) & (scene.key_held != color)
    blocked = scene.portable & ~scene.boxes & ~scene.late_objects
    blocked &= ~jnp.where(puts, scene.fixed, 0)
    lone_moved = jnp.where(puts, scene.lone_target, 0)
    takes_key = ~bitboards.none(lone_moved & (keys | boxed_keys))
    simple = (aim == PURSUE) & (scene.kind != PUT_NEXT)
    unsafe = scene.empty & ~scene.safe
    holds_key = scene.target_held & (scene.key_held == color)
    return Ground(
        open=scene.open,
        free=scene.free,
        toggled=jnp.where(strict_open, 0, scene.closed & ~scene.late_doors) | scene.boxes,
        portable=scene.portable,
        blocked=jnp.where(strict_pick, 0, blocked),
        empty=scene.empty,
        safe=scene.safe,
        unsafe=jnp.where(careless | (simple & (scene.locks == 0)), unsafe, 0),
        opened_unsafe=jnp.where(careless | simple, unsafe, 0),
        locked=jnp.where(strict_open, 0, locked & ~scene.late_doors),
        keys=keys & ~scene.late_objects,
        boxed_keys=boxed_keys,
        lone_key=jnp.where(lone, keys | boxed_keys, 0),
        moved=jnp.where(puts & ~strict_pick, scene.targets & scene.portable, 0),
        boxed_moved=jnp.where(puts & ~strict_pick, scene.boxed_targets, 0),
        lone_moved=lone_moved,
        moves_key=puts & (holds_key | takes_key),
        banned=facing(scene.late_places),
    )


def ends_of(
    scene: Scene,
    ground: Ground,
    aim: Int32[Array, " n"],
    color: Int32[Array, " n"],
    bars: UInt32[Array, "h n"],
    world: rules.World,
    width: int,
) -> Ends:
    """Return the states in which an aim is reached.

    Args:
        scene, ground: the scene and the ground of `world`.
        aim: the aim in each world.
        color: the color of keys and locked doors, or NO_COLOR.
        bars: the objects to clear, for the aim CLEAR.
        world: n worlds.
        width: the width of the map, in cells.
    """
    pursues = aim == PURSUE
    goes, opens, picks, puts = (
        pursues & (scene.kind == kind) for kind in (GO_TO, OPEN, PICK_UP, PUT_NEXT)
    )
    lock = cells.code(cells.LOCKED_DOOR, color).astype(jnp.uint8)
    locked = bitboards.of_cells(world.cells == lock[:, None], width) & scene.targets
    lays = aim == LAY_DOWN
    nowhere = jnp.zeros_like(facing(scene.free))

    def where(condition, board):
        return facing(jnp.where(condition, board, 0))

    room = (scene.empty | ground.lone_moved) & scene.beside_fixed
    return Ends(
        anyhow=jnp.stack(
            [
                where(goes, scene.known_targets),
                where(opens, scene.targets & scene.closed),
                where(opens & ~scene.strict, scene.targets & scene.opened),
            ]
        ),
        empty_handed=jnp.stack(
            [
                nowhere,
                where(picks, scene.targets & scene.portable) | where(aim == CLEAR, bars),
                where(picks, scene.boxed_targets),
            ]
        ),
        full_handed=jnp.stack(
            [
                nowhere,
                where(goes & scene.target_held, scene.empty) | where(lays, scene.safe),
                where(picks & scene.target_held, scene.empty) | where(lays, ground.unsafe),
            ]
        ),
        with_key=jnp.stack(
            [nowhere, where(opens, locked) | where(aim == UNLOCK, ground.locked), nowhere]
        ),
        with_moved=jnp.stack([nowhere, where(puts, room), nowhere]),
    )


def hand_of(
    scene: Scene,
    aim: Int32[Array, " n"],
    color: Int32[Array, " n"],
    carried: Array,
    which: Layers,
) -> Int32[Array, " n"]:
    """Return the layer that each agent starts in."""
    hand = jnp.where(carried == cells.EMPTY, which.empty, which.full)
    if which.key >= 0:
        hand = jnp.where((scene.key_held == color) & (color < NO_COLOR), which.key, hand)
    if which.moved >= 0:
        puts = (aim == PURSUE) & (scene.kind == PUT_NEXT) & scene.target_held
        hand = jnp.where(puts, which.moved, hand)
    return hand


def in_the_way(
    scene: Scene,
    ground: Ground,
    found: Found,
    aim: Int32[Array, " n"],
    careless: Bool[Array, " n"],
) -> UInt32[Array, "h n"]:
    """Return the objects that block a key, an object to be put somewhere, or the agent.

    These are the objects on the edge of the region from which the aim can be reached. The fixed
    object of a "put next to" clause is only included if there is no other, or if `careless`.
    """
    portable = scene.portable & ~scene.boxes & ~scene.late_objects
    strict = scene.strict & ((scene.kind == PICK_UP) | (scene.kind == PUT_NEXT))
    portable = jnp.where(strict, 0, portable)

    def on_the_edge(region):
        beside = portable & (region | around(region))
        return beside, beside & around((ground.free | ground.toggled) & ~region)

    room = (scene.empty | ground.lone_moved) & scene.beside_fixed
    full = bitboards.none(room) & ~bitboards.none(ground.moved)
    crowd = scene.portable & ~scene.late_objects & ~scene.fixed & ~ground.moved
    bars = jnp.where(full, crowd & scene.beside_fixed, 0)
    beside = jnp.zeros_like(bars)
    for region, matters in (
        (found.key_region, aim != CLEAR),
        (found.moved_region, aim != CLEAR),
        (found.region, True),
    ):
        near, edge = on_the_edge(jnp.where(matters, region, 0))
        others = edge & ~scene.fixed
        bars |= jnp.where(bitboards.none(others) | careless, edge, others)
        beside |= near
    # A barrier of two or more layers of objects has no passable cell beyond its first layer.
    return jnp.where(bitboards.none(bars), beside & around(portable), bars)
