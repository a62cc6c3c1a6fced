"""BipedalWalker and the hardcore track, compared with gymnasium's."""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from didact.environments import make
from didact.environments.adapters import OfficialGymnasium
from didact.environments.physics import first_boxes, worlds_first, worlds_last
from didact.environments.physics.rays import ray_fractions
from didact.environments.walkers import obstacles
from didact.environments.walkers.track import GROUND, LENGTH, RAYS, SPACING

pytestmark = pytest.mark.reference
pytest.importorskip("Box2D", reason="needs Box2D: pip install -e '.[box2d]'")
WALKER = make("BipedalWalker", iterations="reference")
RESET = jax.jit(WALKER.reset)
STEP = jax.jit(WALKER.step)
N = 8


def official_tracks(hardcore, n):
    from didact.benchmarks.physics.box2d_walker import box2d_walker

    walkers = [box2d_walker()(hardcore=hardcore) for _ in range(n)]
    for seed, walker in enumerate(walkers):
        walker.reset(seed=seed)
    return walkers


def same_worlds(warm):
    """N official walkers after some steps of the scripted gait, and ours in the same states."""
    from gymnasium.envs.box2d.bipedal_walker import BipedalWalkerHeuristics

    theirs = official_tracks(False, N)
    seen = np.array([walker.step(np.zeros(4))[0] for walker in theirs])
    pilots = [BipedalWalkerHeuristics() for _ in theirs]
    for _ in range(warm):
        seen = act(theirs, actions_of(pilots, seen))[0]
    motion = np.array([walker.motion() for walker in theirs])
    state, _ = RESET(jax.random.key(0), jnp.ones((N, 1)))
    columns = (jnp.asarray(motion[:, :, i], jnp.float32) for i in range(6))
    bodies = state.bodies._replace(motion=type(state.bodies.motion)(*columns))
    heights = jnp.asarray([walker.terrain_y for walker in theirs], jnp.float32)
    state = state._replace(bodies=bodies, terrain=state.terrain._replace(heights=heights))
    return theirs, pilots, seen, state._replace(potential=WALKER.potential(bodies))


def actions_of(pilots, seen):
    return np.array([pilot.step_heuristic(x).copy() for pilot, x in zip(pilots, seen, strict=True)])


def act(walkers, actions):
    rows = [walker.step(action)[:3] for walker, action in zip(walkers, actions, strict=True)]
    return tuple(np.array(column) for column in zip(*rows, strict=True))


def test_an_episode_starts_as_in_gymnasium():
    from didact.benchmarks.physics.box2d_walker import box2d_walker

    seen = np.array([box2d_walker()().reset(seed=seed)[0] for seed in range(N)])
    _, first = RESET(jax.random.key(0), jnp.ones((N, 1)))
    found = np.asarray(first.observation["observation"])
    assert found.shape == seen.shape
    assert_allclose(found[:, 4:14], seen[:, 4:14], atol=0.012)
    assert_allclose(found[:, 14:], seen[:, 14:], atol=1e-3)
    # The random push differs.
    for column in range(4):
        low, high = seen[:, column].min(), seen[:, column].max()
        assert (found[:, column] > low - 0.01).all()
        assert (found[:, column] < high + 0.01).all()


def test_steps_are_those_of_gymnasium():
    """Observations, rewards and ends, for eight steps of the scripted gait."""
    theirs, pilots, seen, state = same_worlds(60)
    for _ in range(8):
        actions = actions_of(pilots, seen)
        state, step = STEP(None, state, jnp.asarray(actions, jnp.float32))
        seen, rewards, over = act(theirs, actions)
        # Single joint speeds can differ where a limit and the ground act at once.
        assert np.mean(np.abs(step.observation["observation"] - seen) < 0.02) > 0.95
        assert np.mean(np.abs(step.reward - rewards) < 0.02) > 0.8
        np.testing.assert_array_equal(step.terminated, over)


def test_the_ground_is_distributed_as_gymnasiums():
    walkers = official_tracks(False, 100)
    theirs = np.array([walker.terrain_y for walker in walkers])
    drawn = jax.vmap(obstacles.none)(jax.random.split(jax.random.key(0), 1000))
    ours = np.asarray(obstacles.build(drawn).heights)
    assert_allclose(ours[:, :21], GROUND, atol=1e-5)
    assert_allclose(theirs[:, :21], GROUND, atol=1e-5)
    for at in (40, 100, 199):
        assert ours[:, at].std() == pytest.approx(theirs[:, at].std(), rel=0.3)
    slope_a, slope_b = np.diff(ours[:, 21:]), np.diff(theirs[:, 21:])
    assert slope_a.std() == pytest.approx(slope_b.std(), rel=0.1)
    still = [(slopes == 0).mean() for slopes in (slope_a, slope_b)]
    assert still[0] == pytest.approx(still[1], rel=0.15)  # points where the height stays


