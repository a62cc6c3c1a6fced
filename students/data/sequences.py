"""Windows of recorded episodes for recurrent students: lanes of whole episodes, split in time."""

import heapq
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int64

from didact.environments import ActionSpace, ArraySpace
from didact.students.data.shards import Shard


class SequenceBatch(NamedTuple):
    """T steps of n lanes, time first; each lane continues that of the previous window.

    A student keeps its carry from window to window, and resets it where `start` is True.
    """

    observation: dict[str, np.ndarray]  # each [T, n, ...]
    start: Bool[np.ndarray, "T n"]  # True on the first row of an episode
    action: np.ndarray  # int32[T, n] if discrete, float32[T, n, k] if continuous
    reward: Float32[np.ndarray, "T n"]
    terminated: Bool[np.ndarray, "T n"]
    truncated: Bool[np.ndarray, "T n"]
    weight: Float32[np.ndarray, "T n"]  # 0 where no episodes are left for the lane, else 1


# Arrays of steps, each [s, ...], by the name of the observation or of the field.
_Columns = dict[tuple[str, str], np.ndarray]


class _Deck:
    """Episodes in shuffled order: random groups of shards, then random episodes of a group.

    Memory holds the columns of one group of shards, and the remaining rows of the episodes that
    lanes are reading.
    """

    def __init__(self, load: Callable[[int], Shard], shards: int, size: int, seed: int, ever: bool):
        self._load, self._groups = load, _groups(shards, size, seed, ever)
        self.columns: _Columns = {}
        self._episodes = np.zeros((0, 2), np.int64)
        self._dealt = 0

    def empty(self) -> bool:
        """Whether all episodes in memory were dealt."""
        return self._dealt == len(self._episodes)

    def deal(self) -> Int64[np.ndarray, " 2"]:
        """Return the first row of the next episode, and the row after its last."""
        self._dealt += 1
        return self._episodes[self._dealt - 1]

    def refill(self, lanes: Int64[np.ndarray, "n 2"]) -> bool:
        """Read the next group of shards; return False if there is none.

        Args:
            lanes: the range of rows that each lane has yet to read; updated in place to the new
                positions of these rows.
        """
        group = next(self._groups, None)
        if group is None:
            return False
        shards, rng = group
        parts, episodes = [], []
        at = 0
        if self.columns:
            kept = np.concatenate([np.arange(*lane) for lane in lanes])
            parts.append({name: x[kept] for name, x in self.columns.items()})
            lengths = lanes[:, 1] - lanes[:, 0]
            ends = np.cumsum(lengths)
            lanes[:] = np.stack([ends - lengths, ends], 1)
            at = len(kept)
        self.columns = {}
        for index in shards:
            shard = self._load(index)
            offsets = shard.offsets
            parts.append(_columns(shard))
            episodes.append(np.stack([offsets[:-1], offsets[1:]], 1) + at)
            at += offsets[-1]
        self.columns = {name: np.concatenate([p[name] for p in parts]) for name in parts[-1]}
        self._episodes, self._dealt = rng.permutation(np.concatenate(episodes)), 0
        return True


def sequence_batches(
    load: Callable[[int], Shard],
    num_shards: int,
    spaces: Mapping[str, ArraySpace],
    actions: ActionSpace,
    *,
    batch_size: int,
    length: int,
    seed: int,
    repeat: bool,
    shards_in_memory: int,
) -> Iterator[SequenceBatch]:
    """Iterate over the windows of all episodes.

    The next episode goes to the lane with the fewest steps in the current window.

    Args:
        load: a function that returns shard i.
        num_shards: the number of shards.
        spaces, actions: the observation spaces and the action space of the recording.
        batch_size, length: n and T of the windows.
        seed: seed of the order.
        repeat: whether to repeat passes indefinitely, without a gap and each in a different order.
        shards_in_memory: number of shards whose episodes are shuffled together.
    """
    deck = _Deck(load, num_shards, shards_in_memory, seed, repeat)
    lanes = np.zeros((batch_size, 2), np.int64)
    if not deck.refill(lanes):
        return
    while True:
        window = _blank(spaces, actions, length, batch_size)
        rows = np.full((length, batch_size), -1)
        queue = [(0, lane) for lane in range(batch_size)]
        while queue:
            time, lane = heapq.heappop(queue)
            if lanes[lane, 0] == lanes[lane, 1]:
                if deck.empty():
                    # Copy the rows now: they refer to columns that are replaced next.
                    _fill(window, rows, deck.columns)
                    rows[:] = -1
                    if not deck.refill(lanes):
                        continue
                lanes[lane] = deck.deal()
            begin = lanes[lane, 0]
            end = min(begin + length - time, lanes[lane, 1])
            rows[time : time + end - begin, lane] = np.arange(begin, end)
            lanes[lane, 0] = end
            time += int(end - begin)
            if time < length:
                heapq.heappush(queue, (time, lane))
        _fill(window, rows, deck.columns)
        if not window.weight.any():
            return
        yield window


def _groups(
    shards: int, size: int, seed: int, ever: bool
) -> Iterator[tuple[list[int], np.random.Generator]]:
    """Iterate over groups of shards to hold in memory together, with the generator of the pass."""
    number = 0
    while number == 0 or ever:
        rng = np.random.default_rng([seed, number])
        order = rng.permutation(shards).tolist()
        for begin in range(0, shards, size):
            yield order[begin : begin + size], rng
        number += 1


def _columns(shard: Shard) -> _Columns:
    first, last = shard.offsets[:-1], shard.offsets[1:] - 1
    steps = len(shard.action)
    flags = {name: np.zeros(steps, bool) for name in ("start", "terminated", "truncated")}
    flags["start"][first] = True
    flags["terminated"][last] = shard.terminated
    flags["truncated"][last] = shard.truncated
    weight = np.ones(steps, np.float32)
    fields = {"action": shard.action, "reward": shard.reward, "weight": weight, **flags}
    return {("observation", name): x for name, x in shard.observation.items()} | {
        ("", name): x for name, x in fields.items()
    }


def _blank(
    spaces: Mapping[str, ArraySpace], actions: ActionSpace, length: int, lanes: int
) -> SequenceBatch:
    shape = length, lanes
    return SequenceBatch(
        {name: np.zeros((*shape, *s.shape), s.dtype) for name, s in spaces.items()},
        start=np.zeros(shape, bool),
        action=np.zeros((*shape, *actions.shape), actions.dtype),
        reward=np.zeros(shape, np.float32),
        terminated=np.zeros(shape, bool),
        truncated=np.zeros(shape, bool),
        weight=np.zeros(shape, np.float32),
    )


def _fill(window: SequenceBatch, rows: Int64[np.ndarray, "T n"], columns: _Columns) -> None:
    """Copy rows of the columns into a window; -1 marks entries without a row."""
    there = rows >= 0
    every = bool(there.all())
    chosen = rows if every else rows[there]
    for (kind, name), column in columns.items():
        target = window.observation[name] if kind else getattr(window, name)
        target[... if every else there] = column[chosen]
