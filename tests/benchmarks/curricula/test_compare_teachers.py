"""The comparison of teachers, on a world in which it is over in seconds."""

import dataclasses
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from didact.benchmarks.curricula import compare_teachers
from didact.benchmarks.curricula.settings import CurriculumConfig
from didact.environments import SettingError
from didact.experiments import setup
from didact.experiments.config import LLMConfig, TrainConfig
from didact.teachers.language import LanguageModel
from didact.teachers.language.transcript import exchanges

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "teachers" / "support"))

import chat_server

pytestmark = pytest.mark.slow


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
        interval = stats.t.interval(0.95, 4, np.mean(one[score]), stats.sem(one[score]))
        assert one[f"{score}_interval"] == pytest.approx(interval)
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


def fake(calls, stop=None):
    def learn(name, config):
        if name == stop:
            raise KeyboardInterrupt
        calls.append(name)
        final = [0.25 + len(name) / 100, 0.5]
        curves = {"success": [[0.0, x] for x in final], "final": final, "average": final}
        return {"steps": [10, 20], "seconds": 1.0} | curves

    return learn


TEACHERS = ("pool:scripted", "alp_gmm", "uniform")


@pytest.fixture
def interrupted(monkeypatch, tmp_path):
    """A comparison that was stopped while its last teacher was trained."""
    config = CurriculumConfig(env="ToyGrid", teachers=TEACHERS, seeds=2, out=str(tmp_path))
    calls = []
    monkeypatch.setattr(compare_teachers, "learn", fake(calls, stop="uniform"))
    with pytest.raises(KeyboardInterrupt):
        compare_teachers.compare(config)
    monkeypatch.setattr(compare_teachers, "learn", fake(calls))
    return config, calls


def test_each_result_is_written_when_it_is_there(interrupted):
    config, calls = interrupted
    path = Path(config.out) / "curves.json"
    assert list(json.loads(path.read_text())["teachers"]) == calls == [*TEACHERS[:2]]
    result = compare_teachers.compare(config)
    assert calls == [*TEACHERS]
    assert list(result["teachers"]) == [*TEACHERS]
    assert compare_teachers.compare(config)["teachers"] == result["teachers"]
    assert calls == [*TEACHERS]  # nothing was left to do
    compare_teachers.table(result)
    # Another baseline, and a new teacher: only that one is trained, and no result is removed.
    fewer = dataclasses.replace(config, teachers=("uniform", "alp_gmm"))
    assert list(compare_teachers.compare(fewer)["teachers"]) == ["uniform", "alp_gmm"]
    assert set(json.loads(path.read_text())["teachers"]) == {*TEACHERS}
    assert calls == [*TEACHERS]


@pytest.mark.parametrize("more", [{"steps": 7}, {"seeds": 3}, {"llm": LLMConfig("m")}])
def test_results_for_other_settings_are_kept(interrupted, more):
    config, calls = interrupted
    path = Path(config.out) / "curves.json"
    before = path.read_text()
    with pytest.raises(SettingError, match="different settings"):
        compare_teachers.compare(dataclasses.replace(config, **more))
    assert (path.read_text(), len(calls)) == (before, 2)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:100],
        lambda text: "",
        lambda text: "[" * 100_000,
        lambda text: text.replace("20", "1e400"),
        lambda text: text.replace('"final"', '"last"'),
        lambda text: text.replace("0.5", "null"),
        lambda text: text.replace("0.5", '"x"'),
        lambda text: text.replace('"teachers": {', '"rows": {'),
        lambda text: "[]",
        lambda text: '{"settings": [], "teachers": [1]}',
    ],
)
def test_a_damaged_file_is_kept(interrupted, damage):
    config, _ = interrupted
    path = Path(config.out) / "curves.json"
    path.write_text(damage(path.read_text()))
    before = path.read_text()
    with pytest.raises(SettingError, match="undamaged"):
        compare_teachers.compare(config)
    assert path.read_text() == before


def test_teachers_with_settings_and_training_settings_of_a_file(monkeypatch, tmp_path):
    file = tmp_path / "training.yaml"
    file.write_text("ppo: {learning_rate: 0.0005}\nsteps: 7\n")
    labels = ("alp_gmm", "alp_gmm fit_rate=100 k_max=4")
    config = CurriculumConfig(
        env="ToyGrid", teachers=labels, seeds=2, train_config=file, out=str(tmp_path / "out")
    )
    plain, changed = (compare_teachers._settings(label, config) for label in labels)
    assert changed.teacher_settings == ("fit_rate=100", "k_max=4")
    assert changed.ppo.learning_rate == 0.0005
    assert changed.steps == 7
    option = dataclasses.replace(config, steps=9)
    assert compare_teachers._settings("alp_gmm", option).steps == 9  # it takes precedence
    assert (changed.env, changed.num_envs) == ("ToyGrid", 256)
    assert dataclasses.replace(changed, teacher_settings=()) == plain

    calls = []
    monkeypatch.setattr(compare_teachers, "learn", fake(calls))
    compare_teachers.compare(config)
    compare_teachers.compare(config)
    assert calls == [*labels]
    file.write_text("ppo: {learning_rate: 0.001}\nsteps: 7\n")
    with pytest.raises(SettingError, match="different settings"):
        compare_teachers.compare(config)
    before = (tmp_path / "out" / "curves.json").read_text()
    with pytest.raises(SettingError, match="different settings"):
        compare_teachers.compare(dataclasses.replace(config, train_config=None))
    assert (tmp_path / "out" / "curves.json").read_text() == before
    assert calls == [*labels]
    wrong = dataclasses.replace(config, teachers=("uniform", "alp_gmm fit_rate=x"))
    with pytest.raises(SettingError, match="fit_rate is 'x'"):
        compare_teachers.compare(wrong)


def test_settings_of_a_file_that_no_option_changes(tmp_path):
    file = tmp_path / "training.yaml"
    file.write_text("env: MiniSynth\nnum-envs: 512\nwarm_up: 0.9\n")
    config = CurriculumConfig(train_config=file)
    found = compare_teachers._settings("uniform", config)
    assert (found.env, found.num_envs, found.warm_up) == ("MiniSynth", 512, 0.9)
    assert found.steps == compare_teachers.DEFAULTS["steps"]
    own = dataclasses.replace(config, env="GoTo", warm_up=0.0)
    found = compare_teachers._settings("uniform", own)
    assert (found.env, found.num_envs, found.warm_up) == ("GoTo", 512, 0.0)


def test_test_tasks_are_those_of_the_training_without_help():
    settings = TrainConfig(
        env="GoTo", env_settings=("feedback=both",), tasks=("rows=1", "columns=1")
    )
    environment = setup.environment_of(settings)
    space = compare_teachers.test_space_of(settings, environment)
    assert environment.help_parameter is not None
    for name in ("rows", "columns"):
        column = space.names.index(name)
        assert (space.low[column], space.high[column]) == (1, 1)
    column = space.names.index(environment.help_parameter)
    assert space.low[column] == space.high[column] == environment.task_space.low[column]
