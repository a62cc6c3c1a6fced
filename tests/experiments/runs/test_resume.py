"""Runs that are interrupted and gone on with, on the command line, in processes of their own."""

import io
import json
import os
import shutil
import signal
import subprocess
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from didact.experiments import setup
from didact.experiments.config import read_run
from didact.experiments.evaluation.evaluate import Results
from didact.experiments.runs import report
from didact.experiments.runs.checkpoints import Checkpoints
from didact.experiments.training import train

UPDATES, CHUNK = 60, 2
SETTINGS = (
    "--env Counting --num-envs 16 --rollout-length 4 --chunk 2 --checkpoint-every 0.1"
    f" --evaluate-every 0.5 --steps {UPDATES * 64} --warm-up 0 --no-pictures --no-video"
    " --teacher alp_gmm --teacher-settings fit_rate=30"
    " --ppo.num-minibatches 2 --ppo.network.hidden 16 --ppo.network.memory 8"
).split()


def last_arrays(run):
    """The arrays of the last checkpoint of a run."""
    config = read_run(run / "config.json", run)
    loop = setup.loop_of(config, setup.environment_of(config), jax.devices())
    state = Checkpoints(run / "checkpoints").restore(loop.init(config.seed))
    return [
        jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else np.asarray(x)
        for x in jax.tree.leaves(state)
    ]


def assert_same_end(one, other):
    assert Checkpoints(one / "checkpoints").saved()[-1] == UPDATES
    pairs = zip(last_arrays(one), last_arrays(other), strict=True)
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)


def rows(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def assert_each_update_once(run):
    assert [row["updates"] for row in rows(run)] == list(range(CHUNK, UPDATES + 1, CHUNK))


def interrupt(started, run, updates, number):
    """Waits until so many updates are written down, then sends the signal."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and started.poll() is None:
        try:
            if rows(run)[-1]["updates"] >= updates:
                break
        except (FileNotFoundError, IndexError, ValueError):
            pass
        time.sleep(0.01)
    assert started.poll() is None, started.communicate()
    os.kill(started.pid, number)
    out, err = started.communicate(timeout=120)
    return started.returncode, out, err


@pytest.fixture(scope="module")
def whole(finished, tmp_path_factory):
    """A run that nobody interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    code, _, err = finished("train", *SETTINGS, "--run", "run", folder=folder)
    assert code == 0, err
    assert_each_update_once(folder / "run")
    return folder / "run"


@pytest.mark.parametrize(
    "numbers",
    [
        (signal.SIGTERM, signal.SIGKILL),
        pytest.param((signal.SIGINT, signal.SIGTERM, signal.SIGKILL), marks=pytest.mark.slow),
    ],
)
def test_interrupted_in_every_way_it_ends_the_same(numbers, whole, process, finished, tmp_path):
    run, updates, command = tmp_path / "run", 2, [*SETTINGS, "--run", "run"]
    for number in numbers:
        json_or_words = ["--json"] if number == signal.SIGINT else []
        started = process("train", *command, *json_or_words, folder=tmp_path)
        code, out, err = interrupt(started, run, updates + 6, number)
        updates, command = rows(run)[-1]["updates"], ["--resume", "run"]
        if number == signal.SIGKILL:
            assert code == -number
            continue
        assert code == 128 + number, err
        assert updates == Checkpoints(run / "checkpoints").saved()[-1] < UPDATES
        if json_or_words:
            result = json.loads(out)
            assert result["finished"] is False
            assert result["updates"] == updates
        else:
            assert "didact train --resume run" in out
    assert not (run / "policy").exists()

    code, out, err = finished("train", "--resume", "run", folder=tmp_path)
    assert code == 0, err
    assert_same_end(run, whole)
    assert_each_update_once(run)
    same = ("return", "success", "length", "learning", "episodes")
    for mine, other in zip(rows(run), rows(whole), strict=True):
        assert {k: mine[k] for k in same} == {k: other[k] for k in same}
    assert (run / "policy" / "policy.json").is_file()


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "run")


