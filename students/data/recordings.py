"""Recorded episodes on disk: a human-readable card, and shards of whole episodes.

The files are described in `docs/recordings.md`. Nothing in them is executed.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from didact.common import strict_json
from didact.common.errors import require
from didact.common.files import write_whole
from didact.common.foreign_files import read_bytes, reason
from didact.environments import ActionSpace, ArraySpace, SettingError
from didact.environments.spaces import action_space_from_json
from didact.students.data.pytree_storage import CorruptFiles
from didact.students.data.sequences import SequenceBatch, sequence_batches
from didact.students.data.shards import (
    MOST,
    MOST_UNPACKED,
    Shard,
    digest,
    encoded,
    read_shard,
    unpacked_bytes,
)

CARD = "recording.json"
FORMAT = 2


class Recording:
    """A recording of whole episodes, read a few shards at a time.

    Attributes:
        folder: the folder of the recording.
        card: the contents of `recording.json`.
        observation_space: the spaces of the observations, by name.
        action_space: the action space.
    """

    def __init__(self, folder: Path, card: dict[str, Any]):
        self.folder, self.card = folder, card
        self.observation_space = {
            name: ArraySpace.from_json(s) for name, s in card["observation_space"].items()
        }
        self.action_space = action_space_from_json(card["action_space"])

    @property
    def environment(self) -> str:
        """The name of the recorded environment."""
        return self.card["environment"]

    @property
    def environment_settings(self) -> tuple[str, ...]:
        """The settings of the recorded environment, as NAME=VALUE texts."""
        return tuple(self.card.get("environment_settings", ()))

    @property
    def who(self) -> str:
        """The actor: a policy, `solver` or `random`."""
        return self.card.get("who", "unknown")

    @property
    def num_steps(self) -> int:
        """The total number of steps of all episodes."""
        return self.card["steps"]

    def __len__(self) -> int:
        """Return the number of episodes."""
        return self.card["episodes"]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Iterate over the episodes, in the order in which they started.

        Each episode is a dict with `observation`, a dict of arrays [t, ...]; `action` and `reward`,
        [t, ...] and [t]; and the episode's entry of every other array of `Shard`.

        Raises:
            SettingError: a shard is missing or was changed.
        """
        for index in range(len(self.card["shards"])):
            shard = self.shard(index)
            offsets = shard.offsets
            whole = {
                k: v
                for k, v in shard._asdict().items()
                if k not in ("observation", "action", "reward")
            }
            for i in range(len(shard.length)):
                rows = slice(offsets[i], offsets[i + 1])
                yield {
                    "observation": {
                        k: v[rows].astype(self.observation_space[k].dtype)
                        for k, v in shard.observation.items()
                    },
                    "action": shard.action[rows].astype(self.action_space.dtype),
                    "reward": shard.reward[rows],
                    **{k: v[i] for k, v in whole.items()},
                }

    def shard(self, index: int) -> Shard:
        """Read and verify a shard.

        Raises:
            SettingError: the shard is missing or was changed.
        """
        entry = self.card["shards"][index]
        try:
            shard = read_shard(
                self.folder / entry["file"],
                entry["sha256"],
                self.observation_space,
                self.action_space,
            )
            if (len(shard.length), len(shard.action)) != (entry["episodes"], entry["steps"]):
                raise CorruptFiles(f"{entry['file']} and {CARD} differ in the number of steps")
        except CorruptFiles as damage:
            raise _damaged(self.folder, damage) from None
        return shard

    def check(
        self, observation_space: Mapping[str, ArraySpace], action_space: ActionSpace | None = None
    ) -> None:
        """Raise a `SettingError` unless the recording has these observations and actions."""
        for name, space in observation_space.items():
            own = self.observation_space.get(name)
            fits = own is not None and own.shape == space.shape and own.high <= space.high
            if own is None or not fits or own.dtype != np.dtype(space.dtype):
                raise SettingError(
                    f"recorded observation {name!r}",
                    None if own is None else (own.shape, own.dtype.name, own.high),
                    f"{(space.shape, np.dtype(space.dtype).name, space.high)}: "
                    "shape, dtype and highest value",
                )
        if action_space is not None and action_space.to_json() != self.action_space.to_json():
            raise SettingError("recorded action space", self.action_space, f"{action_space}")

    def batches(
        self,
        batch_size: int,
        length: int,
        seed: int = 0,
        *,
        repeat: bool = False,
        shards_in_memory: int = 4,
    ) -> Iterator[SequenceBatch]:
        """Iterate over windows of `length` steps of `batch_size` sequences, for recurrent students.

        Each of the parallel sequences is a concatenation of whole episodes. Shards are visited in
        random order, and episodes are shuffled among the shards in memory. A pass contains each
        step exactly once.

        Args:
            batch_size: number of sequences read side by side, n.
            length: number of steps in a window, T.
            seed: seed of the order; the same seed gives the same windows.
            repeat: whether to repeat passes indefinitely, without a gap and each in a different
                order. Otherwise there is one pass, and `weight` is 0 in the rows at the end of a
                sequence for which no episodes are left.
            shards_in_memory: number of shards to shuffle together; more shuffle better.

        Raises:
            SettingError: an argument is out of bounds, or, while reading, a shard is missing or was
                changed.
        """
        if not 1 <= batch_size <= len(self):
            allowed = f"from 1 to {len(self)}, the number of recorded episodes"
            raise SettingError("batch_size", batch_size, allowed)
        for name, value in (("length", length), ("shards_in_memory", shards_in_memory)):
            if value < 1:
                raise SettingError(name, value, "at least 1")
        if seed < 0:
            raise SettingError("seed", seed, "at least 0")
        return sequence_batches(
            self.shard,
            len(self.card["shards"]),
            self.observation_space,
            self.action_space,
            batch_size=batch_size,
            length=length,
            seed=seed,
            repeat=repeat,
            shards_in_memory=shards_in_memory,
        )


