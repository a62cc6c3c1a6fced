"""Our pictures against those of MiniGrid's own renderer."""

import time

import gymnasium
import minigrid  # noqa: F401  (registers the levels)
import numpy as np
import pytest
from minigrid.core.grid import Grid

from didact.common.errors import SettingError
from didact.environments.grid.rendering.rgb import draw

LEVELS = [
    "MiniGrid-Empty-Random-6x6-v0",
    "MiniGrid-LavaCrossingS9N2-v0",
    "MiniGrid-DistShift1-v0",
    "MiniGrid-LockedRoom-v0",
    "MiniGrid-KeyCorridorS3R2-v0",
    "MiniGrid-ObstructedMaze-2Dlhb-v1",
    "MiniGrid-Playground-v0",
    "MiniGrid-MultiRoom-N4-S5-v1",
    "MiniGrid-DoorKey-8x8-v0",
    "BabyAI-GoToLocal-v0",
    "BabyAI-OpenDoorsOrderN4-v0",
    "BabyAI-UnlockToUnlock-v0",
    "BabyAI-BossLevel-v0",
]


def every_cell():
    """Each (type, colour, state) MiniGrid can encode."""
    cells = [(1, 0, 0), (8, 1, 0), (9, 0, 0)]
    cells += [(kind, colour, 0) for kind in (2, 3, 5, 6, 7) for colour in range(6)]
    return cells + [(4, colour, state) for colour in range(6) for state in range(3)]


@pytest.mark.parametrize("level", LEVELS)
def test_official_levels_look_as_minigrid_draws_them(level):
    environment = gymnasium.make(level).unwrapped
    rng = np.random.default_rng(0)
    for seed in range(2):
        environment.reset(seed=seed)
        for _ in range(6):
            environment.step(int(rng.integers(6)))
            symbols = environment.grid.encode()
            place = environment.agent_pos, environment.agent_dir
            plain = environment.get_frame(highlight=False, tile_size=8)
            np.testing.assert_array_equal(draw(symbols, *place, tile_size=8), plain)

            seen = np.zeros(symbols.shape[:2], bool)
            for x, y in np.ndindex(seen.shape):
                seen[x, y] = environment.in_view(x, y)
            # `in_view` knows no walls, so the mask is read off MiniGrid's own picture instead
            # where a cell was left dark: cells are brightened whole.
            bright = environment.get_frame(highlight=True, tile_size=8)
            changed = (bright != plain).any(axis=2)
            cells = changed.reshape(symbols.shape[1], 8, symbols.shape[0], 8).any(axis=(1, 3)).T
            assert not (cells & ~seen).any()
            np.testing.assert_array_equal(draw(symbols, *place, cells, tile_size=8), bright)


@pytest.mark.slow
@pytest.mark.parametrize("tile_size", [7, 32])
def test_every_kind_of_cell_under_every_agent(tile_size):
    cells = every_cell()
    symbols = np.array(cells, np.uint8).reshape(3, -1, 3)
    grid, _ = Grid.decode(symbols)
    np.testing.assert_array_equal(grid.encode(), symbols)
    for number in range(0, len(cells), 3):
        position = np.unravel_index(number, symbols.shape[:2])
        seen = np.random.default_rng(number).random(symbols.shape[:2]) < 0.5
        direction = number % 4
        expected = grid.render(tile_size, position, direction, seen)
        np.testing.assert_array_equal(draw(symbols, position, direction, seen, tile_size), expected)
    for direction in range(4):  # on an open door, where MiniGrid draws both
        position = np.argwhere((symbols == (4, 2, 0)).all(axis=2))[0]
        np.testing.assert_array_equal(
            draw(symbols, position, direction, None, tile_size),
            grid.render(tile_size, position, direction),
        )


def test_unseen_cells_are_drawn_empty_and_an_agent_outside_not_at_all():
    symbols = np.zeros((4, 3, 3), np.uint8)
    empty = np.zeros_like(symbols)
    empty[..., 0] = 1
    picture = draw(symbols, (-1, 0), 0)
    assert picture.shape == (96, 128, 3)
    np.testing.assert_array_equal(picture, draw(empty, (4, 0), 3))
    assert not np.array_equal(picture, draw(empty, (3, 0), 3))


def test_a_small_world_in_a_large_array_can_be_cropped():
    small = gymnasium.make("BabyAI-GoToLocal-v0").unwrapped
    small.reset(seed=0)
    symbols, place = small.grid.encode(), small.agent_pos
    large = np.full((22, 19, 3), (2, 5, 0), np.uint8)
    large[5:13, 8:16] = symbols
    moved = (place[0] + 5, place[1] + 8)
    np.testing.assert_array_equal(
        draw(large, moved, small.agent_dir, crop=True), draw(symbols, place, small.agent_dir)
    )
    walls = np.full((4, 3, 3), (2, 5, 0), np.uint8)
    assert draw(walls, (-1, -1), 0, crop=True).shape == (96, 128, 3)


def test_a_large_world_is_drawn_in_a_few_milliseconds():
    cells = np.array(every_cell(), np.uint8)
    rng = np.random.default_rng(0)
    symbols = cells[rng.integers(len(cells), size=(22, 22))]
    seen = rng.random((22, 22)) < 0.5
    draw(symbols, (3, 4), 0, seen)
    times = []
    for _ in range(20):
        start = time.perf_counter()
        draw(symbols, (3, 4), 0, seen)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.005  # 0.0003 s on an idle core; the least is what load disturbs least


@pytest.mark.parametrize(
    ("arguments", "setting"),
    [
        ((np.full((3, 3, 3), 11, np.uint8), (1, 1), 0), "symbols"),
        ((np.zeros((3, 3), np.uint8), (1, 1), 0), "symbols"),
        ((np.zeros((3, 3, 3), np.uint8), (1, 1), 4), "agent_direction"),
        ((np.zeros((3, 3, 3), np.uint8), (1, 1), 0, None, 0), "tile_size"),
    ],
)
def test_what_cannot_be_drawn_is_said(arguments, setting):
    with pytest.raises(SettingError, match=setting):
        draw(*arguments)
