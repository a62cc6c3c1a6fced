"""Levels of ours and of the official package, in one form that tests can compare and solve."""

import collections
import contextlib
import functools
import io
import itertools
from typing import NamedTuple

import gymnasium
import jax
import minigrid  # noqa: F401  (registers its environments)
import numpy as np
from minigrid.core.grid import Grid
from minigrid.core.world_object import WorldObj
from minigrid.envs.babyai.core import verifier as babyai

import didact.environments
from didact.environments.grid import cells
from didact.environments.grid.rules import CARRIED, DIRECTION_VECTORS, INSIDE
from didact.environments.language import grammar, vocabulary


class Seen(NamedTuple):
    """One level as it is at the start."""

    grid: np.ndarray  # packed cells, uint8[height, width], without the mark of full boxes
    agent: tuple[int, int, int]  # x, y, direction
    carried: int  # packed, or EMPTY
    contents: dict[tuple[int, int], int]  # what the boxes at (x, y) hold, packed
    mission: str
    max_steps: int


def official(name):
    return gymnasium.make(name, disable_env_checker=True).unwrapped


def reset(environment, seed):
    """Resets an official environment, which talks about what it rejects."""
    with contextlib.redirect_stdout(io.StringIO()):
        environment.reset(seed=seed)
    return environment


def packed(thing):
    return cells.EMPTY if thing is None else int(cells.pack(np.array(thing.encode(), np.uint8)))


