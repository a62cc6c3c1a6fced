"""Suites: their files, their jobs and statistics, and the report."""

import io
import json
import shlex

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from rich.console import Console

from didact.benchmarks.curricula.settings import CurriculumConfig
from didact.benchmarks.statistics import holm
from didact.benchmarks.suites import (
    comparison,
    fix_tests,
    jobs,
    suite_files,
    summaries,
    workers,
)
from didact.benchmarks.suites.reporting import report
from didact.benchmarks.suites.suite_names import descriptions, shipped
from didact.common import strict_json
from didact.environments import SettingError
from didact.environments.task_spaces import Box
from didact.environments.walkers import stump_test_tasks
from didact.environments.wrappers import WithRareValues
from didact.experiments.cli import main
from didact.experiments.config_files import read_values
from didact.teachers import Teacher, registry

OWN = """
description: Cells of the toy grid <b>
train:
  env: ToyGrid
  num_envs: 8
  rollout_length: 4
  chunk: 2
  ppo: {num_minibatches: 1, network: {memory: 8, hidden: 8}}
stages: [{x0: [0, 0.1]}, {x0: [0, 0.5]}, {}]
tests:
  near: {count: 4, x0: [0, 0.2]}
  all: {count: 6}
budgets:
  small: {steps: 256, seeds: 2, teachers: [staged, paced, warm-up alp_gmm, uniform]}
"""


@pytest.mark.parametrize("name", shipped())
def test_shipped_suites_can_be_read(name):
    suite = suite_files.read_suite(name)
    assert suite.description == descriptions()[name]
    assert {"small", "paper"} <= set(suite.budgets)
    named = isinstance(suite.space, Box)
    controls = {"uniform", "warm-up uniform", "staged"} if named else {"uniform"}
    assert controls <= set(suite.budget("small").teachers)
    for budget in suite.budgets.values():
        for label in budget.teachers:
            if not label.startswith("pool:"):
                jobs.teacher_of(label, suite)
    for tasks in suite.tests.values():
        assert np.asarray(suite.environment.task_space.contains(tasks)).all()
    assert suite.environment.max_steps <= 2000
    assert read_values(shipped()[name], "--suite")["sha256"] == suite.digest
    if not named:
        return
    assert suite.easy is not None
    assert np.asarray(suite.space.contains(suite.easy.sample(jax.random.key(0), 50))).all()
    # The last stage is the whole space, so that the upper bound is one of the same tasks.
    assert suite.stages[-1] == suite.space


def test_bounds_are_in_the_parameters_of_the_environment():
    suite = suite_files.read_suite("crossing")
    ranks = suite_files.ranks_of(suite.environment)
    assert isinstance(ranks, WithRareValues)
    sizes = {name: ranks.inner_tasks(tasks)[:, 0] for name, tasks in suite.tests.items()}
    assert (sizes["small"].min(), sizes["small"].max()) == (5, 7)
    assert (sizes["large"].min(), sizes["large"].max()) == (12, 15)
    assert set(
        np.asarray(ranks.inner_tasks(suite.stages[0].sample(jax.random.key(0), 99))[:, 0])
    ) == {5}


