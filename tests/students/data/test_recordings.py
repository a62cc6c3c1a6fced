"""Recordings on disk, and the windows that are read from them."""

import collections
import gc
import itertools
import json
import os
import tempfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from didact.environments import ArraySpace, Continuous, Discrete, SettingError
from didact.students.data import recordings
from didact.students.data.recordings import CARD, RecordingWriter, open_recording
from didact.students.data.shards import Shard, digest

SPACES = {
    "view": ArraySpace((2, 3), np.uint8, 0, 200),
    "step": ArraySpace((), np.int32, 0, 255),
    "serial": ArraySpace((2,), np.float32, 0, 1e6),
}
SPACES_ON_CARD = {name: space.to_json() for name, space in SPACES.items()}
ACTIONS = Discrete(3, ("a", "b", "c"))
JOINTS = Continuous((2,), (-1.0, -2.0), (1.0, 0.5), ("hip", "knee"))


def card_of(actions=ACTIONS):
    space = actions.to_json()
    return {"environment": "Nowhere", "action_space": space, "observation_space": SPACES_ON_CARD}


def write(folder, lengths, per_shard, seed=0, actions=ACTIONS):
    """A recording of episodes with such lengths; `serial` is (episode, step)."""
    rng = np.random.default_rng(seed)
    writer = RecordingWriter(folder, card_of(actions))

    def some_actions(s):
        if actions == ACTIONS:
            return rng.integers(0, 3, s).astype(np.uint8)
        return np.float32(actions.lows + (actions.highs - actions.lows) * rng.random((s, 2)))

    for begin in range(0, len(lengths), per_shard):
        part = np.array(lengths[begin : begin + per_shard], np.int32)
        e, s = len(part), int(part.sum())
        episode = np.arange(begin, begin + e)
        step = np.concatenate([np.arange(n) for n in part])
        terminated = rng.random(e) < 0.5
        shard = Shard(
            {
                "view": rng.integers(0, 201, (s, 2, 3)).astype(np.uint8),
                "step": (step % 256).astype(np.uint8),
                "serial": np.stack([np.repeat(episode, part), step], 1).astype(np.float32),
            },
            some_actions(s),
            rng.random(s).astype(np.float32),
            episode,
            part,
            terminated,
            ~terminated | (rng.random(e) < 0.2),
            rng.random(e) < 0.5,
            rng.random(e).astype(np.float32),
            rng.random((e, 2)).astype(np.float32),
            np.array([f"do {i}" for i in episode]),
        )
        writer.write(shard)
    writer.finish()
    writer.close()
    return open_recording(folder)


def histories(windows):
    """Per lane, its rows of positive weight one after another, by plain Python."""
    lanes = collections.defaultdict(list)
    for window in windows:
        for t, n in itertools.product(*map(range, window.weight.shape)):
            if window.weight[t, n]:
                assert window.weight[t, n] == 1
                row = {k: getattr(window, k)[t, n] for k in window._fields if k != "observation"}
                lanes[n].append(row | {k: v[t, n] for k, v in window.observation.items()})
    return lanes


def is_episode(rows, episode):
    last = len(rows) - 1
    for t, row in enumerate(rows):
        assert row["start"] == (t == 0)
        assert row["terminated"] == (t == last and episode["terminated"])
        assert row["truncated"] == (t == last and episode["truncated"])
        assert np.array_equal(row["action"], episode["action"][t])
        assert row["reward"] == episode["reward"][t]
        for name, values in episode["observation"].items():
            assert np.array_equal(row[name], values[t])
            assert row[name].dtype == SPACES[name].dtype


