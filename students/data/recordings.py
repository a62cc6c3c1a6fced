"""Recorded episodes on disk: a card that a person can read, and shards of whole episodes.

`docs/recordings.md` tells what is in the files. Nothing in them is executed.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from didact.common.files import write_whole
from didact.environments import ArraySpace, SettingError
from didact.environments.spaces import action_space_from_json
from didact.students.data.pytree_storage import CorruptFiles
from didact.students.data.sequences import SequenceBatch, sequence_batches
from didact.students.data.shards import Shard, digest, encoded, read_shard

CARD = "recording.json"
FORMAT = 2


class Recording:
    """Whole episodes, to be read again and again; only a few shards are in memory at a time.

    Attributes:
        folder: where it is.
        card: what `recording.json` says.
        observation_space: the arrays of an observation, by name.
        action_space: the actions.
    """

    def __init__(self, folder: Path, card: dict[str, Any]):
        self.folder, self.card = folder, card
        self.observation_space = {
            name: ArraySpace.from_json(s) for name, s in card["observation_space"].items()
        }
        self.action_space = action_space_from_json(card["action_space"])

    @property
    def environment(self) -> str:
        """The name of the environment that was played."""
        return self.card["environment"]

    @property
    def num_steps(self) -> int:
        """Steps of all episodes."""
        return self.card["steps"]

    def __len__(self) -> int:
        """The number of episodes."""
        return self.card["episodes"]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The episodes, in the order in which they were begun.

        Each is a dict: `observation`, a dict of arrays [t, ...]; `action` and `reward`, [t]; and
        the episode's entry of every other array of `Shard`.

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
        """One of the files, checked.

        Raises:
            SettingError: it is missing or was changed.
        """
        told = self.card["shards"][index]
        try:
            shard = read_shard(
                self.folder / told["file"],
                told["sha256"],
                self.observation_space,
                self.action_space,
            )
            if (len(shard.length), len(shard.action)) != (told["episodes"], told["steps"]):
                raise CorruptFiles(f"{told['file']} has not as many steps as {CARD} says")
        except CorruptFiles as damage:
            raise _damaged(self.folder, damage) from None
        return shard

    def check(self, observation_space: Mapping[str, ArraySpace]) -> None:
        """Raises a `SettingError` unless the recording has these observations."""
        for name, space in observation_space.items():
            own = self.observation_space.get(name)
            fits = own is not None and own.shape == space.shape and own.high <= space.high
            if own is None or not fits or own.dtype != np.dtype(space.dtype):
                raise SettingError(
                    f"recorded observation {name!r}",
                    None if own is None else (own.shape, own.dtype.name, own.high),
                    f"{(space.shape, np.dtype(space.dtype).name, space.high)}: "
                    "shape, type and highest value",
                )

    def batches(
        self,
        batch_size: int,
        length: int,
        seed: int = 0,
        *,
        repeat: bool = False,
        shards_in_memory: int = 4,
    ) -> Iterator[SequenceBatch]:
        """Windows of `length` steps of `batch_size` lanes, for recurrent students.

        Each lane is one whole episode after another, in a random order of shards, and of episodes
        among the few shards that are in memory. Every step comes exactly once in a pass.

        Args:
            batch_size: how many episodes are read side by side, n.
            length: T.
            seed: of the order; the same seed gives the same windows.
            repeat: whether passes follow one another without end and without a gap, each in an
                order of its own. Otherwise there is one pass, and `weight` is 0 in the rows at
                the end of lanes where no episode is left.
            shards_in_memory: more of them shuffle better.

        Raises:
            SettingError: a number is out of bounds; and while reading, a shard is missing or was
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
    """The recording in a folder. Shards are checked in full when they are read.

    Raises:
        SettingError: there is none, its card is not one, or files are missing or cut off.
    """
    folder = Path(path)
    if not (folder / CARD).is_file():
        raise SettingError("recording", str(path), f"a folder with a {CARD}")
    try:
        card = json.loads((folder / CARD).read_text())
        if card["format"] != FORMAT:
            raise SettingError("format", card["format"], f"{FORMAT}")
        recording = Recording(folder, card)
        _check(card)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, SettingError):
            setting = f"{error.setting} in {folder / CARD}"
            raise SettingError(setting, error.value, error.allowed) from None
        allowed = f"the card of a recording ({error!r})"
        raise SettingError("recording", str(folder / CARD), allowed) from None
    for told in card["shards"]:
        file = folder / told["file"]
        if not file.is_file():
            raise _damaged(folder, f"{told['file']} is missing")
        if file.stat().st_size != told["bytes"]:
            raise _damaged(folder, f"{told['file']} was changed")
    return recording


def _check(card: dict[str, Any]) -> None:
    """Raises unless the card says of everything that is used what it should."""
    shards = card["shards"]
    if not isinstance(card["environment"], str):
        raise TypeError("environment is not a name")
    for told in shards:
        if Path(told["file"]).name != told["file"] or not isinstance(told["sha256"], str):
            raise TypeError("shards are not files of the folder")
        if not all(type(told[name]) is int for name in ("episodes", "steps", "bytes")):
            raise TypeError("sizes of shards are not numbers")
    for name in ("episodes", "steps"):
        if card[name] != sum(told[name] for told in shards) or card[name] < 1:
            raise ValueError(f"{name} are not those of the shards")


def _damaged(folder: Path, damage: CorruptFiles | str) -> SettingError:
    return SettingError("recording", str(folder), f"a folder as it was recorded ({damage})")


class RecordingWriter:
    """Writes a recording shard by shard; after each, the folder is a recording of those so far.

    Args:
        folder: a new or an empty one.
        card: what is known beforehand.

    Raises:
        SettingError: there is something in the folder; it is left alone.
        OSError: the folder cannot be made.
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
        """Adds a shard; `more` goes into the card.

        Raises:
            OSError: the disk is full or cannot be written.
        """
        data = encoded(shard)
        told = {
            "file": f"episodes-{len(self.card['shards']):05d}.npz",
            "episodes": len(shard.length),
            "steps": len(shard.action),
            "bytes": len(data),
            "sha256": digest(data),
        }
        write_whole(self.folder / told["file"], data)
        self._write_card(
            episodes=self.card["episodes"] + told["episodes"],
            steps=self.card["steps"] + told["steps"],
            shards=[*self.card["shards"], told],
            **more,
        )

    def finish(self, **more: Any) -> None:
        """Writes down that nothing is missing; `more` goes into the card.

        Raises:
            OSError: the disk is full or cannot be written.
        """
        self._write_card(finished=True, **more)

    def close(self) -> dict[str, Any]:
        """Removes what belongs to no whole shard, and the folder if there is none; the card."""
        try:
            card = json.loads((self.folder / CARD).read_text())
        except FileNotFoundError:
            card = self.card
        whole = {told["file"] for told in card["shards"]}
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
        write_whole(self.folder / CARD, (json.dumps(card, indent=1) + "\n").encode())
        self.card = card