def test_a_grid_has_all_values_of_a_rare_parameter():
    suite = suite_files.read_suite("toy")
    ranks = suite_files.ranks_of(suite.environment)
    assert ranks is not None
    dials = {name: ranks.inner_tasks(tasks)[:, 0] for name, tasks in suite.tests.items()}
    for name, (low, high) in {"short": (1, 4), "middle": (5, 10), "long": (11, 24)}.items():
        np.testing.assert_array_equal(dials[name], np.arange(low, high + 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("description: ", "descripton: "), "descripton"),
        (("{count: 6}", "{published: walking}"), "published"),
        (("{count: 6}", "{published: walking, count: 6}"), "published"),
        (("budgets:", "badgets:"), "badgets"),
        (("env: ToyGrid", "env: ToyGird"), "ToyGird"),
        (("x0: [0, 0.5]", "x9: [0, 0.5]"), "x9"),
        (("x0: [0, 0.5]", "x0: [0.5, 0]"), "x0"),
        (("x0: [0, 0.5]", "x0: [0, 2]"), "x0 in stage 2"),
        (("count: 4", "count: 0"), "count in tests near"),
        (("count: 4, ", ""), "tests near"),
        (("count: 4", "grid: {x9: 3}"), "x9"),
        (("count: 4", "grid: {x0: 1}"), "x0 in grid"),
        (("count: 4", "count: 4, grid: {x0: 3}"), "either a count or a grid"),
        (("seeds: 2", "seeds: 1"), "seeds in budget small"),
        (("steps: 256", "steps: many"), "steps in budget small"),
        (("teachers: [staged, paced, warm-up alp_gmm, uniform]", "teachers: all"), "teachers"),
        (("stages: [{x0: [0, 0.1]}, {x0: [0, 0.5]}, {}]", "stages: 3"), "stages"),
        (("stages:", "sha256: abc\nstages:"), "sha256"),
        (("num_envs: 8", "num_envs: 0"), "num_envs in own.yaml"),
    ],
)
def test_files_that_are_wrong(own, change, message):
    own.write_text(OWN.replace(*change))
    with pytest.raises(SettingError, match=message):
        suite_files.read_suite(str(own))


def test_tests_are_fixed_by_their_digest(own):
    digest = suite_files.read_suite(str(own)).digest
    own.write_text(OWN + f"sha256: {digest}\n")
    assert suite_files.read_suite(str(own)).digest == digest
    own.write_text(OWN.replace("count: 6", "count: 7") + f"sha256: {digest}\n")
    with pytest.raises(SettingError, match="they were changed"):
        suite_files.read_suite(str(own))


def test_the_digest_is_written_into_the_file(own):
    assert fix_tests.fix(own) == suite_files.read_suite(str(own)).digest
    text = own.read_text()
    assert "\nsha256: " in text
    fix_tests.fix(own)
    assert own.read_text() == text
    own.write_text(text.replace("count: 6", "count: 7"))
    assert fix_tests.fix(own) == suite_files.read_suite(str(own)).digest
    assert own.read_text().count("sha256") == 1


def test_a_grid_of_tests_is_that_of_the_literature():
    suite = suite_files.read_suite("tracks")
    np.testing.assert_allclose(suite.tests["grid"], stump_test_tasks(), atol=1e-6)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("nobody", "nobody"),
        ("staged until=0.5", "staged"),
        ("warm-up", "warm-up"),
        ("alp_gmm fit_rate=x", "fit_rate"),
    ],
)
def test_teachers_that_are_wrong(own, label, message):
    with pytest.raises(SettingError, match=message):
        jobs.teacher_of(label, suite_files.read_suite(str(own)))


def listening(space: Box) -> Teacher:
    """Proposes what follows from every outcome so far."""

    def propose(state, key, n):
        return space.denormalise(
            jnp.mod(state + jax.random.uniform(key, (n, space.size)), 1)
        ), state

    def observe(state, proposals, outcomes):
        values = jnp.c_[proposals.tasks, outcomes.returns, outcomes.success]
        return state + jnp.sum(outcomes.weights[:, None] * jnp.sin(17 * values + 1))

    return Teacher(lambda key: jnp.zeros(()), propose, observe)


@pytest.mark.slow
def test_a_teacher_cannot_see_the_tests(own, tmp_path, monkeypatch):
    """Whatever is tested and how often, what it observes and proposes is the same."""
    monkeypatch.setattr(registry.TEACHERS, "_entries", dict(registry.TEACHERS._entries))
    registry.register("listening", listening, "Observes everything.")
    others = OWN.replace("x0: [0, 0.2]", "x0: [0.9, 1]").replace("count: 6", "count: 9")
    proposals = []
    for text, seed, evaluations in ((OWN, 0, 2), (others, 0, 4), (OWN, 1, 2)):
        own.write_text(text)
        suite = suite_files.read_suite(str(own))
        job = jobs.Job(suite, "listening", 256, 2, seed=seed, evaluations=evaluations)
        proposals.append(jobs.run(job, tmp_path)["proposals"])
    assert proposals[0] == proposals[1][1::2]
    assert proposals[0] != proposals[2]  # of other episodes


