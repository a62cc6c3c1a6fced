"""Pictures, drawn from symbols."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import SettingError
from didact.environments.crafting import ansi, layout, picture
from didact.environments.crafting.sprites.beings import BEINGS, PLAYER
from didact.environments.crafting.sprites.items import ITEM_SPRITES
from didact.environments.crafting.sprites.palette import shrunk, sprite
from didact.environments.crafting.sprites.scenery import SCENERY

draw = jax.jit(picture.draw)


def observation(n=1, light=1.0, asleep=0, material=layout.GRASS):
    view = np.zeros((n, *layout.VIEW, 2), np.uint8)
    view[..., 0] = material
    return {
        "view": view,
        "inventory": np.zeros((n, len(layout.ITEMS)), np.float32),
        "facing": np.zeros(n, np.int32),
        "sleeping": np.full(n, asleep, np.int32),
        "light": np.full(n, light, np.float32),
    }


def test_each_thing_has_its_own_look():
    small = [shrunk(image, 7, 7) for image in SCENERY]
    small += [shrunk(image, 7, 7)[..., :3] for image in (*BEINGS, *PLAYER, *ITEM_SPRITES)]
    for i, one in enumerate(small):
        for other in small[:i]:
            assert np.abs(one.astype(int) - other).mean() > 2


def test_the_layout_is_that_of_the_original():
    seen = observation()
    seen["view"][0, 0, 0, 0] = layout.LAVA  # the upper left corner
    seen["inventory"][0, [0, 9]] = 9, 1  # the first of the first row, the first of the second
    image = np.asarray(draw(seen, jax.random.key(0)))[0].astype(int)
    assert image.shape == (64, 64, 3)
    assert image.dtype == int
    lava, grass = (shrunk(SCENERY[m], 7, 7) for m in (layout.LAVA, layout.GRASS))
    np.testing.assert_allclose(image[:7, :7], lava, atol=1)
    np.testing.assert_allclose(image[42:49, 56:63], grass, atol=1)
    assert image[49:56, :7].any()
    assert image[56:63, :7].any()
    assert not image[49:63, 7:].any()
    assert not image[63].any()
    assert not image[:, 63].any()


@pytest.mark.parametrize("name", ["inventory", "facing", "sleeping"])
def test_everything_is_visible(name):
    one, other = observation(), observation()
    other[name] = other[name] + 1
    images = [np.asarray(draw(seen, jax.random.key(0))) for seen in (one, other)]
    assert (images[0] != images[1]).any()


def test_counts_differ():
    seen = observation(10)
    seen["inventory"] += np.arange(10, dtype=np.float32)[:, None]
    rows = np.asarray(draw(seen, jax.random.key(0)))[:, 49:].reshape(10, -1)
    assert len(np.unique(rows, axis=0)) == 10


def test_night_is_dark_blue_and_noisy_at_its_edges():
    day, dusk, night = (
        np.asarray(draw(observation(64, light), jax.random.key(1)), float)[:, :49, :63]
        for light in (1.0, 0.6, 0.0)
    )
    assert day.mean() > dusk.mean() > night.mean()
    assert night[..., 2].mean() > night[..., 0].mean()
    assert day.std(0).max() == dusk.std(0).max() == 0  # no noise
    spread = night.std(0).mean(-1)
    assert spread[24, 31] < 0.5 < 5 < spread[0, 0]
    # Noise from 32 to 127 with share 1 - exp(-4), blended by a half.
    share = 1 - np.exp(-4)
    assert spread[0, 0] == pytest.approx(share * 96 / np.sqrt(12) / 2, rel=0.2)


def test_sleepers_see_no_colors():
    image = np.asarray(draw(observation(asleep=1), jax.random.key(0)), int)[0, :49, :63]
    assert np.abs(image[..., 0] - image[..., 1]).max() <= 1
    np.testing.assert_allclose(image[..., 2] - image[..., 0], 8, atol=1)


def test_one_world_can_be_magnified():
    seen = {name: jnp.asarray(x) for name, x in observation().items()}
    assert picture.magnified(seen, 2).shape == (252, 252, 3)
    with pytest.raises(SettingError, match="scale"):
        picture.magnified(seen, 0)


def test_sprites_are_checked():
    with pytest.raises(SettingError, match="14 rows"):
        sprite("kk kk")
    with pytest.raises(SettingError, match="made of"):
        sprite(" ".join(["?" * 14] * 14))


def test_terminals_show_the_view():
    seen = observation()
    seen["view"][0, 0, 0, 0] = layout.TREE
    seen["view"][0, 3, 3, 1] = layout.ZOMBIE
    large = ansi.draw(seen["view"][0], 1, False, color=False)
    lines = large.split("\n")
    assert {len(line) for line in lines} == {36}
    assert len(lines) == 14
    assert "T" in lines[0]
    assert lines[6].index("Z") < lines[6].index("@>")
    small = ansi.draw(seen["view"][0], 1, True, color=False, window=(20, 8))
    assert {len(line) for line in small.split("\n")} == {18}
    assert "@z" in small
    tiny = ansi.draw(seen["view"][0], 1, False, color=False, window=(6, 1)).split("\n")
    assert [len(line) for line in tiny] == [6]
    assert "@>" in tiny[0]
    assert "\x1b[" in ansi.draw(seen["view"][0], 1, False)
