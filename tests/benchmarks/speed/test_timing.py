import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.benchmarks.speed.timing import (
    Loop,
    Timing,
    compiled,
    interleaved,
    shares,
    timed,
    uncached,
)


class Clock:
    """A clock that only the timed calls move."""

    def __init__(self):
        self.now, self.log = 0.0, []

    def __call__(self):
        return self.now

    def work(self, name, seconds):
        def call():
            self.now += seconds
            self.log.append(name)

        return call


def test_turns_are_taken():
    clock = Clock()
    calls = {"a": clock.work("a", 0.25), "b": clock.work("b", 1.0)}
    times = interleaved(calls, repeats=3, seconds=1.5, clock=clock)
    # 0.5 s a round: two calls of a, one of b; two of each before, to warm up and to calibrate.
    assert "".join(clock.log) == "aabb" + 3 * "aab"
    assert times == {"a": [0.25] * 3, "b": [1.0] * 3}


def test_drift_of_the_machine_cancels_in_ratios():
    clock = Clock()

    def work(seconds):
        def call():
            clock.now += seconds * (1 + clock.now)  # the machine slows down all the time

        return call

    times = interleaved({"a": work(0.001), "b": work(0.002)}, 200, 0.2, clock)
    assert times["a"][-1] > 1.5 * times["a"][0]
    ratios = np.array(times["b"]) / np.array(times["a"])
    np.testing.assert_allclose(ratios, 2, rtol=0.02)


def test_compiling_is_apart_from_running():
    traces = []

    def function(x):
        traces.append(1)
        return jnp.sin(x)

    timing = timed(function, jnp.ones(8), repeats=4, seconds=0.004)
    assert len(traces) == 1
    assert timing.compile_seconds > 0
    assert len(timing.seconds) == 4
    assert Timing(1.0, (3.0, 1.0, 2.0)).median == 2


def test_loop_feeds_its_result_back():
    start = {"x": jnp.zeros(3), "key": jax.random.key(0)}

    def advance(carry):
        return {"x": carry["x"] + 1, "key": jax.random.split(carry["key"])[0]}

    loop = Loop(advance, start)
    for _ in range(4):
        loop()
    np.testing.assert_array_equal(loop.carry["x"], 4)
    np.testing.assert_array_equal(start["x"], 0)  # the caller's arrays were not donated
    assert loop.compile_seconds > 0


def test_programs_do_not_come_from_the_persistent_cache(tmp_path):
    from jax.experimental.compilation_cache import compilation_cache

    names = (
        "jax_compilation_cache_dir",
        "jax_persistent_cache_min_compile_time_secs",
        "jax_persistent_cache_min_entry_size_bytes",
    )
    before = {name: getattr(jax.config, name) for name in names}
    try:
        for name, value in zip(names, (str(tmp_path), 0, -1), strict=True):
            jax.config.update(name, value)
        compilation_cache.reset_cache()
        compiled(lambda x: x * 3 + 1, np.ones(5))
        assert not list(tmp_path.iterdir())
        jax.jit(lambda x: x * 5 + 1)(np.ones(5)).block_until_ready()
        assert list(tmp_path.iterdir())  # on again afterwards
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()


def test_the_cache_setting_comes_back_after_an_error():
    before = jax.config.jax_enable_compilation_cache
    with pytest.raises(ZeroDivisionError), uncached():
        raise ZeroDivisionError
    assert jax.config.jax_enable_compilation_cache == before


def test_shares():
    parts = shares({"environment": 1.0, "learning": 2.0}, 4.0)
    assert parts == {"environment": 0.25, "learning": 0.5, "rest": 0.25}
