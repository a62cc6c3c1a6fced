"""The rules that all walkers share: observations, rewards, and the ends of episodes.

References:
    Gymnasium, BipedalWalker-v3 (gymnasium/envs/box2d/bipedal_walker.py).
    Romac et al., 2021, "TeachMyAgent", section 3.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from didact.environments.base import Environment, Timestep, split_keys
from didact.environments.capabilities import StateExpert
from didact.environments.compiler_hints import fold_vmap
from didact.environments.physics import Bodies, Engine, Terrain, worlds_first, worlds_last
from didact.environments.physics.rays import ray_fractions
from didact.environments.spaces import ArraySpace, Continuous
from didact.environments.walkers.controls import controls
from didact.environments.walkers.gait import gait
from didact.environments.walkers.plan import UNIT, Walker
from didact.environments.walkers.start import PUSH, start
from didact.environments.walkers.track import END, FPS, LENGTH, NUM_RAYS, RAYS, SPACING
from didact.environments.walkers.viewer import draw

UPRIGHT = 0.5  # rad: the head is upright within it


class Medium(NamedTuple):
    """What surrounds n bodies in worlds with water and creepers."""

    under_water: Bool[Array, " n"]  # whether the head is
    time: Int[Array, " n"]  # steps that it has been in an element where the body goes limp
    limp: Bool[Array, " n"]
    kinds: Float[Array, "n 10"]  # what each ray hits, see `rays.ray_hits`


class WalkerState(NamedTuple):
    """n walkers, each on its own track."""

    bodies: Bodies  # the axis of worlds first
    terrain: Terrain
    tasks: Float[Array, "n d"]
    potential: Float[Array, " n"]  # whose changes are rewarded
    total: Float[Array, " n"]  # the return so far
    rays: Float[Array, "n 10"]  # the fraction of each ray up to what it hits
    steps: Int[Array, " n"]  # taken so far
    medium: Medium | None = None  # where there is water


class WalkerEnvironment(Environment[WalkerState]):
    """Walk to the far end of a track, observing the joints and ten rays.

    The actions are the torques of the motors, relative to their largest ones; the sign chooses the
    direction in which a motor turns at its fixed speed. The reward is `130 / 30` for each metre,
    minus 5 for each rad that the head tilts, minus the cost of torques; -100 for a fall, which ends
    the episode. Reaching the far end also ends it.

    Observations: `observation`, float32[n, k]: the angle, spin and velocity of the head; the angle
    and speed of each motor, followed by the contact of its foot if it has one; and ten rays. All
    are scaled as in gymnasium.

    Propositions: "upright", if the head tilts by less than 0.5 rad; "in the air", if no
    body touches anything; "half way", if the head has passed the middle of the track.

    Subclasses set the attributes that all environments have, and implement `generate`.
    """

    render_fps = FPS
    restart_group_size = 16
    max_steps = 2000
    return_range = (-150.0, 350.0)  # as in TeachMyAgent
    propositions = ("upright", "in the air", "half way")
    success_return: float | None = None  # the return that counts as a success; None: the far end

    def __init__(self, walker: Walker, engine: Engine):
        self.walker, self.engine = walker, engine
        names = walker.motor_names
        size = walker.observation_size + NUM_RAYS
        self.action_space = Continuous((len(names),), names=names)
        self.controls = controls(names)
        self.observation_space = {
            "observation": ArraySpace((size,), np.dtype(np.float32), -np.inf, np.inf, "vector")
        }
        self._move = fold_vmap(self._moved)

    def generate(self, keys: Any, tasks: Float[Array, "n d"]) -> Terrain:
        """Return the tracks of n tasks, from one key for each."""
        raise NotImplementedError

    def reset(self, key, tasks):
        n = tasks.shape[0]
        tasks = tasks.astype(jnp.float32)
        keys = jax.vmap(jax.random.split)(split_keys(key, n))
        terrain = self.generate(keys[:, 0], tasks)
        push = jax.vmap(lambda key: jax.random.uniform(key, minval=-PUSH, maxval=PUSH))(keys[:, 1])
        bodies = worlds_first(start(self.walker, self.engine, push))
        zero = jnp.zeros(n)
        rays = jnp.ones((n, NUM_RAYS))
        state = WalkerState(bodies, terrain, tasks, zero, zero, rays, zero.astype(jnp.int32))
        state = self._seen(state)._replace(potential=self.potential(bodies))
        no = jnp.zeros(n, bool)
        return state, self._timestep(state, zero, no, no)

    def step(self, key, state, actions):
        actions = self.action_space.clip(actions)
        bodies = self._move(state.bodies, state.terrain, actions)
        potential = self.potential(bodies)
        effort = jnp.sum(jnp.abs(actions), axis=1)
        reward = potential - state.potential - self.walker.torque_cost * effort
        x = self.head(bodies)[0]
        fallen = bodies.touched | (x < 0)
        reward = jnp.where(fallen, -100.0, reward)
        state = state._replace(
            bodies=bodies,
            potential=potential,
            total=state.total + reward,
            steps=state.steps + 1,
        )
        state = self._seen(state)
        return state, self._timestep(state, reward, fallen, fallen | (x > END))

    def _moved(self, bodies: Bodies, terrain: Terrain, actions: Float[Array, "n m"]) -> Bodies:
        torque, speed = self._drive(actions)
        return worlds_first(self.engine.step(worlds_last(bodies), terrain, torque, speed))

    def _drive(
        self, actions: Float[Array, "n m"]
    ) -> tuple[Float[Array, "j n"], Float[Array, "j n"]]:
        """Return the largest torques and the speeds of joints."""
        mechanism = self.walker.mechanism
        motors = mechanism.motors
        still = jnp.zeros((len(mechanism.joints), actions.shape[0]))
        most, fast = mechanism.torque[motors], mechanism.speed[motors]
        torque = still.at[motors].set(jnp.abs(actions.T) * jnp.float32(most)[:, None])
        return torque, still.at[motors].set(jnp.sign(actions.T) * jnp.float32(fast)[:, None])

    def head(self, bodies: Bodies) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        """Return the position of the origin of the head's body."""
        index, mechanism = self.walker.head, self.walker.mechanism
        cx, cy = (float(c) for c in mechanism.centers[index])
        angle = bodies.motion.angle[:, index]
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        x, y = bodies.motion.x[:, index], bodies.motion.y[:, index]
        return x - cos * cx + sin * cy, y - sin * cx - cos * cy

    def potential(self, bodies: Bodies) -> Float[Array, " n"]:
        """Return the quantity whose changes are rewarded."""
        progress = 130 * UNIT * self.head(bodies)[0]
        if not self.walker.upright:
            return progress
        return progress - 5 * jnp.abs(bodies.motion.angle[:, self.walker.head])

    def _seen(self, state: WalkerState) -> WalkerState:
        x, y = self.head(state.bodies)
        boxes = self.engine.reach.window_boxes(float(np.ptp(RAYS[:, 0])))
        found = ray_fractions(state.terrain, SPACING, x, y, RAYS, boxes)
        return state._replace(rays=found.T)

    def observe(self, state: WalkerState) -> Float[Array, "n k"]:
        """Return the observations, scaled as in gymnasium."""
        motion, walker, mechanism = state.bodies.motion, self.walker, self.walker.mechanism
        head, joints = walker.head, mechanism.motors
        parent, child = mechanism.parent[joints], mechanism.child[joints]
        turned = motion.angle[:, child] - motion.angle[:, parent]
        turned = turned - jnp.float32(mechanism.reference[joints])
        spins = motion.spin[:, child] - motion.spin[:, parent]
        spins = spins / jnp.float32(mechanism.speed[joints])
        columns = [
            motion.angle[:, head],
            2 / FPS * motion.spin[:, head],
            0.3 * 20 / FPS * motion.vx[:, head],
            0.3 * (400 * UNIT) / FPS * motion.vy[:, head],
        ]
        solid = mechanism.solid.bodies.tolist()
        for i, view in enumerate(walker.views):
            columns += [turned[:, i] + view.offset, spins[:, i]]
            if view.foot is not None:
                reported = state.bodies.contacts.reported[:, solid.index(view.foot)]
                columns.append(reported.astype(jnp.float32))
        return jnp.concatenate([jnp.stack(columns, axis=1), state.rays], axis=1)

    def _timestep(
        self,
        state: WalkerState,
        reward: Float[Array, " n"],
        fallen: Bool[Array, " n"],
        terminated: Bool[Array, " n"],
    ) -> Timestep:
        truncated = (state.steps >= self.max_steps) & ~terminated
        if self.success_return is None:
            success = terminated & ~fallen
        else:
            success = (terminated | truncated) & (state.total > self.success_return)
        return Timestep(
            observation={"observation": self.observe(state)},
            reward=reward,
            terminated=terminated,
            truncated=truncated,
            success=success,
            labels=self.labels(state),
        )

    def expert(self) -> StateExpert | None:
        """Return a scripted gait for bipeds with legs of the usual length."""
        if self.walker.name not in ("biped", "classic biped"):
            return None
        return StateExpert("gait", lambda state: gait(self.observe(state)))

    def labels(self, state: WalkerState) -> Bool[Array, "n p"]:
        """Return which propositions hold."""
        tilt = jnp.abs(state.bodies.motion.angle[:, self.walker.head])
        airborne = ~jnp.any(state.bodies.contacts.touching, axis=(1, 2))
        half_way = self.head(state.bodies)[0] > LENGTH * SPACING / 2
        return jnp.stack([tilt < UPRIGHT, airborne, half_way], axis=1)

    def describe(self, task: Float[np.ndarray, " d"]) -> str:
        """Return a task in words, for pictures."""
        raise NotImplementedError

    def render(self, state, index):
        """Draw the walker, its rays and the track around it; uint8[400, 600, 3]."""
        world = jax.tree.map(lambda x: np.asarray(x[index]), state)
        head = self.head(jax.tree.map(lambda x: x[None], world.bodies))
        at = (float(head[0][0]), float(head[1][0]))
        return draw(self.walker, world, at, self.describe(world.tasks))
