"""The comparison of teachers, on a world in which it is over in seconds."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from didact.benchmarks.config import CurriculumConfig
from didact.benchmarks.curricula import compare_teachers
from didact.experiments.config import LLMConfig
from didact.teachers.language import LanguageModel
from didact.teachers.language.transcript import exchanges

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "teachers" / "support"))

import chat_server


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    config = CurriculumConfig(
        env="ToyGrid",
        teachers=("pool:scripted", "alp_gmm", "uniform"),
        steps=16 * 32 * 16,
        seeds=3,
        num_envs=16,
        test_tasks=32,
        num_evaluations=4,
        out=str(tmp_path_factory.mktemp("out")),
    )
    return config, compare_teachers.compare(config)


def test_curves_and_their_summaries(compared):
    config, result = compared
    for row in result["teachers"].values():
        success = np.array(row["success"])
        assert success.shape == (config.seeds, config.num_evaluations)
        assert ((success >= 0) & (success <= 1)).all()
        assert row["steps"][-1] >= config.steps
        assert np.all(np.diff(row["steps"]) > 0)
        np.testing.assert_array_equal(row["final"], success[:, -1])
        # The mean over time by hand: trapezoids from (0, 0) on.
        x, y = np.array([0, *row["steps"]]), np.pad(success, ((0, 0), (1, 0)))
        by_hand = [
            sum((x[i + 1] - x[i]) * (run[i] + run[i + 1]) / 2 for i in range(len(x) - 1)) / x[-1]
            for run in y
        ]
        np.testing.assert_allclose(row["average"], by_hand)
        low, high = row["average_interval"]
        assert low <= np.mean(row["average"]) <= high


def test_each_seed_has_its_own_proposals(compared):
    config, _ = compared
    found = exchanges(Path(config.out) / "pool-scripted" / "transcript.jsonl")
    assert {e.seed for e in found} == set(range(config.seeds))
    assert all(e.accepted for e in found)


@pytest.mark.slow
def test_a_language_model_proposes(tmp_path, monkeypatch):
    """And what one comparison spent is nothing to the next in its folder."""
    monkeypatch.setattr(LanguageModel, "immediate", True)  # it is waited for
    monkeypatch.setenv("A_KEY", "sk-a-key-that-nobody-may-see")
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    place = chat_server.Server([chat_server.says("I know nothing.")])
    llm = LLMConfig("m", place.url, api_key_env="A_KEY", strategy="interesting", max_calls=3)
    config = CurriculumConfig(
        env="ToyGrid",
        steps=16 * 32 * 16,
        seeds=2,
        num_envs=16,
        test_tasks=8,
        num_evaluations=1,
        out=str(tmp_path),
        llm=llm,
    )
    try:
        for calls in (3, 6):
            compare_teachers.learn("pool:language-model", config)
            assert len(place.requests) == calls
            found = exchanges(tmp_path / "pool-language-model" / "transcript.jsonl")
            assert {e.proposer for e in found} == {"language-model, interesting"}
            assert sum(e.reply is not None for e in found) == 3
    finally:
        place.close()
    assert place.requests[0][0]["Authorization"] == "Bearer sk-a-key-that-nobody-may-see"
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b"nobody-may-see" not in file.read_bytes(), file


def test_p_values_are_scipys(monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    runs = {
        name: {"steps": [1, 2], "success": rng.random((5, 2)).tolist()}
        | {"final": (rng.random(5) + shift).tolist(), "average": rng.random(5).tolist()}
        | {"seconds": 1.0}
        for name, shift in (("alp_gmm", 0.6), ("uniform", 0.0))
    }
    monkeypatch.setattr(compare_teachers, "learn", lambda name, config: dict(runs[name]))
    config = CurriculumConfig(env="ToyGrid", seeds=5, out=str(tmp_path))
    one, baseline = compare_teachers.compare(config)["teachers"].values()
    for score in ("final", "average"):
        expected = stats.ttest_ind(one[score], baseline[score], equal_var=False).pvalue
        assert one[f"{score}_p"] == pytest.approx(expected)
        assert baseline[f"{score}_p"] == pytest.approx(1)
    assert one["final_p"] < 0.05 < one["average_p"]


def test_what_is_written_and_shown(compared):
    config, result = compared
    assert json.loads(json.dumps(result)) == result
    assert result["settings"]["llm"]["api_key_env"] == "OPENAI_API_KEY"
    with open(f"{config.out}/curves.json") as file:
        assert json.load(file) == result
    with open(f"{config.out}/curves.png", "rb") as file:
        assert file.read(4) == b"\x89PNG"
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(compare_teachers.table(result))
    text = console.export_text()
    mean = np.mean(result["teachers"]["alp_gmm"]["average"])
    for part in ("ToyGrid", "alp_gmm", "uniform", f"{mean:.1%}"):
        assert part in text
