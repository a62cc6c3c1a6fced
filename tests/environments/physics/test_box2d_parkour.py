"""Swimming and hanging bodies, and the same in Box2D."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.benchmarks.physics.box2d_parkour import Box2DParkour
from didact.environments.physics import Engine, Reach, flat, iterations
from didact.environments.walkers.bodies import PARKOUR_BODIES
from didact.environments.walkers.plan import HANGING
from didact.environments.walkers.track import GROUND, SPACING

pytestmark = [pytest.mark.reference, pytest.mark.slow]  # each body compiles its own engine
pytest.importorskip("Box2D", reason="needs Box2D: pip install 'didact[box2d]'")
N, POINTS = 8, 60


def errors(body, level, hold, strength, steps=(5, 10, 25)):
    """The mean distances of bodies from Box2D's after some steps: ours, and Box2D's own."""
    walker = PARKOUR_BODIES[body]
    mechanism = walker.mechanism
    reach = Reach(SPACING, 2, ceiling=True)
    engine = Engine(mechanism, reach, iterations("reference"), max_points=20)
    ground = flat(N, POINTS, GROUND)
    terrain = ground._replace(
        ceiling=ground.heights + HANGING, water=jnp.full(N, float(level), jnp.float32)
    )
    heights = np.full(POINTS, GROUND)
    ceiling = heights + HANGING
    worlds = mechanism, heights, ceiling, SPACING, level
    theirs = [Box2DParkour(*worlds) for _ in range(N)]
    exact = [Box2DParkour(*worlds, iterations=(1000, 60)) for _ in range(N)]
    bodies, motors, hands = engine.at_rest(N), mechanism.motors, len(mechanism.hands)
    torque, speed = (
        jnp.asarray(q[motors][:, None], jnp.float32) for q in (mechanism.torque, mechanism.speed)
    )
    still = jnp.zeros((len(mechanism.joints), N))

    @jax.jit
    def step(bodies, actions):
        drive = (
            still.at[motors].set(jnp.abs(actions) * torque),
            still.at[motors].set(jnp.sign(actions) * speed),
        )
        grasp = jnp.full((hands, N), hold) if hands else None
        return engine.step(bodies, terrain, *drive, grasp)

    rng, ours, floor = np.random.default_rng(0), [], []
    for number in range(1, max(steps) + 1):
        actions = strength * rng.uniform(-1, 1, (len(motors), N)).astype(np.float32)
        bodies = step(bodies, jnp.asarray(actions))
        holds = np.full(hands, 1.0 if hold else -1.0)
        for world in (*theirs, *exact):
            index = (theirs if world in theirs else exact).index(world)
            world.step(np.concatenate([actions[:, index], holds]))
        if number in steps:
            found = np.stack([bodies.motion.x, bodies.motion.y], -1).transpose(1, 0, 2)
            expected, better = (
                np.array([world.motion()[:, :2] for world in many]) for many in (theirs, exact)
            )
            ours.append(np.linalg.norm(found - expected, axis=-1).mean(1))
            floor.append(np.linalg.norm(better - expected, axis=-1).mean(1))
    return np.array(ours), np.array(floor), bodies, theirs


def test_a_fish_swims_as_in_box2d():
    """Deep under water, with random torques: drag, lift, push and buoyancy."""
    ours, floor, *_ = errors("fish", GROUND + 15.0, hold=False, strength=1.0)
    assert (np.median(ours, 1) < [0.004, 0.01, 0.05] + 2 * np.median(floor, 1)).all(), (ours, floor)


def test_a_fish_floats_as_in_box2d():
    """Half out of the water, limp."""
    level = float(PARKOUR_BODIES["fish"].mechanism.pose[0, 1])
    ours, floor, *_ = errors("fish", level, hold=False, strength=0.0)
    assert (np.median(ours, 1) < [0.002, 0.002, 0.005] + 2 * np.median(floor, 1)).all(), (
        ours,
        floor,
    )


def test_a_climber_hangs_as_in_box2d():
    """Both hands take hold in the first step and carry the body, with weak random torques."""
    ours, floor, bodies, theirs = errors("climbing_chest", -50.0, hold=True, strength=0.2)
    assert np.asarray(bodies.grips.holding).all()
    assert all(joint is not None for world in theirs for joint in world.held)
    assert (np.median(ours, 1) < [0.005, 0.01, 0.05] + 2 * np.median(floor, 1)).all(), (ours, floor)