@settings(max_examples=60)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=25),
    per_shard=st.integers(1, 8),
    lanes=st.integers(1, 25),
    length=st.integers(1, 9),
    memory=st.integers(1, 4),
    seed=st.integers(0, 3),
)
def test_a_pass_has_every_step_once_in_whole_episodes(
    lengths, per_shard, lanes, length, memory, seed
):
    with tempfile.TemporaryDirectory() as folder:
        recording = write(Path(folder) / "r", lengths, per_shard)
        lanes = min(lanes, len(lengths))
        windows = list(recording.batches(lanes, length, seed, shards_in_memory=memory))
        episodes = list(recording)
    assert [len(e["action"]) for e in episodes] == lengths
    for window in windows:
        assert window.weight.shape == (length, lanes)
        assert window.weight.any()
        assert window.observation["view"].shape == (length, lanes, 2, 3)
    weights = np.concatenate([w.weight for w in windows])
    assert np.all(np.diff(weights, axis=0) <= 0)  # nothing but padding after padding
    seen = []
    for rows in histories(windows).values():
        at = 0
        while at < len(rows):
            number = int(rows[at]["serial"][0])
            seen.append(number)
            is_episode(rows[at : at + lengths[number]], episodes[number])
            at += lengths[number]
        assert at == len(rows)
    assert sorted(seen) == list(range(len(lengths)))


def test_the_order_is_that_of_the_seed(tmp_path):
    recording = write(tmp_path / "r", [1 + i % 5 for i in range(60)], 10)

    def order(seed):
        lanes = histories(recording.batches(4, 6, seed))
        return [[int(r["serial"][0]) for r in rows if r["start"]] for rows in lanes.values()]

    assert order(0) == order(0)
    assert order(0) != order(1)
    assert sorted(itertools.chain(*order(1))) == list(range(60))


