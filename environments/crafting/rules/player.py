"""The player's own update: actions, needs, sleep and recovery (`crafter.objects.Player`)."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32

from didact.environments.crafting import layout
from didact.environments.crafting.layout import (
    ACHIEVEMENTS,
    ACTION,
    ITEMS,
    MOST,
    SIDE,
    CraftingState,
)
from didact.environments.crafting.rules.nearby import (
    ABSENT,
    Nearby,
    ahead_of,
    among,
    material_at,
    neighbor,
)

FOOD_OF_COW, FOOD_OF_PLANT = 6, 4


class Acted(NamedTuple):
    """The results of the player's update in n worlds."""

    state: CraftingState
    near: Nearby
    planted: Int32[Array, " n"]  # the cell of a new plant, or ABSENT


class _Turn:
    """A player's update in progress: items by name, achievements, and the changed cell."""

    def __init__(self, state: CraftingState, actions: Int32[Array, " n"]):
        self.items = dict(zip(ITEMS, state.inventory.T, strict=True))
        self.achieved: dict[str, Array] = {}
        rested = self.items["energy"] >= MOST
        self.achieve("wake_up", state.sleeping & rested)
        self.sleeping = state.sleeping & ~rested
        self.action = jnp.where(self.sleeping, ACTION["sleep"], actions)
        self.target = ahead_of(state.position, state.facing)
        self.facing_material = material_at(state.material, self.target)
        self.new_material = self.facing_material
        self.hunger, self.thirst = state.hunger, state.thirst
        self.planted = jnp.full_like(self.target, ABSENT)

    def does(self, action: str) -> Bool[Array, " n"]:
        return self.action == ACTION[action]

    def achieve(self, name: str, when: Bool[Array, " n"]) -> None:
        self.achieved[name] = self.achieved.get(name, False) | when

    def add(self, item: str, amount: Array | int, when: Bool[Array, " n"]) -> None:
        self.items[item] = self.items[item] + jnp.where(when, amount, 0)


def update(
    state: CraftingState, near: Nearby, actions: Int32[Array, " n"], draw: Float[Array, " n"]
) -> Acted:
    """Update the players of n worlds.

    Args:
        state: the worlds.
        near: the objects near the player.
        actions: the chosen actions.
        draw: uniform numbers in 0..1, which decide whether grass yields a sapling.
    """
    turn = _Turn(state, actions)
    faced = (near.cell == turn.target) & near.present
    occupied = jnp.any(faced, 0)
    near = _use_object(turn, near, faced & turn.does("do"))
    _use_material(turn, turn.does("do") & ~occupied, draw)
    _place(turn, ~occupied)
    _make(turn, state)
    position, facing, on_lava = _move(turn, state, near)
    turn.sleeping |= turn.does("sleep") & (turn.items["energy"] < MOST)
    turn.items["health"] = jnp.where(on_lava, 0, turn.items["health"])
    counters = _needs(turn, state.fatigue, state.recovery)
    items = {name: jnp.clip(amount, 0, MOST) for name, amount in turn.items.items()}
    health = items["health"]
    worlds = jnp.arange(health.shape[0])
    cell = jnp.where(turn.target >= 0, turn.target, layout.CELLS)
    changed = turn.new_material.astype(jnp.uint8)
    achieved = jnp.stack([turn.achieved[name] for name in ACHIEVEMENTS], 1)
    state = state._replace(
        material=state.material.at[worlds, cell].set(changed, mode="drop", unique_indices=True),
        position=position,
        facing=facing,
        inventory=jnp.stack(list(items.values()), 1),
        sleeping=turn.sleeping & (health >= state.previous_health),
        previous_health=health,
        achieved=achieved,
        **counters,
    )
    return Acted(state, near, turn.planted)


def _use_object(turn: _Turn, near: Nearby, hit: Bool[Array, "k n"]) -> Nearby:
    """Hit a creature, or eat a ripe plant."""
    damage = jnp.int32(1)
    for sword, amount in layout.DAMAGE:
        damage = jnp.where(turn.items[sword] > 0, amount, damage)
    creature = hit & among(near.kind, (layout.COW, layout.ZOMBIE, layout.SKELETON))
    health = jnp.where(creature, jnp.maximum(near.health - damage, 0), near.health)
    killed = creature & (health <= 0)
    eaten = hit & (near.kind == layout.PLANT) & (near.extra >= layout.RIPE)
    cow = jnp.any(killed & (near.kind == layout.COW), 0)
    turn.achieve("defeat_zombie", jnp.any(killed & (near.kind == layout.ZOMBIE), 0))
    turn.achieve("defeat_skeleton", jnp.any(killed & (near.kind == layout.SKELETON), 0))
    turn.achieve("eat_cow", cow)
    turn.achieve("eat_plant", jnp.any(eaten, 0))
    turn.add("food", FOOD_OF_COW, cow)
    turn.add("food", FOOD_OF_PLANT, jnp.any(eaten, 0))
    turn.hunger = jnp.where(cow, 0.0, turn.hunger)
    return near._replace(health=health, extra=jnp.where(eaten, 0, near.extra))