def seen_officially(e):
    things = {(i % e.width, i // e.width): t for i, t in enumerate(e.grid.grid) if t is not None}
    return Seen(
        cells.pack(e.grid.encode()).T,
        (int(e.agent_pos[0]), int(e.agent_pos[1]), int(e.agent_dir)),
        packed(e.carrying),
        {at: packed(t.contains) for at, t in things.items() if t.contains is not None},
        e.mission,
        int(e.max_steps),
    )


@functools.cache
def ours(name, count, seed=0):
    """Our environment, and the states and observations of `count` of its levels."""
    environment = didact.environments.make(name)
    tasks = environment.task_space.sample(jax.random.key(1), count)
    state, timestep = jax.jit(environment.reset)(jax.random.key(seed), tasks)
    return environment, jax.device_get(state), jax.device_get(timestep)


def seen_in(environment, state, i):
    world, width = state.world, environment.width
    y, x = divmod(int(world.position[i]), width)
    contents = {}
    for row in np.flatnonzero(world.places[i] <= INSIDE):
        box = int(world.places[i][INSIDE - world.places[i][row]])
        contents[box % width, box // width] = int(world.objects[i][row])
    return Seen(
        world.cells[i].reshape(environment.height, width) & cells.SEEN_BITS,
        (x, y, int(world.direction[i])),
        int(world.carried[i]),
        contents,
        vocabulary.decode(state.mission[i]),
        int(state.max_steps[i]),
    )


def features(level, room_size):
    """What one level shows, as a dict of lists of categories."""
    grid, far = level.grid, room_size - 1
    kind, color = grid & cells.KIND_BITS, grid >> 4
    x, y, direction = level.agent

    def room(x, y):
        return int(x // far), int(y // far)

    def folded(x, y):  # rooms are symmetric
        return tuple(sorted(int(min(v % far, far - v % far)) for v in (x, y)))

    things = [(int(x), int(y)) for y, x in np.argwhere(cells.is_portable(kind))]
    doors = [(int(x), int(y)) for y, x in np.argwhere(cells.is_door(kind))]
    looks = collections.Counter(int(grid[y, x]) for x, y in things)
    locks = [(i, j) for i, j in doors if kind[j, i] == cells.LOCKED_DOOR]
    wall = {(i, j): (*room(i, j), i % far == 0) for i, j in doors}
    fit = {int(cells.code(cells.KEY, color[j, i])) for i, j in locks}
    fitting = [(room(i, j)) for i, j in things if int(grid[j, i]) in fit]
    same = [sum(color[j, i] == color[b, a] for i, j in doors) for a, b in locks]
    distance = [abs(i - x) + abs(j - y) for i, j in things]
    ahead = (
        grid[y + DIRECTION_VECTORS[direction][1], x + DIRECTION_VECTORS[direction][0]]
        & cells.KIND_BITS
    )
    return {
        "objects": [len(things)],
        "types": [int(kind[j, i]) for i, j in things],
        "colors": [int(color[j, i]) for i, j in things],
        "twins": [max(looks.values(), default=0)],
        "rooms": [room(i, j) for i, j in things],
        "rooms of types": [(int(kind[j, i]), *room(i, j)) for i, j in things],
        "places in rooms": [folded(i, j) for i, j in things],
        "places": [(int(kind[j, i]), i % far, j % far) for i, j in things],
        "nearest": [min([*distance, 9])],
        "doors": [len(doors)],
        "walls with doors": [(int(kind[j, i]), *wall[i, j]) for i, j in doors],
        "door along its wall": [sorted(folded(i, j))[1] for i, j in doors],
        "door colors": [(int(kind[j, i]), int(color[j, i])) for i, j in doors],
        "doors like the locked one": same,
        "keys that fit": [len(fitting)],
        "key and lock": [(tuple(fitting), tuple(wall[at] for at in locks))],
        "full boxes": [(color[j, i], what & 15) for (i, j), what in level.contents.items()],
        "agent's cell": [(x, y)],
        "agent in room": [folded(x, y)],
        "direction": [direction],
        "ahead": [int(ahead)],
        "in hand": [level.carried],
        "max_steps": [level.max_steps],
    } | mission_features(level, room)


def mission_features(level, room):
    """What is said, and where what is meant lies."""
    words = level.mission.replace(",", " ,").split()
    form = " ".join("color" if w in cells.COLORS else w for w in words)
    form = " ".join("thing" if w in ("ball", "box", "key") else w for w in form.split())
    meant = []
    for color, kind in itertools.pairwise(words):
        if color in cells.COLORS and kind in ("ball", "box", "key"):
            meant.append(cells.code(cells.TYPES[kind], cells.COLORS.index(color)))
    where = [[room(i, j) for j, i in np.argwhere(level.grid == look)] for look in meant]
    return {
        "form": [form],
        "said colors": [w for w in words if w in cells.COLORS],
        "said types": [w for w in words if w in cells.TYPES],
        "same type": [len({look & cells.KIND_BITS for look in meant})],
        "rooms of what is meant": [tuple(map(tuple, where))],
        "meant is in hand": [level.carried in meant[:1]],
    }


def reached(level, with_keys=True):
    """Cells an agent can get next to, all objects moved aside, by plain flood fill.

    Locked doors are passed if a key of their colour has been reached, in a box or not.
    """
    keys = set()
    if level.carried & cells.KIND_BITS == cells.KEY:
        keys.add(level.carried >> 4)
    while True:
        before, stack, seen = set(keys), [level.agent[:2]], set()
        while stack:
            x, y = at = stack.pop()
            if at in seen:
                continue
            seen.add(at)
            cell = int(level.grid[y, x])
            kind = cell & cells.KIND_BITS
            for look in (cell, level.contents.get(at, cells.EMPTY)):
                if look & cells.KIND_BITS == cells.KEY and with_keys:
                    keys.add(look >> 4)
            if kind != cells.WALL and (kind != cells.LOCKED_DOOR or cell >> 4 in keys):
                stack += [(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)]
        if keys == before:
            return seen


def meant(environment, state, i):
    """The cells (x, y) of what each description of clauses in mission i means, as known to it."""
    members, known = state.goal.members[i], state.goal.known[i]
    clauses = state.goal.clauses[i] & grammar.KIND_BITS
    used = [d for c, kind in enumerate(clauses) if kind for d in (2 * c, 2 * c + 1)]
    found = {}
    for d in used:
        at = [int(p) for p in known[(members >> d) & 1 == 1]]
        if at:
            found[d] = sorted((p % environment.width, p // environment.width) for p in at)
    return found


def said(text):
    """The official instruction that a mission says, of those without locations."""
    if ", then " in text:
        return babyai.BeforeInstr(*map(said, text.split(", then ")))
    if text.startswith("put "):
        return babyai.PutNextInstr(*map(described, text[4:].split(" next to ")))
    for start, kind in (("open ", babyai.OpenInstr), ("pick up ", babyai.PickupInstr)):
        if text.startswith(start):
            return kind(described(text.removeprefix(start)))
    raise ValueError(text)


def described(text):
    *_, kind = words = text.split()[1:]
    return babyai.ObjDesc(kind, words[0] if len(words) == 2 else None)


def moved_in(e, environment, state, i):
    """Level i of ours in an official environment of the same id: as if it had made it itself."""
    level = seen_in(environment, state, i)
    e.grid = Grid(e.width, e.height)
    rows = list(zip(state.world.places[i], state.goal.known[i], strict=True))
    for y, x in np.ndindex(*level.grid.shape):
        put(e, x, y, level.grid[y, x])
        if (x, y) in level.contents:
            e.grid.get(x, y).contains = thing(level.contents[x, y])
    in_hand = [int(known) for place, known in rows if place == CARRIED]
    for at in in_hand:
        put(e, at % e.width, at // e.width, level.carried)
    e.agent_pos, e.agent_dir = np.array(level.agent[:2]), level.agent[2]
    e.carrying, e.step_count = None, 0
    e.instrs, e.mission = said(level.mission), level.mission
    assert e.instrs.surface(e) == level.mission
    e.validate_instrs(e.instrs)
    e.instrs.reset_verifier(e)
    for at in in_hand:  # as the official environments do it: after all else
        e.carrying = e.grid.get(at % e.width, at // e.width)
        e.grid.set(at % e.width, at // e.width, None)
    return e


def put(e, x, y, cell):
    e.grid.set(x, y, thing(cell))
    if e.grid.get(x, y) is not None:
        e.grid.get(x, y).cur_pos = e.grid.get(x, y).init_pos = (x, y)


def thing(cell):
    return WorldObj.decode(*map(int, cells.unpack(np.uint8(cell))))


def table(state, i):
    """The table of objects of world i, without the order of its rows."""
    world, goal = state.world, state.goal
    rows = []
    for k in np.flatnonzero(world.objects[i]):
        place = int(world.places[i][k])
        inside = int(world.places[i][INSIDE - place]) if place <= INSIDE else None
        place = "inside" if inside is not None else place
        known = int(goal.known[i][k]) if goal.members[i][k] else None
        rows.append((int(world.objects[i][k]), place, inside, int(goal.members[i][k]), known))
    return sorted(rows, key=repr)
