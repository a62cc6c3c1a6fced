"""Bodies that swim and hang in the engine and in Box2D, under the same actions."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from didact.benchmarks.physics.box2d_parkour import Box2DParkour
from didact.environments.physics import Bodies, Engine, Iterations, Reach, flat
from didact.environments.walkers.bodies import PARKOUR_BODIES
from didact.environments.walkers.plan import HANGING
from didact.environments.walkers.track import GROUND, SPACING

TIMES = (0.1, 0.2, 0.5)  # s
POINTS = 60


class Condition(NamedTuple):
    """A body somewhere, and what it does."""

    body: str
    water: float  # m: the level of the water
    hold: bool  # whether its hands hold
    strength: float  # of random torques, relative to the largest


CONDITIONS = {
    "fish, deep, random": Condition("fish", GROUND + 15, False, 1.0),
    "fish, half out of the water, limp": Condition(
        "fish", float(PARKOUR_BODIES["fish"].mechanism.pose[0, 1]), False, 0.0
    ),
    "chest, hanging, weak random": Condition("climbing_chest", -50.0, True, 0.2),
    "chest, hanging, random": Condition("climbing_chest", -50.0, True, 1.0),
    "chimpanzee, hanging, random": Condition("climbing_chimpanzee", -50.0, True, 1.0),
}


class Found(NamedTuple):
    """Distances in m, the means over the bodies of a mechanism, at the three times."""

    ours: Float[np.ndarray, "3 n"]  # from Box2D's
    floor: Float[np.ndarray, "3 n"]  # of Box2D with more iterations
    bodies: Bodies  # at the end
    held: bool  # whether all hands hold in Box2D


def compare(condition: Condition, settings: Iterations, n: int) -> Found:
    """Start n worlds of both at rest, and measure how far bodies come apart."""
    mechanism = PARKOUR_BODIES[condition.body].mechanism
    engine = Engine(mechanism, Reach(SPACING, 2, ceiling=True), settings, max_points=20)
    ground = flat(n, POINTS, GROUND)
    terrain = ground._replace(
        ceiling=ground.heights + HANGING, water=jnp.full(n, condition.water, jnp.float32)
    )
    heights = np.full(POINTS, GROUND)
    world = mechanism, heights, heights + HANGING, SPACING, condition.water
    theirs = [Box2DParkour(*world) for _ in range(n)]
    exact = [Box2DParkour(*world, iterations=(1000, 60)) for _ in range(n)]
    motors, hands = mechanism.motors, len(mechanism.hands)
    most, fast = (
        jnp.asarray(q[motors][:, None], jnp.float32) for q in (mechanism.torque, mechanism.speed)
    )
    still = jnp.zeros((len(mechanism.joints), n))

    @jax.jit
    def step(bodies, actions):
        torque = still.at[motors].set(jnp.abs(actions) * most)
        speed = still.at[motors].set(jnp.sign(actions) * fast)
        grasp = jnp.full((hands, n), condition.hold) if hands else None
        return engine.step(bodies, terrain, torque, speed, grasp)

    generator, bodies = np.random.default_rng(0), engine.at_rest(n)
    holds = np.full(hands, 1.0 if condition.hold else -1.0)
    ours, floor = [], []
    for number in range(1, round(TIMES[-1] * 50) + 1):
        actions = condition.strength * generator.uniform(-1, 1, (len(motors), n))
        bodies = step(bodies, jnp.asarray(actions, jnp.float32))
        for worlds in (theirs, exact):
            for index, there in enumerate(worlds):
                there.step(np.concatenate([actions[:, index], holds]))
        if number in [round(time * 50) for time in TIMES]:
            found = np.stack([bodies.motion.x, bodies.motion.y], -1).transpose(1, 0, 2)
            expected, better = (
                np.array([there.motion()[:, :2] for there in worlds]) for worlds in (theirs, exact)
            )
            ours.append(np.linalg.norm(found - expected, axis=-1).mean(1))
            floor.append(np.linalg.norm(better - expected, axis=-1).mean(1))
    held = all(joint is not None for there in theirs for joint in there.held)
    return Found(np.array(ours), np.array(floor), bodies, held)


def parkour_accuracy(
    n: int, settings: dict[str, Iterations]
) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Return median and 90th percentile of the distances in all conditions."""
    table = {}
    for name, condition in CONDITIONS.items():
        rows, floor = {}, None
        for title, iterations in settings.items():
            found = compare(condition, iterations, n)
            rows[title], floor = _summary(found.ours), found.floor
        if floor is not None:
            rows["Box2D 1000/60"] = _summary(floor)
        table[name] = rows
    return table


def _summary(distances: Float[np.ndarray, "3 n"]) -> dict[str, list[float]]:
    return {
        "median": [float(x) for x in np.median(distances, 1)],
        "90 %": [float(x) for x in np.quantile(distances, 0.9, axis=1)],
    }
