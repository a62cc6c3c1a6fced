"""The measures of tracks, which all walkers share with gymnasium's BipedalWalker-v3."""

import numpy as np

from didact.environments.walkers.plan import UNIT

FPS = 50
SPACING = 14 * UNIT  # m: the distance of the points of the ground
LENGTH = 200  # the number of these points
STARTPAD = 20  # points before the first obstacle
GROUND = 400 * UNIT / 4  # m: the height of level ground
END = (LENGTH - 10) * SPACING  # m: the far end of the track
NUM_RAYS = 10
RAY_RANGE = 160 * UNIT  # m
_TURNS = 1.5 * np.arange(NUM_RAYS) / NUM_RAYS
RAYS = RAY_RANGE * np.stack([np.sin(_TURNS), -np.cos(_TURNS)], 1)  # from straight down to ahead
