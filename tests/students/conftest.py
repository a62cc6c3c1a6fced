"""A small policy, and no policies of the user."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Where imported policies are, for this test alone."""
    folder = tmp_path / "home"
    monkeypatch.setenv("DIDACT_POLICIES", str(folder))
    return folder


@pytest.fixture
def pretrained(tmp_path, monkeypatch):
    """Where the policies are that didact brings along, for this test alone."""
    from didact.students.policies import lookup

    folder = tmp_path / "pretrained"
    folder.mkdir()
    monkeypatch.setattr(lookup, "SHIPPED", folder)
    return folder


@pytest.fixture(scope="session")
def policy():
    import small_policy

    return small_policy.made()


@pytest.fixture(scope="session")
def saved(policy, tmp_path_factory):
    from didact.students import save_policy

    return save_policy(tmp_path_factory.mktemp("run") / "policy", policy.card, policy.params)


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "policy")
