"""Makes the helpers of these tests importable, and compiles them quickly."""

import sys
from pathlib import Path

import jax
import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))


@pytest.fixture(autouse=True, scope="module")
def quickly(request):
    """Programs here run once or twice: to optimise them takes longer than to run them."""
    slow = request.config.getoption("markexpr") == "slow"  # those run for minutes
    jax.config.update("jax_disable_most_optimizations", not slow)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