def _use_material(turn: _Turn, using: Bool[Array, " n"], draw: Float[Array, " n"]) -> None:
    """Collect from the material that the player faces."""
    turn.thirst = jnp.where(using & (turn.facing_material == layout.WATER), 0.0, turn.thirst)
    for rule in layout.COLLECTS:
        can = using & (turn.facing_material == rule.material)
        if rule.needs:
            can &= turn.items[rule.needs] > 0
        turn.new_material = jnp.where(can, rule.leaves, turn.new_material)
        received = can & (draw <= rule.probability) if rule.probability < 1 else can
        turn.add(rule.gives, 1, received)
        turn.achieve(rule.achievement, received)


def _place(turn: _Turn, vacant: Bool[Array, " n"]) -> None:
    """Place a material or a sapling on the cell that the player faces."""
    for rule in layout.PLACES:
        item, amount = rule.uses
        can = turn.does(f"place_{rule.name}") & vacant & (turn.items[item] >= amount)
        can &= among(turn.facing_material, rule.where)
        turn.add(item, -amount, can)
        turn.achieve(rule.achievement, can)
        if rule.name == "plant":
            turn.planted = jnp.where(can, turn.target, ABSENT)
        else:
            placed = layout.MATERIALS.index(rule.name)
            turn.new_material = jnp.where(can, placed, turn.new_material)


def _make(turn: _Turn, state: CraftingState) -> None:
    """Make a tool. In the original, nothing is nearby at the left and upper edge of the map."""
    offsets = np.array([(dx, dy) for dy in (-1, 0, 1) for dx in (-1, 0, 1)], np.int32)
    cells = neighbor(state.position, offsets[:, :1], offsets[:, 1:])
    around = material_at(state.material, cells)
    inner = (state.position % SIDE > 0) & (state.position // SIDE > 0)
    for rule in layout.MAKES:
        can = turn.does(f"make_{rule.tool}") & inner
        for station in rule.stations:
            can &= jnp.any(around == station, 0)
        for item, amount in rule.uses:
            can &= turn.items[item] >= amount
        for item, amount in rule.uses:
            turn.add(item, -amount, can)
        turn.add(rule.tool, 1, can)
        turn.achieve(rule.achievement, can)


def _move(turn: _Turn, state: CraftingState, near: Nearby):
    """Turn, and move if the cell is free; return position, direction, and whether lava kills."""
    moves = (turn.action >= ACTION["move_left"]) & (turn.action <= ACTION["move_down"])
    facing = jnp.where(moves, turn.action - ACTION["move_left"], state.facing)
    ahead = ahead_of(state.position, facing)
    material = material_at(state.material, ahead)
    free = among(material, (*layout.WALKABLE, layout.LAVA))
    free &= moves & ~jnp.any((near.cell == ahead) & near.present, 0)
    here = material_at(state.material, state.position)
    on_lava = moves & (jnp.where(free, material, here) == layout.LAVA)
    return jnp.where(free, ahead, state.position), facing, on_lava


def _needs(turn: _Turn, fatigue: Array, recovery: Array) -> dict[str, Array]:
    """Update the counters of hunger, thirst, fatigue and recovery, and what they change."""
    asleep = turn.sleeping
    pace = jnp.where(asleep, 0.5, 1.0)

    def fires(counter, when, item, amount):
        turn.add(item, amount, when)
        return jnp.where(when, 0.0, counter)

    hunger, thirst = turn.hunger + pace, turn.thirst + pace
    hunger = fires(hunger, hunger > 25, "food", -1)
    thirst = fires(thirst, thirst > 20, "drink", -1)
    fatigue = jnp.where(asleep, jnp.minimum(fatigue - 1, 0), fatigue + 1)
    fatigue = fires(fatigue, fatigue < -10, "energy", 1)
    fatigue = fires(fatigue, fatigue > 30, "energy", -1)
    well = (turn.items["food"] > 0) & (turn.items["drink"] > 0)
    well &= (turn.items["energy"] > 0) | asleep
    gain, loss = jnp.where(asleep, 2.0, 1.0), pace
    recovery = recovery + jnp.where(well, gain, -loss)
    recovery = fires(recovery, recovery > 25, "health", 1)
    recovery = fires(recovery, recovery < -15, "health", -1)
    return {"hunger": hunger, "thirst": thirst, "fatigue": fatigue, "recovery": recovery}
