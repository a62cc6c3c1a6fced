"""Levels as anyone can see them, from the official package and from ours, and what they show."""

import collections
import contextlib
import io
from typing import NamedTuple

import gymnasium
import jax
import minigrid  # noqa: F401  (registers its environments)
import numpy as np

from didact.environments.grid import cells, language, official
from didact.environments.grid.rules import INSIDE


class Seen(NamedTuple):
    """One level at its start."""

    grid: np.ndarray  # packed cells [height, width], with the HOLDS bit
    x: int
    y: int
    direction: int
    mission: str
    max_steps: int
    inside: list[tuple[int, int]]  # what boxes hold: the box and its content, packed
    clauses: tuple[int, ...]
    meant: list[tuple[int, int, tuple[int, int]]]  # description, packed object, its row and column


def _code(thing):
    return int(cells.pack(np.array(thing.encode()))) | (cells.HOLDS if thing.contains else 0)


def official_levels(name, count, seed=0):
    """The official environment after each of `count` resets."""
    e = gymnasium.make(name, disable_env_checker=True).unwrapped
    with contextlib.redirect_stdout(io.StringIO()):
        for i in range(count):
            e.reset(seed=seed + i)
            yield e


def of_official(e):
    """What an official environment shows after its reset."""
    things = [t for t in e.grid.grid if t is not None]
    grid = [cells.EMPTY if t is None else _code(t) for t in e.grid.grid]
    return Seen(
        grid=np.array(grid, np.uint8).reshape(e.height, e.width),
        x=int(e.agent_pos[0]),
        y=int(e.agent_pos[1]),
        direction=int(e.agent_dir),
        mission=e.mission,
        max_steps=e.max_steps,
        inside=[(_code(t), _code(t.contains)) for t in things if t.contains],
        **_goal(jax.device_get(official.from_minigrid([e], 32)), 0, e.width),
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
        mission=language.decode(state.mission[index]),
        max_steps=int(state.max_steps[index]),
        inside=[
            (int(objects[INSIDE - place]), int(thing))
            for thing, place in zip(objects, places, strict=True)
            if place <= INSIDE
        ],
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
    keys |= {content >> cells.COLOR_SHIFT for _, content in seen.inside}
    locks = color[kind == cells.LOCKED_DOOR].tolist()
    words = seen.mission.split()
    said = [w for w in words if w in cells.COLORS]
    return {
        "size": [grid.shape],
        "map": list(zip(*map(np.ndarray.tolist, np.nonzero(kind == cells.WALL)), strict=True)),
        "kinds": [tuple(np.bincount(kind.ravel(), minlength=13).tolist())],
        "objects": grid[things].tolist(),
        "doors": grid[doors].tolist(),
        "object places": list(zip(kind[things].tolist(), tx.tolist(), ty.tolist(), strict=True)),
        "other places": [
            (int(kind[y, x]), int(x), int(y))
            for y, x in zip(*np.nonzero(doors | (kind == cells.GOAL)), strict=True)
        ],
        "contents": seen.inside,
        "twins": [max(looks.values(), default=0)],
        "closest": [int(np.min(apart[apart > 0], initial=9))],
        "agent": [(seen.x, seen.y)],
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
        "meant places": [(d, *place) for d, _, place in seen.meant],
        "max_steps": [seen.max_steps],
    }


def samples(levels):
    """All features of many levels, put together."""
    together = collections.defaultdict(list)
    for level in levels:
        for feature, values in features(level).items():
            together[feature] += values
    return together
