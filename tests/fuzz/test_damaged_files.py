"""Files that were damaged or made up: they are read, or refused in one sentence.

`pytest tests/fuzz --hypothesis-profile=search` tries thousands of each kind.
"""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

import damage

from didact.benchmarks import resumed_results
from didact.benchmarks.suites import comparison, summaries
from didact.environments import ArraySpace, Discrete, SettingError
from didact.experiments.config import TrainConfig, checked, read_run, to_dict
from didact.experiments.config_files import read_file
from didact.experiments.plotting import run_comparison
from didact.experiments.runs import logs, transcripts
from didact.experiments.runs.curriculum_snapshots import (
    CurriculumSnapshot,
    load_snapshots,
    save_snapshot,
)
from didact.experiments.runs.metrics_file import read_rows
from didact.experiments.sweeps.sweep_files import read_sweep
from didact.students.data.recordings import CARD, RecordingWriter, open_recording
from didact.students.data.shards import Shard, digest
from didact.students.policies import cards
from didact.students.policies.policy import load_policy
from didact.teachers.language.proposer import Reply
from didact.teachers.language.transcript import Exchange, Transcript, read, totals

PRETRAINED = Path(cards.__file__).parent / "pretrained"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged")


def accepted_or_refused(run):
    """Run a function; the only exception it may raise is a sentence of one line."""
    try:
        return run()
    except SettingError as error:
        text = str(error)
        assert text.strip(), "an empty sentence"
        assert "\n" not in text, text
        return None


CONFIG = json.loads(json.dumps(to_dict(TrainConfig())))


@given(st.one_of(damage.json_damage(CONFIG), damage.byte_damage(json.dumps(CONFIG).encode())))
def test_configurations(folder, data):
    for name in ("config.json", "config.yaml"):
        path = folder / name
        path.write_bytes(data)
        accepted_or_refused(lambda path=path: checked(read_file(path)))
    accepted_or_refused(lambda: checked(read_run(folder / "config.json", folder)))


SWEEP = {"base": {"env": "ToyGrid", "steps": 100}, "grid": {"teacher": ["uniform", "alp_gmm"]}}


@given(st.one_of(damage.json_damage(SWEEP), damage.byte_damage(json.dumps(SWEEP).encode())))
def test_sweeps(folder, data):
    path = folder / "sweep.yaml"
    path.write_bytes(data)
    accepted_or_refused(lambda: read_sweep(path))


@given(st.data())
def test_cards(folder, data):
    source = data.draw(st.sampled_from(sorted(PRETRAINED.glob("*/policy.json"))))
    text = source.read_bytes()
    kind = st.one_of(damage.json_damage(json.loads(text)), damage.byte_damage(text))
    (folder / cards.CARD).write_bytes(data.draw(kind))
    accepted_or_refused(lambda: cards.read_card(folder))
    assert cards.is_card(folder) in (True, False)
    accepted_or_refused(lambda: load_policy(folder))  # its parameters are missing, too


def metrics_row(updates):
    scores = {"success": 0.5, "return": 1.25, "length": 7.0, "success_by_seed": [0.5, 0.5]}
    times = {"seconds": updates / 2, "steps_per_second": 3.0, "compile_seconds": 1.5}
    return (
        {"updates": updates, "steps": 64 * updates}
        | times
        | scores
        | {
            "evaluation": {"A": {"success": 0.5, "return": 1.0, "success_by_seed": [0.5, 0.5]}},
            "learning": {"loss": 0.1},
            "episodes": 3,
        }
    )


def lines(rows):
    return b"\n".join(json.dumps(row).encode() for row in rows)


ROWS = [metrics_row(n) for n in range(1, 5)]


@given(st.one_of(damage.json_damage(metrics_row(2)), damage.byte_damage(lines(ROWS))))
def test_metrics(folder, data):
    run = folder / "run"
    run.mkdir(exist_ok=True)
    (run / "config.json").write_text(json.dumps(CONFIG))
    (run / logs.METRICS).write_bytes(lines(ROWS[:1]) + b"\n" + data + b"\n" + lines(ROWS[2:]))
    assert read_rows(run / logs.METRICS).rows, "rows that were not damaged are lost"

    def plot():
        read = run_comparison.read(run)
        on = run_comparison.evaluation_tasks([read])
        measure = run_comparison.automatic_measure([read], on)
        labels = run_comparison.labels_of([read])
        curves = run_comparison.curves_of([read], labels, on or [run_comparison.TEACHER], measure)
        return run_comparison.pooled(curves)

    accepted_or_refused(plot)


SNAPSHOT = CurriculumSnapshot(
    64,
    np.random.default_rng(0).random((3, 2)),
    np.ones(3),
    np.zeros(3),
    {
        "weights": np.full(3, 1 / 3),
        "means": np.zeros((3, 2)),
        "covariances": np.tile(np.eye(2), (3, 1, 1)),
        "progress": np.ones(3),
    },
)
FIELDS = {k: np.asarray(v) for k, v in SNAPSHOT._asdict().items() if k != "beliefs"} | {
    f"beliefs.{name}": value for name, value in SNAPSHOT.beliefs.items()
}


@given(
    st.one_of(damage.archive_damage(FIELDS), damage.byte_damage(damage.packed(FIELDS))),
    st.sampled_from([None, 2, 3]),
)
def test_snapshots(folder, data, dimensions):
    place = folder / "curriculum"
    place.mkdir(exist_ok=True)
    save_snapshot(place / "a.npz", SNAPSHOT)
    (place / "b.npz").write_bytes(data)
    accepted_or_refused(lambda: load_snapshots(place, dimensions))


