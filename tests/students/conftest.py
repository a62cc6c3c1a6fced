"""Compiled programs are kept from one test to the next, and from session to session."""

import jax
import pytest


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
