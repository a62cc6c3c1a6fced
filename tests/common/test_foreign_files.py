"""Files and names of others."""

import os

import pytest

from didact.common import files
from didact.common.foreign_files import file_name, opened, read_bytes, reason
from didact.environments import SettingError


def test_regular_files_are_read_also_through_links(tmp_path):
    (tmp_path / "a").write_bytes(b"text")
    (tmp_path / "b").symlink_to("a")
    assert read_bytes(tmp_path / "b") == b"text"
    assert read_bytes(str(tmp_path / "a"), 4) == b"text"
    with opened(tmp_path / "a") as file:
        assert file.seekable()
        assert file.read() == b"text"


@pytest.mark.parametrize("kind", ["pipe", "zero", "folder", "missing", "large", "null", "proc"])
def test_everything_else_is_refused_at_once(tmp_path, kind):
    path, why = tmp_path / "x", "not a regular file"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "zero":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
        why = "directory"
    elif kind == "missing":
        why = "No such file"
    elif kind == "large":
        path.write_bytes(bytes(101))
        why = "more than 100 bytes"
    elif kind == "null":
        path, why = tmp_path / "a\0b", "null character"
    else:
        path, why = "/proc/self/maps", "more than 100 bytes"  # states no size
    with pytest.raises(OSError, match=why) as error:
        read_bytes(path, 100)
    assert why in reason(error.value)


@pytest.mark.parametrize("name", ["a", "own suite", "Übung-2_b.c", "x" * 100, "0"])
def test_names(name):
    assert file_name("suite", name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../x", "/x", "a/b", "a\\b", "a\0", "a\n", "\x1b[31m", ".hidden", "-x"),
        *(" x", "x" * 101, "é" * 95, "\ud800", "a:b", None, 5, ["a"], 10**400),
    ],
)
def test_names_that_are_refused(name):
    with pytest.raises(SettingError, match=r"suite is .* must be a name") as error:
        file_name("suite", name)
    assert len(str(error.value)) < 300
    assert str(error.value).isprintable()


def test_locks(tmp_path):
    path = tmp_path / "lock"
    with files.locked(path):
        with pytest.raises(BlockingIOError), files.locked(path):
            pass
        path.write_text("kept")
    with files.locked(path):
        assert path.read_text() == "kept"
    os.remove(path)
    path.symlink_to("elsewhere")
    with pytest.raises(OSError, match="symbolic links"), files.locked(path):
        pass
