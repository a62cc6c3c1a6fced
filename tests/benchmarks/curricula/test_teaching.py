"""The comparison of teachers of pupils: what its seconds are."""

import pytest

from didact.benchmarks.curricula import teaching
from didact.benchmarks.curricula.settings import TeachingConfig


@pytest.mark.parametrize("steps", [0, pytest.param(96, marks=pytest.mark.slow)])
def test_seconds_exclude_compilation(monkeypatch, steps):
    now = [0.0]
    evaluator, compiled = teaching.evaluator, teaching.Loop.compiled

    def slowly_traced(*given, **more):
        play = evaluator(*given, **more)

        def traced(*arguments):
            now[0] += 100
            return play(*arguments)

        return traced

    def slowly_compiled(self, state, updates):
        now[0] += 100 * (updates not in self._chunks)
        return compiled(self, state, updates)

    monkeypatch.setattr(teaching, "evaluator", slowly_traced)
    monkeypatch.setattr(teaching.Loop, "compiled", slowly_compiled)
    monkeypatch.setattr(teaching.time, "perf_counter", lambda: now[0])
    config = TeachingConfig(
        teachers=("uniform",), steps=steps, seeds=2, lives=4, budget=3, num_envs=8,
        rollout_length=4, num_evaluations=2,
    )  # fmt: skip
    rows = teaching.compare(config)["teachers"]
    assert len(rows) == 1 + (steps > 0)
    assert now[0] >= 100 * len(rows)
    assert [row["seconds"] for row in rows.values()] == [0.0] * len(rows)
