"""Levels of the official `minigrid` package as states of a `GridWorld`.

The package itself is not imported here: whoever has its environments has it.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from didact.environments.errors import SettingError
from didact.environments.grid import cells, language, verifier
from didact.environments.grid.env import GridState
from didact.environments.grid.rules import CARRIED, GONE, INSIDE, World

_KINDS = {
    "GoToInstr": verifier.GO_TO,
    "OpenInstr": verifier.OPEN,
    "PickupInstr": verifier.PICK_UP,
    "PutNextInstr": verifier.PUT_NEXT,
}


def from_minigrid(
    environments: Sequence[Any], mission_length: int = language.DEFAULT_LENGTH
) -> GridState:
    """Official BabyAI environments as they are after their reset, one world for each.

    Args:
        environments: environments of `minigrid`, just reset, all with maps of the same size.
        mission_length: the number of tokens of a mission.

    Raises:
        SettingError: maps differ in size, an instruction is not of Baby Language, or a mission
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
    places, known = np.full((2, n, most), GONE, np.int16)
    clauses = np.zeros((n, 4), np.uint8)
    for i, (e, table) in enumerate(zip(environments, tables, strict=True)):
        map[i] = _map(e)
        for k, (thing, place) in enumerate(table):
            objects[i, k] = _code(thing)
            places[i, k] = known[i, k] = place
        row = {id(thing): k for k, (thing, _) in enumerate(table)}
        for c, instruction in _clauses(e.instrs):
            clauses[i, c] |= _kind(instruction)
            for d, description in enumerate(_descriptions(instruction), 2 * c):
                found = zip(description.obj_set, description.obj_poss, strict=True)
                for thing, (x, y) in found:
                    # "A grey object" means the walls, too, but nobody can pick one up.
                    if id(thing) in row:
                        members[i, row[id(thing)]] |= 1 << d
                        known[i, row[id(thing)]] = y * width + x  # it may be in hand by now
        if getattr(e.instrs, "strict", False) and clauses[i, 2]:
            clauses[i, 2] |= verifier.ORDERED
    joined = 4 if clauses[:, 2].any() else 2 if clauses[:, 1].any() else 1
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
        goal=verifier.start(
            jnp.asarray(clauses[:, :joined]), jnp.asarray(members), jnp.asarray(known)
        ),
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


def _clauses(instruction: Any, first: int = 0) -> list[tuple[int, Any]]:
    """The single clauses of an instruction, numbered as `verifier.Goal` wants them."""
    name = type(instruction).__name__
    if name in ("BeforeInstr", "AfterInstr"):
        parts = [instruction.instr_a, instruction.instr_b]
        earlier, later = parts if name == "BeforeInstr" else parts[::-1]
        return _clauses(earlier, 0) + _clauses(later, 2)
    if name == "AndInstr":
        return [(first, instruction.instr_a), (first + 1, instruction.instr_b)]
    return [(first, instruction)]


def _kind(clause: Any) -> int:
    name = type(clause).__name__
    if name not in _KINDS:
        raise SettingError("instruction", name, "one of " + ", ".join(_KINDS))
    return _KINDS[name] | (verifier.STRICT if getattr(clause, "strict", False) else 0)


def _descriptions(clause: Any) -> list[Any]:
    """The one or two descriptions of objects in a clause."""
    names = ("desc_move", "desc_fixed") if hasattr(clause, "desc_move") else ("desc",)
    return [getattr(clause, name) for name in names]