@pytest.mark.slow
def test_a_suite_is_run_and_a_finished_job_is_not_run_again(own, tmp_path, monkeypatch):
    out = tmp_path / "out"
    teachers = ("staged", "paced", "uniform")
    config = CurriculumConfig(suite=str(own), teachers=teachers, num_evaluations=2, out=str(out))
    result = comparison.compare(config)
    row = result["teachers"]["paced"]
    assert np.shape(row["success"]["near"]) == (2, 2)
    assert np.shape(row["proposals"]) == (2, jobs.SHOWN, 2)
    console = Console(file=io.StringIO(), width=200)
    console.print(comparison.table(result))
    page = (out / "own" / "small" / "report.html").read_text()
    assert "Cells of the toy grid &lt;b&gt;" in page
    assert page.count("data:image/png;base64,") == 4
    assert page.count("data:image/gif;base64,") == 1
    assert "http" not in page.replace("http-equiv", "")
    lines = (out / "own" / "small" / "seeds.csv").read_text().splitlines()
    assert len(lines) == 1 + 3 * 2 * 2

    def again(job, folder):
        raise AssertionError(job.teacher)

    monkeypatch.setattr(jobs, "run", again)
    assert comparison.compare(config)["summary"] == result["summary"]
    with pytest.raises(SettingError, match="different settings"):
        comparison.compare(CurriculumConfig(**(vars(config) | {"steps": 512})))
    with pytest.raises(SettingError, match="--env is 'GoTo'"):
        comparison.compare(CurriculumConfig(**(vars(config) | {"env": "GoTo"})))


def fake(mean, seeds=5, points=3, seed=0):
    rng = np.random.default_rng(seed)
    curves = np.clip(np.linspace(0.1, mean, points) + rng.normal(0, 0.05, (seeds, points)), 0, 1)
    steps = [100 * (i + 1) for i in range(points)]
    proposals = rng.random((points, 4, 2)).tolist()
    return {
        "steps": steps,
        "success": {"a": curves.tolist(), "b": (curves / 2).tolist()},
        "proposals": proposals,
        "episodes": 10,
        "seconds": 1.0,
        "compile_seconds": 1.0,
        "machine": {},
    }


ROWS = {"good": fake(0.9, seed=1), "same": fake(0.4, seed=2), "uniform": fake(0.4, seed=3)}
SIZES = {"a": 30, "b": 10}


def test_statistics_are_scipys():
    made = summaries.summarise(ROWS, SIZES)
    curves = {
        name: (3 * np.array(row["success"]["a"]) + np.array(row["success"]["b"])) / 4
        for name, row in ROWS.items()
    }
    p = []
    for name in ("good", "same"):
        final = curves[name][:, -1]
        low, high = scipy.stats.t.interval(0.95, 4, final.mean(), scipy.stats.sem(final))
        assert made[name]["final_interval"] == pytest.approx([low, high])
        test = scipy.stats.ttest_ind(final, curves["uniform"][:, -1], equal_var=False)
        p.append(float(test.pvalue))
    adjusted = [made[name]["final_p"] for name in ("good", "same")]
    assert adjusted == pytest.approx([min(1, 2 * p[0]), max(2 * p[0], p[1])])
    assert made["uniform"]["final_p"] is None
    assert made["good"]["improvement"] == 1
    said = " ".join(summaries.verdict(made))
    assert "better: good." in said
    assert "no significant difference: same." in said


def test_holm():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == pytest.approx([1, 1])
    assert holm([]) == []
    with pytest.raises(SettingError, match="p_values"):
        holm([2.0])


def test_a_seed_that_died_is_counted():
    row = fake(0.9)
    for name in row["success"]:
        row["success"][name][0] = [0.0, 0.0, 0.0]
    made = summaries.summarise({"some": row, "uniform": fake(0.4)}, SIZES)
    assert (made["some"]["dead"], made["uniform"]["dead"]) == (1, 0)


