"""The folder of a run: one process at a time, and nothing outside it is touched."""

import contextlib
import os
import queue
import subprocess
import sys
import threading

import pytest

from didact.common.files import replacing
from didact.environments import SettingError
from didact.experiments.runs import folder
from didact.experiments.runs.metrics_file import set_aside
from didact.teachers.language.transcript import DROPPED, Exchange, Transcript


@pytest.fixture
def run(tmp_path):
    with folder.created("--run", tmp_path / "run", "name", {"a": 1}) as run:
        pass
    return run


@pytest.fixture
def outside(tmp_path):
    path = tmp_path / "outside"
    for name in ("00000008", "00000016", ".git", ".00000008.0123456789ab.old"):
        (path / name).mkdir(parents=True)
        (path / name / "thesis.txt").write_text("years of work")
    (path / "notes.txt").write_text("years of work")
    return path


def contents(path):
    return {p: p.is_file() and p.read_text() for p in sorted(path.rglob("*"))}


def reopen(run, **more):
    with folder.reopened("--resume", run, **more):
        pass


def test_only_one_training_at_a_time(run):
    with folder.reopened("--resume", run):
        with pytest.raises(SettingError, match="that no other process trains"):
            reopen(run)
        with pytest.raises(SettingError, match="it holds a run: --resume"):
            folder.created("--run", run, "name", {}).__enter__()
    reopen(run)


HOLD = """
import fcntl, sys
file = open(sys.argv[1], "r+")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_killed_process_releases_the_lock(run):
    command = [sys.executable, "-c", HOLD, str(run / folder.LOCK)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        with pytest.raises(SettingError, match="that no other process trains"):
            reopen(run)
        process.kill()
    reopen(run)


def test_what_a_killed_process_left_is_removed(run):
    with contextlib.suppress(FileNotFoundError), replacing(run / "x.png") as draft:
        pass  # only the name of what is written is wanted
    left = [draft, run / "checkpoints" / draft.name]
    for path in left:
        path.mkdir(parents=True)
        (path / "part").write_text("half")
    (run / ".mine.part").write_text("kept")
    reopen(run)
    assert not any(path.exists() for path in left)
    assert (run / ".mine.part").read_text() == "kept"


def test_an_interrupt_leaves_no_drafts(run):
    with contextlib.suppress(KeyboardInterrupt), folder.reopened("--resume", run):
        with contextlib.suppress(FileNotFoundError), replacing(run / "x.png") as draft:
            pass
        draft.write_text("half")  # by a thread that the interrupt did not reach
        raise KeyboardInterrupt
    assert not draft.exists()


def race(path, barrier, results):
    barrier.wait()
    try:
        with folder.created("--run", path, "name", {}):
            results.put("created")
            barrier.wait()
    except SettingError as error:
        results.put(str(error))
        barrier.wait()


def test_of_several_that_start_together_one_creates_the_folder(tmp_path):
    barrier, results = threading.Barrier(3), queue.Queue()
    threads = [
        threading.Thread(target=race, args=(tmp_path / "run", barrier, results)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    found = [results.get_nowait() for _ in range(3)]
    assert found.count("created") == 1
    assert all("--run is" in text for text in found if text != "created")


def test_numbered_folders_are_never_shared(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "name-2").symlink_to("nowhere")
    with (
        folder.created("--run", None, "name", {}) as one,
        folder.created("--run", None, "name", {}) as two,
    ):
        assert (one.name, two.name) == ("name-1", "name-3")


LINKS = [
    "checkpoints",
    "checkpoints/00000008",
    "curriculum",
    "tensorboard",
    "policy",
    "experts",
    ".lock",
    ".probe",
    ".policy.draft",
    "checkpoints/.draft-8",
    "metrics.jsonl",
    "dropped.jsonl",
    ".draft-transcript.jsonl",
    "config.json",
    "anything/else",
]


@pytest.mark.parametrize("name", LINKS)
@pytest.mark.parametrize("way", ["absolute", "relative", "by another link", "dangling", "loop"])
def test_links_out_of_a_run_are_refused(run, outside, name, way):
    link = run / name
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    file = link.suffix == ".jsonl" or name in ("config.json", ".lock", ".probe")
    target = outside / "notes.txt" if file else outside
    if way == "relative":
        target = os.path.relpath(target, link.parent)
    elif way == "by another link":
        (run / "other").symlink_to(target)
        target = run / "other"
    elif way == "dangling":
        target = outside / "new"
    elif way == "loop":
        target = link.name
    link.symlink_to(target)
    before = contents(outside)
    with pytest.raises(SettingError) as error:
        reopen(run)
    assert "\n" not in str(error.value)
    if name != "config.json":
        assert "without links" in str(error.value)
    assert contents(outside) == before


def test_links_within_a_run_are_fine(run):
    (run / "videos").mkdir()
    (run / "latest").symlink_to("videos")
    reopen(run)


def test_checkpoints_on_another_disk_need_an_option(run, outside):
    (run / "checkpoints").symlink_to(outside)
    (outside / ".00000008.0123456789ab.old" / "thesis.txt").unlink()
    before = contents(outside)
    with pytest.raises(SettingError, match="use --linked-checkpoints if you made this link"):
        reopen(run)
    assert contents(outside) == before
    reopen(run, linked_checkpoints=True)
    kept = {p: text for p, text in before.items() if ".old" not in str(p)}
    assert contents(outside) == kept  # only what a killed process left is removed
    (outside / "00000024").symlink_to(run.parent)
    with pytest.raises(SettingError, match="without links"):
        reopen(run, linked_checkpoints=True)


def test_a_folder_that_is_too_deep(run):
    (run / "/".join("d" * 70)).mkdir(parents=True)
    with pytest.raises(SettingError, match="at most 64 levels"):
        reopen(run)


@pytest.mark.parametrize("name", ["a\0b", "a\udcffb"])
def test_names_that_cannot_work(name, tmp_path):
    with pytest.raises(SettingError, match="--run is"):
        folder.created("--run", tmp_path / name, "name", {}).__enter__()
    assert list(tmp_path.iterdir()) == []


def test_a_policy_with_foreign_files_is_found_before_training(run):
    (run / "policy").mkdir()
    (run / "policy" / "notes.txt").write_text("years of work")
    with pytest.raises(SettingError, match=r"notes\.txt"):
        reopen(run)


@pytest.mark.parametrize("name", ["metrics-damaged.jsonl", "policy/policy.json", "metrics.jsonl"])
def test_pipes_in_a_run_are_refused(run, name):
    """Reading one may never end."""
    path = run / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    with pytest.raises(SettingError, match="is a pipe or a device"):
        reopen(run)


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_other_names_of_a_file_do_not_change(run, tmp_path, link):
    """Neither a hard link to a file outside nor a link to another file of the run."""
    mine = tmp_path / "mine"
    mine.write_text("mine\n")
    link(mine, run / "metrics-damaged.jsonl")
    damaged = set_aside(run / "metrics.jsonl", [b"theirs"])
    assert mine.read_text() == "mine\n"
    assert damaged.read_text().endswith("theirs\n")
    assert not damaged.is_symlink()
    os.link(mine, run / DROPPED)
    path = run / "transcript.jsonl"
    path.write_text(Exchange(came=9).line())
    assert len(Transcript(path, 5).dropped) == 1
    assert mine.read_text() == "mine\n"
