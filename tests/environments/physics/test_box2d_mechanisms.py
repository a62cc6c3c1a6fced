"""All bodies on stumps, and the same data in Box2D."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.benchmarks.physics.box2d_mechanism import Box2DMechanism
from didact.environments import make
from didact.environments.physics import worlds_first, worlds_last
from didact.environments.walkers.bodies import BODIES
from didact.environments.walkers.track import GROUND, SPACING

pytestmark = [pytest.mark.reference, pytest.mark.slow]  # each body compiles its own engine
pytest.importorskip("Box2D", reason="needs Box2D: pip install -e '.[box2d]'")
TASKS = [[0.6, 0.3], [1.0, 1.0], [0.3, 0.05]]  # heights and distances of stumps


@pytest.mark.parametrize("body", BODIES)
def test_bodies_move_as_in_box2d(body):
    """Dropped on stumps, under random actions: mean distance of bodies after 0.1 and 0.2 s.

    Small differences grow where legs hit stumps, the more so the more legs there are. So the bound
    on the median includes twice the distance between Box2D and Box2D with more iterations.
    """
    environment = make("StumpTracks", body=body, iterations="reference")
    mechanism, n = environment.walker.mechanism, 18
    tasks = jnp.tile(jnp.array(TASKS), (n // len(TASKS), 1))
    state, _ = jax.jit(environment.reset)(jax.random.key(0), tasks)
    boxes, generator = np.asarray(state.terrain.boxes), np.random.default_rng(0)
    bodies = environment.engine.at_rest(n)
    start = np.asarray(mechanism.pose)
    motions, theirs, exact = np.zeros((n, len(start), 6)), [], []
    motions[:, :, :3] = start
    for i in range(n):
        motions[i, :, 0] += generator.uniform(2, 12)
        motions[i, :, 1] += boxes[i, :20, 3].max() - GROUND + 0.02
        world = mechanism, np.full(60, GROUND), SPACING, boxes[i, :40]
        theirs.append(Box2DMechanism(*world))
        exact.append(Box2DMechanism(*world, iterations=(1000, 60)))
        for there in (theirs[-1], exact[-1]):
            there.place(motions[i])
    columns = (jnp.asarray(motions[:, :, k].T, jnp.float32) for k in range(6))
    bodies = bodies._replace(motion=type(bodies.motion)(*columns))

    @jax.jit
    def step(bodies, actions):
        return worlds_last(environment._moved(worlds_first(bodies), state.terrain, actions))

    for number in range(1, 11):
        actions = generator.uniform(-1, 1, (n, len(mechanism.motors))).astype(np.float32)
        bodies = step(bodies, jnp.asarray(actions))
        for worlds in (theirs, exact):
            for world, action in zip(worlds, actions, strict=True):
                world.step(action)
        found = np.stack([bodies.motion.x, bodies.motion.y], -1).transpose(1, 0, 2)
        expected, better = (
            np.array([world.motion()[:, :2] for world in worlds]) for worlds in (theirs, exact)
        )
        apart, floor = (np.linalg.norm(x - expected, axis=-1).mean(axis=1) for x in (found, better))
        if number in (5, 10):
            bound = 0.004 * number / 5 + 2 * np.median(floor)
            assert np.median(apart) < bound, (number, np.median(apart), bound)
            assert np.quantile(apart, 0.9) < 0.05 * number / 5, (number, np.quantile(apart, 0.9))
