"""Environments that are easily learned, processes of their own, and a small disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parent / "support"
sys.path.insert(0, str(SUPPORT))


@pytest.fixture(autouse=True, scope="module")
def fake_environments():
    """The environments of `fakes` have names while tests of this folder run, and only then."""
    import fakes

    from didact.environments import registry

    known = registry.ENVIRONMENTS._entries
    before = dict(known)
    fakes.register_all()
    yield
    known.clear()
    known.update(before)


@pytest.fixture(scope="session")
def process(compiled):
    """Starts the command line, or Python with `code`, in a process of its own.

    The environments of `fakes` are known there.
    """

    ours, flags = os.environ.get("PYTHONPATH"), os.environ.get("XLA_FLAGS", "")

    def start(*arguments, folder, code=None, devices=1):
        environment = os.environ | {
            "JAX_COMPILATION_CACHE_DIR": str(compiled),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PLATFORMS": "cpu",
            "PYTHONPATH": os.pathsep.join([str(SUPPORT), *filter(None, [ours])]),
            "XLA_FLAGS": f"{flags} --xla_force_host_platform_device_count={devices}",
        }
        code = (
            code
            or "import fakes; fakes.register_all(); from didact.experiments.cli import main; main()"
        )
        return subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture(scope="session")
def finished(process):
    """As `process`, but waits for the end: (exit code, stdout, stderr)."""

    def run(*arguments, timeout=240, **more):
        started = process(*arguments, **more)
        try:
            out, err = started.communicate(timeout=timeout)
        finally:
            started.kill()
        return started.returncode, out, err

    return run


@pytest.fixture
def small_disk(tmp_path):
    """A folder that is a file system of one megabyte, where this user may make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if done.returncode:
        pytest.skip("this user may not mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], capture_output=True)


@pytest.fixture
def refused(capsys):
    """Runs the command line here; it must end with exit code 2 and one sentence, which is given."""
    from didact.experiments.cli import main

    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit:
            main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        assert exit.value.code == 2, err
        assert out == ""
        # A machine may be so slow that it reports compilations.
        err = "".join(line for line in err.splitlines(True) if not line.startswith("compil"))
        assert err.count("\n") == 1, err
        assert err.startswith("didact: ")
        assert err.endswith(".\n")
        return err

    return run
