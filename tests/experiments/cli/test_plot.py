"""`didact plot`: several runs in one figure, and as CSV."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib import rc_context

from didact.experiments.cli import main
from didact.experiments.config import TrainConfig, to_dict


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(folder, rows, **settings):
    """A run folder with the given rows of metrics."""
    folder.mkdir()
    (folder / "config.json").write_text(
        json.dumps(to_dict(TrainConfig(**{"teacher": "alp_gmm"} | settings)))
    )
    rows = [{"updates": i + 1, "seconds": 1.0} | row for i, row in enumerate(rows)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder)


def row(steps, *successes, returns=0.0, tasks=("A", "B"), training=0.1):
    """Evaluations in which every task has the same successes, one for each seed."""
    each = {"success": float(np.mean(successes)), "return": returns, "length": 3.0}
    if len(successes) > 1:
        each["success_by_seed"] = list(successes)
    seeds = {"success_by_seed": [training] * len(successes)} if len(successes) > 1 else {}
    return {
        **seeds,
        "steps": steps,
        "success": training,
        "return": returns,
        "length": 4.0,
        "evaluation": dict.fromkeys(tasks, each),
    }


def plotted(*arguments, capsys):
    main(["plot", *map(str, arguments), "--json"])
    return json.loads(capsys.readouterr().out)


def table(path):
    with open(path) as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("window", ["-1", "1" + "0" * 30])
def test_windows_out_of_bounds(here, refused, window):
    assert "--window is" in refused("plot", made(here / "a", [row(0, 0.0)]), "--window", window)


def test_labels_cannot_control_the_terminal(here, capsys):
    run = made(here / "a", [row(0, 0.0), row(10, 0.4)])
    main(["plot", run, "--labels", "\x1b[31mx\u202e", "--out", "c.csv"])
    out = capsys.readouterr().out
    assert "\\x1b[31mx\\u202e: success 0.400" in out


def test_seeds_are_pooled_and_curves_labelled_by_what_differs(here, capsys):
    a = made(here / "a", [row(0, 0.0), row(10, 0.4)], teacher="uniform", seed=1)
    b = made(here / "b", [row(0, 0.2), row(5, 0.3), row(10, 0.6)], teacher="uniform", seed=2)
    c = made(here / "c", [row(0, 0.0, 0.2), row(10, 0.9, 0.7)], num_seeds=2, video=False)
    files = ["x.png", "x.pdf", "deep/x.svg", "x.csv"]
    result = plotted(a, b, c, "--out", *files, capsys=capsys)
    assert result["measure"] == "success"
    assert result["on"] == ["A", "B"]
    assert result["curves"] == {
        "uniform": {"seeds": 2, "steps": 10, "last": pytest.approx(0.5)},
        "alp_gmm": {"seeds": 2, "steps": 10, "last": pytest.approx(0.8)},
    }
    for name, begin in zip(files, (b"\x89PNG", b"%PDF", b"<?xml", b"label,run"), strict=True):
        assert (here / name).read_bytes().startswith(begin)
    rows = table("x.csv")
    assert [(r["run"][-1], r["seed"], r["steps"], r["success"]) for r in rows] == [
        *[("a", "1", "0", "0.0"), ("a", "1", "10", "0.4")],
        *[("b", "2", "0", "0.2"), ("b", "2", "5", "0.3"), ("b", "2", "10", "0.6")],
        *[("c", "0", "0", "0.0"), ("c", "0", "10", "0.9")],
        *[("c", "1", "0", "0.2"), ("c", "1", "10", "0.7")],
    ]


def test_a_curve_ends_where_its_first_seed_ends():
    from didact.experiments.plotting.run_comparison import Curve, pooled

    def curve(steps, values, seed):
        return Curve("x", "run", seed, np.array(steps, float), np.array(values, float))

    steps, values = pooled([curve([0, 10, 20], [0, 1, 5], 0), curve([5, 15], [2, 4], 1)])["x"]
    np.testing.assert_array_equal(steps, [5, 10, 15])
    np.testing.assert_allclose(values, [[0.5, 1, 3], [2, 3, 4]])


def test_what_to_plot_can_be_chosen(here, capsys):
    rows = [row(0, 0.0, returns=-2.0, training=0), row(8, 0.0, returns=-1.0, training=0)]
    a, b = (made(here / name, rows, seed=s) for name, s in (("a", 0), ("b", 1)))
    assert plotted(a, b, capsys=capsys)["measure"] == "return"  # nothing ever succeeds
    chosen = plotted(a, b, "--measure", "length", "--on", "teacher", capsys=capsys)
    assert chosen["curves"] == {"MiniSynth, alp_gmm": {"seeds": 2, "steps": 8, "last": 4.0}}
    chosen = plotted(a, b, "--labels", "$one", "_two $x$", "--on", "B", capsys=capsys)
    assert list(chosen["curves"]) == ["$one", "_two $x$"]
    main(["plot", a, "--out", "a.csv"])
    assert (
        capsys.readouterr().out.splitlines()[0].startswith("MiniSynth, alp_gmm: return -1.000 at 8")
    )


def test_labels_are_drawn_as_they_are(here):
    a, b = (made(here / name, [row(0, 0.5), row(9, 0.5)]) for name in "ab")
    with rc_context({"svg.fonttype": "none"}):  # text remains text
        main(["plot", a, b, "--labels", "$one$", "_two", "--title", "a $x$ b", "--out", "a.svg"])
    text = Path("a.svg").read_text()
    for label in ("$one$", "_two", "a $x$ b"):
        assert f"{label}<" in text
    assert "\\$" not in text


def test_settings_of_strangers_are_text(here, capsys):
    settings = {"env": "x\x1b[2J$", "teacher_settings": ("a=" + "1" * 100,)}
    a = made(here / "a", [row(0, 0.5), row(9, 0.5)], **settings)
    b = made(here / "b", [row(0, 0.5), row(9, 0.5)], env="[/red]")
    main(["plot", a, b])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert r"x\x1b[2J$" in out
    assert "[/red]" in out


def test_what_is_refused(here, refused):
    a = made(here / "a", [row(0, 0.1), row(4, 0.2)])
    b = made(here / "b", [row(4, 0.2, tasks=("B", "C"))])
    bare = made(here / "bare", [{"steps": 3, "success": None, "return": None, "length": None}])
    none = made(here / "none", [])
    (here / "file").touch()
    for arguments, message in (
        ([], "RUN is (), but must be at least one run folder"),
        (["nowhere"], "RUN is 'nowhere', but must be a run folder"),
        ([none], "a run with metrics; it has none yet"),
        ([bare], "a run with the success rate on teacher"),
        ([a, a], "given once"),
        ([a, "--out", "a.docx"], "--out is 'a.docx', but must be a file that ends in .png, .pdf"),
        ([a, "--out", "file/a.png"], "--out is 'file/a.png', but must be a writable file"),
        ([a, b, "--on", "C"], "--on is 'C', but must be a known name, such as B, teacher"),
        ([a, "--on", "A", "teacher"], "evaluation tasks, or only teacher"),
        ([a, "--labels", "x", "y"], "--labels is ('x', 'y'), but must be one for each of 1"),
        ([a, "--window", "0"], "--window is 0, but must be a whole number from 1 to"),
    ):
        assert message in refused("plot", *arguments), arguments


def test_the_same_seed_of_equal_runs_counts_once(here):
    from didact.experiments.plotting import run_comparison

    rows = [row(100, 0.1, 0.2), row(200, 0.3, 0.4)]
    runs = [
        run_comparison.read(Path(made(here / name, rows, seed=seed, num_seeds=2)))
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    curves = run_comparison.curves_of(runs, ["x"] * 3, ["A"], "success")
    assert [curve.seed for curve in curves] == [0, 1, 2]
    curves = run_comparison.curves_of(runs, ["x", "y", "x"], ["A"], "success")
    assert [curve.seed for curve in curves] == [0, 1, 0, 1, 2]
