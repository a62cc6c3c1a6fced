"""Sprites of the materials, in the order of `layout.MATERIALS`."""

import numpy as np
from jaxtyping import UInt8

from didact.environments.crafting.layout import MATERIALS
from didact.environments.crafting.sprites.palette import SIDE, over, sprite

NOTHING = 127  # the grey of cells off the map

TREE = """
    .....LLLL.....
    ...LLeeeeLL...
    ..LeeleeeleL..
    .LeelleeeeeeL.
    .LeeleeeleeeL.
    LeeeeeelleeeeL
    LeeleeeleeeleL
    LeeeeeeeeelleL
    .LeeeleeeeeeL.
    .LLeeeeeeLLLL.
    ...LLLNnLL....
    .....kNnk.....
    .....kNnk.....
    ....kNNnnk....
"""
TABLE = """
    kkkkkkkkkkkkkk
    kttttttttttttk
    ktnnnnknnnnntk
    ktnWWnknrrnntk
    ktnWWnknnrnntk
    ktnnNnknnNnntk
    ktnnNnknnNnntk
    kttttttttttttk
    kkkkkkkkkkkkkk
    knnNnnnnnnNnnk
    knnNnnnnnnNnnk
    kkknkkkkkkknkk
    ..knk....knk..
    ..kkk....kkk..
"""
FURNACE = """
    .kkkkkkkkkkkk.
    kWWWWWWWWWWWWk
    kWggggggggggGk
    kWgkkkkkkkkgGk
    kWgkGGGGGGkgGk
    kWggggggggggGk
    kWgGggkkggGgGk
    kWggkkRRkkggGk
    kWgkRRooRRkgGk
    kWgkRooyoRkgGk
    kWgkRoyyoRkgGk
    kWgkroyyorkgGk
    kGGkkkkkkkkGGk
    kkkkkkkkkkkkkk
"""
COAL = """
    ..............
    ...kkk........
    ..kkGkk..kk...
    ..kkkkk.kkGk..
    ...kkk..kkkk..
    .........kk...
    ..............
    .kk....kkk....
    kkGk..kkGkk...
    kkkk..kkkkk...
    .kk....kkk.kk.
    ..........kkGk
    ....kk....kkkk
    ...kkkk....kk.
"""
IRON = """
    ..............
    ...ott........
    ..ottto..oo...
    ..nottn.ottn..
    ...nnn..notn..
    .........nn...
    ..............
    .oo....oto....
    ottn..ottto...
    notn..nottn...
    .nn....nnn.oo.
    ..........ottn
    ....oo....notn
    ...otnn....nn.
"""
DIAMOND = """
    ..............
    ......BB......
    .....BwcB.....
    ....BwcccB....
    ...BwcwcccB...
    ...BccccbbB...
    ....BcbbbB....
    .....BbbB.....
    .BB...BB......
    BwcB.......BB.
    BccbB.....BwcB
    .BbB..BB..BcbB
    ..B..BwcB..BB.
    .....BBbB.....
"""


def _texture(
    base: tuple[int, int, int], rough: int, seed: int, spots: tuple[tuple[int, int, int], float]
) -> UInt8[np.ndarray, "14 14 3"]:
    """Return a rough surface with spots of another color, which make up the given share."""
    draws = np.random.default_rng(seed)
    shade = draws.integers(-rough, rough + 1, (SIDE // 2, SIDE // 2, 1))
    fine = draws.integers(-rough // 2, rough // 2 + 1, (SIDE, SIDE, 1))
    image = np.array(base) + shade.repeat(2, 0).repeat(2, 1) + fine
    color, share = spots
    image[draws.random((SIDE, SIDE)) < share] = color
    return np.clip(image, 0, 255).astype(np.uint8)


def _water() -> UInt8[np.ndarray, "14 14 3"]:
    image = _texture((46, 104, 204), 4, 1, ((46, 104, 204), 0))
    waves = (2, 1, 4), (3, 5, 3), (7, 7, 4), (8, 11, 3), (11, 2, 4), (12, 6, 2)
    for row, column, length in waves:
        image[row, column : column + length] = (122, 176, 244)
    return image


def _lava() -> UInt8[np.ndarray, "14 14 3"]:
    y, x = np.mgrid[:SIDE, :SIDE] * 2 * np.pi / SIDE
    glow = np.sin(x + 1.3 * np.sin(y)) + np.sin(2 * y + np.sin(x) + 1)
    image = np.full((SIDE, SIDE, 3), (226, 84, 26), np.uint8)
    image[glow > 0.7], image[glow > 1.3] = (250, 158, 40), (255, 224, 96)
    image[glow < -0.9] = (168, 40, 26)
    return image


def _stone() -> UInt8[np.ndarray, "14 14 3"]:
    image = _texture((126, 128, 134), 7, 3, ((112, 114, 120), 0.08))
    for row, start, stop in ((0, 0, 14), (7, 0, 14)):
        image[row, start:stop] = (92, 94, 102)
        image[row + 1, start:stop] = (150, 152, 158)
    image[1:7, 9], image[8:14, 4] = (92, 94, 102), (92, 94, 102)
    return image


def _materials() -> UInt8[np.ndarray, "13 14 14 3"]:
    grass = _texture((98, 160, 70), 7, 0, ((128, 188, 92), 0.07))
    stone, path = _stone(), _texture((176, 164, 142), 7, 5, ((156, 144, 124), 0.1))
    images = {
        "none": np.full((SIDE, SIDE, 3), NOTHING, np.uint8),
        "water": _water(),
        "grass": grass,
        "stone": stone,
        "path": path,
        "sand": _texture((228, 208, 144), 6, 4, ((208, 186, 122), 0.08)),
        "tree": over(sprite(TREE), grass),
        "lava": _lava(),
        "coal": over(sprite(COAL), stone),
        "iron": over(sprite(IRON), stone),
        "diamond": over(sprite(DIAMOND), stone),
        "table": over(sprite(TABLE), grass),
        "furnace": over(sprite(FURNACE), path),
    }
    return np.stack([images[name] for name in MATERIALS])


SCENERY = _materials()