def open_recording(path: str | os.PathLike[str]) -> Recording:
    """Open the recording in a folder. Shards are fully verified when they are read.

    Raises:
        SettingError: there is no recording, its card is invalid, or files are missing or truncated.
    """
    folder = Path(path)
    if not (folder / CARD).is_file():
        raise SettingError("recording", str(path), f"a folder with a {CARD}")
    try:
        card = json.loads(read_bytes(folder / CARD).decode())
        if card["format"] != FORMAT:
            raise SettingError("format", card["format"], f"{FORMAT}")
        recording = Recording(folder, card)
        _check(card)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, SettingError):
            setting = f"{error.setting} in {folder / CARD}"
            raise SettingError(setting, error.value, error.allowed) from None
        allowed = f"a valid card of a recording ({reason(error)})"
        raise SettingError("recording", str(folder / CARD), allowed) from None
    for entry in card["shards"]:
        file = folder / entry["file"]
        if not file.is_file():
            raise _damaged(folder, f"{entry['file']} is missing")
        if file.stat().st_size != entry["bytes"]:
            raise _damaged(folder, f"{entry['file']} was changed")
    return recording


def _check(card: dict[str, Any]) -> None:
    """Raise a TypeError, ValueError or KeyError unless the fields used from the card are valid."""
    shards = card["shards"]
    if not isinstance(card["environment"], str) or not isinstance(card.get("who", ""), str):
        raise TypeError("environment and who are not names")
    for entry in shards:
        if Path(entry["file"]).name != entry["file"] or not isinstance(entry["sha256"], str):
            raise TypeError("shards are not files in the folder")
        if not all(type(entry[name]) is int for name in ("episodes", "steps", "bytes")):
            raise TypeError("sizes of shards are not integers")
    for name in ("environment_settings", "tasks"):
        texts = card.get(name, [])
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise TypeError(f"{name} is not a list of strings")
    for name in ("episodes", "steps"):
        if card[name] != sum(entry[name] for entry in shards) or card[name] < 1:
            raise ValueError(f"{name} is not the sum over the shards")


def _damaged(folder: Path, damage: CorruptFiles | str) -> SettingError:
    return SettingError("recording", str(folder), f"an undamaged recording ({damage})")


class RecordingWriter:
    """Write a recording shard by shard; after each shard, the folder is a valid recording.

    Args:
        folder: a new or an empty folder.
        card: initial entries of the card.

    Raises:
        SettingError: the folder is not empty; its contents are not changed.
        OSError: the folder cannot be created.
    """

    def __init__(self, folder: str | os.PathLike[str], card: Mapping[str, Any]):
        self.folder = Path(folder)
        there = self.folder.exists()
        if there and not (self.folder.is_dir() and not any(self.folder.iterdir())):
            raise SettingError("--out", str(folder), "a new or an empty folder")
        self._new = not there
        self.folder.mkdir(parents=True, exist_ok=True)
        self.card: dict[str, Any] = {"format": FORMAT, **card}
        self.card |= {"finished": False, "episodes": 0, "steps": 0, "shards": []}

    def write(self, shard: Shard, **more: Any) -> None:
        """Write a shard, and add `more` to the card.

        Raises:
            SettingError: the shard is too large to be read.
            OSError: the disk is full or cannot be written.
        """
        data = encoded(shard)
        sizes = {"packed": (len(data), MOST), "unpacked": (unpacked_bytes(data), MOST_UNPACKED)}
        for kind, (size, most) in sizes.items():
            allowed = f"at most {most:,}, so that it can be read; divide it into shorter episodes"
            require(f"bytes of a shard ({kind})", size, size <= most, allowed)
        entry = {
            "file": f"episodes-{len(self.card['shards']):05d}.npz",
            "episodes": len(shard.length),
            "steps": len(shard.action),
            "bytes": len(data),
            "sha256": digest(data),
        }
        write_whole(self.folder / entry["file"], data)
        self._write_card(
            episodes=self.card["episodes"] + entry["episodes"],
            steps=self.card["steps"] + entry["steps"],
            shards=[*self.card["shards"], entry],
            **more,
        )

    def finish(self, **more: Any) -> None:
        """Mark the recording as finished, and add `more` to the card.

        Raises:
            OSError: the disk is full or cannot be written.
        """
        self._write_card(finished=True, **more)

    def close(self) -> dict[str, Any]:
        """Remove incomplete shards, and the folder if no shard is complete.

        Returns:
            The card.
        """
        try:
            card = json.loads((self.folder / CARD).read_text())
        except FileNotFoundError:
            card = self.card
        whole = {entry["file"] for entry in card["shards"]}
        for path in self.folder.glob("episodes-*.npz"):
            if path.name not in whole:
                path.unlink()
        if not whole:
            (self.folder / CARD).unlink(missing_ok=True)
            if self._new:
                self.folder.rmdir()
        return card

    def _write_card(self, **more: Any) -> None:
        card = self.card | more
        write_whole(self.folder / CARD, (strict_json.dumps(card, indent=1) + "\n").encode())
        self.card = card
