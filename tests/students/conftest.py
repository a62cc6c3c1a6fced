"""A small policy, and no policies of the user."""

import json
import os
import shutil
import subprocess
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


@pytest.fixture(scope="session")
def two_devices(compiled):
    """What `support/two_devices.py` finds, in a process with two devices."""
    script = Path(__file__).parent / "support" / "two_devices.py"
    environment = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(compiled),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2",
    }
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env=environment, timeout=240
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
