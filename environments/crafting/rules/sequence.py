"""Objects that act one after the other, where one can be in the way of the next."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int32

from didact.environments.compiler_hints import varying_as
from didact.environments.crafting import layout
from didact.environments.crafting.layout import SIDE
from didact.environments.crafting.rules.nearby import (
    ABSENT,
    OFF_MAP,
    Nearby,
    ahead_of,
    among,
)

MOST_ARROWS = 4  # new arrows of a world in one step


NOWHERE, STAY = 4, 5  # instead of directions
ARROW_DAMAGE = 2


class Plan(NamedTuple):
    """What an object intends to do, in arrays of any shape.

    A creature tries to move in its first direction, and if that fails in its second one.
    """

    mobile: Bool[Array, "*s"]  # cows, zombies and skeletons
    plant: Bool[Array, "*s"]
    arrow: Bool[Array, "*s"]
    shoots: Bool[Array, "*s"]  # in the second direction, instead of moving there
    first_free: Bool[Array, "*s"]  # whether the material ahead can be entered
    second_free: Bool[Array, "*s"]
    breaks: Bool[Array, "*s"]  # arrows at a table or furnace
    first: Int32[Array, "*s"]  # a direction, NOWHERE or STAY
    second: Int32[Array, "*s"]


_FLAGS = len(Plan._fields) - 2


def target_of(cell: Int32[Array, "*s"], direction: Int32[Array, "*s"]) -> Int32[Array, "*s"]:
    """Return the cell in a direction, which may be NOWHERE or STAY; OFF_MAP if there is none."""
    ahead = jnp.where(direction == NOWHERE, OFF_MAP, ahead_of(cell, direction))
    return jnp.where(direction == STAY, cell, ahead)


def packed_plans(plan: Plan) -> Int32[Array, "*s"]:
    """Return plans as single numbers, which are computed once and read in every iteration."""
    bits = sum(flag.astype(jnp.int32) << bit for bit, flag in enumerate(plan[:_FLAGS]))
    return bits | (plan.first << _FLAGS) | (plan.second << (_FLAGS + 3))


def _unpacked(number: Int32[Array, "*s"]) -> Plan:
    flags = [(number >> bit) & 1 == 1 for bit in range(_FLAGS)]
    return Plan._make([*flags, (number >> _FLAGS) & 7, (number >> (_FLAGS + 3)) & 7])


class Results(NamedTuple):
    """What happened in n worlds; also the carry of the loop."""

    cell: Int32[Array, "k n"]  # ABSENT where an object is gone
    health: Int32[Array, "k n"]
    fired: Bool[Array, "k n"]
    arrows: Int32[Array, "a n"]  # the cells of new arrows, or ABSENT
    directions: Int32[Array, "a n"]
    player_hits: Int32[Array, " n"]  # by arrows
    plant_hit: Bool[Array, " n"]  # the plant that was placed in this step was hit by an arrow
    broken: Int32[Array, "2 n"]  # cells of tables and furnaces that were hit, or ABSENT


def act_in_turn(
    near: Nearby,
    plans: Int32[Array, "k n"],
    player: Int32[Array, " n"],
    planted: Int32[Array, " n"],
) -> Results:
    """Let the near objects act in their order. Costs one loop iteration for each."""
    n = player.shape[0]
    creature = among(near.kind, (layout.COW, layout.ZOMBIE, layout.SKELETON))
    slots = np.arange(MOST_ARROWS)[:, None]

    def act(row, now: Results) -> Results:
        def mine(values):
            return jax.lax.dynamic_index_in_dim(values, row, keepdims=False)

        plan, own = _unpacked(mine(plans)), mine(near.cell)
        first_cell, second_cell = target_of(own, plan.first), target_of(own, plan.second)
        dead = plan.mobile & (mine(now.health) <= 0)
        here = jnp.where(dead, ABSENT, mine(now.cell))
        cell = now.cell.at[row].set(here)

        def taken(target):
            others = jnp.any(cell == target, 0) | jnp.any(now.arrows == target, 0)
            return others | (player == target) | (planted == target)

        first = plan.first_free & ~taken(first_cell)
        obstacle = taken(second_cell)
        second = plan.second_free & ~obstacle & ~first
        moved = jnp.where(first, first_cell, second_cell)
        here = jnp.where((first | (second & ~plan.shoots)) & ~dead, moved, here)

        hits = plan.arrow & obstacle
        hit = hits & (cell == second_cell)
        health = jnp.where(hit, jnp.maximum(now.health - ARROW_DAMAGE, 0), now.health)
        here = jnp.where(plan.arrow & ~second, ABSENT, here)
        breaks = plan.breaks & ~obstacle
        next_broken = (now.broken[0] >= 0).astype(jnp.int32)
        this = breaks & (np.arange(2)[:, None] == next_broken)
        broken = jnp.where(this, second_cell, now.broken)

        # All are near the player, so none is on the opposite edge of the map.
        apart = jnp.abs(cell - own)
        beside = (apart == 1) | (apart == SIDE)
        eaten = jnp.any(beside & creature & (cell >= 0), 0)
        withers = plan.plant & (eaten | (mine(health) <= 0))
        here = jnp.where(withers, ABSENT, here)

        fires = second & plan.shoots
        next_arrow = jnp.sum(now.arrows >= 0, 0)
        new = fires & (slots == next_arrow)
        return Results(
            cell=cell.at[row].set(here),
            health=health,
            fired=now.fired.at[row].set(fires),
            arrows=jnp.where(new, second_cell, now.arrows),
            directions=jnp.where(new, plan.second, now.directions),
            player_hits=now.player_hits + (hits & (player == second_cell)),
            plant_hit=now.plant_hit | (hits & (planted == second_cell)),
            broken=broken,
        )

    start = Results(
        cell=near.cell,
        health=near.health,
        fired=jnp.zeros_like(near.present),
        arrows=jnp.full((MOST_ARROWS, n), ABSENT),
        directions=jnp.zeros((MOST_ARROWS, n), jnp.int32),
        player_hits=jnp.zeros(n, jnp.int32),
        plant_hit=jnp.zeros(n, bool),
        broken=jnp.full((2, n), ABSENT),
    )
    start = varying_as(near.count, start)
    return jax.lax.fori_loop(0, jnp.max(near.count), act, start)
