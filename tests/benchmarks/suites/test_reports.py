"""Which teachers are part of the report of a suite."""

import dataclasses

import numpy as np

from didact.benchmarks.curricula.settings import CurriculumConfig
from didact.benchmarks.suites import comparison, jobs
from didact.benchmarks.suites.reporting import report
from didact.experiments.config import LLMConfig

OWN = """
description: Cells of the toy grid
train:
  env: ToyGrid
  num_envs: 8
  rollout_length: 4
  ppo: {num_minibatches: 1, network: {memory: 0, hidden: 8}}
stages: [{x0: [0, 0.1]}, {}]
tests:
  near: {count: 4, x0: [0, 0.2]}
  all: {count: 6}
budgets:
  small: {steps: 256, seeds: 5, teachers: [staged, uniform]}
"""


def test_teachers_that_are_added_later_join_the_report(own, tmp_path, monkeypatch, capsys):
    drawn = []
    monkeypatch.setattr(jobs, "loop_of", lambda job: None)
    monkeypatch.setattr(report, "write", lambda results, folder: drawn.append(results) or {})

    def run(job, folder):
        rng = np.random.default_rng(len(job.teacher))
        return {
            "steps": [128, 256],
            "success": {name: rng.random((5, 2)).tolist() for name in job.suite.tests},
            "proposals": rng.random((2, 4, 2)).tolist(),
            "seconds": 1.0,
        }

    monkeypatch.setattr(jobs, "run", run)
    first = ("staged", "uniform")
    config = CurriculumConfig(suite=str(own), teachers=first, seeds=5, out=str(tmp_path / "out"))
    assert set(comparison.compare(config)["teachers"]) == set(first)
    later = dataclasses.replace(
        config, teachers=("alp_gmm fit_rate=100",), llm=LLMConfig(model="m")
    )
    result = comparison.compare(later)
    assert set(result["teachers"]) == {*first, "alp_gmm fit_rate=100"}
    assert result["summary"]["alp_gmm fit_rate=100"]["final_p"] is not None
    assert set(comparison.read(tmp_path / "out" / "own" / "small")["teachers"]) == {
        *first, "alp_gmm fit_rate=100"
    }  # fmt: skip
    assert set(drawn[-1][0]["teachers"]) == {*first, "alp_gmm fit_rate=100"}
    assert "not part of the report" not in capsys.readouterr().err

    longer = dataclasses.replace(config, teachers=("riac",), steps=512)
    (tmp_path / "out" / "own" / "small" / "other.json").write_text("{")
    assert set(comparison.compare(longer)["teachers"]) == {"riac"}
    said = capsys.readouterr().err
    assert said.count("is not part of the report") == 4
    assert "other.json is not part" in said
    assert set(comparison.compare(config)["teachers"]) == {*first, "alp_gmm fit_rate=100"}
