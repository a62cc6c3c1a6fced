"""How property tests draw their examples, and how programs are compiled.

Examples are the same ones in every run, unless told otherwise: `pytest --hypothesis-profile=search`
looks for new ones, many more of them.
"""

import gc
import os
import pathlib

import jax
import pytest
from hypothesis import settings

settings.register_profile("repeatable", max_examples=100, derandomize=True, deadline=None)
settings.register_profile("search", max_examples=5000, deadline=None)
settings.load_profile("repeatable")


def pytest_configure(config):
    """Programs here run once or twice: to optimise them takes longer than to run them."""
    if config.getoption("markexpr") != "slow":  # those run for minutes
        jax.config.update("jax_disable_most_optimizations", True)
        os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"  # of processes that tests start


@pytest.fixture
def optimised():
    """For a test whose programs run for longer than it takes to optimise them."""
    before = jax.config.values["jax_disable_most_optimizations"]
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


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
