"""Shards: the files of a recording, with whole episodes; written atomically, verified when read."""

import hashlib
import io
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64

from didact.common.foreign_files import read_bytes
from didact.environments import ActionSpace, ArraySpace, Continuous
from didact.students.data.pytree_storage import CorruptFiles

OBSERVATION = "observation."  # prefix of the names of observations in a file
# Shards repeat the same bytes (such as the instruction at each step), so the fastest compression
# level saves nearly as much as the best.
MOST = 1 << 30  # bytes of a shard
MOST_UNPACKED = 1 << 32
_LEVEL = 1


class Shard(NamedTuple):
    """e whole episodes, concatenated, with s steps in total."""

    observation: dict[str, np.ndarray]  # each [s, ...], before the action
    action: np.ndarray  # [s], uint8 or int32, if discrete; float32[s, k] if continuous
    reward: Float32[np.ndarray, " s"]  # reward of the action
    episode: Int64[np.ndarray, " e"]  # number of the episode, ascending
    length: Int32[np.ndarray, " e"]  # number of steps
    terminated: Bool[np.ndarray, " e"]  # whether the last step terminated the episode
    truncated: Bool[np.ndarray, " e"]  # whether the last step truncated it
    success: Bool[np.ndarray, " e"]  # whether the instruction was fulfilled in any step
    returns: Float32[np.ndarray, " e"]  # undiscounted
    task: Float32[np.ndarray, "e d"]
    text: np.ndarray  # str[e], the instruction, or ""

    @property
    def offsets(self) -> Int64[np.ndarray, " e+1"]:
        """The row of each episode's first step, followed by the total number of steps."""
        return np.concatenate([[0], np.cumsum(self.length, dtype=np.int64)])


def stored_dtype(space: ArraySpace) -> np.dtype:
    """Return the dtype of an observation on disk, one byte if its values fit."""
    dtype = np.dtype(space.dtype)
    return smallest_dtype(space.high) if dtype.kind in "iub" and space.low >= 0 else dtype


def smallest_dtype(highest: float) -> np.dtype:
    """Return uint8 if integers from 0 to `highest` fit, else int32."""
    return np.dtype(np.uint8 if highest <= 255 else np.int32)


def bytes_per_step(shard: Shard) -> int:
    """Return the number of bytes that each step adds to the arrays of a shard."""
    arrays = *shard.observation.values(), shard.action, shard.reward
    return sum(array.itemsize * math.prod(array.shape[1:]) for array in arrays)


def unpacked_bytes(data: bytes) -> int:
    """Return the number of bytes of the arrays in the bytes of an .npz file."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return sum(entry.file_size for entry in archive.infolist())


def encoded(shard: Shard) -> bytes:
    """Encode a shard as the bytes of an .npz file; the same shard gives the same bytes."""
    arrays: dict[str, Any] = {OBSERVATION + k: v for k, v in shard.observation.items()}
    arrays |= {k: v for k, v in shard._asdict().items() if k != "observation"}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def digest(data: bytes) -> str:
    """Return the SHA-256 digest of a file's bytes."""
    return hashlib.sha256(data).hexdigest()


def read_shard(
    path: Path, expected: str, spaces: Mapping[str, ArraySpace], actions: ActionSpace
) -> Shard:
    """Read and verify a shard.

    Args:
        path: the file.
        expected: the digest of its bytes.
        spaces: the observation spaces, by name.
        actions: the action space.

    Raises:
        CorruptFiles: the file is missing, was changed, or holds unexpected arrays.
    """
    try:
        data = read_bytes(path, MOST)
    except OSError as error:
        raise CorruptFiles(f"{path.name} cannot be read: {error.strerror or error}") from None
    if digest(data) != expected:
        raise CorruptFiles(f"{path.name} was changed")
    try:
        if unpacked_bytes(data) > MOST_UNPACKED:
            raise CorruptFiles(f"{path.name} has more than {MOST_UNPACKED:,} bytes of arrays")
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = dict(file)
        observation = {
            k.removeprefix(OBSERVATION): arrays.pop(k)
            for k in list(arrays)
            if k.startswith(OBSERVATION)
        }
        shard = Shard(observation=observation, **arrays)
    except CorruptFiles:
        raise
    except Exception:  # damaged files cause errors of zipfile, zlib, ast, tokenize, ...
        raise CorruptFiles(f"{path.name} is not a shard of a recording") from None
    if not _well_formed(shard, spaces, actions):
        raise CorruptFiles(f"the arrays of {path.name} do not match the recording's card")
    return shard


def stored_actions(space: ActionSpace) -> np.dtype:
    """Return the dtype of actions on disk."""
    return np.dtype(np.float32) if isinstance(space, Continuous) else smallest_dtype(space.n - 1)


def _well_formed(shard: Shard, spaces: Mapping[str, ArraySpace], actions: ActionSpace) -> bool:
    steps, episodes = len(shard.action), len(shard.length)
    found: dict[str, Any] = {k: (v.shape, v.dtype) for k, v in shard.observation.items()}
    wanted: dict[str, Any] = {k: ((steps, *s.shape), stored_dtype(s)) for k, s in spaces.items()}
    found["action"] = shard.action.shape, shard.action.dtype
    wanted["action"] = (steps, *actions.shape), stored_actions(actions)
    per_step = {"reward": np.dtype(np.float32)}
    per_episode = {
        "episode": np.dtype(np.int64),
        "length": np.dtype(np.int32),
        **dict.fromkeys(("terminated", "truncated", "success"), np.dtype(bool)),
        "returns": np.dtype(np.float32),
    }
    for names, rows in ((per_step, steps), (per_episode, episodes)):
        found |= {k: (getattr(shard, k).shape, getattr(shard, k).dtype) for k in names}
        wanted |= {k: ((rows,), dtype) for k, dtype in names.items()}
    return (
        found == wanted
        and (shard.task.ndim, len(shard.task), shard.task.dtype) == (2, episodes, np.float32)
        and (shard.text.shape, shard.text.dtype.kind) == ((episodes,), "U")
        and episodes > 0
        and shard.length.min() >= 1
        and shard.offsets[-1] == steps
        and _within(shard.action, actions)
    )


def _within(action: np.ndarray, space: ActionSpace) -> bool:
    """Whether all actions lie within the action space."""
    if isinstance(space, Continuous):
        return bool(((action >= space.lows) & (action <= space.highs)).all())
    return bool(((action >= 0) & (action < space.n)).all())
