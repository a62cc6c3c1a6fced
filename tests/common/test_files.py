"""Folders are replaced as a whole, or not at all."""

import os

import pytest

from didact.common.files import new_folder, remove_leftovers, replacing
from didact.environments import SettingError


@pytest.fixture
def policy(tmp_path):
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "old").touch()
    return tmp_path / "policy"


def replace(policy):
    with replacing(policy) as draft:
        draft.mkdir()
        (draft / "new").touch()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def interrupted(monkeypatch, at, error):
    """The number of the rename before which a signal arrives."""
    replace, count = os.replace, []

    def counting(source, target):
        count.append(source)
        if len(count) == at:
            raise error
        replace(source, target)

    monkeypatch.setattr(os, "replace", counting)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, OSError])
@pytest.mark.parametrize("at", [1, 2])
def test_a_signal_between_the_renames_changes_nothing(policy, monkeypatch, at, error):
    with monkeypatch.context() as patch:
        interrupted(patch, at, error)
        with pytest.raises(error):
            replace(policy)
    assert names(policy.parent) == ["policy"]
    assert names(policy) == ["old"]
    replace(policy)
    assert names(policy.parent) == ["policy"]
    assert names(policy) == ["new"]


def test_a_process_killed_between_the_renames_loses_nothing(policy):
    aside = policy.rename(policy.with_name(".policy.0123456789ab.was"))
    with pytest.raises(SettingError, match="new or empty"):  # it is no empty folder
        new_folder("--run", policy.parent, "name")
    remove_leftovers(policy.parent)
    assert names(policy.parent) == ["policy"]
    assert names(policy) == ["old"]
    # Killed after the second rename, it leaves both.
    policy.rename(aside)
    policy.mkdir()
    remove_leftovers(policy.parent)
    assert names(policy.parent) == ["policy"]
    assert names(policy) == []
