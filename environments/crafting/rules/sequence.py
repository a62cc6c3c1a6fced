"""Objects that act one after the other, where one can be in the way of the next."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int32

from didact.environments.compiler_hints import varying_as
from didact.environments.crafting import layout
from didact.environments.crafting.layout import SIDE
from didact.environments.crafting.rules.nearby import ABSENT, Nearby, among

MOST_ARROWS = 4  # new arrows of a world in one step


class Plans(NamedTuple):
    """What the near objects of n worlds intend to do.

    A creature tries to move to its first target, and if that fails to its second one.
    """

    acts: Bool[Array, "k n"]
    mobile: Bool[Array, "k n"]  # cows, zombies and skeletons
    plant: Bool[Array, "k n"]
    arrow: Bool[Array, "k n"]
    shoots: Bool[Array, "k n"]  # at the second target, instead of moving there
    first: Int32[Array, "k n"]  # a cell, or OFF_MAP for none
    first_free: Bool[Array, "k n"]  # whether its material can be entered
    second: Int32[Array, "k n"]
    second_free: Bool[Array, "k n"]
    breaks: Bool[Array, "k n"]  # arrows at a table or furnace
    direction: Int32[Array, "k n"]  # of shots


class Results(NamedTuple):
    """What happened in n worlds; also the carry of the loop."""

    cell: Int32[Array, "k n"]  # ABSENT where an object is gone
    health: Int32[Array, "k n"]
    fired: Bool[Array, "k n"]
    arrows: Int32[Array, "a n"]  # the cells of new arrows, or ABSENT
    directions: Int32[Array, "a n"]
    player_hits: Int32[Array, " n"]  # by arrows
    broken: Int32[Array, "2 n"]  # cells of tables and furnaces that were hit, or ABSENT


def act_in_turn(
    near: Nearby, plans: Plans, player: Int32[Array, " n"], planted: Int32[Array, " n"]
) -> Results:
    """Let the near objects act in their order. Costs one loop iteration for each."""
    n = player.shape[0]
    creature = among(near.kind, (layout.COW, layout.ZOMBIE, layout.SKELETON))
    slots = np.arange(MOST_ARROWS)[:, None]

    def act(row, now: Results) -> Results:
        def mine(values):
            return jax.lax.dynamic_index_in_dim(values, row, keepdims=False)

        plan = Plans(*map(mine, plans))
        dead = plan.mobile & (mine(now.health) <= 0)
        here = jnp.where(dead, ABSENT, mine(now.cell))
        cell = now.cell.at[row].set(here)

        def taken(target):
            others = jnp.any(cell == target, 0) | jnp.any(now.arrows == target, 0)
            return others | (player == target) | (planted == target)

        first = plan.first_free & ~taken(plan.first)
        obstacle = taken(plan.second)
        second = plan.second_free & ~obstacle & ~first
        moved = jnp.where(first, plan.first, plan.second)
        here = jnp.where((first | (second & ~plan.shoots)) & ~dead, moved, here)

        hits = plan.arrow & obstacle
        hit = hits & (cell == plan.second)
        health = jnp.where(hit, jnp.maximum(now.health - 2, 0), now.health)
        here = jnp.where(plan.arrow & ~second, ABSENT, here)
        breaks = plan.breaks & ~obstacle
        next_broken = (now.broken[0] >= 0).astype(jnp.int32)
        this = breaks & (np.arange(2)[:, None] == next_broken)
        broken = jnp.where(this, plan.second, now.broken)

        x, y = mine(near.cell) % SIDE, mine(near.cell) // SIDE
        beside = jnp.abs(cell % SIDE - x) + jnp.abs(cell // SIDE - y) == 1
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
            arrows=jnp.where(new, plan.second, now.arrows),
            directions=jnp.where(new, plan.direction, now.directions),
            player_hits=now.player_hits + (hits & (player == plan.second)),
            broken=broken,
        )

    start = Results(
        cell=near.cell,
        health=near.health,
        fired=jnp.zeros_like(near.present),
        arrows=jnp.full((MOST_ARROWS, n), ABSENT),
        directions=jnp.zeros((MOST_ARROWS, n), jnp.int32),
        player_hits=jnp.zeros(n, jnp.int32),
        broken=jnp.full((2, n), ABSENT),
    )
    start = varying_as(player, start)
    return jax.lax.fori_loop(0, jnp.max(near.count), act, start)
