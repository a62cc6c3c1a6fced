"""Settings of the comparison with Box2D. This module does not import JAX."""

import dataclasses
from typing import Annotated

from didact.common.setting_types import Positive, Range


@dataclasses.dataclass(frozen=True)
class PhysicsConfig:
    """Compare the planar engine of the walkers with Box2D; requires pip install -e '.[box2d]'.

    Accuracy: both start from the same states and take the same actions; the error is the distance
    between the positions of the hulls. Speed: random actions, with a new track after each episode;
    Box2D takes turns with the engine, on one core.
    """

    worlds: Annotated[int, Range(0, 10_000)] = 64
    """walkers per condition of the comparison of accuracy; 0 omits it"""
    parkour_worlds: Annotated[int, Range(1, 1000)] = 16
    """worlds per condition of swimming and hanging bodies"""
    num_envs: tuple[Annotated[int, Range(1, 10**6)], ...] = (256, 1024, 4096)
    """numbers of parallel environments; empty omits the comparison of speed"""
    envs: tuple[str, ...] = (
        *("BipedalWalker", "BipedalWalker hardcore=true", "StumpTracks", "StumpTracks body=spider"),
    )
    """environments to time, with settings"""
    repeats: Annotated[int, Range(1, 100)] = 5
    """number of repeats; those of all rows with as many environments are interleaved"""
    seconds: Positive = 1.0
    """total timing per row, over all repeats"""
