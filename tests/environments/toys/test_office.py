"""Office World: its map, its moves, and formulas as a setting."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import SettingError, make
from didact.environments.text_settings import make_with_text_settings
from didact.environments.toys.office import MAP, SIGNS, Office


def test_the_map_is_the_published_one():
    """The places of Toro Icarte et al. (2018), on 12 x 9 cells, here with walls as cells."""
    world = Office()
    assert (world.height, world.width) == (13, 17)
    published = {
        "A": [(1, 1)], "B": [(1, 7)], "C": [(10, 7)], "D": [(10, 1)], "mail": [(7, 4)],
        "office": [(4, 4)], "coffee": [(8, 2), (3, 6)],
        "decoration": [(4, 7), (7, 7), (4, 1), (7, 1), (1, 4), (10, 4)],
    }  # fmt: skip
    for name, places in published.items():
        there = np.flatnonzero(world.places[:, world.propositions.index(name)])
        cells = {(x + x // 3 + 1, (8 - y) + (8 - y) // 3 + 1) for x, y in places}
        assert {(p % 17, p // 17) for p in there} == cells


def test_moves_are_those_of_a_walk_by_hand():
    world = Office()
    lines = MAP.strip().splitlines()
    sides = {"right": (0, 1), "down": (1, 0), "left": (0, -1), "up": (-1, 0)}
    state, seen = world.reset(jax.random.key(0), jnp.arange(len(world.free))[:, None] * 1.0)
    for action, name in enumerate(world.action_space.names):
        _, after = world.step(None, state, jnp.full(len(world.free), action))
        for place, new, labels in zip(
            world.free, after.observation["place"], after.labels, strict=True
        ):
            y, x = divmod(int(place), world.width)
            dy, dx = sides[name]
            if lines[y + dy][x + dx] != "#":
                y, x = y + dy, x + dx
            assert int(new) == y * world.width + x
            held = [p for p, holds in zip(world.propositions, labels, strict=True) if holds]
            assert held == ([SIGNS[lines[y][x]]] if lines[y][x] in SIGNS else [])
    assert not np.any(seen.success)


def test_the_view_is_the_map_around_the_agent():
    world = Office()
    state, seen = world.reset(jax.random.key(0), jnp.arange(len(world.free))[:, None] * 1.0)
    padded = np.pad(world.cells, 3)
    for place, image in zip(world.free, np.asarray(seen.observation["image"]), strict=True):
        y, x = divmod(int(place), world.width)
        np.testing.assert_array_equal(image, padded[y : y + 7, x : x + 7])
    assert world.render(state, 0).shape == (13 * 32, 17 * 32, 3)


@pytest.mark.parametrize(
    ("map", "sentence"),
    [
        ("###\n#.#\n##", "rows of equal length"),
        ("###\n#.?\n###", "of the characters"),
        ("###\n#..\n###", "walls"),
        ("###\n###\n###", "a free cell"),
    ],
)
def test_bad_maps_are_refused(map, sentence):
    with pytest.raises(SettingError, match=sentence):
        Office(map)


def test_names_may_be_written_small():
    assert make_with_text_settings("office").name == "Office"
    with pytest.raises(SettingError, match="environment is 'ofice'"):
        make_with_text_settings("ofice")


def test_a_formula_is_a_setting_of_worlds_with_propositions():
    world = make_with_text_settings("Office", ["formula=F(coffee & X F office)", "max_steps=50"])
    assert world.max_steps == 50
    assert world.instruction_text({}) == "F(coffee & X F office)"
    with pytest.raises(SettingError, match=r"setting formula is .*'tea' is unknown"):
        make_with_text_settings("Office", ["formula=F tea"])
    with pytest.raises(SettingError, match=r"formula is 'F\(coffee'.*at character 9"):
        make_with_text_settings("Office", ["formula=F(coffee"])
    with pytest.raises(SettingError, match="omitted with GoTo"):
        make_with_text_settings("GoTo", ["formula=F coffee"])
    with pytest.raises(SettingError, match=r"one of .*formula"):
        make_with_text_settings("Office", ["formla=F coffee"])
    assert make("Office").propositions == world.propositions


def test_actions_out_of_bounds_are_those_at_the_bounds():
    world = Office()
    state, _ = world.reset(jax.random.key(0), jnp.full((4, 1), 7.0))
    wild, _ = world.step(None, state, jnp.array([-1, -9, 4, 100]))
    tame, _ = world.step(None, state, jnp.array([0, 0, 3, 3]))
    np.testing.assert_array_equal(wild.place, tame.place)
