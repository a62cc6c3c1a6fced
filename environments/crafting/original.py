"""The state of the original package's worlds (`crafter` 1.8.3) as ours."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from didact.environments.crafting import layout, tasks
from didact.environments.crafting.layout import CraftingState
from didact.environments.crafting.rules.balance import chunk_bits

_KINDS = {name.capitalize(): number for number, name in enumerate(layout.OBJECTS)}
_DIRECTIONS = {
    (int(x), int(y)): number for number, (x, y) in enumerate(zip(layout.DX, layout.DY, strict=True))
}


def state_of(env: Any) -> CraftingState:
    """Return the state of a `crafter.Env` as a batch of one world.

    Args:
        env: a `crafter.Env` with a map of 64x64 cells, after a reset.
    """
    world, player = env._world, env._player
    rows = [_object(thing) for thing in world.objects if thing is not player]
    objects = np.zeros(layout.MAX_OBJECTS, np.int32)
    objects[: len(rows)] = rows
    starts = [y // layout.CHUNK * layout.CHUNKS + x // layout.CHUNK for x, _, y, _ in world.chunks]
    first_cells = [
        start // layout.CHUNKS * layout.CHUNK * layout.SIDE + start % layout.CHUNKS * layout.CHUNK
        for start in starts
    ]
    done = [name in env._unlocked for name in layout.ACHIEVEMENTS]
    alone: dict[str, Any] = {
        "material": world._mat_map.T.reshape(-1).astype(np.uint8),
        "objects": objects,
        "num_slots": np.int32(len(rows)),
        "chunks": np.asarray(chunk_bits(jnp.asarray(first_cells, jnp.int32)[:, None]))[0],
        "position": np.int32(_cell(player.pos)),
        "facing": np.int32(_direction(player.facing)),
        "inventory": np.array([player.inventory[name] for name in layout.ITEMS], np.int32),
        "sleeping": np.bool_(player.sleeping),
        "hunger": np.float32(player._hunger),
        "thirst": np.float32(player._thirst),
        "fatigue": np.float32(player._fatigue),
        "recovery": np.float32(player._recover),
        "previous_health": np.int32(player._last_health),
        "unlocked": np.array(done),
        "achieved": np.zeros(len(layout.ACHIEVEMENTS), bool),
        "steps": np.int32(env._step),
        "tasks": tasks.ORIGINAL,
    }
    return CraftingState(**{name: jnp.asarray(x)[None] for name, x in alone.items()})


def _object(thing: Any) -> int:
    kind = _KINDS[type(thing).__name__]
    extra = 0
    if kind == layout.ZOMBIE:
        extra = thing.cooldown
    elif kind == layout.SKELETON:
        extra = thing.reload
    elif kind == layout.ARROW:
        extra = _direction(thing.facing)
    elif kind == layout.PLANT:
        extra = min(thing.grown, layout.RIPE)
    return int(layout.pack(kind, _cell(thing.pos), int(thing.health), extra))


def _cell(position: Any) -> int:
    return int(position[1]) * layout.SIDE + int(position[0])


def _direction(facing: Any) -> int:
    return _DIRECTIONS[int(facing[0]), int(facing[1])]
