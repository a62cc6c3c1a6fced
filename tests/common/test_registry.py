"""Registries, and the entry points by which other packages add to them."""

import sys
import warnings

import pytest

from didact.common.registry import Entry, PluginWarning, Registry, suggest
from didact.environments import SettingError


def colours(group=None):
    registry = Registry("colour", Entry, group)
    for name in ("red", "dark-red", "Blue"):
        registry.register(name, lambda name=name: name.upper(), f"the colour {name}")
    return registry


def test_entries_are_found_by_name():
    known = colours()
    assert list(known) == ["red", "dark-red", "Blue"]
    assert len(known) == 3
    assert "red" in known
    assert "green" not in known
    assert known["dark-red"].make() == known.find("dark-red").make() == "DARK-RED"
    assert known.find("blue").name == "Blue"  # nothing else is meant
    assert known.entries()[0].description == "the colour red"


def test_case_counts_where_two_names_differ_in_it():
    known = colours()
    known.register("RED", lambda: "loud", "another")
    assert known.find("red").make() == "RED"
    assert known.find("RED").make() == "loud"
    with pytest.raises(SettingError, match="colour is 'Red'"):
        known.find("Red")


def test_an_unknown_name_is_told_with_its_neighbours():
    with pytest.raises(SettingError, match=r"colour is 'rad', but must be a known name, .* red"):
        colours().find("rad")
    with pytest.raises(SettingError, match="--colour is 'rad'"):
        colours().find("rad", "--colour")
    with pytest.raises(SettingError, match="such as blues"):
        colours().find("bluesy", more=("blues",))
    assert "such as a, b" in str(suggest("x", "zzz", ["a", "b"]))


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a\n", None, 3])
def test_what_is_no_name(name):
    with pytest.raises(SettingError, match=r"colour is .* a name without spaces"):
        colours().register(name, str, "none")


def test_a_name_is_registered_once_and_can_be_made():
    with pytest.raises(SettingError, match=r"colour is 'red', .* not registered yet"):
        colours().register("red", str, "again")
    with pytest.raises(SettingError, match="make of the colour green is 3"):
        colours().register("green", 3, "no function")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Installs a package with these modules and entry points of the group didact.colours."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(modules, points):
        for name, source in modules.items():
            (tmp_path / f"{name}.py").write_text(source)
            monkeypatch.delitem(sys.modules, name, raising=False)
        about = tmp_path / "paints-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: paints\nVersion: 1.0\n")
        lines = [f"{name} = {value}" for name, value in points.items()]
        (about / "entry_points.txt").write_text("\n".join(["[didact.colours]", *lines]))

    return install


def test_entry_points_are_loaded_once_when_a_name_is_looked_up(package, tmp_path):
    source = (
        f"with open({str(tmp_path / 'log')!r}, 'a') as log: log.write('x')\n"
        "def green():\n    '''As grass.\n\n    More.'''\n    return 'GREEN'\n"
        "def plain(): return 'PLAIN'\n"
    )
    package({"paints_a": source}, {"green": "paints_a:green", "plain": "paints_a:plain"})
    known = colours("didact.colours")
    assert [entry.name for entry in known.loaded()] == ["red", "dark-red", "Blue"]
    assert not (tmp_path / "log").exists()
    assert known["green"].make() == "GREEN"
    assert known["green"].description == "As grass."
    assert known["plain"].description == "from paints_a:plain"
    assert list(known) == ["red", "dark-red", "Blue", "green", "plain"]
    assert (tmp_path / "log").read_text() == "x"


def test_an_entry_point_of_a_module_registers_by_itself(package, monkeypatch):
    known = colours("didact.colours")
    monkeypatch.setattr("didact.common.registry.COLOURS", known, raising=False)
    source = (
        "from didact.common.registry import COLOURS\n"
        "def violet(): return 'VIOLET'\n"
        "assert COLOURS.find('red')\n"  # a name may be looked up meanwhile
        "COLOURS.register('violet', violet, 'between')\n"
    )
    package({"paints_b": source}, {"anything": "paints_b", "violet": "paints_b:violet"})
    assert list(known) == ["red", "dark-red", "Blue", "violet"]


@pytest.mark.parametrize(
    ("source", "point", "why"),
    [
        ("1 / 0", "paints_c:green", "ZeroDivisionError: division by zero"),
        ("def green(:", "paints_c:green", "SyntaxError"),
        ("import nowhere_at_all", "paints_c:green", "No module named 'nowhere_at_all'"),
        ("raise SystemExit(3)", "paints_c:green", "SystemExit: 3"),
        ("", "paints_c:green", "AttributeError"),
        ("green = 3", "paints_c:green", "make of the colour broken is 3"),
        ("", "paints_none:green", "No module named 'paints_none'"),
    ],
)
def test_a_broken_entry_point_is_one_sentence(package, source, point, why):
    good = "def fine(): return 'FINE'"
    package({"paints_c": source, "paints_d": good}, {"broken": point, "fine": "paints_d:fine"})
    known = colours("didact.colours")
    with pytest.warns(PluginWarning) as told:
        assert "fine" in known
    (warning,) = told
    sentence = str(warning.message)
    assert sentence.startswith("The colour 'broken' of the package paints cannot be loaded (")
    assert why in sentence
    assert "\n" not in sentence
    with warnings.catch_warnings():  # and it is said once
        warnings.simplefilter("error")
        assert "broken" not in known
