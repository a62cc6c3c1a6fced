"""Pictures of automata: that all is there, and nothing covers anything else."""

import itertools

import imageio.v3 as imageio
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from didact.environments import SettingError
from didact.students.skills import at_most_one, automaton, edges
from didact.students.skills.ltl import drawing

OFFICE = "F(coffee & X F office) & G !decoration"
FORMULAS = (
    OFFICE,
    "F a & F b & F(c & X F d)",
    "!a U (b & (!c U d))",
    "G(a -> F b) & F(c & last)",
    "G a",
    "false",
)


def drawn(made, **settings):
    figure = Figure()
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    drawing.draw_on(axes, made, **settings)
    return axes


def test_all_states_and_conditions_are_there():
    texts = [text.get_text() for text in drawn(automaton(OFFICE)).texts]
    numbers = ["0", "1", "2", "3"]
    ways = ["coffee & !decoration", "office & !decoration", "decoration", "decoration"]
    loops = ["else", "else", "!decoration"]  # that of the failed state tells nothing
    assert sorted(filter(None, texts)) == sorted([*numbers, *ways, "decoration", *loops])


@pytest.mark.parametrize("formula", FORMULAS)
def test_states_stand_apart_and_failed_ones_below(formula):
    made = automaton(formula)
    places = drawing.layout(made, edges(made))
    for one, other in itertools.combinations(places, 2):
        assert np.linalg.norm(one - other) > 3 * drawing.RADIUS
    if made.failed.any() and made.alive.any():
        assert places[made.failed, 1].max() < places[made.alive, 1].min() - 1


def test_the_way_goes_from_left_to_right():
    made = automaton("F a & F b & F(c & X F d)")
    places = drawing.layout(made, edges(made))
    for edge in edges(made):
        assert edge.source == edge.target or places[edge.target, 0] > places[edge.source, 0] + 1


def test_fewer_edges_where_facts_exclude_each_other():
    made = automaton("F a & F b & F c & G !d")
    every, some = drawn(made), drawn(made, possible=at_most_one(made))
    assert len(some.patches) < len(every.patches)
    texts = {text.get_text() for text in some.texts}
    assert {"a", "b", "c", "d"} <= texts


def test_what_never_comes_is_left_out():
    made = automaton("F(a & b)")
    alone = at_most_one(made)
    texts = [text.get_text() for text in drawn(made, possible=alone).texts]
    assert sorted(filter(None, texts)) == ["0", "true"]
    assert {"0", "1"} <= {text.get_text() for text in drawn(made).texts}


def test_a_file(tmp_path):
    path = drawing.draw(tmp_path / "office.png", automaton(OFFICE), dpi=60)
    image = imageio.imread(path)
    assert image.shape[1] > image.shape[0] > 100
    assert image.std() > 10
    assert drawing.draw(tmp_path / "office.svg", automaton(OFFICE)).read_text().startswith("<?xml")
    with pytest.raises(SettingError, match="such as"):
        drawing.draw(tmp_path / "office.txt", automaton(OFFICE))


def test_a_marked_state():
    made = automaton(OFFICE)
    first, second = (drawing.picture(made, state=state, dpi=50) for state in (0, 1))
    assert first.dtype == np.uint8
    assert first.shape == second.shape
    now = np.array([0xFF, 0xD6, 0x85])
    columns = [np.flatnonzero((image == now).all(-1).any(0)) for image in (first, second)]
    assert len(columns[0]) == len(columns[1]) > 5
    assert columns[0].mean() + 50 < columns[1].mean()
    assert not (drawing.picture(made, dpi=50) == now).all(-1).any()


def test_what_is_too_large_to_be_read():
    made = automaton("F a & F b & F c & F d & F e & F f & F g")
    with pytest.raises(SettingError, match="at most 64 states for drawing"):
        drawn(made)
