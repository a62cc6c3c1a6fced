"""Levels of ours and of the official package, what can be seen in them, and what missions mean."""

import collections
import contextlib
import io

import gymnasium
import jax
import minigrid  # noqa: F401  (registers its environments)
import numpy as np
from minigrid.core.world_object import WorldObj
from minigrid.envs.babyai.core import verifier as babyai

import didact.environments
from didact.environments.grid import cells


@contextlib.contextmanager
def quiet():
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def official(name, count):
    """The official environment, reset with `count` seeds one after another."""
    e = gymnasium.make(name, disable_env_checker=True).unwrapped
    for seed in range(count):
        with quiet():
            e.reset(seed=seed)
        yield e


def ours(name, count, seed=0):
    """An environment of ours, its tasks, and its state and first step on the host."""
    environment = didact.environments.make(name)
    tasks = environment.task_space.sample(jax.random.key(1), count)
    state, timestep = jax.jit(environment.reset)(jax.random.key(seed), tasks)
    return environment, tasks, jax.device_get(state), jax.device_get(timestep)


def grid_features(grid, x, y, room_size):
    """Of a map of packed cells [height, width]: lists of categories."""
    kind, color = grid & cells.KIND_BITS, (grid & cells.SEEN_BITS) >> 4
    things, doors = cells.is_portable(kind), cells.is_door(kind)
    far = room_size - 1
    row, column = np.nonzero(things)
    here = (column // far == x // far) & (row // far == y // far)
    inner = [folded(at, far) for at in zip(row, column, strict=True)]
    looks = collections.Counter(grid[things].tolist())
    return {
        "objects": [int(things.sum())],
        "types": kind[things].tolist(),
        "colors": color[things].tolist(),
        "twins": [max(looks.values(), default=0)],
        "in the agent's room": [int(here.sum())],
        "place in room": inner,
        "doors": [int(doors.sum())],
        "door state": kind[doors].tolist(),
        "door color": color[doors].tolist(),
        "agent in room": [folded((x, y), far)],
        "agent's room": [(int(x // far), int(y // far))],
    }


def folded(at, far):
    """The place in a room; rooms are symmetric."""
    return tuple(sorted(int(min(v % far, far - v % far)) for v in at))


def mission_features(text):
    words = text.replace(",", " ,").split()
    count = collections.Counter(words)
    form = ("then" in count, "after" in count, count["and"])
    verbs = tuple(sorted(w for w in words if w in ("go", "open", "pick", "put")))
    return {
        "form": [form],
        "verbs": [verbs if len(verbs) == 1 else len(verbs)],
        "each verb": list(verbs),
        "article": [w for w in words if w in ("a", "the")],
        "said color": [w for w in words if w in cells.COLORS],
        "colors": [sum(count[c] for c in cells.COLORS)],
        "said type": [w for w in words if w in cells.TYPES],
        "location": [w for w in words if w in ("left", "right", "front", "behind")],
        "locations": [count["you"] + count["your"]],
        "length": [min(len(words) // 4, 8)],
    }


def parse(text):
    """The official instruction that a mission says."""
    for word, kind in ((", then ", babyai.BeforeInstr), (" after you ", babyai.AfterInstr)):
        if word in text:
            return kind(*(parse(part) for part in text.split(word)))
    if " and " in text:
        return babyai.AndInstr(*(parse(part) for part in text.split(" and ")))
    if text.startswith("put "):
        return babyai.PutNextInstr(*(described(p) for p in text[4:].split(" next to ")))
    for start, kind in (
        ("go to ", babyai.GoToInstr),
        ("open ", babyai.OpenInstr),
        ("pick up ", babyai.PickupInstr),
    ):
        if text.startswith(start):
            return kind(described(text.removeprefix(start)))
    raise ValueError(text)


def described(text):
    loc = None
    for end, name in (
        (" on your left", "left"),
        (" on your right", "right"),
        (" in front of you", "front"),
        (" behind you", "behind"),
    ):
        if text.endswith(end):
            text, loc = text.removesuffix(end), name
    *_, kind = words = text.split()[1:]
    kind = None if kind == "object" else kind
    return babyai.ObjDesc(kind, words[0] if len(words) == 2 else None, loc)


def parts(instruction, first=0):
    """The single clauses of an official instruction, numbered as ours are."""
    name = type(instruction).__name__
    if name in ("BeforeInstr", "AfterInstr"):
        two = [instruction.instr_a, instruction.instr_b]
        earlier, later = two if name == "BeforeInstr" else two[::-1]
        return parts(earlier) + parts(later, 2)
    if name == "AndInstr":
        return [(first, instruction.instr_a), (first + 1, instruction.instr_b)]
    return [(first, instruction)]


def rebuild(e, state, i, width, height):
    """Makes an official environment of the same size hold our level `i`."""
    triples = cells.unpack(state.world.cells[i].reshape(height, width))[: e.height, : e.width]
    for y, x in np.ndindex(*triples.shape[:2]):
        thing = WorldObj.decode(*map(int, triples[y, x]))
        e.grid.set(x, y, thing)
        if thing is not None:
            thing.cur_pos = thing.init_pos = (x, y)
    y, x = divmod(int(state.world.position[i]), width)
    e.agent_pos, e.agent_dir = np.array([x, y]), int(state.world.direction[i])
    e.carrying = None
    for room in (room for row in e.room_grid for room in row):
        doors = [e.grid.get(*at) if at else None for at in room.door_pos]
        room.doors = [d if d is not None and d.type == "door" else None for d in doors]


def meant_places(clause):
    """For each description of an official clause, the places of what it means, without walls."""
    names = ("desc_move", "desc_fixed") if hasattr(clause, "desc_move") else ("desc",)
    for name in names:
        description = getattr(clause, name)
        found = zip(description.obj_set, description.obj_poss, strict=True)
        yield sorted(tuple(map(int, at)) for thing, at in found if thing.type != "wall")
