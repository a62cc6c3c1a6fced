"""`didact list`: the short list, and the description of one."""

import json

import pytest

from didact.common import catalogue
from didact.experiments.cli import main
from didact.teachers import registry
from didact.teachers.descriptions import ABOUT


def printed(capsys, *words):
    capsys.readouterr()
    main(list(words))
    return capsys.readouterr().out


@pytest.fixture
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


def test_the_list_says_what_each_teacher_needs(capsys, wide):
    out = printed(capsys, "list", "teachers")
    assert "needs a proposer (--proposer)" in out
    assert "needs nothing" not in out
    assert "didact list teachers NAME" in out
    read = catalogue.read()["teachers"]
    assert list(read) == [*(entry.name for entry in registry.registered()), "experts"]
    for name in read:
        assert name in out


def test_a_teacher_is_described_with_its_settings(capsys, wide):
    out = " ".join(printed(capsys, "list", "teachers", "alp_gmm").split())
    for text in ABOUT["alp_gmm"].values():
        assert text in out
    for title in ("paper", "needs", "good at", "bad at"):
        assert title in out
    assert "fit_rate a whole number, 250 by default" in out
    assert "window a whole number, or null, null by default" in out
    assert "none" in printed(capsys, "list", "teachers", "uniform")
    assert "--experts" in printed(capsys, "list", "teachers", "experts")


def test_a_description_as_json(capsys):
    row = json.loads(printed(capsys, "list", "teachers", "alp_gmm", "--json"))
    assert row["paper"] == ABOUT["alp_gmm"]["paper"]
    assert row["settings"]["fit_rate"] == "a whole number"
    assert row["defaults"]["return_range"] == [0.0, 1.0]
    rows = json.loads(printed(capsys, "list", "teachers", "--json"))
    assert row in rows


@pytest.mark.parametrize(
    ("what", "name", "words"),
    [
        ("students", "ppo", "settings"),
        ("envs", "toygrid", "useless"),
        ("proposers", "scripted", "scripted"),
        ("benchmarks", "curriculum", "Teachers"),
    ],
)
def test_other_parts_are_described_as_well(what, name, words, capsys):
    assert words in printed(capsys, "list", what, name)


def test_an_unknown_name(capsys):
    with pytest.raises(SystemExit) as exit:
        main(["list", "teachers", "alp"])
    assert exit.value.code == 2
    assert "NAME is 'alp', but must be a known name, such as alp_gmm" in capsys.readouterr().err


def test_a_teacher_of_the_users_own(tmp_path, capsys, wide, monkeypatch):
    monkeypatch.setattr(registry.TEACHERS, "_entries", dict(registry.TEACHERS._entries))
    (tmp_path / "own_listed.py").write_text(
        "from didact import teachers\n"
        "def mine(space, rate: float = 0.5): return teachers.uniform(space)\n"
        "teachers.register('mine', mine, 'one of mine', needs='[bold]luck')\n"
    )
    path = str(tmp_path / "own_listed.py")
    out = printed(capsys, "list", "teachers", "mine", "--import", path)
    assert "[bold]luck" in out
    assert "0.5 by default" in out
    assert "good at" not in out
    assert "needs [bold]luck" in printed(capsys, "list", "teachers", "--import", path)
