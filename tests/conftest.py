"""How property tests draw their examples, and how programs are compiled and kept.

Examples are the same ones in every run, unless told otherwise: `pytest --hypothesis-profile=search`
looks for new ones, many more of them.
"""

import contextlib
import gc
import os
import pathlib
import signal

import jax
import jaxlib.version
import pytest
from hypothesis import settings

settings.register_profile("repeatable", max_examples=100, derandomize=True, deadline=None)
settings.register_profile("search", max_examples=5000, deadline=None)
settings.load_profile("repeatable")


# They halve the seconds of compiling, and programs run slower by a half.
QUICK_TO_COMPILE = (
    "--xla_cpu_use_fusion_emitters=false",
    "--xla_cpu_parallel_codegen_split_count=1",
)


def pytest_configure(config):
    """Programs here run once or twice: to optimise them takes longer than to run them.

    Numbers are compared closely, so GPUs must not round what they multiply to 10 bits.
    """
    # A script that starts tests in its background ignores Ctrl-C in them, and so would processes
    # that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Traces and programs are millions of objects, which are searched for garbage time and again.
    gc.set_threshold(100_000, 50, 100)
    jax.config.update("jax_default_matmul_precision", "highest")
    os.environ["JAX_DEFAULT_MATMUL_PRECISION"] = "highest"  # of processes that tests start
    # Kept from one test and process to the next. Set before anything is compiled, because jax
    # decides at its first program whether it keeps any.
    jax.config.update("jax_compilation_cache_dir", str(config.cache.mkdir("compiled")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    if config.getoption("markexpr") != "slow":  # those run for minutes
        jax.config.update("jax_disable_most_optimizations", True)
        os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
        # A flag that XLA does not know ends the process.
        if jaxlib.version.__version_info__ < (0, 13):
            flags = (os.environ.get("XLA_FLAGS", ""), *QUICK_TO_COMPILE)
            os.environ["XLA_FLAGS"] = " ".join(filter(None, flags))


# Files that take more than 20 seconds. They begin first, so that all processes end together.
LONG = {
    *("test_conformance", "test_resume", "test_training", "test_documentation", "test_testing"),
    *("test_encoders", "test_registry", "test_loop", "test_alp_gmm", "test_toy_suite"),
    *("test_task_space", "test_recording", "test_ppo"),
}


def pytest_collection_modifyitems(items):
    """Order the files, and mark the tests that start processes: those with a fixture that does."""
    items.sort(key=lambda item: item.path.stem not in LONG)
    for item in items:
        if {"process", "finished", "two_devices"}.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("process")


@pytest.fixture(scope="session")
def compiled(request):
    """The folder of compiled programs."""
    return request.config.cache.mkdir("compiled")


@pytest.fixture(scope="session")
def optimising():
    """Makes a context for programs that run for longer than it takes to optimise them."""

    @contextlib.contextmanager
    def optimise():
        name = "jax_disable_most_optimizations"
        before = jax.config.values[name]
        jax.config.update(name, False)
        try:
            yield
        finally:
            jax.config.update(name, before)

    return optimise


@pytest.fixture
def optimised(optimising):
    """For a whole test of such programs."""
    with optimising():
        yield


@pytest.fixture(autouse=True, scope="module")
def room_for_programs():
    """Forgets compiled programs before a process has as many memory maps as Linux allows (65,530).

    Each program takes several, and at the limit the process ends without a word.
    """
    yield
    maps = pathlib.Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > 30_000:
        jax.clear_caches()
        gc.collect()
