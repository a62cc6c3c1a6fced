"""One step of the engine, in Box2D's order of operations.

Collide at the initial pose; solve velocities; move; solve positions; stop fast bodies at the time
of impact; report what the detected bodies touch.

References:
    Box2D 2.3: b2World::Step, b2Island::Solve.
"""

import dataclasses
from functools import partial

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from didact.environments.compiler_hints import compile_separately
from didact.environments.physics import position, velocity
from didact.environments.physics.contacts import Reach, candidates, nearest, updated
from didact.environments.physics.impact import TARGET, impacts
from didact.environments.physics.manifold import SKIN, manifold, points
from didact.environments.physics.mechanism import Mechanism, Polygons
from didact.environments.physics.optional import grips as gripping
from didact.environments.physics.optional.water import immersed
from didact.environments.physics.separation import separation
from didact.environments.physics.state import (
    TRAINING,
    Bodies,
    Iterations,
    at_rest,
    true_at_run_time,
)
from didact.environments.physics.terrain import Terrain


@dataclasses.dataclass(frozen=True)
class Engine:
    """Steps n copies of a mechanism, each on its own terrain.

    Attributes:
        mechanism: the bodies and joints.
        reach: how many surfaces are considered for each body.
        iterations: of the solvers.
        max_points: the number of contact points whose velocities are solved at once; if there are
            more, those of bodies that carry others are left out.
        impacts: whether collision is continuous; without it, fast bodies sink into the ground.
    """

    mechanism: Mechanism
    reach: Reach
    iterations: Iterations = TRAINING
    max_points: int = 6
    impacts: bool = True

    def at_rest(self, n: int) -> Bodies:
        """Return n mechanisms in their initial pose, with the axis of worlds last."""
        return at_rest(self.mechanism, n, self.reach.surfaces)

    def step(
        self,
        bodies: Bodies,
        terrain: Terrain,
        torque: Float[Array, "j n"],
        speed: Float[Array, "j n"],
        grasp: Bool[Array, "g n"] | None = None,
    ) -> Bodies:
        """Move bodies for 20 ms.

        Args:
            bodies: their state, with the axis of worlds last.
            terrain: the terrain, with the axis of worlds first.
            torque: the largest torque of each motor, N m.
            speed: the speed that each motor aims at, rad/s.
            grasp: which hands shall hold on to what they touch; the others let go. Required if the
                mechanism has hands.
        """
        mechanism, reach = self.mechanism, self.reach
        polygons, motion = mechanism.solid, bodies.motion
        solid = polygons.bodies
        fact = true_at_run_time(bodies.contacts)
        start = motion.x[solid], motion.y[solid], motion.angle[solid]
        num_edges = reach.window_edges(polygons)
        surfaces = candidates(polygons, terrain, reach, start[0], start[2])
        at_start = compile_separately(
            fact, partial(separation, polygons, num_edges=num_edges), *start, surfaces
        )
        chosen = compile_separately(
            fact, partial(nearest, reach=reach, num_edges=num_edges), surfaces, at_start
        )
        m = compile_separately(
            fact, partial(manifold, polygons, num_edges=reach.edges), *start, chosen
        )
        contacts = compile_separately(fact, updated, bodies.contacts, m, chosen)
        touched = bodies.touched | bodies.near
        bodies = bodies._replace(contacts=contacts, touched=touched)
        within = None
        if grasp is not None:
            within = compile_separately(
                fact, partial(gripping.within_reach, mechanism, reach), bodies.motion, terrain
            )
            bodies = bodies._replace(grips=gripping.released(bodies.grips, within, grasp))
        if terrain.water is not None:
            pushed = compile_separately(
                fact,
                partial(immersed, mechanism),
                bodies.motion,
                bodies.motor,
                terrain.water,
            )
            bodies = bodies._replace(motion=pushed)
        bodies = velocity.solve(
            mechanism,
            bodies,
            m,
            compile_separately(fact, points, m, *start),
            torque,
            speed,
            self.iterations.velocity,
            self.max_points,
        )
        motion = bodies.motion
        moved = (
            motion.x + velocity.STEP * motion.vx,
            motion.y + velocity.STEP * motion.vy,
            motion.angle + velocity.STEP * motion.spin,
        )
        x, y, angle = position.solve(
            mechanism, moved, bodies.side, m, self.iterations.position, bodies.grips
        )
        bodies = bodies._replace(motion=motion._replace(x=x, y=y, angle=angle))
        if self.impacts:
            bodies = impacts(
                mechanism, bodies, start, surfaces, at_start, reach, num_edges, self.iterations
            )
        if within is not None and bodies.grips is not None and grasp is not None:
            grips = gripping.grasped(mechanism, bodies.grips, within, bodies.motion, grasp)
            bodies = bodies._replace(grips=grips)
        return self._detected(bodies, terrain)

    def _detected(self, bodies: Bodies, terrain: Terrain) -> Bodies:
        """Report the contacts of bodies that are only detected."""
        polygons, motion = self.mechanism.detected, bodies.motion
        if not len(polygons.bodies):
            return bodies
        apart = compile_separately(
            true_at_run_time(bodies.contacts),
            partial(least_separation, polygons, self.reach),
            *(q[polygons.bodies] for q in motion[:3]),
            terrain,
        )
        return bodies._replace(touched=bodies.touched | (apart < TARGET), near=apart < SKIN)


def least_separation(
    polygons: Polygons,
    reach: Reach,
    x: Float[Array, "s n"],
    y: Array,
    angle: Array,
    terrain: Terrain,
) -> Float[Array, " n"]:
    """Return the least separation of any of the polygons from anything."""
    surfaces = candidates(polygons, terrain, reach, x, angle)
    found = separation(polygons, x, y, angle, surfaces, reach.window_edges(polygons))
    return jnp.min(jnp.where(surfaces.id >= 0, found, 1.0), axis=(0, 1))
