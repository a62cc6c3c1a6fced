"""How property tests draw their examples, and how programs are compiled.

Examples are the same ones in every run, unless told otherwise: `pytest --hypothesis-profile=search`
looks for new ones, many more of them.
"""

import os

import jax
from hypothesis import settings

settings.register_profile("repeatable", max_examples=100, derandomize=True, deadline=None)
settings.register_profile("search", max_examples=5000, deadline=None)
settings.load_profile("repeatable")


def pytest_configure(config):
    """Programs here run once or twice: to optimise them takes longer than to run them."""
    if config.getoption("markexpr") != "slow":  # those run for minutes
        jax.config.update("jax_disable_most_optimizations", True)
        os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"  # of processes that tests start
