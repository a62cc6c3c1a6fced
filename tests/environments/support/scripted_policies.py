"""Policies on the host that make episodes of MiniGrid's own environments end, well or badly.

They see the whole map of the official environment and walk the shortest way.
"""

import collections

import numpy as np
from minigrid.core.constants import DIR_TO_VEC

LEFT, RIGHT, FORWARD, PICKUP, DROP, TOGGLE, DONE = range(7)
# left, right, forward, pickup, drop, toggle, done
BIASED = np.array([0.14, 0.14, 0.36, 0.12, 0.1, 0.1, 0.04])
SIDES = [tuple(map(int, v)) for v in DIR_TO_VEC]


def places(e, kind, color=None):
    """Where things of a type lie."""
    return [
        (i % e.width, i // e.width)
        for i, thing in enumerate(e.grid.grid)
        if thing and thing.type == kind and color in (None, thing.color)
    ]


def can_pass(e, thing):
    if thing is None or thing.type in ("goal", "floor"):
        return True
    if thing.type != "door":
        return False
    key = e.carrying
    return not thing.is_locked or bool(key and key.type == "key" and key.color == thing.color)


def way(e, targets):
    """The cells from the agent's next one to the nearest target; None if there is no way."""
    start = tuple(map(int, e.agent_pos))
    came, queue, targets = {start: None}, collections.deque([start]), set(targets)
    while queue:
        here = queue.popleft()
        if here in targets:
            cells = []
            while here != start:
                cells.append(here)
                here = came[here]
            return cells[::-1]
        if not can_pass(e, e.grid.get(*here)) and here != start:
            continue
        for dx, dy in SIDES:
            there = here[0] + dx, here[1] + dy
            if not (0 <= there[0] < e.width and 0 <= there[1] < e.height) or there in came:
                continue
            if can_pass(e, e.grid.get(*there)) or there in targets:
                came[there] = here
                queue.append(there)
    return None


def walk(e, targets, then=FORWARD):
    """The next action of the way to a cell before a target, facing it; there, `then`.

    None if there is no way.
    """
    cells = way(e, targets)
    if not cells:
        return None
    x, y = map(int, e.agent_pos)
    side = SIDES.index((cells[0][0] - x, cells[0][1] - y))
    if side != e.agent_dir:
        return RIGHT if (side - e.agent_dir) % 4 < 3 else LEFT
    if len(cells) == 1:
        return then
    ahead = e.grid.get(*cells[0])
    return TOGGLE if ahead and ahead.type == "door" and not ahead.is_open else FORWARD


def fetch_key(e):
    """On the way to what lies behind a lock: the next action to get a key, or free the hands."""
    if e.carrying is not None:
        return DROP if e.grid.get(*e.front_pos) is None else RIGHT
    for kind, then in (("key", PICKUP), ("box", TOGGLE), ("ball", PICKUP)):
        action = walk(e, places(e, kind), then)
        if action is not None:
            return action
    return None


def pick_up(e, targets):
    """The next action to have what lies at a target in an empty hand."""
    cells = way(e, targets)
    if cells is None:
        return fetch_key(e)
    return fetch_key(e) if len(cells) == 1 and e.carrying else walk(e, targets, PICKUP)


def toward_goal(e, good):
    if not good:
        return walk(e, places(e, "lava"))
    action = walk(e, places(e, "goal"))
    return fetch_key(e) if action is None else action


def stop_at(e, good):
    return walk(e, [e.target_pos], DONE) if good else DONE


def fetch(e, good):
    things = places(e, "key") + places(e, "ball")
    looks = [(e.grid.get(*at).type, e.grid.get(*at).color) for at in things]
    right = (e.targetType, e.targetColor)
    return walk(
        e, [at for at, look in zip(things, looks, strict=True) if (look == right) == good], PICKUP
    )


def put_near(e, good):
    if e.carrying is None:
        return walk(e, [e.move_pos if good else e.target_pos], PICKUP)
    x, y = map(int, e.front_pos)
    near = max(abs(x - e.target_pos[0]), abs(y - e.target_pos[1])) <= 1
    if near and e.grid.get(x, y) is None:
        return DROP
    around = [
        (e.target_pos[0] + dx, e.target_pos[1] + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)
    ]
    return walk(e, [at for at in around if e.grid.get(*at) is None], DROP)


def match(e, good):
    return walk(e, [tuple(e.success_pos if good else e.failure_pos)])


def open_doors(e, good):
    first = good and not e.red_door.is_open
    return walk(e, places(e, "door", "red" if first else "blue"), TOGGLE)


def unlock(e, good):
    action = walk(e, [e.door.cur_pos], TOGGLE)
    key = e.carrying
    return action if key and key.color == e.door.color else fetch_key(e)


def bring(e, good):
    at = [
        at for kind in ("ball", "box", "key") for at in places(e, kind) if e.grid.get(*at) is e.obj
    ]
    return pick_up(e, at)


SCRIPTS = {
    "GoToDoorEnv": stop_at,
    "GoToObjectEnv": stop_at,
    "FetchEnv": fetch,
    "PutNearEnv": put_near,
    "MemoryEnv": match,
    "RedBlueDoorEnv": open_doors,
    "UnlockEnv": unlock,
    "UnlockPickupEnv": bring,
    "BlockedUnlockPickupEnv": bring,
    "KeyCorridorEnv": bring,
    "ObstructedMazeEnv": bring,
    "MiniGridEnv": toward_goal,
}


def policy(e, mode, rng, noise=0.08):
    """A function from nothing to the next action.

    Args:
        e: the official environment that will be stepped.
        mode: 0 wanders, 1 does what is asked, 2 does what ends episodes badly.
        noise: the share of random actions, whatever the mode.
    """
    names = [c.__name__ for c in type(e).__mro__]
    script = next(SCRIPTS[name] for name in names if name in SCRIPTS)

    def act():
        action = None
        if mode and rng.random() > noise:
            action = script(e, mode == 1)
        return int(rng.choice(7, p=BIASED)) if action is None else action

    return act


def follow_obstacles(e, width, moved):
    """Lets the obstacles of an official environment go where ours went, in its next step.

    Args:
        e: the official environment.
        width: of our map, in cells.
        moved: the places of our obstacles after the step.

    Returns:
        A list that will hold the moves which the official environment could not have made.
    """
    illegal = []
    targets = {id(o): int(place) for o, place in zip(e.obstacles, moved, strict=True)}

    def place(obstacle, top, size, max_tries):
        x, y = map(int, obstacle.cur_pos)
        near = [(x + dx, y + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)]
        free = [at for at in near if e.grid.get(*at) is None and at != tuple(e.agent_pos)]
        target = targets[id(obstacle)] % width, targets[id(obstacle)] // width
        illegal.extend([(target, free)] * (target not in (free or [(x, y)])))
        if not free:
            raise RecursionError
        e.grid.set(*target, obstacle)
        obstacle.cur_pos = target

    e.place_obj = place
    return illegal
