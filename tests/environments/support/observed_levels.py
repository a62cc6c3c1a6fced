"""Levels as anyone can see them, from the official package and from ours, and what they show."""

import collections
import contextlib
import io
import warnings
from typing import NamedTuple

import gymnasium
import jax
import minigrid  # noqa: F401  (registers its environments)
import numpy as np
from minigrid.core.grid import Grid
from minigrid.core.world_object import WorldObj

from didact.environments.grid import cells, minigrid_import
from didact.environments.grid.rules import INSIDE
from didact.environments.language import vocabulary


class Seen(NamedTuple):
    """One level at its start."""

    grid: np.ndarray  # packed cells [height, width], with the HOLDS bit
    x: int
    y: int
    direction: int
    mission: str
    max_steps: int
    inside: dict[tuple[int, int], int]  # what the box at a row and column holds, packed
    clauses: tuple[int, ...]
    meant: list[tuple[int, int, tuple[int, int]]]  # description, packed object, its row and column


def _code(thing):
    return int(cells.pack(np.array(thing.encode()))) | (cells.HOLDS if thing.contains else 0)


def official_environments(name, count, seed=0):
    """Official environments after their resets."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of versions that have a successor
        es = [gymnasium.make(name, disable_env_checker=True).unwrapped for _ in range(count)]
        for i, e in enumerate(es):
            e.reset(seed=seed + i)
    return es


def of_official(environments):
    """What official environments show after their reset."""
    state = jax.device_get(minigrid_import.from_minigrid(environments, 32))
    return [_of_official(e, state, i) for i, e in enumerate(environments)]


def _of_official(e, state, index):
    grid = [cells.EMPTY if t is None else _code(t) for t in e.grid.grid]
    return Seen(
        grid=np.array(grid, np.uint8).reshape(e.height, e.width),
        x=int(e.agent_pos[0]),
        y=int(e.agent_pos[1]),
        direction=int(e.agent_dir),
        mission=e.mission,
        max_steps=e.max_steps,
        inside={
            divmod(i, e.width): _code(t.contains)
            for i, t in enumerate(e.grid.grid)
            if t is not None and t.contains
        },
        **_goal(state, index, e.width),
    )


def of_ours(state, index, size, crop=None):
    """What world `index` of a state on the host shows.

    Args:
        size: width and height of the map.
        crop: width and height of what counts; all that lies beyond must be wall.
    """
    width, height = size
    grid = np.asarray(state.world.cells[index]).reshape(height, width)
    if crop is not None:
        beyond = np.ones(grid.shape, bool)
        beyond[: crop[1], : crop[0]] = False
        assert (grid[beyond] == cells.GREY_WALL).all()
        grid = grid[: crop[1], : crop[0]]
    y, x = divmod(int(state.world.position[index]), width)
    objects, places = state.world.objects[index], state.world.places[index]
    return Seen(
        grid=grid,
        x=x,
        y=y,
        direction=int(state.world.direction[index]),
        mission=vocabulary.decode(state.mission[index]),
        max_steps=int(state.max_steps[index]),
        inside={
            divmod(int(places[INSIDE - place]), width): int(thing)
            for thing, place in zip(objects, places, strict=True)
            if place <= INSIDE
        },
        **_goal(state, index, width),
    )


def _goal(state, index, width):
    """The clauses of an instruction, and the objects that it means."""
    objects, places = state.world.objects[index], state.world.places[index]
    meant = [
        (d, int(objects[row]), divmod(int(places[row]), width))
        for d in range(8)
        for row in np.flatnonzero(state.goal.members[index] >> d & 1)
    ]
    return {"clauses": tuple(state.goal.clauses[index].tolist()), "meant": sorted(meant)}


def features(seen):
    """Of one level: lists of categories."""
    grid = seen.grid
    kind, color = grid & cells.KIND_BITS, (grid & cells.SEEN_BITS) >> cells.COLOR_SHIFT
    things, doors = cells.is_portable(kind), cells.is_door(kind)
    looks = collections.Counter(grid[things].tolist())
    ty, tx = np.nonzero(things)
    apart = np.maximum(np.abs(tx[:, None] - tx), np.abs(ty[:, None] - ty))
    away = np.abs(tx - seen.x) + np.abs(ty - seen.y)
    ahead_x, ahead_y = ((1, 0), (0, 1), (-1, 0), (0, -1))[seen.direction]
    keys = set(color[kind == cells.KEY].tolist())
    keys |= {content >> cells.COLOR_SHIFT for content in seen.inside.values()}
    locks = color[kind == cells.LOCKED_DOOR].tolist()
    words = seen.mission.split()
    said = [w for w in words if w in cells.COLORS]
    return {
        "size": [grid.shape],
        "map": list(zip(*map(np.ndarray.tolist, np.nonzero(kind == cells.WALL)), strict=True)),
        "kinds": [tuple(np.bincount(kind.ravel(), minlength=13).tolist())],
        "objects": grid[things].tolist(),
        "doors": grid[doors].tolist(),
        **_placed("object", kind, things),
        **_placed("door", kind, doors),
        **_placed("goal", kind, kind == cells.GOAL),
        "contents": [(int(grid[at]), content) for at, content in seen.inside.items()],
        "twins": [max(looks.values(), default=0)],
        "closest": [int(np.min(apart[apart > 0], initial=9))],
        "agent": [(seen.x, seen.y)],
        "agent's column": [seen.x],
        "agent's row": [seen.y],
        "facing": [(seen.direction, int(kind[seen.y + ahead_y, seen.x + ahead_x]))],
        "to the agent": [int(np.min(away, initial=9))],
        "locks with keys": [sum(c in keys for c in locks)],
        "lock colors": [tuple(sorted(locks.count(c) for c in set(locks)))],
        "mission": [" ".join("C" if w in cells.COLORS else w for w in words)],
        "said colors": said,
        "said together": [tuple(said.index(c) for c in said)],
        "clauses": [seen.clauses],
        "meant": [len(seen.meant)],
        "meant things": [(d, thing) for d, thing, _ in seen.meant],
        "meant columns": [(d, x) for d, _, (_, x) in seen.meant],
        "meant rows": [(d, y) for d, _, (y, _) in seen.meant],
        "max_steps": [seen.max_steps],
    }


def _placed(name, kind, which):
    """Where some things are: their cells and, for small samples, their columns and their rows."""
    rows, columns = (at.tolist() for at in np.nonzero(which))
    kinds = kind[which].tolist()
    return {
        f"{name} places": list(zip(kinds, columns, rows, strict=True)),
        f"{name} columns": list(zip(kinds, columns, strict=True)),
        f"{name} rows": list(zip(kinds, rows, strict=True)),
    }


def samples(levels):
    """All features of many levels, put together."""
    together = collections.defaultdict(list)
    for level in levels:
        for feature, values in features(level).items():
            together[feature] += values
    return together


def solvable(seen):
    """Whether an agent can get to all that is meant, or to the goal square.

    Objects can be moved out of the way, boxes opened, and doors, with a key of their colour.
    """
    height, width = seen.grid.shape
    reached, keys, locks, stack, goals = set(), set(), [], [(seen.y, seen.x)], 0
    while stack:
        at = stack.pop()
        thing = int(seen.grid[at])
        kind, color = thing & cells.KIND_BITS, (thing & cells.SEEN_BITS) >> cells.COLOR_SHIFT
        goals += kind == cells.GOAL
        for what in (thing, seen.inside.get(at, 0)):
            if what & cells.KIND_BITS == cells.KEY:
                keys.add(what >> cells.COLOR_SHIFT)
        if kind == cells.LOCKED_DOOR:
            locks.append((at, color))
        elif kind != cells.WALL:
            stack += [there for there in _around(at, height, width) if there not in reached]
        reached.update([at, *stack])
        if not stack:
            opened = [at for at, color in locks if color in keys]
            locks = [lock for lock in locks if lock[0] not in opened]
            beside = {there for at in opened for there in _around(at, height, width)}
            stack = list(beside - reached)
            reached |= beside
    asked = {at for _, _, at in seen.meant}
    return bool(goals) or (asked <= reached and bool(asked))


def _around(at, height, width):
    beside = [(at[0] + dy, at[1] + dx) for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0))]
    return [(y, x) for y, x in beside if 0 <= y < height and 0 <= x < width]


def put_into(e, seen):
    """Makes an official environment be at the start of a level, as its mission is read here."""
    height, width = seen.grid.shape
    assert (e.width, e.height, e.max_steps) == (width, height, seen.max_steps)
    e.reset(seed=0)
    e.grid = Grid(width, height)
    triples = cells.unpack(seen.grid)
    for y, x in np.ndindex(height, width):
        thing = WorldObj.decode(*map(int, triples[y, x]))
        if thing is not None:
            thing.init_pos = thing.cur_pos = (x, y)
            if (y, x) in seen.inside:
                thing.contains = WorldObj.decode(
                    *map(int, cells.unpack(np.uint8(seen.inside[y, x])))
                )
            e.grid.set(x, y, thing)
    e.agent_pos, e.agent_dir, e.carrying = (seen.x, seen.y), seen.direction, None
    e.mission = seen.mission
    words = seen.mission.split()

    def meant(color, kind):
        """The only thing that looks like that, and where it is."""
        found = [t for t in e.grid.grid if t and (t.color, t.type) == (color, kind)]
        (thing,) = found
        return thing, thing.cur_pos

    name = type(e).__name__
    if name == "FetchEnv":
        e.targetColor, e.targetType = words[-2:]
    elif name in ("GoToDoorEnv", "GoToObjectEnv"):
        _, e.target_pos = meant(*words[-2:])
    elif name == "PutNearEnv":
        e.moveColor, e.move_type = words[2:4]
        _, e.move_pos = meant(*words[2:4])
        _, e.target_pos = meant(*words[-2:])
    elif name == "UnlockEnv":
        (e.door,) = (t for t in e.grid.grid if t and t.type == "door")
    elif hasattr(e, "obj"):
        e.obj, _ = meant(*words[-2:])