def damage(run, how):
    checkpoint = Checkpoints(run / "checkpoints").path(UPDATES)
    largest = max((p for p in checkpoint.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    content = largest.read_bytes()
    if how == "truncated":
        largest.write_bytes(content[:-1])
    elif how == "edited":
        largest.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    else:
        (checkpoint / "manifest.json").unlink()


@pytest.mark.parametrize("how", ["truncated", "edited", "without its manifest"])
def test_a_damaged_checkpoint_is_refused(copy, how, refused):
    damage(copy, how)
    message = refused("train", "--resume", copy)
    assert "checkpoint" in message
    assert "use --checkpoint 54" in message
    assert len(rows(copy)) == UPDATES // CHUNK  # nothing is lost
    assert Checkpoints(copy / "checkpoints").saved() == [48, 54, 60]


@pytest.mark.slow
def test_going_on_from_the_one_before_ends_the_same(copy, whole, finished, refused):
    damage(copy, "edited")
    code, _, err = finished("train", "--resume", copy, "--checkpoint", 54, folder=copy.parent)
    assert code == 0, err
    assert_same_end(copy, whole)
    assert_each_update_once(copy)


@pytest.mark.slow
def test_an_evaluation_that_was_stopped_is_repeated(copy, whole, finished):
    *first, last = rows(copy)
    last.pop("evaluation")
    lines = [json.dumps(row) for row in (*first, last)]
    (copy / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    shutil.rmtree(copy / "policy")
    code, _, err = finished("train", "--resume", copy, folder=copy.parent)
    assert code == 0, err
    assert rows(copy) == rows(whole)


def test_checkpoints_that_are_not_there(copy, refused, tmp_path):
    assert "one of the saved checkpoints: 48, 54, 60" in refused(
        "train", "--resume", copy, "--checkpoint", 53
    )
    assert "--resume" in refused("train", "--checkpoint", 54, "--run", tmp_path / "new")
    shutil.rmtree(copy / "checkpoints")
    assert "a run with a checkpoint" in refused("train", "--resume", copy)


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_stopped_before_the_first_update_it_begins_anew(whole, process, finished, tmp_path, number):
    run = tmp_path / "run"
    started = process("train", *SETTINGS, "--run", "run", folder=tmp_path)
    deadline = time.monotonic() + 120
    while not (run / "config.json").exists() and time.monotonic() < deadline:
        time.sleep(0.001)
    os.kill(started.pid, number)
    _, err = started.communicate(timeout=120)
    assert "Traceback" not in err
    assert started.returncode in (130, 143, -signal.SIGKILL)
    code, _, err = finished("train", "--resume", "run", folder=tmp_path)
    assert code == 0, err
    assert_same_end(run, whole)
    assert_each_update_once(run)


@pytest.mark.parametrize(
    "module",
    [
        "tyro",
        pytest.param("didact.experiments.cli", marks=pytest.mark.slow),
        pytest.param("didact.experiments.cli.list", marks=pytest.mark.slow),
    ],
)
def test_stopped_while_it_imports_it_says_one_word(finished, tmp_path, module):
    code = (
        "import os, signal, sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, *rest):\n"
        f"        if name == {module!r}:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "            signal.sigtimedwait([], 5)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "sys.argv[1:] = ['list', 'teachers']\n"
        "from didact.__main__ import main\n"
        "main()\n"
    )
    status, out, err = finished(folder=tmp_path, code=code)
    assert (status, out, err) == (130, "", "didact: stopped.\n")


@pytest.mark.slow
def test_an_interrupt_in_a_callback_of_the_garbage_collector_is_not_lost(finished, tmp_path):
    # An environment that a process knows by itself: nothing else may end it.
    settings = ["ToyGrid" if word == "Counting" else word for word in SETTINGS]
    code = (
        "import gc, os, signal, sys\n"
        "def interrupting(phase, information):\n"
        "    if 'didact.experiments.setup' in sys.modules:\n"
        "        gc.callbacks.remove(interrupting)\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        signal.sigtimedwait([], 5)\n"
        "gc.callbacks.append(interrupting)\n"
        f"sys.argv[1:] = ['train', *{settings!r}, '--run', 'run']\n"
        "from didact.__main__ import main\n"
        "main()\n"
    )
    status, _, err = finished(folder=tmp_path, code=code)
    assert status == 130, err
    assert "Traceback" not in err
    rows = tmp_path / "run" / "metrics.jsonl"
    assert not rows.exists() or len(rows.read_text().splitlines()) < UPDATES // CHUNK


@pytest.mark.slow
def test_damaged_logs_and_pictures_do_not_end_a_training(copy, finished):
    run = copy
    settings = json.loads((run / "config.json").read_text()) | {"pictures": True}
    (run / "config.json").write_text(json.dumps(settings))
    shutil.rmtree(Checkpoints(run / "checkpoints").path(60))
    metrics = run / "metrics.jsonl"
    lines = metrics.read_bytes().splitlines()
    metrics.write_bytes(b"\n".join([*lines[:2], b"\xff\xfe", b"[" * 100_000, *lines[3:], b"3"]))
    for snapshot in (run / "curriculum").glob("*.npz"):
        snapshot.write_bytes(snapshot.read_bytes()[:50])
    code, _, err = finished("train", "--resume", run, folder=copy.parent)
    assert code == 0, err
    assert "Traceback" not in err
    assert "3 lines of metrics.jsonl could not be read" in err
    kept = [json.loads(line)["updates"] for line in [*lines[:2], *lines[3:]]]
    assert [row["updates"] for row in rows(run)] == kept
    aside = (run / "metrics-damaged.jsonl").read_bytes()
    assert aside == b"\xff\xfe\n" + b"[" * 100_000 + b"\n3\n"


@pytest.mark.parametrize("content", [None, b"", b"\0\0"])
def test_a_finished_training_without_metrics_can_be_reported(copy, content, monkeypatch):
    monkeypatch.setattr("didact.experiments.training.Training.play", no_episodes)
    if content is None:
        (copy / "metrics.jsonl").unlink()
    else:
        (copy / "metrics.jsonl").write_bytes(content)
    result = train(resume=copy)
    assert result["finished"] is True
    assert result["steps_per_second"] is None
    assert Console(file=io.StringIO()).print(report.table(result)) is None


def no_episodes(training, state, updates, episodes, greedy):
    return Results(*np.zeros((3, len(training.evaluation_tasks), 1)))
    assert_each_update_once(run)


def test_a_run_keeps_its_settings(copy, refused):
    message = refused("train", "--resume", copy, "--num-envs", 32)
    assert "--num-envs is 32" in message
    assert "--resume" in message


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.update(steps=0),
        lambda values: values.update(steps="many"),
        lambda values: values.update(env=5),
        lambda values: values.update(env="Nowhere"),
        lambda values: values.update(colour="red"),
        lambda values: values.pop("ppo"),
        lambda values: values["ppo"].update(clip="0.2"),
        lambda values: values["ppo"]["network"].update(hidden=32),
    ],
)
def test_edited_settings_are_refused(copy, change, refused):
    values = json.loads((copy / "config.json").read_text())
    change(values)
    (copy / "config.json").write_text(json.dumps(values))
    refused("train", "--resume", copy)
    assert len(rows(copy)) == UPDATES // CHUNK


@pytest.mark.parametrize("text", ["", "[]", "{", '"text"', "3"])
def test_settings_that_are_none(copy, text, refused):
    (copy / "config.json").write_text(text)
    assert "config.json" in refused("train", "--resume", copy)


@pytest.mark.slow
def test_a_disk_that_fills_up(small_disk, finished, whole):
    """The run ends with one sentence, its checkpoints are whole, and it goes on with more room."""
    run = small_disk / "run"
    (small_disk / "other files").write_bytes(bytes(700_000))
    code, _, err = finished("train", *SETTINGS, "--run", run, folder=small_disk)
    assert code == 2, err
    message = [line for line in err.splitlines() if line.startswith("didact: ")]
    assert len(message) == 1
    assert "No space left on device" in message[0]
    assert "Traceback" not in err
    saved = Checkpoints(run / "checkpoints").saved()
    assert f"the last checkpoint is {saved[-1]}" in message[0]
    assert len(last_arrays(run)) > 10

    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    code, _, err = finished("train", "--resume", run, folder=small_disk)
    assert code == 0, err
    assert_same_end(run, whole)
    assert_each_update_once(run)
