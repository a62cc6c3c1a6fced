"""Levels of the official `minigrid` package as states of a `GridWorld`.

The package itself is not imported here: whoever has its environments has it.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from didact.environments.errors import SettingError
from didact.environments.grid import cells, language
from didact.environments.grid.env import GridState
from didact.environments.grid.rules import CARRIED, GONE, INSIDE, World
from didact.environments.grid.verifier import Goal


def from_minigrid(
    environments: Sequence[Any], mission_length: int = language.DEFAULT_LENGTH
) -> GridState:
    """The present state of official BabyAI "go to" environments, one world for each.

    Args:
        environments: environments of `minigrid`, already reset, all with maps of the same size.
        mission_length: the number of tokens of a mission.

    Raises:
        SettingError: maps differ in size, an instruction is not a single "go to", or a mission
            has unknown words or is too long.
    """
    environments = [getattr(e, "unwrapped", e) for e in environments]
    sizes = {(e.width, e.height) for e in environments}
    if len(sizes) != 1:
        raise SettingError("map sizes", sorted(sizes), "the same for all environments")
    tables = [_objects(e) for e in environments]
    most = max(len(t) for t in tables) or 1
    n, (width, height) = len(environments), sizes.pop()
    map = np.zeros((n, width * height), np.uint8)
    objects, members = np.zeros((2, n, most), np.uint8)
    places = np.full((n, most), GONE, np.int16)
    for i, (e, table) in enumerate(zip(environments, tables, strict=True)):
        map[i] = _map(e)
        wanted = {id(o) for o in _described(e)}
        for k, (thing, place) in enumerate(table):
            objects[i, k] = _code(thing)
            members[i, k] = id(thing) in wanted
            places[i, k] = place
    position = [int(e.agent_pos[1]) * width + int(e.agent_pos[0]) for e in environments]
    carried = [_code(e.carrying) for e in environments]
    return GridState(
        world=World(
            cells=jnp.asarray(map),
            position=jnp.asarray(position, jnp.int32),
            direction=jnp.asarray([int(e.agent_dir) for e in environments], jnp.int32),
            carried=jnp.asarray(carried, jnp.uint8),
            objects=jnp.asarray(objects),
            places=jnp.asarray(places),
        ),
        goal=Goal(jnp.asarray(members), jnp.asarray(places)),
        mission=jnp.stack([language.encode(e.mission, mission_length) for e in environments]),
        steps=jnp.asarray([e.step_count for e in environments], jnp.int32),
        max_steps=jnp.asarray([e.max_steps for e in environments], jnp.int32),
    )


def _code(thing: Any) -> int:
    if thing is None:
        return cells.EMPTY
    return int(cells.pack(np.array(thing.encode()))) | (cells.HOLDS if thing.contains else 0)


def _map(environment: Any) -> list[int]:
    return [_code(thing) for thing in environment.grid.grid]


def _objects(environment: Any) -> list[tuple[Any, int]]:
    """Everything that a description could mean, with its place; what boxes hold comes along."""
    found = [(t, i) for i, t in enumerate(environment.grid.grid) if t is not None]
    if environment.carrying is not None:
        found.append((environment.carrying, CARRIED))
    table = [(t, i) for t, i in found if t.type in cells.TYPES]
    row = 0
    while row < len(table):
        if table[row][0].contains is not None:
            table.append((table[row][0].contains, INSIDE - row))
        row += 1
    return table


def _described(environment: Any) -> list[Any]:
    """The objects that the "go to" instruction is about."""
    instruction = environment.instrs
    if type(instruction).__name__ != "GoToInstr":
        raise SettingError("instruction", type(instruction).__name__, "a GoToInstr")
    return instruction.desc.obj_set
