"""Plain versions of what is done to mazes, one maze at a time, on the host."""

import collections
import itertools

import numpy as np

STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))  # right, down, left, up


def fewest_moves(walls, agent, goal):
    """The length of the shortest way from cell to cell, or -1."""
    h, w = walls.shape

    def onward(cell):
        y, x = divmod(cell, w)
        for dx, dy in STEPS:
            if 0 <= x + dx < w and 0 <= y + dy < h and not walls[y + dy, x + dx]:
                yield (y + dy) * w + x + dx

    return search(agent, onward, lambda cell: cell == goal)


def fewest_actions(walls, agent, direction, goal):
    """The fewest turns and steps to the goal, or -1."""
    h, w = walls.shape

    def onward(state):
        cell, d = state
        yield from ((cell, (d + 1) % 4), (cell, (d + 3) % 4))
        y, x = cell // w + STEPS[d][1], cell % w + STEPS[d][0]
        if 0 <= x < w and 0 <= y < h and not walls[y, x]:
            yield y * w + x, d

    return search((agent, direction), onward, lambda state: state[0] == goal)


def search(start, onward, is_end):
    """Breadth-first search."""
    seen, queue = {start: 0}, collections.deque([start])
    while queue:
        here = queue.popleft()
        if is_end(here):
            return seen[here]
        for there in onward(here):
            if there not in seen:
                seen[there] = seen[here] + 1
                queue.append(there)
    return -1


def edges_of(rows, columns):
    """The pairs of neighbouring rooms, each with its cell in a map of (2 rows - 1) rows."""
    rooms = list(itertools.product(range(rows), range(columns)))
    return {
        (a, b): (a[0] + b[0], a[1] + b[1])
        for a in rooms
        for b in ((a[0], a[1] + 1), (a[0] + 1, a[1]))
        if b in rooms
    }


def kruskal(rows, columns, order):
    """The cells that Kruskal's algorithm opens, given an order of the edges."""
    group = {room: room for edge in edges_of(rows, columns) for room in edge}

    def root(room):
        return room if group[room] == room else root(group[room])

    opened = []
    for (a, b), cell in order:
        if root(a) != root(b):
            group[root(a)] = root(b)
            opened.append(cell)
    return frozenset(opened)


def backtracker(rows, columns, rng):
    """The cells that a random depth-first walk opens."""
    edges = edges_of(rows, columns)
    stack = [(int(rng.integers(rows)), int(rng.integers(columns)))]
    seen, opened = set(stack), set()
    while stack:
        y, x = stack[-1]
        new = [(y, x + 1), (y + 1, x), (y, x - 1), (y - 1, x)]
        new = [r for r in new if r not in seen and tuple(sorted(((y, x), r))) in edges]
        if not new:
            stack.pop()
            continue
        there = new[rng.integers(len(new))]
        opened.add(edges[tuple(sorted(((y, x), there)))])
        seen.add(there)
        stack.append(there)
    return frozenset(opened)


def to_minigrid(walls, agent, direction, goal, view_size, see_through_walls):
    """The maze as an environment of the official package, just reset."""
    from minigrid.core.grid import Grid
    from minigrid.core.mission import MissionSpace
    from minigrid.core.world_object import Goal, Wall
    from minigrid.minigrid_env import MiniGridEnv

    h, w = walls.shape

    class Official(MiniGridEnv):
        def _gen_grid(self, width, height):
            self.grid = Grid(width, height)
            self.grid.wall_rect(0, 0, width, height)
            for y, x in zip(*np.nonzero(walls), strict=True):
                self.grid.set(int(x) + 1, int(y) + 1, Wall())
            self.grid.set(goal % w + 1, goal // w + 1, Goal())
            self.agent_pos, self.agent_dir = (agent % w + 1, agent // w + 1), direction
            self.mission = "get to the green goal square"

    environment = Official(
        MissionSpace(lambda: "get to the green goal square"),
        width=w + 2,
        height=h + 2,
        max_steps=250,
        agent_view_size=view_size,
        see_through_walls=see_through_walls,
    )
    return environment, environment.reset(seed=0)[0]
