"""Grid worlds as text: read back, it is the world; and colours change no character."""

import re

import jax
import numpy as np
import pytest
from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX, STATE_TO_IDX

import didact.environments as environments
from didact.environments.grid.rendering import ansi

CODE = re.compile(r"\x1b\[[0-9;]*m")
KINDS = {"K": ("key", 0), "O": ("ball", 0), "B": ("box", 0), ":": ("floor", 0)}
KINDS |= {
    g: ("door", STATE_TO_IDX[s]) for g, s in {"/": "open", "+": "closed", "X": "locked"}.items()
}
COLORS = dict(zip("rgbpye", ("red", "green", "blue", "purple", "yellow", "grey"), strict=True))
WHOLE = {"##": ("wall", "grey"), "**": ("goal", "green"), "~~": ("lava", "red")}
ARROWS = {">>": 0, "vv": 1, "<<": 2, "^^": 3}


def every_cell():
    cells = [(1, 0, 0), (2, 5, 0), (8, 1, 0), (9, 0, 0)]
    cells += [(kind, color, 0) for kind in (3, 5, 6, 7) for color in range(6)]
    return cells + [(4, color, state) for color in range(6) for state in range(3)]


def read(text):
    """MiniGrid's symbols of plain text, the agent's (x, y, direction), and the dots."""
    rows = [[row[i : i + 2] for i in range(0, len(row), 2)] for row in text.split("\n")]
    symbols = np.zeros((len(rows[0]), len(rows), 3), np.uint8)
    dots = np.zeros(symbols.shape[:2], bool)
    agent = None
    for y, row in enumerate(rows):
        for x, pair in enumerate(row):
            dots[x, y] = pair == ". "
            if pair in ARROWS:
                assert agent is None
                agent = x, y, ARROWS[pair]
            if pair in WHOLE:
                kind, color = WHOLE[pair]
                symbols[x, y] = OBJECT_TO_IDX[kind], COLOR_TO_IDX[color], 0
            elif pair in (". ", "  ", *ARROWS):
                symbols[x, y] = OBJECT_TO_IDX["empty"], 0, 0
            else:
                kind, state = KINDS[pair[0]]
                symbols[x, y] = OBJECT_TO_IDX[kind], COLOR_TO_IDX[COLORS[pair[1]]], state
    return symbols, agent, dots


def test_text_read_back_is_the_world():
    cells = np.array(every_cell(), np.uint8)
    rng = np.random.default_rng(0)
    for _ in range(20):
        symbols = cells[rng.integers(len(cells), size=(13, 9))]
        x, y, direction = (int(rng.integers(n)) for n in (13, 9, 4))
        symbols[x, y] = (1, 0, 0)
        seen = rng.random((13, 9)) < 0.5
        text = ansi.draw(symbols, (x, y), direction, seen, color=False)
        found, agent, dots = read(text)
        np.testing.assert_array_equal(found, symbols)
        assert agent == (x, y, direction)
        empty = symbols[..., 0] == 1
        empty[x, y] = False
        np.testing.assert_array_equal(dots, empty & seen)
        assert CODE.sub("", ansi.draw(symbols, (x, y), direction, seen)) == text


def test_what_is_seen_is_lighter_and_colors_tell_things_apart():
    cells = np.array([[cell for cell in every_cell() if cell[0] not in (8, 9)]], np.uint8)

    def painted(seen):
        text = ansi.draw(cells, (-1, 0), 0, np.full(cells.shape[:2], seen))
        found = re.findall(r"\x1b\[1;38;5;(\d+);48;5;(\d+)m(..)\x1b\[0m", text)
        assert len(found) == cells.shape[1]
        return [(int(front), int(back), pair) for front, back, pair in found]

    dark, light = painted(False), painted(True)
    for (_, before, pair), (_, after, _) in zip(dark, light, strict=True):
        # Closed doors are all in their own colour; greys of terminals rise from 232 to 255.
        assert before == after if pair[0] in "+X" else 232 <= before < after, pair
    for paints in (dark, light):
        kinds = {}
        for front, back, pair in paints:
            kinds.setdefault(pair[0], set()).add((front, back))
        assert all(len(kinds[glyph]) == 6 for glyph in "KOB:/+X")


def test_a_world_is_cropped_and_cut_around_the_agent():
    symbols = np.full((20, 12, 3), (2, 5, 0), np.uint8)
    symbols[3:15, 2:8] = (1, 0, 0)
    whole = ansi.draw(symbols, (4, 3), 0, color=False, crop=True).split("\n")
    assert (len(whole[0]), len(whole)) == (2 * 14, 8)
    assert whole[0] == whole[-1] == "##" * 14
    for at, part in {
        (3, 2): (slice(0, 5), slice(0, 3)),  # at the edge: no emptiness beyond it
        (9, 5): (slice(5, 10), slice(3, 6)),
        (14, 7): (slice(9, 14), slice(5, 8)),
    }.items():
        text = ansi.draw(symbols, at, 1, color=False, crop=True, window=(5, 3))
        found, agent, _ = read(text)
        assert agent is not None
        assert agent[2] == 1
        full = read(ansi.draw(symbols, at, 1, color=False, crop=True))[0]
        np.testing.assert_array_equal(found, full[part])
    with pytest.raises(environments.SettingError, match=r"window is \(0, 3\)"):
        ansi.draw(symbols, (4, 3), 0, window=(0, 3))
    with pytest.raises(environments.SettingError, match="agent_direction"):
        ansi.draw(symbols, (4, 3), 4)


def test_an_environment_draws_its_worlds():
    world = environments.make("BabyAI-GoToLocal-v0")
    tasks = world.task_space.sample(jax.random.key(0), 3)
    state, _ = jax.device_get(jax.jit(world.reset)(jax.random.key(1), tasks))
    for index in range(3):
        symbols = world.symbols(state, index)
        found, agent, dots = read(world.render_ansi(state, index, color=False))
        assert agent == (*symbols.agent_position, symbols.agent_direction)
        np.testing.assert_array_equal(found, symbols.grid)
        assert (dots <= symbols.visible).all()
        assert dots.any()
