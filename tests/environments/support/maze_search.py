"""Mazes as plain grids, and their shortest ways by plain search."""

import collections

import jax
import numpy as np

from didact.environments.grid.mazes import Blocks, Crossings, FourRooms, Levels, Perfect, named

SPACES = {
    "blocks": Levels(),
    "few blocks": Levels(5, 9, Blocks(3, 7)),
    "full": Levels(2, 2, Blocks(0, 2)),
    "kruskal": Levels(9, 13, Perfect()),
    "depth first": Levels(13, 9, Perfect(depth_first=True, corners=False)),
    "rooms": Levels(9, 11, FourRooms()),
    "crossings": Levels(9, 11, Crossings(5)),
    "given": named("SmallCorridor"),
}
AHEAD = ((0, 1), (1, 0), (0, -1), (-1, 0))  # row and column, by direction


def sample(space, n, seed=0):
    return np.asarray(jax.jit(space.sample, static_argnums=1)(jax.random.key(seed), n))


def shown(space, task):
    """One level as a plain grid of glyphs, read off the row itself."""
    height, width = space.height, space.width
    grid = [["#" if task[y * width + x] else "." for x in range(width)] for y in range(height)]
    agent, direction, goal = (int(v) for v in task[-3:])
    assert grid[agent // width][agent % width] == "."
    assert grid[goal // width][goal % width] == "."
    grid[goal // width][goal % width] = "G"
    grid[agent // width][agent % width] = ">v<^"[direction]
    return grid


def search(grid, turns):
    """The fewest moves, or actions where turns count, by breadth-first search; -1: no way."""
    free = {(y, x): g for y, row in enumerate(grid) for x, g in enumerate(row) if g != "#"}
    start = next((at, ">v<^".index(g)) for at, g in free.items() if g in ">v<^")
    queue, seen = collections.deque([(start, 0)]), {start}
    while queue:
        ((y, x), direction), length = queue.popleft()
        if free[y, x] == "G":
            return length
        around = [(AHEAD[direction], direction)]
        if turns:
            around += [((0, 0), (direction + turn) % 4) for turn in (1, -1)]
        else:
            around = [(step, 0) for step in AHEAD]
        for (dy, dx), turned in around:
            after = ((y + dy, x + dx), turned)
            if after[0] in free and after not in seen:
                seen.add(after)
                queue.append((after, length + 1))
    return -1


# Sampling and editing.
