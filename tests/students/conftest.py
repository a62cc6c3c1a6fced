"""Compiled programs are kept from one test to the next; a small policy; no policies of the user."""

import shutil
import sys
from pathlib import Path

import jax
import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))


@pytest.fixture(autouse=True, scope="module")
def keep_compiled_programs(request):
    settings = {
        "jax_compilation_cache_dir": str(request.config.cache.mkdir("compiled")),
        "jax_persistent_cache_min_compile_time_secs": 0.2,
    }
    before = {name: getattr(jax.config, name) for name in settings}
    for name, value in settings.items():
        jax.config.update(name, value)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Where imported policies are, for this test alone."""
    folder = tmp_path / "home"
    monkeypatch.setenv("DIDACT_POLICIES", str(folder))
    return folder


@pytest.fixture
def pretrained(tmp_path, monkeypatch):
    """Where the policies are that didact brings along, for this test alone."""
    from didact.students import names

    folder = tmp_path / "pretrained"
    folder.mkdir()
    monkeypatch.setattr(names, "SHIPPED", folder)
    return folder


@pytest.fixture(scope="session")
def policy():
    import small

    return small.made()


@pytest.fixture(scope="session")
def saved(policy, tmp_path_factory):
    from didact.students import save_policy

    return save_policy(tmp_path_factory.mktemp("run") / "policy", policy.card, policy.params)


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "policy")
