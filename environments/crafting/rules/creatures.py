"""What creatures, arrows and plants do (`crafter.objects`).

Every object first decides what it would like to do, which depends only on itself and the player.
Then the objects act one after the other, in the order of their creation, because one can be in the
way of the next: see `sequence`.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32

from didact.environments.crafting import layout
from didact.environments.crafting.layout import SIDE, CraftingState
from didact.environments.crafting.rules.nearby import (
    OFF_MAP,
    Nearby,
    among,
    material_at,
    neighbor,
)
from didact.environments.crafting.rules.sequence import Plans, act_in_turn

NUM_DRAWS = 4  # uniform numbers for each object
ZOMBIE_DAMAGE, ZOMBIE_DAMAGE_ASLEEP, COOLDOWN = 2, 7, 5
ARROW_DAMAGE, RELOAD = 2, 4


class Creatures(NamedTuple):
    """The results of the update of all objects in n worlds."""

    near: Nearby
    damage: Int32[Array, " n"]  # to the player
    arrows: Int32[Array, "a n"]  # the cells of new arrows, or ABSENT
    directions: Int32[Array, "a n"]  # of new arrows
    broken: Int32[Array, "2 n"]  # cells of tables and furnaces that arrows destroyed, or ABSENT


def toward(dx: Array, dy: Array, long_axis: Bool[Array, "*s"]) -> tuple[Array, Array]:
    """Return a step along one axis of an offset: the longer axis, or the other one."""
    horizontal = jnp.where(long_axis, jnp.abs(dx) > jnp.abs(dy), jnp.abs(dx) <= jnp.abs(dy))
    return jnp.where(horizontal, jnp.sign(dx), 0), jnp.where(horizontal, 0, jnp.sign(dy))


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
    plans, extra = _plan(state, near, acts, draws)
    results = act_in_turn(near, plans, state.position, planted)
    cell = jnp.where(results.cell >= 0, results.cell, near.cell)  # also of those that died
    damage, extra = _zombie_hits(near, acts, cell, extra, state)
    extra = jnp.where(results.fired, RELOAD, extra)
    near = near._replace(
        cell=results.cell, present=results.cell >= 0, health=results.health, extra=extra
    )
    damage = damage + ARROW_DAMAGE * results.player_hits
    return Creatures(near, damage, results.arrows, results.directions, results.broken)


def _plan(
    state: CraftingState, near: Nearby, acts: Bool[Array, "k n"], draws: Float[Array, "4 k n"]
) -> tuple[Plans, Int32[Array, "k n"]]:
    """Return what objects intend to do, and their timers, which always count."""
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
    random_x, random_y = (
        jnp.where(way == 0, -1, jnp.where(way == 1, 1, 0)),
        jnp.where(way == 2, -1, jnp.where(way == 3, 1, 0)),
    )
    long_axis = shoots | jnp.where(zombie, b < 0.8, d < 0.6)
    goal_x, goal_y = toward(dx, dy, long_axis)
    aims = chases | shoots | comes
    step_x, step_y = jnp.where(aims, goal_x, random_x), jnp.where(aims, goal_y, random_y)
    away_x, away_y = toward(dx, dy, a < 0.6)

    first = jnp.where(flees, neighbor(near.cell, -away_x, -away_y), OFF_MAP)
    second = jnp.where(aims | wanders | arrow, neighbor(near.cell, step_x, step_y), OFF_MAP)
    first_material = material_at(state.material, first)
    second_material = material_at(state.material, second)
    walkable = among(second_material, layout.WALKABLE)
    flyable = among(second_material, layout.FLYABLE)
    ready = shoots & (extra == 0)
    plans = Plans(
        acts=acts,
        mobile=cow | zombie | skeleton,
        plant=plant,
        arrow=arrow,
        shoots=shoots,
        first=first,
        first_free=among(first_material, layout.WALKABLE),
        second=second,
        second_free=jnp.where(shoots, ready & flyable, jnp.where(arrow, flyable, walkable)),
        breaks=arrow & among(second_material, (layout.TABLE, layout.FURNACE)),
        direction=jnp.where(goal_x != 0, (goal_x > 0) * 1, 2 + (goal_y > 0)),
    )
    return plans, extra


def _zombie_hits(
    near: Nearby, acts: Bool[Array, "k n"], cell: Array, extra: Array, state: CraftingState
) -> tuple[Int32[Array, " n"], Int32[Array, "k n"]]:
    """Return the damage by zombies, and their cooldowns."""
    close = acts & (near.kind == layout.ZOMBIE) & (layout.distance(cell, state.position) <= 1)
    hits = close & (extra == 0)
    damage = jnp.where(state.sleeping, ZOMBIE_DAMAGE_ASLEEP, ZOMBIE_DAMAGE)
    extra = jnp.where(hits, COOLDOWN, jnp.where(close, extra - 1, extra))
    return jnp.sum(hits, 0) * damage, extra
