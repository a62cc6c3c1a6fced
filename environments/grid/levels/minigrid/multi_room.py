"""MiniGrid's MultiRoom: a chain of rooms of various sizes, connected by doors."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32, PRNGKeyArray

from didact.environments.grid import cells, missions
from didact.environments.grid.levels import minigrid_drafts, placement
from didact.environments.grid.levels.family import Family, Group, Level
from didact.environments.grid.levels.minigrid_drafts import Start
from didact.environments.grid.levels.rejection_sampling import rejection_sample
from didact.environments.grid.rules import GONE
from didact.environments.language.templates import Templates
from didact.environments.random_draws import UniformDraws, uniform_index
from didact.environments.task_spaces import Box, Dimension

SIDE = 25  # of every map
TRIES = 8  # attempts to place a room next to the previous one
_SMALLEST = 4

SPACE = Box(
    (
        Dimension("rooms", 1, 6, True, "rooms", "Rooms in the chain from the agent to the goal."),
        Dimension(
            "room_size",
            *(_SMALLEST, 10, True, "cells"),
            "Maximum side of a room, including walls; the minimum is 4.",
        ),
    )
)

_MISSION = Templates(["traverse the rooms to get to the goal"])
# The walls of a room, by number: right, lower, left, upper.
_HORIZONTAL = np.array([True, False, True, False])  # whether its door leads to the left or right
_FAR = np.array([True, True, False, False])  # whether it is the right or lower side of the room


class Task(NamedTuple):
    """A task, with its parameters by name."""

    rooms: Float[Array, "*n"]
    room_size: Float[Array, "*n"]


class _Chain(NamedTuple):
    """A growing chain of at most r rooms, of which the first `count` exist."""

    top: Int32[Array, "r 2"]  # (x, y) of the upper left corner
    size: Int32[Array, "r 2"]
    door: Int32[Array, "r 2"]  # the entrance; for the first room, its corner
    wall: Int32[Array, ""]  # the wall with the entrance of the last room
    count: Int32[Array, ""]


def generate(
    space: Box, keys: PRNGKeyArray, tasks: Float[Array, "n d"], mission_length: int
) -> Level:
    """Generate one level per key and task.

    Every room is entered through a door from the previous room, at a random cell of one of the
    three walls without its entrance. As in MiniGrid, a new room has eight attempts to fit into the
    map without meeting an earlier room; if all fail, the whole chain is drawn again.

    Args:
        space: the part of `SPACE` that contains the tasks.
        keys: n PRNG keys.
        tasks: n tasks.
        mission_length: the number of tokens in a mission.
    """
    chain_keys, other_keys = jnp.unstack(jax.vmap(jax.random.split)(keys), axis=1)
    # At least one attempt in five is accepted, so running out of attempts does not occur.
    _, chain = rejection_sample(functools.partial(_attempt, space), chain_keys, tasks)
    start = jax.vmap(_furnished)(other_keys, chain)
    mission = minigrid_drafts.fixed_missions(
        _MISSION, jnp.zeros(len(tasks), jnp.int32), mission_length
    )
    return minigrid_drafts.level_of(start, missions.REACH, mission, 20 * Task(*tasks.T).rooms)


def _attempt(
    space: Box, key: PRNGKeyArray, task: Float[Array, " d"]
) -> tuple[Bool[Array, ""], _Chain]:
    named, most = Task(*task), int(Task(*space.high).rooms)
    draw = UniformDraws(key, 4 + 5 * TRIES * most)
    sizes = named.room_size.astype(jnp.int32) - _SMALLEST + 1
    top, size = uniform_index(draw(2), SIDE - 2), _SMALLEST + uniform_index(draw(2), sizes)
    good = (top[0] + size[0] <= SIDE) & (top[1] + size[1] < SIDE)
    nothing = jnp.zeros((most, 2), jnp.int32)
    first = _Chain(
        nothing.at[0].set(top),
        nothing.at[0].set(size),
        nothing.at[0].set(top),
        jnp.int32(2),
        good.astype(jnp.int32),
    )
    numbers = draw(most, TRIES, 5)

    def add(room, chain):
        fits, next = _extended(chain, room, sizes, numbers[room])
        wanted = fits & (room < named.rooms) & (chain.count == room)
        return jax.tree.map(lambda new, old: jnp.where(wanted, new, old), next, chain)

    chain = jax.lax.fori_loop(1, most, add, first)
    return chain.count == named.rooms, chain


def _extended(
    chain: _Chain, room: Int32[Array, ""], sizes: Int32[Array, ""], u: Float[Array, "t 5"]
) -> tuple[Bool[Array, ""], _Chain]:
    """Extend the chain by the first of t attempts that fits; return whether one did, and the chain.

    Args:
        chain: the chain so far.
        room: the number of the new room.
        sizes: the number of possible side lengths.
        u: random numbers, uniform in 0..1.
    """
    top, extent = chain.top[room - 1], chain.size[room - 1]
    wall = uniform_index(u[:, 0], 3)
    wall = wall + (wall >= chain.wall)  # any wall except that of the entrance
    sideways, far = jnp.asarray(_HORIZONTAL)[wall], jnp.asarray(_FAR)[wall]
    along = 1 + uniform_index(u[:, 1, None], extent - 2)  # [t, 2]
    across = jnp.where(far[:, None], extent - 1, 0)
    is_across = jnp.stack([sideways, ~sideways], axis=1)
    door = top + jnp.where(is_across, across, along)

    size = _SMALLEST + uniform_index(u[:, 2:4], sizes)
    beside = door - 1 - uniform_index(u[:, 4, None], size - 2)
    behind = jnp.where(far[:, None], door, door - size + 1)
    new = jnp.where(is_across, behind, beside)

    fits = jnp.all(new >= 0, 1) & (new[:, 0] + size[:, 0] <= SIDE) & (new[:, 1] + size[:, 1] < SIDE)
    # MiniGrid's own test: it requires a gap of one cell on two sides only.
    near, end = new[:, None], (new + size)[:, None]
    clear = jnp.any((end < chain.top) | (chain.top + chain.size <= near), 2)
    others = np.arange(len(chain.top)) < room - 1  # the previous room shares a wall
    fits &= jnp.all(clear | ~others, 1)
    best = jnp.argmax(fits)
    return jnp.any(fits), _Chain(
        chain.top.at[room].set(new[best]),
        chain.size.at[room].set(size[best]),
        chain.door.at[room].set(door[best]),
        (wall[best] + 2) % 4,
        room + 1,
    )


def _furnished(key: PRNGKeyArray, chain: _Chain) -> Start:
    """Return the level of a chain of rooms; cells outside all rooms are empty."""
    draw = UniformDraws(key, len(chain.top) + 4)
    x, y = minigrid_drafts.coordinates((SIDE, SIDE))
    index = np.arange(len(chain.top))
    left, upper = chain.top[:, 0, None, None], chain.top[:, 1, None, None]
    right = left + chain.size[:, 0, None, None] - 1
    lower = upper + chain.size[:, 1, None, None] - 1
    inside = (x > left) & (x < right) & (y > upper) & (y < lower)
    covered = (x >= left) & (x <= right) & (y >= upper) & (y <= lower)
    there = (index < chain.count)[:, None, None]
    wall = jnp.any(covered & ~inside & there, 0)
    map = jnp.where(wall, cells.GREY_WALL, cells.EMPTY).astype(jnp.uint8)

    # Consecutive doors have different colors.
    color = (uniform_index(draw(), 6) + jnp.cumsum(1 + uniform_index(draw(len(index)), 5))) % 6
    doors = cells.code(cells.CLOSED_DOOR, color)
    is_door = (index > 0) & (index < chain.count)
    objects = jnp.where(is_door, doors, 0).astype(jnp.uint8)[1:]
    places = jnp.where(is_door, chain.door[:, 1] * SIDE + chain.door[:, 0], GONE)[1:]
    map = placement.put_on_map(map, objects, places)

    own_x, own_y = minigrid_drafts.random_free_cell(draw(), inside[0])
    last = inside[jnp.maximum(chain.count - 1, 0)]
    goal_x, goal_y = minigrid_drafts.random_free_cell(draw(), last & ((x != own_x) | (y != own_y)))
    map = jnp.where((x == goal_x) & (y == goal_y), minigrid_drafts.GREEN_GOAL, map).astype(
        jnp.uint8
    )
    direction = uniform_index(draw(), 4)
    return Start(map, own_x, own_y, direction, objects, places, jnp.zeros_like(objects))


FAMILY = Family(
    map_size=lambda space: (SIDE, SIDE),
    generate=generate,
    kinds=lambda space: (missions.REACH,),
    max_steps=lambda space: 20 * int(Task(*space.high).rooms),
    longest_mission=lambda space: _MISSION.longest,
    play=missions.play,
)


def _rooms(rooms: int, room_size: int) -> tuple[Box, str]:
    space = SPACE.restricted(rooms=rooms, room_size=room_size)
    return space, f"Reach the goal through {rooms} rooms of up to {room_size}x{room_size} cells."


LEVELS: dict[str, tuple[Box, str]] = {
    "MiniGrid-MultiRoom-N2-S4-v0": _rooms(2, 4),
    # Despite its name, it has six rooms.
    "MiniGrid-MultiRoom-N4-S5-v0": _rooms(6, 5),
    "MiniGrid-MultiRoom-N4-S5-v1": _rooms(4, 5),
    "MiniGrid-MultiRoom-N6-v0": _rooms(6, 10),
}

GROUP = Group(
    "MultiRoom",
    "Open the doors of a chain of rooms and reach the goal square in the last one.",
    SPACE,
    FAMILY,
    LEVELS,
    easy={"rooms": (1, 2), "room_size": (4, 6)},
)
