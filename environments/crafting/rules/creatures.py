"""What creatures, arrows and plants do (`crafter.objects`).

Every object first decides what it would like to do, which depends only on itself and the player.
Then the objects act one after the other, in the order of their creation, because one can be in the
way of the next: see `sequence`.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32

from didact.environments.compiler_hints import compile_separately
from didact.environments.crafting import layout
from didact.environments.crafting.layout import SIDE, CraftingState
from didact.environments.crafting.rules.nearby import (
    OFF_MAP,
    Nearby,
    among,
    material_at,
)
from didact.environments.crafting.rules.sequence import (
    ARROW_DAMAGE,
    NOWHERE,
    STAY,
    Plan,
    act_in_turn,
    packed_plans,
    target_of,
)

NUM_DRAWS = 4  # uniform numbers for each object
ZOMBIE_DAMAGE, ZOMBIE_DAMAGE_ASLEEP, COOLDOWN = 2, 7, 5
RELOAD = 4


class Creatures(NamedTuple):
    """The results of the update of all objects in n worlds."""

    near: Nearby
    damage: Int32[Array, " n"]  # to the player
    arrows: Int32[Array, "a n"]  # the cells of new arrows, or ABSENT
    directions: Int32[Array, "a n"]  # of new arrows
    broken: Int32[Array, "2 n"]  # cells of tables and furnaces that arrows destroyed, or ABSENT
    plant_hit: Bool[Array, " n"]  # an arrow hit the plant that was placed in this step


def toward(dx: Array, dy: Array, long_axis: Bool[Array, "*s"]) -> Int32[Array, "*s"]:
    """Return the direction of an offset along its longer axis or the other one, or NOWHERE."""
    horizontal = jnp.where(long_axis, jnp.abs(dx) > jnp.abs(dy), jnp.abs(dx) <= jnp.abs(dy))
    along = jnp.where(horizontal, dx, dy)
    direction = jnp.where(horizontal, 0, 2) + (along > 0)
    return jnp.where(along == 0, NOWHERE, direction)


def update(
    state: CraftingState,
    near: Nearby,
    acts: Bool[Array, "k n"],
    planted: Int32[Array, " n"],
    draws: Float[Array, "4 k n"],
) -> Creatures:
    """Update the near objects of n worlds, after the player.

    Args:
        state: the worlds after the player's update.
        near: the near objects; `near.present` holds for those in the way, too.
        acts: which objects act: those that are close enough, and not new.
        planted: the cell of a plant that was placed in this step, or ABSENT.
        draws: uniform numbers in 0..1.
    """
    fact = near.count[0] >= 0
    plans, extra = compile_separately(fact, _plan, state, near, acts, draws)
    results = act_in_turn(near, plans, state.position, planted)
    cell = jnp.where(results.cell >= 0, results.cell, near.cell)  # also of those that died
    damage, extra = _zombie_hits(near, acts, cell, extra, state)
    extra = jnp.where(results.fired, RELOAD, extra)
    near = near._replace(
        cell=results.cell, present=results.cell >= 0, health=results.health, extra=extra
    )
    damage = damage + ARROW_DAMAGE * results.player_hits
    return Creatures(
        near, damage, results.arrows, results.directions, results.broken, results.plant_hit
    )


def _plan(
    state: CraftingState, near: Nearby, acts: Bool[Array, "k n"], draws: Float[Array, "4 k n"]
) -> tuple[Int32[Array, "k n"], Int32[Array, "k n"]]:
    """Return the packed plans of objects, and their timers, which always count."""
    a, b, c, d = draws
    kind = jnp.where(acts, near.kind, layout.EMPTY)
    cow, zombie, skeleton, arrow, plant = (kind == number for number in range(1, 6))
    dx = state.position % SIDE - near.cell % SIDE
    dy = state.position // SIDE - near.cell // SIDE
    distance = jnp.abs(dx) + jnp.abs(dy)
    extra = jnp.where(skeleton, jnp.maximum(near.extra - 1, 0), near.extra)
    extra = jnp.where(plant, jnp.minimum(near.extra + 1, layout.RIPE), extra)

    chases = zombie & (distance <= 8) & (a < 0.9)
    flees = skeleton & (distance <= 3)
    shoots = skeleton & (distance <= 5) & (b < 0.5)
    comes = skeleton & ~shoots & (distance <= 8) & (c < 0.3)
    # The draw for coming closer, where it was used, is uniform above its threshold.
    again = jnp.where(distance <= 8, (c - 0.3) / 0.7, c)
    wanders = (cow & (a < 0.5)) | (zombie & ~chases) | (skeleton & ~shoots & ~comes & (again < 0.2))

    way = jnp.where(arrow, near.extra, jnp.minimum((d * 4).astype(jnp.int32), 3))
    long_axis = shoots | jnp.where(zombie, b < 0.8, d < 0.6)
    goal = toward(dx, dy, long_axis)
    aims = chases | shoots | comes
    stays = (aims & (goal == NOWHERE)) | ~(aims | wanders | arrow)
    away = toward(-dx, -dy, a < 0.6)
    # A dying skeleton can "flee" to its own cell, which it has just left, and does not shoot then.
    first = jnp.where(flees, jnp.where(away == NOWHERE, STAY, away), NOWHERE)
    second = jnp.where(stays, NOWHERE, jnp.where(aims, goal, way))
    first_material, first = _ahead(state, near, first)
    second_material, second = _ahead(state, near, second)
    flyable = among(second_material, layout.FLYABLE)
    shot = shoots & (extra == 0) & flyable
    walks = among(second_material, layout.WALKABLE)
    plans = packed_plans(
        Plan(
            mobile=cow | zombie | skeleton,
            plant=plant,
            arrow=arrow,
            shoots=shoots,
            first_free=among(first_material, layout.WALKABLE),
            second_free=jnp.where(shoots, shot, jnp.where(arrow, flyable, walks)),
            breaks=arrow & among(second_material, (layout.TABLE, layout.FURNACE)),
            first=first,
            second=second,
        )
    )
    return plans, extra


def _ahead(
    state: CraftingState, near: Nearby, direction: Int32[Array, "k n"]
) -> tuple[Int32[Array, "k n"], Int32[Array, "k n"]]:
    """Return the materials ahead, and the directions; NOWHERE if they lead off the map."""
    cell = target_of(near.cell, direction)
    return material_at(state.material, cell), jnp.where(cell == OFF_MAP, NOWHERE, direction)


def _zombie_hits(
    near: Nearby, acts: Bool[Array, "k n"], cell: Array, extra: Array, state: CraftingState
) -> tuple[Int32[Array, " n"], Int32[Array, "k n"]]:
    """Return the damage by zombies, and their cooldowns."""
    close = acts & (near.kind == layout.ZOMBIE) & (layout.distance(cell, state.position) <= 1)
    hits = close & (extra == 0)
    damage = jnp.where(state.sleeping, ZOMBIE_DAMAGE_ASLEEP, ZOMBIE_DAMAGE)
    extra = jnp.where(hits, COOLDOWN, jnp.where(close, extra - 1, extra))
    return jnp.sum(hits, 0) * damage, extra
