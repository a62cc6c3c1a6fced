"""`make(name, **settings)`: the same environments as settings in words make."""

import functools

import numpy as np
import pytest

import didact
from didact.environments import ArraySpace, Discrete, Environment, SettingError, make, registry
from didact.environments.text_settings import make_with_text_settings

SAME = [
    ("Office", {"formula": "F coffee"}, ["formula=F coffee"]),
    ("Office", {"formula": "F coffee", "max_steps": 50}, ["formula=F coffee", "max_steps=50"]),
    ("Office", {"max_steps": "50"}, ["max_steps=50"]),
    ("GoTo", {"facts": True, "formula": "F red_ball"}, ["facts=true", "formula=F red_ball"]),
    ("GoTo", {"formula": "F red_ball", "facts": 1}, ["facts=1", "formula=F red_ball"]),
    ("GoTo", {"phrasing": "train", "packed": True}, ["phrasing=train", "packed=true"]),
    (
        "GoTo",
        {"feedback": "both", "feedback_error_rate": 0.5},
        ["feedback=both", "feedback_error_rate=0.5"],
    ),
    ("Maze", {"size": (5, 9)}, ["size=[5, 9]"]),
    ("Maze", {"size": [5, 9]}, ["size=[5, 9]"]),
]


def layers(environment):
    """The classes from the outside inwards, and what an agent sees and does."""
    kinds, inner = [], environment
    while inner is not None:
        kinds.append(type(inner))
        inner = getattr(inner, "environment", None)
    return kinds, environment.observation_space, environment.max_steps, environment.name


@pytest.mark.parametrize(("name", "settings", "texts"), SAME)
def test_typed_settings_and_words_make_the_same(name, settings, texts):
    assert layers(didact.make(name, **settings)) == layers(make_with_text_settings(name, texts))


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("GoTo", {"colour": 3}, "setting is 'colour', but must be one of .*phrasing.*facts"),
        ("Office", {"facts": True}, "facts is True, but must be omitted with Office"),
        ("GoTo", {"formula": "F x"}, "formula is 'F x', but must be omitted with GoTo"),
        (
            "Office",
            {"formula": "F tea"},
            "formula is 'F tea', but must be a formula over the propositions",
        ),
        ("GoTo", {"phrasing": 3}, "phrasing is 3, but must be a string, or null"),
        ("GoTo", {"phrasing": "loud"}, "phrasing is 'loud'"),
        ("Office", {"max_steps": 0}, "max_steps is 0, but must be at least 1"),
        ("Office", {"max_steps": "many"}, "max_steps is 'many', but must be a whole number"),
        ("Office", {"max_steps": None}, "max_steps is None, but must be a whole number"),
        ("Offfice", {}, "environment is 'Offfice', but must be a known name, such as Office"),
    ],
)
def test_settings_that_mean_nothing(name, settings, sentence):
    with pytest.raises(SettingError, match=f"^{sentence}"):
        didact.make(name, **settings)


class Little(Environment):
    """A world with all sorts of settings."""

    observation_space = {"x": ArraySpace((1,), np.float32, 0, 1)}  # noqa: RUF012
    action_space, max_steps, propositions = Discrete(2), 3, ("there",)

    def __init__(self, size: int, table: np.ndarray | None = None, **more):
        self.size, self.table, self.more = size, table, more


@pytest.fixture
def little(monkeypatch):
    monkeypatch.setattr(registry.ENVIRONMENTS, "_entries", dict(registry.ENVIRONMENTS._entries))
    monkeypatch.setattr(
        registry.WRAPPER_SETTINGS, "_entries", dict(registry.WRAPPER_SETTINGS._entries)
    )
    registry.register("Little", Little, "little")
    registry.register("Fixed", functools.partial(Little, 4), "little, of one size")


def test_settings_that_no_text_can_give(little):
    table = np.arange(3)
    world = make("Fixed", table=table, anything=[1])
    assert (world.size, world.table is table, world.more) == (4, True, {"anything": [1]})
    assert make("Little", size="7").size == 7
    with pytest.raises(SettingError, match="size is None, but must be given, as a whole number"):
        make("Little")


def test_a_setting_that_wraps(little):
    seen = []

    def wrap(environment, value):
        seen.append(value)
        return environment

    registry.register_wrapper_setting("plainly", wrap, lambda environment: True)
    registry.register_wrapper_setting("typed", wrap, lambda environment: True, kind=int | None)
    make("Office", plainly=True, typed="3")
    make("Office", plainly=2.5, typed=None)
    make_with_text_settings("Office", ["plainly=null", "typed=null"])
    assert seen == ["true", 3, "2.5", None, "null", None]
    with pytest.raises(SettingError, match="typed is 'x', but must be a whole number, or null"):
        make("Office", typed="x")
    with pytest.raises(SettingError, match=r"setting is 'plainly', .* not registered yet"):
        registry.register_wrapper_setting("plainly", wrap, lambda environment: True)


def test_a_setting_of_an_environments_own_comes_first(little):
    registry.register("Own", lambda formula=3: make("Fixed", table=formula), "own formula")
    assert make("Own", formula="F there").table == "F there"


@pytest.mark.slow
def test_formulas_are_known_without_students(tmp_path):
    """They are an entry point of this package: whoever knows of it, `make` does."""
    import subprocess
    import sys

    code = (
        "import sys\n"
        "from didact.environments import make\n"
        "assert 'didact.students' not in sys.modules\n"
        "print(type(make('Office', formula='F coffee')).__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "WithFormula\n", done.stderr
