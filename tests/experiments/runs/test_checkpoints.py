"""Checkpoints: whole, or refused in one sentence."""

import contextlib
import errno
import os
import shutil
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest

from didact.common.files import replacing
from didact.environments import SettingError
from didact.experiments.runs.checkpoints import Checkpoints
from didact.students.data import pytree_storage
from didact.students.data.pytree_storage import MANIFEST


class State(NamedTuple):
    table: jax.Array
    keys: jax.Array
    parts: dict
    nothing: tuple
    empty: jax.Array


def state(value=0.0):
    return State(
        jnp.full((3, 2), float(value)).at[0, 0].set(jnp.nan),
        jax.random.split(jax.random.key(int(value)), 4),
        {"count": jnp.int32(7), "done": jnp.array([True, False]), "bytes": jnp.uint8(3)},
        (),
        jnp.zeros((4, 0), jnp.int16),  # as of worlds without objects
    )


def assert_same(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert a.dtype == b.dtype
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "checkpoints"
    checkpoints = Checkpoints(folder)
    for updates in (4, 8):
        checkpoints.save(updates, state(updates))
    return folder


@pytest.fixture
def folder(written, tmp_path):
    return shutil.copytree(written, tmp_path / "checkpoints")


def test_what_was_saved_comes_back(folder):
    checkpoints = Checkpoints(folder)
    assert checkpoints.saved() == [4, 8]
    assert_same(checkpoints.restore(state()), state(8))
    assert_same(checkpoints.restore(state(), 4), state(4))
    like = jax.eval_shape(state)
    assert_same(checkpoints.restore(jax.tree.map(lambda x: x, like), 4), state(4))


def test_only_the_latest_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=2)
    assert checkpoints.saved() == []
    for updates in (2, 4, 6):
        checkpoints.save(updates, state(updates))
    assert checkpoints.saved() == [4, 6]
    assert sorted(p.name for p in checkpoints.folder.iterdir()) == ["00000004", "00000006"]
    checkpoints.remove_after(4)
    assert checkpoints.saved() == [4]
    assert_same(checkpoints.restore(state()), state(4))


def files(folder):
    return sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())


def refused(folder, updates=None):
    with pytest.raises(SettingError) as caught:
        Checkpoints(folder).restore(state(), updates)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_every_file_is_watched(folder, tmp_path):
    """Cut off, edited by one byte or missing: whichever file it is, it is found out."""
    for number, name in enumerate(files(folder / "00000008")):
        content = (folder / "00000008" / name).read_bytes()
        damages = {"missing": None, "longer": content + b" "}
        if content:
            middle = len(content) // 2
            damages["cut"] = content[:middle]
            damages["edited"] = (
                content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
            )
        for how, damage in damages.items():
            if name == Path(MANIFEST) and how == "longer":
                continue  # a space behind the JSON changes nothing
            copy = shutil.copytree(folder, tmp_path / f"{number}-{how}")
            path = copy / "00000008" / name
            if damage is None:
                path.unlink()
            else:
                path.write_bytes(damage)
            message = refused(copy)
            assert "use --checkpoint 4" in message, (name, how)
            assert "00000008" in message
            assert_same(Checkpoints(copy).restore(state(), 4), state(4))


def test_added_files_are_found_out(folder):
    (folder / "00000008" / "extra").write_text("")
    assert "files are missing or were added" in refused(folder)


def test_the_first_has_none_before_it(folder):
    (folder / "00000004" / MANIFEST).write_text("[]")
    assert "there is no earlier one" in refused(folder, 4)


def test_names_that_were_never_saved(folder, tmp_path):
    assert "--checkpoint is 5, but must be one of the saved checkpoints: 4, 8" in refused(folder, 5)
    assert "a run with a checkpoint" in refused(tmp_path / "nothing")


