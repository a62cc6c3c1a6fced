"""Policies by name."""

import shutil
import tomllib
from pathlib import Path

import pytest
from small_policy import edit

from didact.environments import SettingError
from didact.experiments import pretrained
from didact.students import load_policy, save_policy
from didact.students.policies import lookup

ROOT = Path(__file__).parent.parent.parent.parent


@pytest.fixture
def three(policy, pretrained, home, tmp_path, monkeypatch):
    """One of each kind: brought along, imported, of a run. And an imported one in the shade."""
    places = {
        "ours": pretrained / "goto-local",
        "theirs": home / "opener",
        "shaded": home / "goto-local",
        "mine": tmp_path / "here" / "runs" / "a" / "policy",
    }
    for name, folder in places.items():
        folder.parent.mkdir(parents=True, exist_ok=True)
        save_policy(folder, policy.card | {"environment": name}, policy.params)
    monkeypatch.chdir(tmp_path / "here")
    return places


def test_by_name_by_folder_and_by_run(three):
    assert load_policy("goto-local").environment == "ours"
    assert load_policy("opener").environment == "theirs"
    assert load_policy("runs/a").environment == "mine"
    assert load_policy(str(three["shaded"])).environment == "shaded"


def test_a_folder_that_exists_is_meant_before_a_name(three):
    shutil.copytree(three["mine"], "opener")
    assert load_policy("opener").environment == "mine"
    Path("goto-local").mkdir()
    with pytest.raises(SettingError, match="a run with a final policy; it hides the policy 'goto-"):
        load_policy("goto-local")


@pytest.mark.parametrize("name", ["goto-loca", "gotolocal", "GOTO-LOCAL", "opner"])
def test_near_names_are_told(three, name):
    near = "opener" if name == "opner" else "goto-local"
    with pytest.raises(SettingError, match=f"policy is '{name}', but must be .*{near}.*") as caught:
        load_policy(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["../pretrained/goto-local", "./opener", "runs/b", "~/opener"])
def test_paths_are_no_names(three, name):
    with pytest.raises(SettingError, match="a policy folder, or a run with a final policy"):
        load_policy(f"{name}/nothing")


def test_what_there_is_in_order(three, home):
    (home / "broken").mkdir()
    (home / "broken" / "policy.json").write_text("{}")
    rows = lookup.all_policies(Path("runs"))
    told = [(row["name"], row["source"], row["card"]["environment"]) for row in rows]
    assert told == [
        ("goto-local", "shipped", "ours"),
        ("opener", "imported", "theirs"),
        ("runs/a/policy", "run", "mine"),
    ]
    for row in rows:
        assert load_policy(row["name"]).card == row["card"]
        assert Path(row["folder"]).is_dir()
    assert [row["source"] for row in lookup.all_policies(Path("nowhere"))] == [
        "shipped",
        "imported",
    ]


def test_one_line_for_each(three):
    scores = {"Here": {"sampled": 0.5, "greedy": 0.75, "command": "didact ..."}, "There": {}}
    more = {"scores": scores, "training": {"steps": 2_000_000}}
    edit(three["ours"], lambda card: card.update(more, description="Goes to things."))
    edit(three["mine"], lambda card: card.update(more))
    edit(three["theirs"], lambda card: card.update(description="\x1b[2J[red]a\nb", training={}))
    lines = [row["description"] for row in lookup.all_policies(Path("runs"))]
    assert lines == [
        "Goes to things, 2.0M steps; success: Here 50.0%",
        " [2J[red]a b",
        "mine, 2.0M steps; success: Here 50.0%",
    ]


def test_where_imported_policies_are(monkeypatch, tmp_path):
    assert lookup.user_folder() == tmp_path / "home"
    monkeypatch.delenv("DIDACT_POLICIES")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert lookup.user_folder() == tmp_path / "data" / "didact" / "policies"
    for nothing in ("", "relative/data"):
        monkeypatch.setenv("XDG_DATA_HOME", nothing)
        monkeypatch.setenv("HOME", str(tmp_path))
        assert lookup.user_folder() == tmp_path / ".local" / "share" / "didact" / "policies"


def test_every_file_of_a_policy_is_packed(policy, tmp_path):
    """As setuptools looks for package data, below the folder of the package."""
    from setuptools.glob import glob

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = settings["tool"]["setuptools"]["package-data"]["didact"]
    package = tmp_path / "didact"
    folder = package / lookup.SHIPPED.relative_to(lookup.SHIPPED.parents[2]) / "goto-local"
    folder.parent.mkdir(parents=True)
    save_policy(folder, policy.card, policy.params)
    packed = {f for pattern in patterns for f in glob(str(package / pattern), recursive=True)}
    files = {str(path) for path in folder.rglob("*") if path.is_file()}
    assert len(files) > 8
    assert files <= packed


def test_what_didact_brings_along_loads():
    assert set(lookup.shipped()) == set(pretrained.POLICIES)
    for name, folder in lookup.shipped().items():
        policy = load_policy(name)
        assert policy.card["name"] == name
        assert policy.make_environment().name == policy.environment
        assert policy.card["description"]
        assert policy.card["made_by"]
        assert policy.card["scores"]
        assert all(score["command"] for score in policy.card["scores"].values())
        assert sum(path.stat().st_size for path in folder.rglob("*")) < 3_000_000


def test_a_user_without_home(monkeypatch):
    from didact.students.policies import lookup

    monkeypatch.delenv("DIDACT_POLICIES", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # as for an unknown user
    assert lookup.imported() == {}
    with pytest.raises(SettingError, match="DIDACT_POLICIES"):
        lookup.user_folder()
    monkeypatch.setenv("DIDACT_POLICIES", "~nobody-of-this-name/policies")
    assert lookup.user_folder().is_absolute()


def test_numbers_that_no_policy_of_ours_has_are_left_out():
    card = {"environment": "E", "training": {"steps": 10**400}}
    card["scores"] = {
        "a": {"sampled": 10**400},
        "b": {"sampled": float("nan")},
        "c": {"sampled": 0.5},
    }
    assert lookup.describe(card) == "E; success: c 50.0%"
