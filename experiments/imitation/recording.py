"""Record episodes of many parallel environments, sort them by number, and write shards.

Episodes are written in the order in which they began, not in which they ended, so an interrupted
recording is not biased towards short episodes.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from didact.environments import Environment, SettingError, TaskSpace
from didact.experiments.evaluation.episodes import player
from didact.experiments.rollout import Actor
from didact.students.data.recordings import RecordingWriter
from didact.students.data.shards import MOST, OBSERVATION, Shard, bytes_per_step

NUM_ENVS = 1024
STEPS_PER_SHARD = 2**16
BYTES_PER_SHARD = MOST // 2  # of arrays: even what cannot be compressed can be read back


class Sorter:
    """Sorts the rows of many environments by episode.

    Rows are held back until all earlier episodes have ended.
    """

    def __init__(self):
        self._chunks: list[dict[str, np.ndarray]] = []
        self.waiting = 0

    def add(self, rows: Mapping[str, np.ndarray]) -> None:
        """Add rows; within each episode they must be in chronological order."""
        self._chunks.append(dict(rows))
        self.waiting += len(rows["episode"])

    def take(self, frontier: int, least: int = 1) -> dict[str, np.ndarray] | None:
        """Remove and return the rows of episodes before `frontier`, in order.

        Args:
            frontier: the first episode that has not ended.
            least: minimum number of rows to return.

        Returns:
            The rows; None if there are fewer than `least`, or fewer than half of all waiting rows,
            so that the total work stays proportional to the number of rows.
        """
        ready = sum(int(np.sum(c["episode"] < frontier)) for c in self._chunks)
        if ready < max(least, 1) or 2 * ready < self.waiting:
            return None
        rows = {k: np.concatenate([c[k] for c in self._chunks]) for k in self._chunks[0]}
        order = np.argsort(rows["episode"], kind="stable")
        rest = np.sort(order[ready:])
        self._chunks = [{k: v[rest] for k, v in rows.items()}] if len(rest) else []
        self.waiting = len(rest)
        return {k: v[order[:ready]] for k, v in rows.items()}


def shard_of(rows: Mapping[str, np.ndarray], environment: Environment) -> Shard:
    """Convert ordered rows of whole episodes to a shard."""
    first = np.flatnonzero(rows["start"])
    ends = np.append(first[1:], len(rows["start"]))
    observation = {
        k.removeprefix(OBSERVATION): v for k, v in rows.items() if k.startswith(OBSERVATION)
    }
    return Shard(
        observation,
        rows["action"],
        rows["reward"],
        rows["episode"][first].astype(np.int64),
        (ends - first).astype(np.int32),
        rows["terminated"][ends - 1],
        rows["truncated"][ends - 1],
        np.logical_or.reduceat(rows["success"], first),
        np.add.reduceat(rows["reward"].astype(np.float64), first).astype(np.float32),
        rows["task"][first].astype(np.float32),
        _texts({k: v[first] for k, v in observation.items()}, environment),
    )


def _texts(first: Mapping[str, np.ndarray], environment: Environment) -> np.ndarray:
    """Return the instruction text of each episode; equal token sequences are decoded once."""
    which = where = np.arange(len(next(iter(first.values()))))
    if "instruction" in first:
        _, where, which = np.unique(
            first["instruction"], axis=0, return_index=True, return_inverse=True
        )
    texts = [environment.instruction_text({k: v[i] for k, v in first.items()}) for i in where]
    return np.array(texts)[which.reshape(-1)]


def record_episodes(
    environment: Environment,
    actor: Actor,
    writer: RecordingWriter,
    *,
    episodes: int,
    seed: int = 0,
    space: TaskSpace | None = None,
    successful_only: bool = False,
    num_envs: int = NUM_ENVS,
    steps_per_shard: int = STEPS_PER_SHARD,
    progress: Callable[[int, int, float | None], None] = lambda episodes, steps, success: None,
) -> dict[str, Any]:
    """Play whole episodes and write them; the same settings write the same bytes.

    Args:
        environment: environment to play.
        actor: selects the actions.
        writer: writer of the recording. It is always closed, with the complete shards so far.
        episodes: number of episodes to play.
        seed: seed of levels and actions.
        space: task space to sample tasks from; the environment's if None.
        successful_only: save successful episodes only.
        num_envs: maximum number of parallel environments.
        steps_per_shard: a shard ends with the episode in which it reaches this number of steps, or
            `BYTES_PER_SHARD` bytes.
        progress: called with the number of finished episodes and steps, and the latest success
            rate.

    Returns:
        The card of the recording. After Ctrl-C its `finished` is False.

    Raises:
        SettingError: `successful_only` is set, but no episode was successful, or an episode is too
            large for a shard.
        OSError: the disk is full or not writable.
    """
    space = space or environment.task_space
    num_envs = min(num_envs, episodes)
    begin, go_on = player(environment, space, actor, num_envs)
    cutter = _Cutter(environment, writer, successful_only, steps_per_shard)
    sorter, steps, success = Sorter(), 0, None
    try:
        playing, following = begin(jax.random.key(seed)), None
        frontier = 0
        while frontier < episodes:
            playing, rows = following or go_on(actor.params, episodes, playing)
            # The device runs the next chunk while the host sorts and writes this one.
            following = go_on(actor.params, episodes, playing)
            rows = {k: np.asarray(v).reshape(-1, *v.shape[2:]) for k, v in rows.items()}
            played = rows["episode"] < episodes
            if not played.all():
                rows = {k: v[played] for k, v in rows.items()}
            steps += int(played.sum())
            sorter.add(rows)
            frontier = int(playing.frontier())
            over = frontier == episodes
            if ready := sorter.take(frontier, 1 if over else steps_per_shard // 2):
                success = cutter.add(ready)
            progress(frontier, steps, success)
        cutter.finish()
    except KeyboardInterrupt:
        pass
    finally:
        card = writer.close()
    if card["finished"] and not card["episodes"]:
        allowed = f"omitted: none of the {episodes} episodes succeeded"
        raise SettingError("--successful-only", True, allowed)
    return card


class _Cutter:
    """Cuts ordered rows of whole episodes into shards."""

    def __init__(
        self, environment: Environment, writer: RecordingWriter, successful_only: bool, steps: int
    ):
        self._environment, self._writer = environment, writer
        self._successful_only, self._steps = successful_only, steps
        self._rest: list[Shard] = []
        self._won: list[np.ndarray] = []  # success of all episodes played, in order

    def add(self, rows: Mapping[str, np.ndarray]) -> float:
        """Add rows and write full shards; return the success rate of the added episodes."""
        shard = shard_of(rows, self._environment)
        self._won.append(shard.success)
        self._rest.append(_some(shard, shard.success) if self._successful_only else shard)
        self._cut(final=False)
        return float(shard.success.mean())

    def finish(self) -> None:
        """Write the remaining episodes."""
        self._cut(final=True)
        self._writer.finish(**self._statistics(None))

    def _cut(self, final: bool) -> None:
        shard = jax.tree.map(lambda *x: np.concatenate(x), *self._rest)
        count, ends, begin = len(shard.length), shard.offsets[1:], 0
        each = np.arange(count)
        steps = min(self._steps, -(-BYTES_PER_SHARD // bytes_per_step(shard)))
        while begin < count:
            before = ends[begin - 1] if begin else 0
            end = int(np.searchsorted(ends, before + steps)) + 1
            if end > count and not final:
                break
            part = _some(shard, (each >= begin) & (each < end))
            self._writer.write(part, **self._statistics(int(part.episode[-1]) + 1))
            begin = end
        self._rest = [_some(shard, each >= begin)]

    def _statistics(self, played: int | None) -> dict[str, Any]:
        won = np.concatenate(self._won)[:played]
        return {"played": len(won), "success": float(won.mean())}


def _some(shard: Shard, chosen: np.ndarray) -> Shard:
    """Select episodes of a shard."""
    rows = np.repeat(chosen, shard.length)
    return Shard(
        {k: v[rows] for k, v in shard.observation.items()},
        shard.action[rows],
        shard.reward[rows],
        *(x[chosen] for x in shard[3:]),
    )
