"""Batched search for the nearest goal, on boards.

The search spreads from the goals through the map, one time step per iteration, until it reaches the
players. Each kind of goal starts at its own time, its delay: it counts as that much farther away,
so that a near goal of little importance and a far one that is important can be compared. Cells that
must be cleared or bridged before a player can step on them are entered later.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32, UInt32

from didact.environments.compiler_hints import varying_as
from didact.environments.crafting.expert import boards
from didact.environments.crafting.rules.nearby import ahead_of

NEVER = 10_000  # later than any arrival
WALK, CLEAR, BRIDGE = 1, 2, 4  # steps to enter a cell
LONGEST = 160  # time steps after which the search ends
HERE = 4  # the row of the player's own cell in `arrivals`, after its four neighbors


class Ground(NamedTuple):
    """How cells can be entered; boards that do not overlap."""

    free: UInt32[Array, "64 2 n"]
    cleared: UInt32[Array, "64 2 n"]  # by the action "do"
    bridged: UInt32[Array, "64 2 n"]  # by a stone, which is collected again


def arrivals(
    ground: Ground,
    starts: UInt32[Array, "d 64 2 n"],
    delays: tuple[int, ...],
    position: Int32[Array, " n"],
) -> Int32[Array, "5 n"]:
    """Return the delayed distances of the players' neighbors and of the players to a goal.

    Args:
        ground: how cells can be entered.
        starts: for each delay, the cells where a player is at a goal.
        delays: in ascending order.
        position: the players' cells.

    Returns:
        The time from the four neighbors, in the order of `layout.DIRECTIONS`, and from the player's
        own cell. Times later than that of the player are `NEVER`.
    """
    n = position.shape[0]
    sides = ahead_of(position, jnp.arange(4)[:, None])
    cells = jnp.concatenate([sides, position[None]])
    begin = np.array(delays)

    def spread(carry):
        time, seen, waves, times, idle = carry
        entered = waves[WALK - 1] & ground.free
        entered |= waves[CLEAR - 1] & ground.cleared
        entered |= waves[BRIDGE - 1] & ground.bridged
        slot = jnp.minimum(jnp.sum(begin < time), len(delays) - 1)
        begins = begin[0] == time
        for delay in delays[1:]:
            begins |= delay == time
        new = jnp.where(begins, jax.lax.dynamic_index_in_dim(starts, slot, 0, False), 0)
        fresh = (boards.around(entered) | new) & ~seen
        times = jnp.where(boards.at([fresh], cells)[0], time, times)
        idle = jnp.where(jnp.any(fresh != 0), 0, idle + 1)
        return time + 1, seen | fresh, (fresh, *waves[:-1]), times, idle

    def waiting(carry):
        time, _, _, times, idle = carry
        unmet = jnp.any(times[HERE] == NEVER)
        going = (time <= delays[-1]) | (idle <= BRIDGE)
        return unmet & going & (time < LONGEST)

    empty = jnp.zeros_like(ground.free)
    times = jnp.full((5, n), NEVER, jnp.int32)
    idle = jnp.int32(0)
    carry = (jnp.int32(0), empty, (empty,) * BRIDGE, times, idle)
    carry = (carry[0], *varying_as(position, carry[1:]))
    times = jax.lax.while_loop(waiting, spread, carry)[3]
    return jnp.where(times > times[HERE], NEVER, times)
