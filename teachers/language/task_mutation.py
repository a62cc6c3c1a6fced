"""Mutation of tasks, given only their JSON schema."""

import collections
import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

Task = dict[str, Any]


class TaskCodec:
    """Converts tasks of a schema to features and mutates them.

    Numbers with bounds are changed within their ranges. In lists of strings (maps), two characters
    are swapped, or a character that occurs several times replaces another such character; so unique
    characters remain unique. Everything else is kept.

    Args:
        schema: the JSON schema of one task, an object.
    """

    def __init__(self, schema: Mapping[str, Any]):
        properties = schema.get("properties", {})
        self.numbers = [
            name
            for name, spec in properties.items()
            if spec.get("type") in ("number", "integer") and {"minimum", "maximum"} <= spec.keys()
        ]
        self.maps = [
            name
            for name, spec in properties.items()
            if spec.get("type") == "array" and spec.get("items", {}).get("type") == "string"
        ]
        chosen = [properties[name] for name in self.numbers]
        self.low = np.array([spec["minimum"] for spec in chosen], float)
        self.extent = np.array([spec["maximum"] for spec in chosen], float) - self.low
        self.whole = np.array([spec["type"] == "integer" for spec in chosen], bool)

    def features(self, tasks: Sequence[Task]) -> Float[np.ndarray, "n f"]:
        """Return features from 0 to 1: scaled numbers, and the frequencies of characters."""
        units = np.array([self._unit(task) for task in tasks]).reshape(len(tasks), -1)
        texts = [["".join(task[name]) for name in self.maps] for task in tasks]
        columns = [units]
        for i in range(len(self.maps)):
            letters = sorted({letter for text in texts for letter in text[i]})
            for letter in letters:
                shares = [text[i].count(letter) / max(len(text[i]), 1) for text in texts]
                columns.append(np.array(shares)[:, None])
        return np.concatenate(columns, axis=1)

    def step(
        self, task: Task, direction: Float[np.ndarray, " d"], size: float, rng: np.random.Generator
    ) -> Task:
        """Mutate a task slightly.

        Args:
            task: the task.
            direction: the direction of the change of numbers, with a length of at most 1; the
                shorter it is, the more random the change.
            size: the size of the change, relative to the ranges.
            rng: the random generator.
        """
        changed = copy.deepcopy(task)
        if self.numbers:
            some = rng.random(len(self.numbers)) < 0.5
            some[rng.integers(len(some))] = True
            chance = rng.normal(size=len(some)) / np.sqrt(len(some))
            free = np.sqrt(max(0.1, 1 - float(direction @ direction)))
            moved = size * (direction * abs(rng.normal()) + free * chance) * self.extent
            self._put(changed, self._values(task) + np.where(some, moved, 0), rng)
        for name in self.maps:
            cells = sum(map(len, task[name]))
            changed[name] = _edited(task[name], max(1, round(size * cells / 4)), rng)
        return changed

    def anywhere(self, task: Task, rng: np.random.Generator) -> Task:
        """Return a random task: numbers uniform in their ranges, maps after many edits."""
        changed = copy.deepcopy(task)
        if self.numbers:
            wide = self.extent + self.whole  # all integers are equally likely
            values = self.low + wide * rng.random(len(wide))
            self._put(changed, np.where(self.whole, np.floor(values), values), rng)
        for name in self.maps:
            changed[name] = _edited(task[name], sum(map(len, task[name])) // 2, rng)
        return changed

    def _values(self, task: Task) -> Float[np.ndarray, " d"]:
        return np.array([task[name] for name in self.numbers], float)

    def _unit(self, task: Task) -> Float[np.ndarray, " d"]:
        return (self._values(task) - self.low) / np.where(self.extent > 0, self.extent, 1)

    def _put(self, task: Task, values: Float[np.ndarray, " d"], rng: np.random.Generator) -> None:
        # Stochastic rounding, so that small steps in small ranges have an effect.
        rounded = np.floor(values + rng.random(len(values)) * (values != np.floor(values)))
        values = np.clip(np.where(self.whole, rounded, values), self.low, self.low + self.extent)
        for name, value, whole in zip(self.numbers, values, self.whole, strict=True):
            task[name] = int(value) if whole else float(value)


def _edited(rows: Sequence[str], edits: int, rng: np.random.Generator) -> list[str]:
    cells = [list(row) for row in rows]
    where = [(y, x) for y, row in enumerate(cells) for x in range(len(row))]
    count = collections.Counter("".join(rows))
    for _ in range(edits):
        (y, x), (v, u) = (where[rng.integers(len(where))] for _ in range(2))
        one, other = cells[y][x], cells[v][u]
        if one != other and min(count[one], count[other]) > 1 and rng.random() < 0.5:
            cells[y][x] = other
            count[one], count[other] = count[one] - 1, count[other] + 1
        else:
            cells[y][x], cells[v][u] = other, one
    return ["".join(row) for row in cells]
