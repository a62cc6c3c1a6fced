"""A small deterministic world of cells, some of which have a fact, and its exact world values."""

import numpy as np

MOVES = ((0, 1), (1, 0), (0, -1), (-1, 0))
DISCOUNT, PUNISHED = 0.95, -10.0


class World:
    """Lines of text: `#` is a wall, `.` nothing, a letter the fact of that name."""

    def __init__(self, *lines):
        self.lines = lines
        self.cells = [
            (y, x) for y, line in enumerate(lines) for x, c in enumerate(line) if c != "#"
        ]
        self.number = {cell: i for i, cell in enumerate(self.cells)}
        self.propositions = tuple(sorted({c for line in lines for c in line if c.isalpha()}))
        # Here each goal is a single fact.
        self.goals = np.eye(len(self.propositions), dtype=bool)
        self.fact = np.array([self.propositions.index(c) if c.isalpha() else -1
                              for c in (lines[y][x] for y, x in self.cells)])  # fmt: skip
        self.after = np.array([[self.move(cell, move) for move in MOVES] for cell in self.cells])

    def move(self, cell, move):
        there = cell[0] + move[0], cell[1] + move[1]
        return self.number.get(there, self.number[cell])

    def labels(self, cell):
        return np.arange(len(self.propositions)) == self.fact[cell]

    def values(self, rewarded):
        """float[goals, cells, actions]: of the task with these goals, by value iteration.

        A skill ends where a fact is met: with 1 if that is the goal and the task rewards it, 0 if
        it is the goal only, and a punishment if it is another.
        """
        met = self.fact[self.after]  # [cells, actions]
        every = []
        for goal, reward in enumerate(np.asarray(rewarded, float)):
            values = np.zeros(self.after.shape)
            ends = np.where(met == goal, reward, PUNISHED)
            for _ in range(200):
                values = np.where(met >= 0, ends, DISCOUNT * values.max(1)[self.after])
            every.append(values)
        return np.stack(every)