SPACES = {"view": ArraySpace((2, 3), np.uint8, 0, 200), "step": ArraySpace((), np.int32, 0, 255)}


@pytest.fixture(scope="module")
def recording(folder):
    place = folder / "recording"
    spaces = {name: space.to_json() for name, space in SPACES.items()}
    action_space = Discrete(3).to_json()
    writer = RecordingWriter(
        place,
        {"environment": "Nowhere", "action_space": action_space, "observation_space": spaces},
    )
    arrays = {
        "action": np.zeros(5, np.uint8),
        "reward": np.zeros(5, np.float32),
        "episode": np.arange(2),
        "length": np.array([2, 3], np.int32),
        "terminated": np.array([True, False]),
        "truncated": np.array([False, True]),
        "success": np.array([True, False]),
        "returns": np.ones(2, np.float32),
        "task": np.zeros((2, 2), np.float32),
        "text": np.array(["a", "b"]),
    }
    observation = {"view": np.zeros((5, 2, 3), np.uint8), "step": np.zeros(5, np.uint8)}
    writer.write(Shard(observation=observation, **arrays))
    writer.finish()
    writer.close()
    (shard,) = place.glob("*.npz")
    with np.load(shard) as file:
        return place, json.loads((place / CARD).read_text()), shard, dict(file)


@given(st.data())
def test_recordings(recording, data):
    place, card, shard, arrays = recording
    (place / CARD).write_bytes(json.dumps(card).encode())
    shard.write_bytes(damage.packed(arrays))
    if data.draw(st.booleans()):
        text = json.dumps(card).encode()
        edit = st.one_of(damage.json_damage(card), damage.byte_damage(text))
        (place / CARD).write_bytes(data.draw(edit))
    else:  # a shard that its card vouches for
        kinds = damage.archive_damage(arrays), damage.byte_damage(damage.packed(arrays))
        shard.write_bytes(data.draw(st.one_of(*kinds)))
        vouched = json.loads(
            json.dumps(card).replace(card["shards"][0]["sha256"], digest(shard.read_bytes()))
        )
        (place / CARD).write_bytes(json.dumps(vouched).encode())
    accepted_or_refused(lambda: list(open_recording(place)))
    accepted_or_refused(lambda: list(open_recording(place).batches(2, 4)))


EXCHANGES = [
    json.loads(
        Exchange(
            asked=n,
            came=n + 1,
            steps=64,
            proposer="scripted",
            told=(3, 1, 2),
            reply=Reply(text='{"tasks": []}', messages=({"role": "user", "content": "ask"},)),
            accepted=({"rows": 1.0}, {"rows": 2.0}),
            refused=("rows is 9",),
        ).line()
    )
    for n in range(3)
]


@given(st.one_of(damage.json_damage(EXCHANGES[1]), damage.byte_damage(lines(EXCHANGES))))
def test_transcripts(folder, data):
    path = folder / transcripts.TRANSCRIPT
    path.write_bytes(lines(EXCHANGES[:1]) + b"\n" + data + b"\n" + lines(EXCHANGES[2:]))
    found, _ = read(path)
    assert found, "exchanges that were not damaged are lost"
    for choice in (
        transcripts.Transcript(path, full=True),
        transcripts.Transcript(path, json=True),
    ):
        accepted_or_refused(lambda choice=choice: transcripts.show(choice))
    assert dataclasses.asdict(totals(found))["calls"] == len(found)
    Transcript(path, 2)


CURVES = {
    "steps": [320, 640], "success": {"one": [[0.1, 0.2], [0.3, 0.4]]}, "seconds": 1.0,
    "proposals": [[[0.1, 0.2]], [[0.2, 0.3]]], "language": {"calls": 1, "tokens": 2, "cost": 0.5},
    "worst": {"shares": [0.1, 1.0], "success": [[0.1, 0.4], [0.2, 0.4]]},
}  # fmt: skip
SUITE = {
    "suite": "toy", "description": "d", "machine": {"cpu": "x"}, "tests": {"one": 4},
    "settings": {"steps": 640, "seeds": 2, "seed": 0, "tests": "abc"}, "parameters": ["x", "y"],
    "teachers": {"alp_gmm": CURVES, "uniform": CURVES},
}  # fmt: skip


@pytest.mark.slow
@given(st.one_of(damage.json_damage(SUITE), damage.byte_damage(json.dumps(SUITE).encode())))
def test_results_of_suites(folder, data):
    (folder / comparison.RESULT).write_bytes(data)
    found = accepted_or_refused(lambda: comparison.read(folder))
    if found is not None:
        assert found["verdict"] is not None
        summaries.ordered(found["summary"])
        comparison.table(found)


RESULTS = {"settings": {"steps": 5}, "rows": {"a": {"x": [1.0, 2.0]}, "b": {"x": [3.0, 4.0]}}}


@given(st.one_of(damage.json_damage(RESULTS), damage.byte_damage(json.dumps(RESULTS).encode())))
def test_results_of_benchmarks(folder, data):
    path = folder / "curves.json"
    path.write_bytes(data)

    def complete(row):
        return np.array(row["x"], float).shape == (2,)

    accepted_or_refused(
        lambda: resumed_results.rows_of(path, "rows", RESULTS["settings"], complete)
    )