def test_episodes_are_shuffled_among_the_shards_in_memory(tmp_path):
    recording = write(tmp_path / "r", [1 + i % 5 for i in range(60)], 10)

    def order(memory):
        rows = histories(recording.batches(1, 6, shards_in_memory=memory))[0]
        return np.array([int(r["serial"][0]) for r in rows if r["start"]])

    for memory in (1, 2, 6):
        shards = order(memory).reshape(-1, 10 * memory) // 10
        assert all(len(set(group)) == memory for group in shards)
        assert np.mean(np.diff(order(memory)) == 1) < 0.2
    assert np.mean(np.diff(order(6) // 10) == 0) < 0.4


def test_passes_follow_one_another_without_a_gap(tmp_path):
    lengths = [1 + i % 7 for i in range(31)]
    recording = write(tmp_path / "r", lengths, 4)
    counts, first_passes = np.zeros(31, int), []
    stream = recording.batches(5, 8, repeat=True, shards_in_memory=3)
    for window in itertools.islice(stream, 60):
        assert window.weight.all()
        begun = window.observation["serial"][..., 0][window.start].astype(int)
        np.add.at(counts, begun, 1)
        first_passes.append(tuple(sorted(begun)))
        assert counts.max() - counts.min() <= 1  # no episode again before all others
    assert counts.min() >= 8
    assert len(set(first_passes)) > 50  # and each pass in an order of its own


@pytest.mark.slow
def test_memory_holds_a_few_shards_only(tmp_path):
    recording = write(tmp_path / "r", [50] * 2000, 50)
    whole = recording.num_steps * (6 + 1 + 8 + 1 + 4 + 4 + 3)
    read = []
    load = recording.shard
    recording.shard = lambda index: read.append(index) or load(index)
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)  # Python's own; tests collect garbage less often
    tracemalloc.start()
    for i, window in enumerate(recording.batches(8, 10, shards_in_memory=2)):
        assert window.weight.all() or i > 1200
        assert len(read) <= 2 + 2 * (i * 80 // 4500)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    gc.set_threshold(*before)
    assert sorted(read) == list(range(40))
    assert peak < whole / 4


def refused(function, *words):
    with pytest.raises(SettingError) as caught:
        function()
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text, text


def flip(path, at=-30):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def swell(path, size=60 << 30):
    """Makes a sparse file, which takes no room on the disk."""
    os.truncate(path, size)


def swell_shard(folder):
    card = json.loads((folder / CARD).read_text())
    card["shards"][1]["bytes"] = 60 << 30
    edit(folder / CARD, shards=card["shards"])
    swell(folder / card["shards"][1]["file"])


def bomb(folder, member):
    """Replaces a shard by an archive with a valid digest that unpacks to too much."""
    card = json.loads((folder / CARD).read_text())
    path = folder / card["shards"][1]["file"]
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("reward.npy", "w", force_zip64=True) as file,
    ):
        member(file)
    data = path.read_bytes()
    card["shards"][1] |= {"bytes": len(data), "sha256": digest(data)}
    edit(folder / CARD, shards=card["shards"])


def huge_header(file):
    header = {"descr": "<f4", "fortran_order": False, "shape": (10**15,)}
    np.lib.format.write_array_header_1_0(file, header)


def much(file):
    for _ in range(4100):
        file.write(bytes(1 << 20))


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


DAMAGES = {
    "no folder": (lambda f: f.rename(f.with_name("gone")), CARD),
    "no card": (lambda f: (f / CARD).unlink(), CARD),
    "a cut card": (lambda f: (f / CARD).write_text((f / CARD).read_text()[:200]), CARD),
    "a card of something": (lambda f: (f / CARD).write_text("[1]"), CARD),
    "another format": (lambda f: edit(f / CARD, format=9), "format"),
    "another count": (lambda f: edit(f / CARD, episodes=4), "episodes"),
    "no shards": (lambda f: edit(f / CARD, shards=[], episodes=0, steps=0), CARD),
    "a way out": (lambda f: edit(f / CARD, shards=[{"file": "../x.npz"}]), CARD),
    "a missing shard": (lambda f: (f / "episodes-00001.npz").unlink(), "episodes-00001.npz"),
    "a cut shard": (
        lambda f: (f / "episodes-00001.npz").write_bytes(b"PK"),
        "episodes-00001.npz was changed",
    ),
    "an edited shard": (
        lambda f: flip(f / "episodes-00001.npz"),
        "episodes-00001.npz was changed",
    ),
    "a huge card": (lambda f: swell(f / CARD), f"{CARD}', but must be a valid card of a recording"),
    "a huge shard": (swell_shard, "episodes-00001.npz cannot be read: it has more than"),
    "a huge array": (lambda f: bomb(f, huge_header), "is not a shard of a recording"),
    "settings that are no texts": (lambda f: edit(f / CARD, environment_settings=5), "not a list"),
    "an actor that is no text": (lambda f: edit(f / CARD, who=5), "environment and who are not n"),
    "tasks that are no texts": (lambda f: edit(f / CARD, tasks=[5]), "not a list of strings"),
    "other spaces": (
        lambda f: edit(f / CARD, observation_space={"view": SPACES_ON_CARD["view"]}),
        "do not match",
    ),
    "fewer actions": (lambda f: edit(f / CARD, action_space=Discrete(1).to_json()), "do not match"),
    "continuous actions": (lambda f: edit(f / CARD, action_space=JOINTS.to_json()), "do not match"),
    "no actions": (lambda f: edit(f / CARD, action_space=["a"]), "action space"),
    "an earlier format": (lambda f: edit(f / CARD, format=1), "format"),
}


@pytest.mark.slow
def test_an_archive_that_unpacks_to_gigabytes_is_refused_unread(tmp_path):
    write(tmp_path / "r", [3] * 6, 2)
    bomb(tmp_path / "r", much)
    read = lambda: list(open_recording(tmp_path / "r").batches(2, 4))  # noqa: E731
    refused(read, "recording", "has more than 4,294,967,296 bytes of arrays")


def test_what_a_card_may_leave_out(tmp_path):
    recording = write(tmp_path / "r", [3] * 6, 2)
    assert not {"who", "environment_settings", "tasks"} & set(recording.card)
    assert (recording.who, recording.environment_settings) == ("unknown", ())
    edit(tmp_path / "r" / CARD, who="solver", environment_settings=["size=3"])
    recording = open_recording(tmp_path / "r")
    assert (recording.who, recording.environment_settings) == ("solver", ("size=3",))


@pytest.mark.parametrize(("limit", "kind"), [("MOST", "packed"), ("MOST_UNPACKED", "unpacked")])
def test_a_shard_that_nobody_could_read_is_not_written(limit, kind, tmp_path, monkeypatch):
    monkeypatch.setattr(recordings, limit, 500)
    refused(lambda: write(tmp_path / "r", [3] * 6, 2), f"bytes of a shard ({kind})", "at most 500")
    assert not list((tmp_path / "r").iterdir())


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_told_in_one_sentence(damage, tmp_path):
    write(tmp_path / "r", [3] * 6, 2)
    harm, word = DAMAGES[damage]
    harm(tmp_path / "r")
    refused(lambda: list(open_recording(tmp_path / "r").batches(2, 4)), "recording", word)


def test_bad_settings_are_told(tmp_path):
    recording = write(tmp_path / "r", [3] * 6, 2)
    refused(lambda: recording.batches(7, 4), "batch_size is 7", "from 1 to 6")
    refused(lambda: recording.batches(0, 4), "batch_size is 0")
    refused(lambda: recording.batches(2, 0), "length is 0")
    refused(lambda: recording.batches(2, 4, -1), "seed is -1")
    refused(lambda: recording.batches(2, 4, shards_in_memory=0), "shards_in_memory is 0")
    recording.check(SPACES)
    recording.check({"view": SPACES["view"]})
    refused(
        lambda: recording.check({"view": ArraySpace((3, 3), np.uint8, 0, 200)}), "view", "(3, 3)"
    )
    refused(lambda: recording.check({"view": ArraySpace((2, 3), np.uint8, 0, 9)}), "200")
    refused(lambda: recording.check({"sound": ArraySpace((2,), np.uint8)}), "sound", "None")


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    refused(lambda: RecordingWriter(tmp_path, card_of()), "--out", "empty")
    refused(lambda: RecordingWriter(tmp_path / "notes.txt", card_of()), "--out", "empty")
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_what_is_written_opens_with_numpy_alone(tmp_path):
    write(tmp_path / "r", [3, 2], 2)
    with np.load(tmp_path / "r" / "episodes-00000.npz", allow_pickle=False) as file:
        arrays = dict(file)
    assert arrays["observation.view"].shape == (5, 2, 3)
    assert arrays["observation.step"].dtype == np.uint8
    assert arrays["length"].tolist() == [3, 2]
    assert arrays["text"].tolist() == ["do 0", "do 1"]


def test_continuous_actions_come_back_exactly(tmp_path):
    recording = write(tmp_path / "r", [3, 5, 1, 4], 2, actions=JOINTS)
    assert recording.action_space == JOINTS
    episodes = list(recording)
    for rows in histories(recording.batches(2, 3)).values():
        at = 0
        while at < len(rows):
            number = int(rows[at]["serial"][0])
            length = len(episodes[number]["action"])
            is_episode(rows[at : at + length], episodes[number])
            at += length
    (window, *_) = recording.batches(2, 3)
    assert window.action.shape == (3, 2, 2)
    assert window.action.dtype == np.float32


@pytest.mark.parametrize("value", [1.001, -1.001, np.nan, np.inf])
def test_actions_out_of_bounds_are_refused(value, tmp_path):
    shard = write(tmp_path / "r", [3, 2], 2, actions=JOINTS).shard(0)
    shard.action[4, 0] = value
    writer = RecordingWriter(tmp_path / "bad", card_of(JOINTS))
    writer.write(shard)
    refused(lambda: open_recording(tmp_path / "bad").shard(0), "do not match the recording's card")
    shard.action[4, 0] = -1.0  # a bound is an action
    writer.write(shard)
    open_recording(tmp_path / "bad").shard(1)


def test_discrete_actions_out_of_range_are_refused(tmp_path):
    shard = write(tmp_path / "r", [3, 2], 2).shard(0)
    shard.action[4] = 3
    RecordingWriter(tmp_path / "bad", card_of()).write(shard)
    refused(lambda: open_recording(tmp_path / "bad").shard(0), "do not match the recording's card")
