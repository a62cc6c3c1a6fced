"""Import levels of the official `minigrid` package as states and tasks of a `GridWorld`.

This module does not import the package; the caller passes its environments.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from didact.common.errors import SettingError
from didact.environments.grid import cells, missions, rules, verifier
from didact.environments.grid.env import GridState, GridWorld
from didact.environments.grid.levels import Family, Level
from didact.environments.grid.levels.family import babyai_step
from didact.environments.grid.rules import CARRIED, GONE, INSIDE, World
from didact.environments.language import grammar, vocabulary
from didact.environments.task_spaces import Box, Dimension

_KINDS = {
    "GoToInstr": grammar.GO_TO,
    "OpenInstr": grammar.OPEN,
    "PickupInstr": grammar.PICK_UP,
    "PutNextInstr": grammar.PUT_NEXT,
}
# The kind of mission of each of MiniGrid's own environment classes.
_OWN = {
    **dict.fromkeys(
        (
            *("EmptyEnv", "DistShiftEnv", "LavaGapEnv", "CrossingEnv", "FourRoomsEnv"),
            *("DoorKeyEnv", "MultiRoomEnv", "LockedRoomEnv", "WFCEnv"),
        ),
        missions.REACH,
    ),
    "DynamicObstaclesEnv": missions.DODGE,
    "GoToDoorEnv": missions.STOP_AT,
    "GoToObjectEnv": missions.STOP_AT,
    "FetchEnv": missions.FETCH,
    "PutNearEnv": missions.PUT_NEAR,
    "MemoryEnv": missions.MATCH,
    "RedBlueDoorEnv": missions.OPEN_IN_ORDER,
    "PlaygroundEnv": missions.PLAY,
    "UnlockEnv": grammar.OPEN,
    **dict.fromkeys(
        ("UnlockPickupEnv", "BlockedUnlockPickupEnv", "KeyCorridorEnv", "ObstructedMazeEnv"),
        grammar.PICK_UP,
    ),
}


def world_of(
    environments: Sequence[Any],
    mission_length: int = vocabulary.DEFAULT_LENGTH,
    packed: bool = False,
    phrasing: str | None = None,
) -> GridWorld:
    """Make an environment whose tasks are the current levels of official environments.

    It steps the state returned by `from_minigrid`, and `reset` starts level 0, 1, ... of the given
    ones. Use it to train on levels that only the official package can generate.

    Args:
        environments: environments of `minigrid`, just reset, with the same rules and the same
            `see_through_walls`.
        mission_length: the number of tokens in a mission.
        packed, phrasing: see `GridWorld`.

    Raises:
        SettingError: see `from_minigrid`, or the environments differ in their rules or view.
    """
    environments = [getattr(e, "unwrapped", e) for e in environments]
    state = from_minigrid(environments, mission_length)
    level = Level(state.world, state.goal, state.mission, state.max_steps)
    kinds = sorted({int(k) & ~(grammar.STRICT | grammar.ORDERED) for k in _kinds_of(state)})
    speaks = [k in grammar.KINDS for k in kinds]
    sight = {e.see_through_walls for e in environments}
    if len(sight) > 1 or any(speaks) != all(speaks):
        names = sorted({type(e).__name__ for e in environments})
        raise SettingError(
            "environments", names, "environments that agree in their rules and in what is hidden"
        )
    size = _size(environments)
    last = len(environments) - 1
    space = Box((Dimension("level", 0, last, True, "", "The number of the level."),))
    dodges = missions.DODGE in kinds
    family = Family(
        map_size=lambda space: size,
        generate=lambda space, keys, tasks, length: jax.tree.map(
            lambda x: x[tasks[:, 0].astype(jnp.int32)], level
        ),
        kinds=lambda space: tuple(kinds),
        max_steps=lambda space: int(level.max_steps.max()),
        longest_mission=lambda space: mission_length,  # all missions are known to fit
        play=babyai_step if all(speaks) else missions.play,
        actions=rules.ACTIONS[: rules.FORWARD + 1] if dodges and len(kinds) == 1 else rules.ACTIONS,
        see_through_walls=sight.pop(),
        random_steps=dodges,
    )
    return GridWorld(space, packed, mission_length, family=family, phrasing=phrasing)


def _kinds_of(state: GridState) -> np.ndarray:
    kinds = np.unique(np.asarray(state.goal.clauses))
    return kinds[kinds != grammar.NONE]


def from_minigrid(
    environments: Sequence[Any], mission_length: int = vocabulary.DEFAULT_LENGTH
) -> GridState:
    """Convert official environments to a state, one world per environment.

    Arrays have the size of the largest map; smaller maps are padded with wall to the right and
    below. Use `world_of` to step the state.

    Args:
        environments: environments of `minigrid`, just reset.
        mission_length: the number of tokens in a mission.

    Raises:
        SettingError: an environment is not a known BabyAI or MiniGrid environment, or a mission
            has unknown words or is too long.
    """
    environments = [getattr(e, "unwrapped", e) for e in environments]
    n, (width, height) = len(environments), _size(environments)
    tables = [_objects(e, width) for e in environments]
    most = max(len(t) for t in tables) or 1
    map = np.zeros((n, width * height), np.uint8)
    objects, members = np.zeros((2, n, most), np.uint8)
    places, known = np.full((2, n, most), GONE, np.int16)
    clauses = np.zeros((n, 4), np.uint8)
    for i, (e, table) in enumerate(zip(environments, tables, strict=True)):
        map[i] = _map(e, width, height)
        for k, (thing, place) in enumerate(table):
            objects[i, k] = _code(thing)
            places[i, k] = known[i, k] = place
        row = {id(thing): k for k, (thing, _) in enumerate(table)}
        for c, kind, meant in _asked(e):
            clauses[i, c] |= kind
            for d, thing, place in meant:
                # "A grey object" includes the walls, but walls cannot be picked up.
                if id(thing) in row:
                    members[i, row[id(thing)]] |= 1 << (2 * c + d)
                    if place is not None:  # it may be carried by now
                        known[i, row[id(thing)]] = place[1] * width + place[0]
    joined = 4 if clauses[:, 2].any() else 2 if clauses[:, 1].any() else 1
    start = missions.start if (clauses >= missions.REACH).any() else verifier.start
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
        goal=start(jnp.asarray(clauses[:, :joined]), jnp.asarray(members), jnp.asarray(known)),
        mission=jnp.stack([vocabulary.encode(e.mission, mission_length) for e in environments]),
        steps=jnp.asarray([e.step_count for e in environments], jnp.int32),
        max_steps=jnp.asarray([e.max_steps for e in environments], jnp.int32),
    )


def _code(thing: Any) -> int:
    if thing is None:
        return cells.EMPTY
    return int(cells.pack(np.array(thing.encode()))) | (cells.HOLDS if thing.contains else 0)


def _size(environments: Sequence[Any]) -> tuple[int, int]:
    return max(e.width for e in environments), max(e.height for e in environments)


def _map(environment: Any, width: int, height: int) -> np.ndarray:
    grid = [_code(thing) for thing in environment.grid.grid]
    map = np.full((height, width), cells.GREY_WALL, np.uint8)
    map[: environment.height, : environment.width] = np.reshape(grid, (-1, environment.width))
    return map.reshape(-1)


def _objects(environment: Any, width: int) -> list[tuple[Any, int]]:
    """Return all objects that can be described, with their places; box contents included."""
    own = environment.width
    grid = enumerate(environment.grid.grid)
    found = [(t, i // own * width + i % own) for i, t in grid if t is not None]
    if environment.carrying is not None:
        found.append((environment.carrying, CARRIED))
    table = [(t, i) for t, i in found if t.type in cells.TYPES]
    # Obstacles move in the order in which their environment lists them.
    order = {id(t): i for i, t in enumerate(getattr(environment, "obstacles", ()))}
    table.sort(key=lambda entry: order.get(id(entry[0]), len(order)))
    row = 0
    while row < len(table):
        if table[row][0].contains is not None:
            table.append((table[row][0].contains, INSIDE - row))
        row += 1
    return table


def _asked(environment: Any) -> list[tuple[int, int, list[tuple[int, Any, Any]]]]:
    """Return the number, the kind and the meant objects of each clause of the mission.

    Each object comes with the number of its description (0 or 1) and its coordinates as known to
    the clause, or None to use its current place.
    """
    if not hasattr(environment, "instrs"):
        return [(0, _own_kind(environment), [(d, t, None) for d, t in _meant(environment)])]
    instruction = environment.instrs
    asked = []
    for c, clause in _clauses(instruction):
        kind = _KINDS.get(type(clause).__name__)
        if kind is None:
            raise SettingError("instruction", type(clause).__name__, "one of " + ", ".join(_KINDS))
        kind |= grammar.STRICT if getattr(clause, "strict", False) else 0
        ordered = c == 2 and getattr(instruction, "strict", False)
        kind |= grammar.ORDERED if ordered else 0
        names = ("desc_move", "desc_fixed") if hasattr(clause, "desc_move") else ("desc",)
        meant = []
        for d, description in enumerate(getattr(clause, name) for name in names):
            found = zip(description.obj_set, description.obj_poss, strict=True)
            meant += [(d, thing, place) for thing, place in found]
        asked.append((c, kind, meant))
    return asked


def _clauses(instruction: Any, first: int = 0) -> list[tuple[int, Any]]:
    """Return the single clauses of an instruction, numbered as in `verifier.Goal`."""
    name = type(instruction).__name__
    if name in ("BeforeInstr", "AfterInstr"):
        parts = [instruction.instr_a, instruction.instr_b]
        earlier, later = parts if name == "BeforeInstr" else parts[::-1]
        return _clauses(earlier, 0) + _clauses(later, 2)
    if name == "AndInstr":
        return [(first, instruction.instr_a), (first + 1, instruction.instr_b)]
    return [(first, instruction)]


def _own_kind(environment: Any) -> int:
    """Return the kind of mission of one of MiniGrid's own environments."""
    for parent in type(environment).__mro__:
        if parent.__name__ in _OWN:
            return _OWN[parent.__name__]
    known = "a BabyAI environment, or one of " + ", ".join(_OWN)
    raise SettingError("environment", type(environment).__name__, known)


def _meant(environment: Any) -> list[tuple[int, Any]]:
    """Return the objects meant by one of MiniGrid's own missions, each after its description."""
    e, kind = environment, _own_kind(environment)
    if kind == missions.STOP_AT:
        return [(0, e.grid.get(*e.target_pos))]
    if kind == missions.FETCH:
        looks = e.targetType, e.targetColor
        return [
            (0, thing) for thing, _ in _objects(e, e.width) if (thing.type, thing.color) == looks
        ]
    if kind == missions.PUT_NEAR:
        return [(0, e.grid.get(*e.move_pos)), (1, e.grid.get(*e.target_pos))]
    if kind == missions.MATCH:
        ends = [(0, e.success_pos), (1, e.failure_pos)]
        beside = [(d, e.grid.get(x, y + dy)) for d, (x, y) in ends for dy in (-1, 1)]
        return [(d, thing) for d, thing in beside if thing and thing.type in cells.TYPES]
    if kind == missions.OPEN_IN_ORDER:
        return [(0, e.red_door), (1, e.blue_door)]
    if kind in (grammar.OPEN, grammar.PICK_UP):
        return [(0, e.door if kind == grammar.OPEN else e.obj)]
    return []