def result_of(rows, **settings):
    summary = summaries.summarise(rows, SIZES)
    return {
        "suite": "own", "description": "d", "machine": {}, "tests": SIZES,
        "settings": {"steps": 300, "seeds": 5, "seed": 0, "tests": "abc", **settings},
        "parameters": ["x", "y"], "teachers": rows, "summary": summary,
        "verdict": summaries.verdict(summary),
    }  # fmt: skip


@pytest.mark.slow
def test_results_of_several_machines_are_merged(tmp_path, capsys):
    one = {name: ROWS[name] for name in ("good", "uniform")}
    for folder, rows in (("one", one), ("two", {"same": ROWS["same"]})):
        (tmp_path / folder).mkdir()
        text = strict_json.dumps(result_of(rows))
        (tmp_path / folder / comparison.RESULT).write_text(text)
    paths = [str(tmp_path / "one"), str(tmp_path / "two" / comparison.RESULT)]
    main(["report", *paths, "--out", str(tmp_path / "out")])
    assert "same" in capsys.readouterr().out
    page = (tmp_path / "out" / report.PAGE).read_text()
    assert "<td>same</td>" in page
    read = [comparison.read(tmp_path / name) for name in ("one", "two")]
    together = comparison.merged(read)[0]
    assert together["summary"]["same"]["final_p"] is not None
    with pytest.raises(SettingError, match="once"):
        comparison.merged([read[0], read[0]])
    with pytest.raises(SettingError, match="RESULTS"):
        comparison.merged([read[0], result_of({"x": ROWS["same"]}, steps=1)])


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"teachers": {}, "tests": {}}', "\x00"])
def test_damaged_results_are_refused(tmp_path, damage):
    (tmp_path / comparison.RESULT).write_text(damage)
    with pytest.raises(SettingError, match="RESULTS"):
        comparison.read(tmp_path)


def with_more(row, **more):
    worst = {"shares": [0.1, 0.5, 1.0], "success": [[0.1 * i, 0.4, 0.5] for i in range(5)]}
    return row | {"worst": worst} | more


@pytest.mark.slow
def test_a_report_of_several_suites(tmp_path):
    spent = {"calls": 12, "tokens": 34_567, "cost": 0.5}
    rows = {
        name: with_more(row, **({"language": spent} if name == "good" else {}))
        for name, row in ROWS.items()
    }
    results = [result_of(rows) | {"suite": name, "profile": name} for name in "abc"]
    del results[0]["profile"]  # as in older results
    files = report.write(results, tmp_path)
    page = files["report"].read_text()
    assert "good: better than uniform in 3 of 3 profiles (a, b, c)." in page
    assert "Radar of profiles" in page
    assert page.count("data:image/gif;base64,") == 3
    for cell in ("34,567", "0.50", "<th>tokens</th>", "1,500"):  # 5 seeds of 300 steps
        assert cell in page
    for name in ("all-radar.png", "all-ranks.pdf", "a-worst.png", "b-film.gif", "c-ranks.png"):
        assert (tmp_path / name).stat().st_size > 1000
    assert (tmp_path / "a-film.gif").stat().st_size < 300_000


def test_jobs_of_a_cluster(own, tmp_path, capsys):
    words = ["benchmark", "curriculum", "--suite", str(own), "--seeds", "3", "--dry-run"]
    main([*words, "--out", str(tmp_path / "x y")])
    lines = [shlex.split(line) for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert len(lines) == 4
    assert lines[2][:5] == ["didact", "benchmark", "curriculum", "--teachers", "warm-up alp_gmm"]
    assert lines[2][-2:] == ["--out", str(tmp_path / "x y")]
    assert "--seeds" in lines[2]


def test_a_failed_worker_costs_one_job(capfd):
    workers.run({"bad": ["didact", "nothing"], "good": ["didact", "--help"]}, 2)
    said = capfd.readouterr().err
    assert "good  finished" in said
    assert "bad  failed with exit code 2" in said


def test_the_table_of_suites(capsys):
    main(["list", "suites"])
    assert "crossing" in capsys.readouterr().out
    main(["list", "suites", "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert {row["name"] for row in rows} == set(shipped())
