"""The tracks of `Bipedal` follow the rules of the literature's generator."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import make
from didact.environments.walkers import obstacles
from didact.environments.walkers.bipedal import drawn
from didact.environments.walkers.track import GROUND, LENGTH, SPACING


@pytest.fixture(scope="module")
def world():
    return make("Bipedal")


@pytest.mark.parametrize("roughness", [0.0, 0.5, 1.0, 5.0, 10.0])
def test_roughness_multiplies_the_change_of_height(roughness):
    """As in Paired Open-Ended Trailblazer: y += roughness * velocity."""
    tasks = np.zeros((3, 8), np.float32)
    tasks[:, 0] = roughness
    found = jax.jit(jax.vmap(drawn))(jax.random.split(jax.random.key(0), 3), tasks)
    heights = np.asarray(jax.jit(obstacles.build)(found).heights)
    noise = np.asarray(found.noise, np.float64) / max(roughness, 1e-9)
    for row in range(3):
        y, velocity = float(GROUND), 0.0
        counter, begins = 20, False
        for i in range(LENGTH):
            if not begins:  # the generator pauses where a stretch of ground begins
                velocity = 0.8 * velocity + 0.01 * np.sign(np.float32(GROUND) - np.float32(y))
                velocity += noise[row, i]
                y += roughness * velocity
            assert heights[row, i] == pytest.approx(y, abs=2e-3), (row, i)
            y = float(heights[row, i])  # rounding decides the sign near level ground
            counter -= 1
            begins = counter == 0
            if begins:
                counter = int(found.stretch[row, i])


def test_rough_ground_stays_near_its_height(world):
    tasks = jnp.tile(jnp.asarray(world.evaluation_tasks["rough"]), (64, 1))
    keys = jax.random.split(jax.random.key(1), 64)
    heights = np.asarray(jax.jit(world.generate)(keys, tasks).heights)
    assert 0.4 < np.std(heights[:, -1]) < 0.9  # m; 0.66 in the literature's generator


def test_tracks_of_one_obstacle_are_level_in_between(world):
    for name in ("stairs", "pits", "stumps"):
        task = world.evaluation_tasks[name]
        assert task[0] == 0, name
        terrain = jax.jit(world.generate)(jax.random.key(0)[None], task[None])
        heights = np.asarray(terrain.heights)[0]
        assert len(np.unique(np.round(heights, 3))) < 30, name
        if name == "pits":
            assert set(np.round((GROUND - heights) / SPACING)) == {0, obstacles.DEPTH}
        if name == "stumps":
            np.testing.assert_allclose(heights, GROUND)
            boxes = np.asarray(terrain.boxes)[0]
            real = boxes[boxes[:, 0] < obstacles.UNUSED / 2]
            np.testing.assert_allclose(real[:, 3] - real[:, 1], 2 * SPACING, rtol=1e-4)
            np.testing.assert_allclose(real[:, 2] - real[:, 0], SPACING, rtol=1e-3)
