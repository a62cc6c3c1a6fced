"""StumpTracks and Bipedal: their tracks, tasks, bodies and successes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from didact.common.errors import SettingError
from didact.environments import make
from didact.environments.walkers import stump_test_tasks, stump_tracks
from didact.environments.walkers.bodies import BODIES
from didact.environments.walkers.track import GROUND, SPACING


def test_stumps_are_as_high_and_as_far_apart_as_the_task_says():
    environment = make("StumpTracks")
    tasks = jnp.tile(jnp.array([[1.5, 2.0], [0.0, 0.0], [3.0, 6.0]]), (40, 1))
    terrain = environment.generate(jax.random.split(jax.random.key(0), 120), tasks)
    boxes = np.asarray(terrain.boxes).reshape(40, 3, -1, 4)
    for i, (height, spacing) in enumerate(np.asarray(tasks[:3])):
        left, bottom, right, top = boxes[:, i].transpose(2, 0, 1)
        assert_allclose(left[:, 0], 20 * SPACING, rtol=1e-5)
        assert_allclose(right - left, SPACING, rtol=1e-3)
        assert_allclose(left[:, 1:] - right[:, :-1], max(spacing, 0.01), atol=1e-3)
        heights = (top - bottom) / SPACING
        if height:
            assert heights.mean() == pytest.approx(height, abs=0.01)
            assert heights.std() == pytest.approx(0.1, abs=0.01)
        assert heights.min() >= 0.05 - 1e-4
        assert_allclose(bottom, GROUND)


def test_the_first_box_is_the_first_that_has_not_ended():
    environment = make("StumpTracks")
    terrain = environment.generate(jax.random.split(jax.random.key(0), 1), jnp.array([[1.0, 1.0]]))
    right = np.asarray(terrain.boxes[0, :, 2])
    for point in (0, 20, 21, 100, 199):
        expected = np.searchsorted(right, point * SPACING)
        assert abs(int(terrain.first_box[0, point]) - expected) <= 0


def test_the_test_set_is_a_grid():
    tasks = stump_test_tasks()
    assert tasks.shape == (100, 2)
    assert len(np.unique(tasks, axis=0)) == 100
    assert np.asarray(make("StumpTracks").task_space.contains(tasks)).all()


@pytest.mark.parametrize("heights", stump_tracks.HEIGHTS)
def test_the_challenges_have_their_bounds(heights):
    space = make("StumpTracks", heights=heights).task_space
    assert (space.low[0], space.high[0]) == stump_tracks.HEIGHTS[heights]


def test_tasks_are_described_as_they_are_built():
    """Stumps of trivial tracks are never lower than 0.05 of 0.47 m."""
    environment = make("StumpTracks", heights="trivial")
    for height, text in ((-3.0, "0.02 m"), (0.0, "0.02 m"), (1.5, "0.70 m")):
        assert f"stumps of {text}" in environment.describe(np.array([height, 2.0]))


def test_unknown_bodies_and_heights_are_rejected():
    with pytest.raises(SettingError, match="body"):
        make("StumpTracks", body="snail")
    with pytest.raises(SettingError, match="heights"):
        make("StumpTracks", heights="low")


@pytest.mark.slow
@pytest.mark.parametrize("body", BODIES)
def test_bodies_start_above_the_ground(body):
    """And observe what TeachMyAgent's observe: the sizes of its observations and actions."""
    environment = make("StumpTracks", body=body)
    state, first = environment.reset(jax.random.key(0), jnp.ones((2, 2)))
    larger = {"quadruped": (8, 4), "spider": (12, 4), "millipede": (16, 8)}
    motors, feet = larger.get(body, (4, 2))  # bipeds
    assert environment.action_space.size == motors
    assert first.observation["observation"].shape == (2, 4 + 2 * motors + feet + 10)
    assert np.isfinite(np.asarray(first.observation["observation"])).all()
    assert (np.asarray(state.bodies.motion.y) > GROUND).all()
    assert not np.asarray(state.bodies.touched).any()


@pytest.mark.parametrize(
    ("name", "altitude"), [("StumpTracks", 2 * 34), ("Parkour", 2 * 34 - 8 + 0.5 * 30)]
)
def test_the_biped_is_that_of_the_published_results(name, altitude):
    """The numbers of TeachMyAgent's `OldClassicBipedalBody`, in pixels."""
    mechanism = make(name).walker.mechanism
    assert mechanism.bodies[0].position[1] * 30 == pytest.approx(GROUND * 30 + altitude)
    hips = [joint for joint in mechanism.joints if joint.parent == 0]
    assert_allclose([joint.parent_anchor for joint in hips], 2 * [(0, -8 / 30)])
    assert [body.angle for body in mechanism.bodies] == [0, -0.05, -0.05, 0.05, 0.05]
    others = make(name, body="classic_biped").walker.mechanism.joints
    hips = [joint for joint in others if joint.parent == 0]
    assert_allclose([joint.parent_anchor for joint in hips], 2 * [(0, -3 / 30)], atol=1e-9)


def test_bipeds_with_legs_of_the_usual_length_have_an_expert():
    having = {body for body in BODIES if make("StumpTracks", body=body).expert() is not None}
    assert having == {"biped", "classic_biped"}


def test_obstacles_are_as_large_as_the_task_says():
    environment = make("Bipedal")
    tasks = environment.evaluation_tasks
    keys = jax.random.split(jax.random.key(0), 30)

    def boxes(name):
        found = environment.generate(keys, jnp.tile(jnp.asarray(tasks[name]), (30, 1))).boxes
        rows = np.asarray(found).reshape(-1, 4)
        return rows[rows[:, 0] < 1000]

    assert len(boxes("flat")) == 0
    assert len(boxes("rough")) == 0
    stumps, pits = boxes("stumps"), boxes("pits")
    assert_allclose(stumps[:, 3] - stumps[:, 1], 2 * SPACING, rtol=1e-3)
    assert_allclose(stumps[:, 2] - stumps[:, 0], SPACING, rtol=1e-3)
    assert_allclose(pits[:, 3] - pits[:, 1], 4 * SPACING, rtol=1e-3)
    gaps = pits[1:, 0] - pits[:-1, 2]
    same = np.isclose(pits[1:, 3], pits[:-1, 3]) & (gaps > 0) & (gaps < 3)
    assert np.median(gaps[same]) == pytest.approx(5 * SPACING, rel=0.01)  # 6 from side to side
    stairs = boxes("stairs")
    rises = np.abs(np.diff(stairs[:, 3]))[np.isclose(np.diff(stairs[:, 0]), 4 * SPACING, rtol=1e-3)]
    assert_allclose(rises, 2 * SPACING, rtol=1e-2)
