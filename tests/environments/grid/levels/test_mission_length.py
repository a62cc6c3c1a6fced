"""How short instructions may be: long enough for every mission that the space can make."""

import jax
import numpy as np
import pytest

from didact.environments import SettingError, make, registered
from didact.environments.grid import GridWorld
from didact.environments.language import vocabulary

# The longest mission of each, as BabyAI and MiniGrid word it.
LONGEST = {
    "GoTo": "go to the red ball",
    "BabyAI-GoToObj-v0": "go to the red ball",
    "BabyAI-OpenDoor-v0": "open the door in front of you",
    "BabyAI-OpenTwoDoors-v0": "open the red door, then open the blue door",
    "BabyAI-ActionObjDoor-v0": "pick up the red ball",
    "BabyAI-PickupDist-v0": "pick up the red object",
    "BabyAI-Pickup-v0": "pick up the red ball",
    "BabyAI-PutNextS5N1-v0": "put the red ball next to the blue key",
    "BabyAI-MoveTwoAcrossS5N2-v0": "put the red ball next to the blue key, "
    "then put the grey box next to the red key",
    "BabyAI-UnlockLocal-v0": "open the door",
    "BabyAI-UnlockPickup-v0": "pick up the red box",
    "BabyAI-UnlockToUnlock-v0": "pick up the ball",
    "BabyAI-KeyCorridorS3R1-v0": "pick up the ball",
    "BabyAI-Unlock-v0": "open the red door",
    "MiniGrid-ObstructedMaze-1Dl-v0": "pick up the blue ball",
    "BabyAI-PickupLoc-v0": "pick up the red ball in front of you",
    "BabyAI-GoToSeqS5R2-v0": "go to the red ball and go to the blue key, "
    "then go to the grey box and go to the green door",
    "BabyAI-SynthS5R2-v0": "put the red ball next to the blue key",
    "MiniGrid-LockedRoom-v0": "get the red key from the blue room, unlock the red door and "
    "go to the goal",
    "MiniGrid-PutNear-6x6-N2-v0": "put the red ball near the blue key",
    "Maze": "get to the green goal square",
}
THING = "the red ball in front of you"
CLAUSE = f"put {THING} next to {THING}"
# Hardly ever drawn, so only counted.
BOSS = f"{CLAUSE} and {CLAUSE}, then {CLAUSE} and {CLAUSE}"


QUICK = ("BabyAI-OpenDoor-v0", "BabyAI-UnlockToUnlock-v0", "BabyAI-MoveTwoAcrossS5N2-v0", "Maze")


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in LONGEST]
)
def test_the_longest_mission_fits_and_nothing_shorter_does(name):
    least = len(vocabulary.tokens(LONGEST[name]))
    assert make(name, mission_length=least).observation_space["instruction"].shape == (least,)
    with pytest.raises(SettingError, match=f"^mission_length is {least - 1}, .* {least} or more"):
        make(name, mission_length=least - 1)
    environment = make(name, mission_length=vocabulary.MAX_LENGTH)  # where nothing can be cut off
    tasks = environment.task_space.sample(jax.random.key(0), 2048)
    _, timestep = jax.jit(environment.reset)(jax.random.key(1), tasks)
    assert np.max(np.sum(timestep.observation["instruction"] > 0, axis=1)) == least


def test_the_whole_language_is_counted():
    least = len(vocabulary.tokens(BOSS))
    for name in ("Synth", "BabyAI-BossLevel-v0", "BabyAI-MiniBossLevel-v0"):
        assert make(name, mission_length=least).mission_length == least
        with pytest.raises(SettingError, match=f"{least} or more for"):
            make(name, mission_length=10)


def test_every_grid_world_refuses_missions_without_words():
    names = [
        e.name
        for e in registered()
        if not e.name.startswith("brax/") and isinstance(make(e.name), GridWorld)
    ]
    assert len(names) > 190
    for name in names:
        for length in (0, -1):
            with pytest.raises(SettingError, match=f"mission_length is {length}"):
                make(name, mission_length=length)
