"""Pictures of the crafting world, drawn on the device from symbolic observations.

The layout is that of the original package: 9x9 squares of 7x7 pixels. The upper 9x7 squares show
the local view, with the player in its middle, the lower two rows the inventory. The last row and
column of the picture stay black. The sprites are this project's own; see `sprites`.

At night, the view is darker and less colorful, with noise that grows towards its edges. A sleeping
player sees a dark view without colors (`crafter.engine.LocalView`).
"""

import functools
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, PRNGKeyArray, UInt8, UInt32

from didact.common.errors import SettingError
from didact.environments.base import split_keys
from didact.environments.crafting.layout import ITEMS, MATERIALS, MOST, SIGHTS, VIEW
from didact.environments.crafting.sprites.beings import BEINGS, PLAYER
from didact.environments.crafting.sprites.items import DIGIT_SHAPES, ITEM_SPRITES
from didact.environments.crafting.sprites.palette import SIDE as SPRITE_SIDE
from didact.environments.crafting.sprites.palette import over, shrunk
from didact.environments.crafting.sprites.scenery import SCENERY
from didact.environments.spaces import ArraySpace

UNIT = 7  # pixels along each side of a square
SIZE = 64  # pixels along each side of the picture
SPACE = ArraySpace((SIZE, SIZE, 3), np.uint8, kind="pixels")

_ROWS, _COLUMNS = VIEW
_CENTER = _ROWS // 2 * _COLUMNS + _COLUMNS // 2
_ITEM_ROWS = 2
_LUMINANCE = np.array((0.299, 0.587, 0.114), np.float32)
# Colors that are blended in by a half.
_NIGHT, _SLEEP = (np.array(color, np.float32) for color in ((0, 16, 64), (0, 0, 16)))
_NIGHT_SATURATION = 0.4
_DARKEST, _GREYS = 32, 96  # the noise: grey levels from 32 to 127


class Tiles(NamedTuple):
    """All squares of a picture, `p` pixels each; red, green and blue are packed into one number.

    The squares of the view exist as an awake and as a sleeping player sees them, each in full
    daylight and at midnight; those between are mixtures.
    """

    day: UInt32[np.ndarray, "2*cells p"]  # see `_codes`
    night: UInt32[np.ndarray, "2*cells p"]
    items: UInt32[np.ndarray, "items p"]  # each item with each number


@functools.cache
def tiles(unit: int = UNIT) -> Tiles:
    """Return the squares of a picture, with `unit` pixels along each side."""

    def fit(image):
        return shrunk(image, unit, unit)

    scenery, beings, player = (list(map(fit, x)) for x in (SCENERY, BEINGS, PLAYER))
    cells = [over(being, ground) for ground in scenery for being in beings]
    cells += [over(pose, ground) for ground in scenery for pose in player]
    counts = range(MOST + 1)
    items = [_item(number, count, unit) for number in range(len(ITEMS)) for count in counts]
    day = np.array(cells, np.float32)
    night = _toned(day, _NIGHT_SATURATION, _NIGHT)
    seen = [np.concatenate([color, _toned(color, 0, _SLEEP)]) for color in (day, night)]
    return Tiles(*(_packed(np.asarray(images)) for images in (*seen, items)))


def _packed(images: np.ndarray) -> UInt32[np.ndarray, "k p"]:
    channels = images.reshape(len(images), -1, 3).astype(np.uint32)
    return channels[..., 0] | channels[..., 1] << 8 | channels[..., 2] << 16


def _toned(color: np.ndarray, saturation: float, tint: np.ndarray) -> np.ndarray:
    """Return colors with less saturation, blended by a half with another color."""
    grey = (color @ _LUMINANCE)[..., None]
    return (saturation * color + (1 - saturation) * grey + tint) / 2


