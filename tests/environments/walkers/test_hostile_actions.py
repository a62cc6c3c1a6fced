"""Walkers in their whole task spaces, under actions that no student should take."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.benchmarks.physics.box2d_walker import box2d_walker
from didact.environments import Restart, make
from didact.environments.physics import worlds_last
from didact.environments.walkers.bodies import GYMNASIUM_BIPED
from didact.environments.walkers.track import SPACING

STRANGE = np.array([np.nan, np.inf, -np.inf, 1e9, -1e9, 1, -1, 0.3, 0], np.float32)
HOLD = 25  # steps for which half of the worlds hold their actions
PART = 250  # steps in one call
DEEP = 0.1  # m


def placed(points, x, y, angle):
    """Return points that are given relative to bodies, in n worlds: x and y, [b, v, n]."""
    cos, sin = jnp.cos(angle)[:, None], jnp.sin(angle)[:, None]
    px, py = points[..., :1], points[..., 1:]
    return x[:, None] + cos * px - sin * py, y[:, None] + sin * px + cos * py


def joint_errors(mechanism, x, y, angle):
    """Return how far the ends of joints are apart, m, and joints beyond limits, rad."""
    ends = [
        placed(anchors[:, None], x[bodies], y[bodies], angle[bodies])
        for bodies, anchors in zip(
            (mechanism.parent, mechanism.child), mechanism.anchors, strict=True
        )
    ]
    apart = jnp.hypot(ends[0][0] - ends[1][0], ends[0][1] - ends[1][1])[:, 0]
    bend = angle[mechanism.child] - angle[mechanism.parent]
    lower, upper = (limit[:, None] for limit in mechanism.limits)
    return apart, jnp.maximum(jnp.maximum(lower - bend, bend - upper), 0)


def depth(environment, state):
    """Return how deep any vertex of a solid body is below the ground or in a box, m, by world."""
    polygons = environment.walker.mechanism.solid
    x, y, angle = (q[polygons.bodies] for q in worlds_last(state.bodies).motion[:3])
    px, py = (p.reshape(-1, x.shape[-1]).T for p in placed(polygons.vertices, x, y, angle))
    heights, boxes = state.terrain.heights, state.terrain.boxes
    at = jnp.arange(heights.shape[1]) * SPACING
    ground = jax.vmap(lambda px, heights: jnp.interp(px, at, heights))(px, heights)
    deepest = jnp.max(jnp.where((px >= 0) & (px <= at[-1]), ground - py, 0), axis=1)
    if boxes.shape[1]:
        left, _, right, top = (boxes[:, :, i, None] for i in range(4))
        px, py = px[:, None], py[:, None]
        inside = jnp.minimum(jnp.minimum(px - left, right - px), top - py)
        deepest = jnp.maximum(deepest, jnp.max(inside, axis=(1, 2)))
    return deepest


def dropped(key, state):
    """Move walkers to random places of their tracks, just above what is there."""
    terrain = state.terrain
    at = jnp.arange(terrain.heights.shape[1]) * SPACING
    n = len(terrain.heights)
    x = state.bodies.motion.x
    there = jax.random.uniform(key, (n, 1), minval=5, maxval=at[-1] - 10)
    reach = 3.0  # m, more than a walker is long
    near = jnp.abs(at - there) < reach
    top = jnp.max(jnp.where(near, terrain.heights, -jnp.inf), axis=1, keepdims=True)
    if terrain.boxes.shape[1]:
        left, _, right, high = (terrain.boxes[:, :, i] for i in range(4))
        near = (left < there + reach) & (right > there - reach)
        top = jnp.maximum(top, jnp.max(jnp.where(near, high, -jnp.inf), axis=1, keepdims=True))
    start = jnp.min(jnp.where(jnp.abs(at - x[:, :1]) < reach, terrain.heights, jnp.inf), axis=1)
    y = state.bodies.motion.y + jnp.maximum(top - start[:, None], 0)
    motion = state.bodies.motion._replace(x=x - x[:, :1] + there, y=y)
    return state._replace(bodies=state.bodies._replace(motion=motion))


def played(environment, n, steps, *, drop):
    """Play hostile actions in n worlds.

    Returns:
        Whether all numbers are finite; and for each step, world and joint the errors of joints
        (`apart` and `beyond`, see `joint_errors`), and for each step and world `depth`.
    """
    mechanism, restart = environment.walker.mechanism, Restart(environment)
    worlds = jnp.arange(n)
    holds = jnp.where(worlds % 2, HOLD, 1)
    motors = environment.action_space.size

    def actions(number):
        def of(world, part):
            key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), world), part)
            return jnp.asarray(STRANGE)[jax.random.randint(key, (motors,), 0, len(STRANGE))]

        return jax.vmap(of)(worlds, number // holds)

    def step(carry, number):
        state, seen = carry
        keys = jax.random.split(jax.random.fold_in(jax.random.key(1), number), 4)
        state, seen = environment.step(keys[0], state, actions(number))
        numbers = [
            x for x in jax.tree.leaves((state, seen)) if jnp.issubdtype(x.dtype, jnp.floating)
        ]
        apart, beyond = joint_errors(mechanism, *worlds_last(state.bodies).motion[:3])
        found = {
            "finite": jnp.all(jnp.stack([jnp.all(jnp.isfinite(x)) for x in numbers])),
            "depth": depth(environment, state),
            "apart": apart,
            "beyond": beyond,
        }
        tasks, done = environment.task_space.sample(keys[1], n), seen.done
        state, seen = restart(jax.random.split(keys[2], n), tasks, done, state, seen)
        if drop:
            moved = dropped(keys[3], state)
            state = jax.tree.map(
                lambda new, old: jnp.where(done.reshape(-1, *[1] * (new.ndim - 1)), new, old),
                moved, state,
            )  # fmt: skip
        return (state, seen), found

    @jax.jit
    def play(carry, start):
        return jax.lax.scan(step, carry, start + jnp.arange(PART))

    key = jax.random.key(2)
    carry = jax.jit(environment.reset)(key, environment.task_space.sample(key, n))
    parts = []
    for start in range(0, steps // n, PART):
        carry, found = play(carry, start)
        parts.append(jax.device_get(found))
    return jax.tree.map(lambda *x: np.concatenate(x), *parts)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["StumpTracks", "Bipedal"])
def test_ten_million_steps_in_both_spaces(name):
    found = played(make(name), 512, 5_000_000, drop=True)
    assert found["finite"].all()
    assert found["apart"].mean() < 0.004
    assert found["apart"].max() < 2
    assert found["beyond"].mean() < 0.02
    assert found["beyond"].max() < np.pi
    # About once in a million steps, a leg gets stuck below the ground for up to some 400 steps.
    deep = found["depth"] > DEEP
    assert (deep[1:] & ~deep[:-1]).mean() < 2e-5
    assert deep.mean() < 1e-3
    assert found["depth"].max() < 1.5


@pytest.mark.slow
@pytest.mark.reference
def test_legs_stay_above_hardcore_tracks_as_in_box2d():
    pytest.importorskip("Box2D", reason="needs Box2D: pip install -e '.[box2d]'")
    ours = played(make("BipedalWalker", hardcore=True), 512, 384_000, drop=True)["depth"]
    theirs = box2d_depth(100_000)
    assert (ours > DEEP).mean() < 2e-5  # it happened in two of them
    assert ours.max() < 0.5
    assert (theirs < DEEP).all()


def box2d_depth(steps):
    """Return the depths of walkers in Box2D that are dropped on hardcore tracks, m, by step."""
    walker, rng = box2d_walker()(hardcore=True), np.random.default_rng(0)
    strange = np.clip(np.nan_to_num(STRANGE, nan=0.0), -1, 1)
    polygons = GYMNASIUM_BIPED.mechanism.solid
    found: list = []
    while len(found) < steps:
        walker.reset(seed=len(found))
        points, heights = np.array(walker.terrain_x), np.array(walker.terrain_y)
        boxes, motion = walker.boxes(), walker.motion()
        left, _, right, top = boxes.T
        there = rng.uniform(5, points[-1] - 10)
        highest = np.concatenate(
            [heights[abs(points - there) < 3], top[(left < there + 3) & (right > there - 3)]]
        ).max()
        beside = heights[abs(points - motion[0, 0]) < 3].min()
        motion[:, 0] += there - motion[0, 0]
        motion[:, 1] += max(highest - beside, 0)
        walker.place(motion)
        hold, fallen, number = rng.choice([1, HOLD]), False, 0
        while not fallen and number < 1600:
            if number % hold == 0:
                action = rng.choice(strange, 4)
            fallen, number = walker.step(action)[2], number + 1
            x, y, angle = walker.motion()[polygons.bodies, :3].T
            cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
            px, py = polygons.vertices[..., 0], polygons.vertices[..., 1]
            px, py = x[:, None] + cos * px - sin * py, y[:, None] + sin * px + cos * py
            px, py = px.ravel(), py.ravel()
            ground = np.where(px >= 0, np.interp(px, points, heights) - py, 0)
            inside = np.minimum.reduce([px - left[:, None], right[:, None] - px, top[:, None] - py])
            found.append(max(ground.max(), inside.max()))
    return np.array(found)


@pytest.mark.slow
@pytest.mark.reference
def test_joints_hold_as_in_box2d():
    """The errors of joints have the distribution of those in Box2D, under the same actions."""
    pytest.importorskip("Box2D", reason="needs Box2D: pip install -e '.[box2d]'")
    ours = played(make("BipedalWalker"), 256, 256_000, drop=False)
    walker, rng = box2d_walker()(), np.random.default_rng(0)
    mechanism = GYMNASIUM_BIPED.mechanism
    strange = np.clip(np.nan_to_num(STRANGE, nan=0.0), -1, 1)
    theirs: list = []
    while len(theirs) < 100_000:
        walker.reset(seed=len(theirs))
        hold, fallen, steps = rng.choice([1, HOLD]), False, 0
        while not fallen and steps < 1600:
            if steps % hold == 0:
                action = rng.choice(strange, 4)
            fallen, steps = walker.step(action)[2], steps + 1
            theirs.append(walker.motion()[:, :3])
    x, y, angle = np.moveaxis(np.array(theirs, np.float32), 0, -1).swapaxes(0, 1)
    for name, errors in zip(("apart", "beyond"), joint_errors(mechanism, x, y, angle), strict=True):
        errors, own = np.asarray(errors), ours[name]
        assert own.mean() < 1.1 * errors.mean()
        for part in (0.9, 0.99, 0.999):
            assert np.quantile(own, part) < 1.15 * np.quantile(errors, part)