def test_the_hardcore_track_is_distributed_as_gymnasiums():
    walkers = official_tracks(True, 60)
    theirs = [walker.boxes() for walker in walkers]
    drawn = jax.vmap(obstacles.hardcore)(jax.random.split(jax.random.key(0), 600))
    terrain = obstacles.build(drawn, ramps=True)
    boxes = np.asarray(terrain.boxes)
    ours = [row[row[:, 0] < obstacles.UNUSED] for row in boxes]
    assert np.mean([len(x) for x in ours]) == pytest.approx(
        np.mean([len(x) for x in theirs]), rel=0.1
    )
    for sizes in (lambda x: x[:, 2] - x[:, 0], lambda x: x[:, 3] - x[:, 1]):
        a, b = (np.round(np.concatenate([sizes(x) for x in y]) / SPACING) for y in (ours, theirs))
        for value in np.unique(b):
            assert (a == value).mean() == pytest.approx((b == value).mean(), abs=0.05)
        assert set(np.unique(a)) == set(np.unique(b))
    theirs_y = np.array([walker.terrain_y for walker in walkers])
    a, b = np.diff(np.asarray(terrain.heights)[:, 21:]), np.diff(theirs_y[:, 21:])
    assert np.quantile(a, [0.02, 0.1, 0.9, 0.98]) == pytest.approx(
        np.quantile(b, [0.02, 0.1, 0.9, 0.98]), abs=0.1
    )


def test_rays_are_those_of_box2d():
    """Rays from places above hardcore tracks."""
    walkers = official_tracks(True, 20)
    generator = np.random.default_rng(0)
    for walker in walkers:
        boxes = walker.boxes()
        heights = jnp.asarray(walker.terrain_y, jnp.float32)[None]
        x = generator.uniform(5, 80)
        y = float(np.interp(x, np.arange(LENGTH) * SPACING, walker.terrain_y)) + 3.0
        motion = walker.motion()
        motion[:, 0] += x - motion[0, 0]
        motion[:, 1] += y - motion[0, 1]
        motion[:, 3:] = 0
        walker.place(motion)
        seen = walker.step(np.zeros(4))[0][14:]
        origin = walker.hull.position
        rows = np.tile(np.float32([1e4, 0, 1e4 + 1, 1]), (48, 1))
        rows[: len(boxes)] = boxes
        rows = jnp.asarray(rows)[None]
        terrain = obstacles.Terrain(heights, rows, first_boxes(rows, LENGTH, SPACING))
        at = (jnp.asarray([v], jnp.float32) for v in origin)
        found = ray_fractions(terrain, SPACING, *at, RAYS, 5)
        assert_allclose(np.asarray(found)[:, 0], seen, atol=1e-4)


def test_the_official_walkers_fit():
    for hardcore in (False, True):
        environment = make("BipedalWalker", hardcore=hardcore)
        worlds = OfficialGymnasium(environment.official.name, 2, environment)
        seen = worlds.reset([0, 1], [0, 1])
        assert seen["observation"].shape == (2, 24)
        worlds.close()
        limit = gymnasium.spec(environment.official.name).max_episode_steps
        assert environment.max_steps == limit


def test_the_scripted_gait_walks():
    """Most bipeds walk several meters without a fall."""
    state, seen = RESET(jax.random.key(3), jnp.ones((N, 1)))
    act = jax.jit(WALKER.expert().act)
    start = np.asarray(WALKER.head(state.bodies)[0])
    fallen = np.zeros(N, bool)
    for _ in range(250):
        state, seen = STEP(None, state, act(state))
        fallen |= np.asarray(seen.terminated)
    forward = np.asarray(WALKER.head(state.bodies)[0]) - start
    assert fallen.sum() <= N // 4
    assert np.median(forward) > 5


def test_worlds_last_and_first_are_inverse():
    state, _ = RESET(jax.random.key(0), jnp.ones((N, 1)))
    again = worlds_first(worlds_last(state.bodies))
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), again, state.bodies))
