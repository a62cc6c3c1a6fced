"""The state of walkers at the start of an episode: after a step with limp motors.

Climbers hang from a ceiling and make six such steps, in which they take hold of it.

Walkers start in the air, often with their joints apart or beyond their limits, and their first
observation is made a step later. That step depends only on the force that pushes the head, so its
result is stored for several forces, which saves a second copy of the engine in `reset`. Bodies that
have changed since are not started from their table.

`python -m didact.environments.walkers.start [FILE ...]` writes the tables of these bodies again, or
of all.
"""

import dataclasses
import functools
import hashlib
import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from didact.environments.physics import Bodies, Engine, Reach, flat, iterations
from didact.environments.physics.velocity import STEP
from didact.environments.walkers.plan import HANGING, Walker
from didact.environments.walkers.track import GROUND, LENGTH, SPACING

PUSH = 5.0  # N: the largest random force on the head in the first step
KNOTS = 21
HANG_STEPS = 6
FOLDER = Path(__file__).parent / "starts"
MECHANISM = "mechanism"  # the name of the digest in the tables


def start(walker: Walker, engine: Engine, push: Float[Array, " n"]) -> Bodies:
    """Return walkers after their first step, with the axis of worlds last.

    Args:
        walker: the body plan.
        engine: its engine.
        push: the horizontal force on the head in that step, -PUSH to PUSH.
    """
    table = started(walker, engine.reach.edges)
    at = (push + PUSH) / (2 * PUSH) * (KNOTS - 1)
    below = jnp.clip(jnp.floor(at), 0, KNOTS - 2).astype(jnp.int32)
    share = at - below

    def between(values):
        low, high = values[..., below], values[..., below + 1]
        if jnp.issubdtype(low.dtype, jnp.floating):
            return low + share * (high - low)
        return jnp.where(share < 0.5, low, high)

    bodies = jax.tree.map(lambda x: between(jnp.asarray(x)), table)
    # The table has no boxes.
    missing = engine.reach.surfaces - bodies.contacts.surface.shape[1]

    def widened(x, empty=0):
        width = [(0, missing if axis == x.ndim - 2 else 0) for axis in range(x.ndim)]
        return jnp.pad(x, width, constant_values=empty)

    contacts = bodies.contacts
    return bodies._replace(
        side=jnp.round(bodies.side),
        contacts=contacts._replace(
            surface=widened(contacts.surface, -1),
            touching=widened(contacts.touching, False),
            feature=widened(contacts.feature, -1),
            normal=widened(contacts.normal),
            tangent=widened(contacts.tangent),
        ),
    )


@functools.cache
def started(walker: Walker, edges: int) -> Bodies:
    """Return the first steps for forces from -PUSH to PUSH: the stored ones, or else computed."""
    engine = _engine(walker, edges)
    empty = jax.eval_shape(lambda: engine.at_rest(KNOTS))
    leaves, structure = jax.tree.flatten(empty)
    path = FOLDER / f"{walker.file}.npz"
    if path.exists():
        with np.load(path, allow_pickle=False) as stored:
            if str(stored[MECHANISM]) == digest(walker):
                found = [stored[f"a{i}"] for i in range(len(leaves))]
                if [x.shape for x in found] == [x.shape for x in leaves]:
                    return jax.tree.unflatten(structure, found)
    return computed(walker, edges)


def digest(walker: Walker) -> str:
    """Return a digest of all that decides the first step: bodies and joints, but not their names.

    Numbers are rounded to 0.0001, because computers differ in their last digits.
    """

    def plain(value):
        if isinstance(value, tuple):
            return [plain(item) for item in value]
        if value is None or isinstance(value, str):
            return value
        return round(float(value), 4) + 0.0  # without the sign of 0

    def parts(of):
        rows = (dataclasses.asdict(item) for item in of)
        return [{key: plain(row[key]) for key in row if key != "name"} for row in rows]

    mechanism = walker.mechanism
    data = parts(mechanism.bodies), parts(mechanism.joints), list(walker.pushed), walker.kind
    return hashlib.sha256(json.dumps(data).encode()).hexdigest()


def computed(walker: Walker, edges: int) -> Bodies:
    """Compute the first steps with the engine."""
    engine = _engine(walker, edges)
    terrain = flat(KNOTS, LENGTH, GROUND)
    if walker.kind == "climber":
        terrain = terrain._replace(ceiling=terrain.heights + HANGING)

    def first():
        bodies = engine.at_rest(KNOTS)
        pushed = np.array(walker.pushed, int)
        push = jnp.linspace(-PUSH, PUSH, KNOTS) / walker.mechanism.mass[pushed][:, None]
        vx = bodies.motion.vx
        if len(pushed):
            vx = vx.at[pushed].set(STEP * push)
        limp = jnp.zeros((len(walker.mechanism.joints), KNOTS))
        bodies = bodies._replace(motion=bodies.motion._replace(vx=vx))
        if walker.kind != "climber":
            return engine.step(bodies, terrain, limp, limp)
        grasp = jnp.ones((len(walker.mechanism.hands), KNOTS), bool)
        return jax.lax.fori_loop(
            *(0, HANG_STEPS, lambda _, bodies: engine.step(bodies, terrain, limp, limp, grasp)),
            bodies,
        )

    with jax.ensure_compile_time_eval():
        return jax.device_get(jax.jit(first)())


def _engine(walker: Walker, edges: int) -> Engine:
    reach = Reach(SPACING, edges, ceiling=walker.kind == "climber")
    return Engine(walker.mechanism, reach, iterations("reference"), max_points=40)


def _write(names: list[str]) -> None:
    from didact.environments.walkers.bodies import ALL

    FOLDER.mkdir(exist_ok=True)
    for walker in ALL:
        if names and walker.file not in names:
            continue
        leaves = jax.tree.leaves(computed(walker, 2))
        named = {f"a{i}": np.asarray(leaf) for i, leaf in enumerate(leaves)}
        named[MECHANISM] = np.array(digest(walker))
        np.savez_compressed(FOLDER / f"{walker.file}.npz", **named)  # pyright: ignore[reportArgumentType]


if __name__ == "__main__":
    _write(sys.argv[1:])