def test_another_training_is_refused(folder):
    """Whole, but of arrays that do not fit these settings."""
    checkpoints = Checkpoints(folder)
    for other in (
        state()._replace(table=jnp.zeros((5, 2))),
        state()._replace(parts={"count": jnp.int32(7)}),
        state()._replace(nothing=(jnp.zeros(3),)),
    ):
        with pytest.raises(SettingError, match=r"didact 1 \(now 2\)") as caught:
            checkpoints.restore(other, changed="didact 1 (now 2)")
        assert "resumed with the config.json, the version of didact" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_half_written_ones_are_not_seen(folder):
    """What a process leaves that was killed while it saved."""
    with contextlib.suppress(KeyboardInterrupt), replacing(folder / "00000012") as draft:
        raise KeyboardInterrupt  # only the name of what is written is wanted
    leftovers = (draft, folder / ".00000004.0123456789ab.old")
    for path in leftovers:
        shutil.copytree(folder / "00000008", path)
    checkpoints = Checkpoints(folder)
    assert checkpoints.saved() == [4, 8]
    checkpoints.save(12, state(12))
    assert_same(checkpoints.restore(state()), state(12))
    assert not any(path.exists() for path in leftovers)


@pytest.mark.parametrize("when", ["arrays", "manifest", "rename"])
def test_a_full_disk_leaves_the_earlier_ones(folder, monkeypatch, when):

    def full(*arguments, **more):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        if when == "arrays":
            patch.setattr(ocp.StandardCheckpointer, "save", full)
        elif when == "manifest":
            patch.setattr(Path, "write_text", full)
        else:
            patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match="No space left"):
            Checkpoints(folder).save(12, state(12))
    checkpoints = Checkpoints(folder)
    assert checkpoints.saved() == [4, 8]
    assert sorted(p.name for p in folder.iterdir()) == ["00000004", "00000008"]
    assert_same(checkpoints.restore(state()), state(8))


@pytest.mark.parametrize("looked", [True, False])
def test_a_disk_that_is_really_full(small_disk, monkeypatch, looked):
    """On a file system of one megabyte: the array library's own errors are understood too."""
    if not looked:
        monkeypatch.setattr(pytree_storage, "_require_room", lambda folder, tree: None)
    checkpoints = Checkpoints(small_disk / "checkpoints")
    checkpoints.save(1, state(1))
    before = files(checkpoints.folder)
    large = state(2)._replace(
        table=jax.random.bits(jax.random.key(0), (2_000_000,), jnp.uint32)  # will not compress
    )
    with pytest.raises(OSError, match="No space left") as caught:
        checkpoints.save(2, large)
    assert caught.value.errno == errno.ENOSPC
    assert files(checkpoints.folder) == before
    assert_same(checkpoints.restore(state()), state(1))


NAMES = [
    "y[red]z",
    "[lr]",
    "back\\slash",
    "gs:",
    "gs:run",
    "a*b?",
    "{a,b}",
    "50%",
    "#1",
    "zoë",
    "a\nb",
]


@pytest.mark.parametrize("name", NAMES)
def test_folders_of_any_name(name, tmp_path):
    """Patterns and addresses to the libraries that write arrays, plain names to us."""
    checkpoints = Checkpoints(tmp_path / name / "checkpoints")
    checkpoints.save(4, state(4))
    assert_same(checkpoints.restore(state()), state(4))
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["y[red]z", "[lr]", "back\\slash"])
def test_a_checkpoint_that_was_not_written_completely_is_noticed(name, tmp_path, monkeypatch):
    """These names make orbax write a part of a checkpoint without an error."""
    monkeypatch.setattr(pytree_storage, "safe_path", contextlib.nullcontext)
    checkpoints = Checkpoints(tmp_path / name / "checkpoints")
    with pytest.raises(OSError, match="Input/output error"):
        checkpoints.save(4, state(4))
    assert list(checkpoints.folder.iterdir()) == []


@pytest.mark.parametrize("name", ["²", "٣", "8", "00000012x", "9" * 200, "-0000001", "000000012"])
def test_other_names_among_checkpoints_are_ignored(folder, name):
    (folder / name).mkdir()
    (folder / "00000016").write_text("a file")
    (folder / "00000020").symlink_to(folder / "00000008")
    checkpoints = Checkpoints(folder)
    assert checkpoints.saved() == [4, 8]
    checkpoints.remove_after(0)
    assert (folder / name).is_dir()
    assert (folder / "00000020").is_symlink()