def _item(number: int, count: int, unit: int) -> UInt8[np.ndarray, "unit unit 3"]:
    """Return a square of the inventory: an icon and its number, or nothing if that is 0."""
    image = np.zeros((unit, unit, 3), np.uint8)
    if count == 0:
        return image
    size = unit * 11 // 14
    image[:size, :size] = over(shrunk(ITEM_SPRITES[number], size, size), image[:size, :size])
    scale = max(unit // 7, 1)
    shape = DIGIT_SHAPES[count].repeat(scale, 0).repeat(scale, 1).astype(bool)
    high, wide = shape.shape
    for part in (image[-high - 1 :, -wide - 1 :], image[-high:, -wide:]):
        part[...] = part // 3  # so that the digit stands out
    image[-high:, -wide:][shape] = 255
    return image


def draw(
    observation: Mapping[str, Array], key: PRNGKeyArray, unit: int = UNIT
) -> UInt8[Array, "n h w 3"]:
    """Draw the pictures of n worlds.

    Args:
        observation: the symbolic observation, see `layout.OBSERVATION_SPACE`.
        key: one key, or n keys, for the noise of the night.
        unit: pixels along each side of a square; the picture has `9 * unit + 1` pixels along each
            side, which is 64 by default.
    """
    n = observation["facing"].shape[0]
    tables = tiles(unit)
    codes = _codes(observation)
    day, night = (_joined(x, codes, VIEW, unit) for x in (tables.day, tables.night))
    view = _dimmed(day, night, observation, split_keys(key, n))
    counts = jnp.clip(observation["inventory"], 0, MOST).astype(jnp.int32)
    counts += np.arange(len(ITEMS)) * (MOST + 1)
    nothing = jnp.zeros((n, _ITEM_ROWS * _COLUMNS - len(ITEMS)), jnp.int32)  # 0 of an item
    slots = jnp.concatenate([counts, nothing], 1)
    items = _joined(tables.items, slots, (_ITEM_ROWS, _COLUMNS), unit)
    picture = jnp.pad(jnp.concatenate([view, items], 1), ((0, 0), (0, 1), (0, 1)))
    return jax.lax.bitcast_convert_type(picture, jnp.uint8)[..., :3]


def magnified(observation: Mapping[str, Array], scale: int) -> UInt8[np.ndarray, "h w 3"]:
    """Draw the picture of the only world in an observation, larger and in more detail.

    Args:
        observation: the symbolic observation of one world, with an axis of worlds.
        scale: pixels of the picture for each pixel of a sprite, along each side.

    Raises:
        SettingError: the scale is below 1.
    """
    if scale < 1:
        raise SettingError("scale", scale, "at least 1")
    image = np.asarray(_large(observation, jax.random.key(0)))[0, :-1, :-1]
    return image.repeat(scale, 0).repeat(scale, 1)


@jax.jit
def _large(observation: Mapping[str, Array], key: PRNGKeyArray) -> UInt8[Array, "n h w 3"]:
    return draw(observation, key, SPRITE_SIDE)


def _codes(observation: Mapping[str, Array]) -> Int32[Array, "n 63"]:
    """Return the numbers of the squares in the local view.

    These are pairs of a material and what is on it, then of a material and a pose of the player,
    then all of these as a sleeping player sees them.
    """
    view = observation["view"].astype(jnp.int32)
    n = view.shape[0]
    material, sight = (view[..., i].reshape(n, -1) for i in range(2))
    sleeping = observation["sleeping"] > 0
    pose = jnp.where(sleeping, len(PLAYER) - 1, observation["facing"])
    first = len(MATERIALS) * len(SIGHTS)
    player = first + material * len(PLAYER) + pose[:, None].astype(jnp.int32)
    here = np.arange(_ROWS * _COLUMNS) == _CENTER
    codes = jnp.where(here, player, material * len(SIGHTS) + sight)
    return codes + jnp.where(sleeping, first + len(MATERIALS) * len(PLAYER), 0)[:, None]


def _joined(
    table: UInt32[np.ndarray, "k p"], which: Int32[Array, "n s"], shape: tuple[int, int], unit: int
) -> UInt32[Array, "n h w"]:
    """Return squares as one image, in rows."""
    n, (rows, columns) = which.shape[0], shape
    squares = jnp.asarray(table).at[which].get(mode="promise_in_bounds")
    grid = squares.reshape(n, rows, columns, unit, unit)
    return grid.transpose(0, 1, 3, 2, 4).reshape(n, rows * unit, columns * unit)


def _dimmed(
    day: UInt32[Array, "n h w"],
    night: UInt32[Array, "n h w"],
    observation: Mapping[str, Array],
    keys: PRNGKeyArray,
) -> UInt32[Array, "n h w"]:
    """Return the view in the current light, with noise at night."""
    n, height, width = day.shape
    light = observation["light"][:, None, None]
    asleep = observation["sleeping"][:, None, None] > 0
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
    edge = np.float32(1 - np.exp(-(x**2 + y**2) / (2 * 0.5**2)))
    share = jnp.maximum(2 * (0.5 - light), 0) * edge

    def noise():
        return _noise(keys, height, width)

    # In the daylight, there is no noise.
    grey = jax.lax.cond(jnp.any(light < 0.5), noise, lambda: jnp.zeros((n, height, width)))
    grey_tint = _toned(np.zeros((1, 3), np.float32), 1, _NIGHT)
    awake_tint, asleep_tint = grey_tint[0], _toned(grey_tint, 0, _SLEEP)[0]
    grey = jnp.where(asleep, grey / 4, grey / 2)
    weights = light, (1 - light) * (1 - share), (1 - light) * share
    view = jnp.zeros(day.shape, jnp.uint32)
    for channel in range(3):
        shift = np.uint32(8 * channel)
        bright, dark = (((x >> shift) & 255).astype(jnp.float32) for x in (day, night))
        rough = grey + jnp.where(asleep, asleep_tint[channel], awake_tint[channel])
        color = weights[0] * bright + weights[1] * dark + weights[2] * rough
        view |= color.astype(jnp.uint32) << shift
    return view


def _noise(keys: PRNGKeyArray, height: int, width: int) -> Float[Array, "n h w"]:
    """Return grey levels, uniform from 32 to 127; four pixels share one random word."""
    words = -(-height * width // 4)

    def drawn(key) -> UInt32[Array, " words"]:
        return jax.random.bits(key, (words,), jnp.uint32)

    bits = jax.vmap(drawn)(keys)[..., None] >> np.arange(0, 32, 8, dtype=np.uint32)
    levels = ((bits & 255) * _GREYS) >> 8
    levels = levels.reshape(len(keys), -1)[:, : height * width]
    return (_DARKEST + levels.astype(jnp.float32)).reshape(len(keys), height, width)
