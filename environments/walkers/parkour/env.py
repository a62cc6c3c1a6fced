"""Parkour: walk, climb or swim between ground and ceiling, through water and creepers.

References:
    Romac et al., 2021, "TeachMyAgent: a benchmark for automatic curriculum learning in deep RL",
    section 3 and appendix, in whose package it is ParametricContinuousParkour.
"""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from didact.common.errors import SettingError
from didact.environments.base import split_keys
from didact.environments.physics import Bodies, Engine, Reach, Terrain, worlds_first, worlds_last
from didact.environments.physics import iterations as iterations_of
from didact.environments.physics.rays import ray_hits
from didact.environments.physics.terrain import CEILING_IDS
from didact.environments.registry import register
from didact.environments.spaces import ArraySpace, Continuous
from didact.environments.task_spaces import TaskSpace
from didact.environments.walkers.bodies import PARKOUR_BODIES
from didact.environments.walkers.controls import controls
from didact.environments.walkers.env import Medium, WalkerEnvironment, WalkerState
from didact.environments.walkers.parkour import terrain as terrains
from didact.environments.walkers.parkour.tasks import (
    MAX_WIDTH,
    SETS,
    WIDTH,
    completed,
    parkour_test_tasks,
    task_space,
)
from didact.environments.walkers.parkour.viewer import draw
from didact.environments.walkers.plan import HANGING
from didact.environments.walkers.start import PUSH, start
from didact.environments.walkers.track import GROUND, NUM_RAYS, RAY_RANGE, SPACING

SOLVED = 230.0  # the return above which a task counts as mastered
BREATH = 600  # steps that a body survives in the wrong element
# Where rays point: the first angle from straight down, and the arc they cover, in rad.
ARCS = {
    "walker": (0.0, 1.5),
    "climber": (1.5, 2.3),
    "swimmer": (0.0, np.pi),
    "amphibian": (0.0, np.pi),
}
Body = Literal[
    "biped",
    "classic_biped",
    "small_biped",
    "quadruped",
    "spider",
    "millipede",
    "wheel",
    "chimpanzee",
    "climbing_chimpanzee",
    "climbing_chest",
    "fish",
    "amphibious_biped",
]


class Parkour(WalkerEnvironment):
    """Move through a landscape by walking, climbing or swimming.

    The task shapes ground and ceiling, and sets the level of the water and the creepers that hang
    from the ceiling. Creepers can be gripped, and hide what is behind them, but do not stop bodies.
    Walkers and climbers go limp after 600 steps under water, swimmers after 600 steps out of it.

    Climbers start hanging from the ceiling. They have an action for each hand: it holds on to the
    ceiling or to a creeper that it touches while the action is positive.

    Three things end an episode with a reward of -100: leaving the landscape on the left; contact of
    a climber's head, chest or shanks with the ground; and contact of the walking chimpanzee's head
    or chest with ground or ceiling. Nothing else ends an episode before the far end or 2000 steps
    of 20 ms.

    The reward is that of `StumpTracks`, but the wheel, the chimpanzees and the fish may tilt at no
    cost, and the actions of hands cost as much as those of motors. Episodes are a success if the
    return exceeds 230.

    Observations: `observation`, float32[n, k]: the angle, spin and velocity of the head, whether
    it is under water, whether the body is limp; each motor, as in `StumpTracks`; for each hand,
    whether it touches something to hold on to, and whether it holds; ten rays, and what each hits:
    1 for a creeper, -1 for the surface of the water, 0 otherwise.

    Propositions: "upright" and "half way" as in `StumpTracks`; "in the air", if no body touches
    anything, no hand holds, and the center of no body is under water; "under water", if the head
    is; "holding", if a hand holds; "holding with both hands"; "limp"; "at the ceiling", if a body
    touches it.

    Args:
        body: a walker, climber, swimmer or amphibian by its name; "biped" is that of the published
            results.
        tasks: "training", or "tests" for the larger space that contains the published test sets,
            see `parkour_test_tasks`.
        iterations: "training", or "reference" for the accuracy that is compared with Box2D.
    """

    return_range = (-150.0, 360.0)  # as in TeachMyAgent
    success_return = SOLVED
    propositions = (
        *WalkerEnvironment.propositions,
        "under water",
        "holding",
        "holding with both hands",
        "limp",
        "at the ceiling",
    )

    def __init__(
        self,
        body: Body = "biped",
        tasks: Literal["training", "tests"] = "training",
        iterations: Literal["training", "reference"] = "training",
    ):
        if body not in PARKOUR_BODIES:
            raise SettingError("body", body, "one of " + ", ".join(PARKOUR_BODIES))
        if tasks not in ("training", "tests"):
            raise SettingError("tasks", tasks, "training or tests")
        self.name = "Parkour"
        walker = PARKOUR_BODIES[body]
        leaves = len(set(walker.mechanism.child) - set(walker.mechanism.parent))
        width = WIDTH if tasks == "training" else MAX_WIDTH
        engine = Engine(
            walker.mechanism,
            Reach(SPACING, 2, ceiling=True, creeper_width=width),
            iterations_of(iterations),
            max_points=6 + 2 * leaves,
        )
        super().__init__(walker, engine)
        self.task_space = task_space(tasks)
        names = (*walker.motor_names, *walker.grip_names)
        self.action_space = Continuous((len(names),), names=names)
        self.controls = controls(names)
        size = walker.observation_size + 2 + 2 * len(walker.mechanism.hands) + 2 * NUM_RAYS
        self.observation_space = {
            "observation": ArraySpace((size,), np.dtype(np.float32), -np.inf, np.inf, "vector")
        }
        first, arc = ARCS[walker.kind]
        turns = first + arc * np.arange(NUM_RAYS) / NUM_RAYS
        self.ray_vectors = RAY_RANGE * np.stack([np.sin(turns), -np.cos(turns)], 1)
        ground = np.zeros(len(walker.mechanism.bodies), bool)
        ground[list(walker.critical)] = True
        self._critical = ground[walker.mechanism.solid.bodies]

    @property
    def easy_space(self) -> TaskSpace:
        """Gentle slopes, and water where the body can live.

        For climbers, a gentle ceiling, with creepers so long and dense that one is always in reach.
        """
        if self.walker.kind == "climber":
            return self.task_space.restricted(
                shape_1=(-0.19, -0.14),
                shape_2=(0.83, 0.98),
                shape_3=(0.08, 0.18),
                water_level=(0.0, 0.2),
                creeper_height=(2.0, 4.0),
                creeper_spacing=(0.0, 1.0),
            )
        swims = self.walker.kind == "swimmer"
        return self.task_space.restricted(
            shape_1=(-0.15, -0.1),
            shape_2=(0.85, 1.0),
            shape_3=(0.1, 0.2),
            water_level=(1.0, 1.0) if swims else (0.0, 0.2),
        )

    @property
    def evaluation_tasks(self) -> dict[str, np.ndarray]:
        """Four tasks, from gentle to steep slopes; the last one starts in shallow water.

        For climbers, "gentle" and "hills" are in the easy tasks and beside them, and "shore" has
        water below, out of which the creepers hang.
        """
        swims = self.walker.kind == "swimmer"
        water, shallow = (1.0, 0.836) if swims else (0.0, 0.811)
        rows = {
            "gentle": (-0.1, 0.95, 0.15, water, 0.5, 2.0),
            "hills": (-0.15, 0.8, 0.1, water, 1.0, 3.0),
            "steep": (-0.25, 0.7, 0.0, water, 2.0, 1.0),
            "shore": (-0.1, 0.95, 0.15, shallow, 1.0, 4.0),
        }
        if self.walker.kind == "climber":
            rows |= {
                "gentle": (-0.165, 0.905, 0.13, 0.1, 3.0, 0.5),
                "hills": (-0.2, 0.85, 0.1, 0.1, 3.0, 1.0),
                "shore": (-0.165, 0.905, 0.13, 0.5, 2.0, 2.0),
            }
        tasks = np.array(list(rows.values()), np.float32)
        if self.task_space.size == 8:
            tasks = np.asarray(completed(jnp.asarray(tasks)))
        return dict(zip(rows, tasks, strict=True))

    @property
    def test_sets(self) -> dict[str, np.ndarray]:
        """The sets of `parkour_test_tasks`; only tasks with all 8 parameters can express them."""
        if self.task_space.size < 8:
            return {}
        return {kind: parkour_test_tasks(kind) for kind in SETS}

    def generate(self, keys, tasks):
        return terrains.build(keys, completed(tasks))

    def reset(self, key, tasks):
        n = tasks.shape[0]
        tasks = tasks.astype(jnp.float32)
        keys = jax.vmap(jax.random.split)(split_keys(key, n))
        terrain = self.generate(keys[:, 0], tasks)
        push = jax.vmap(lambda key: jax.random.uniform(key, minval=-PUSH, maxval=PUSH))(keys[:, 1])
        bodies = worlds_first(start(self.walker, self.engine, push))
        if bodies.grips is not None and terrain.ceiling is not None:
            lift = (terrain.ceiling[:, 0] - (GROUND + HANGING))[:, None]
            bodies = bodies._replace(
                motion=bodies.motion._replace(y=bodies.motion.y + lift),
                grips=bodies.grips._replace(y=bodies.grips.y + lift),
            )
        zero, no = jnp.zeros(n), jnp.zeros(n, bool)
        count = zero.astype(jnp.int32)
        rays = jnp.ones((n, NUM_RAYS))
        medium = Medium(no, count, no, jnp.zeros_like(rays))
        state = WalkerState(bodies, terrain, tasks, zero, zero, rays, count, medium)
        state = self._seen(state)._replace(potential=self.potential(bodies))
        return state, self._timestep(state, zero, no, no)

    def step(self, key, state, actions):
        medium = _of(state)
        limp = medium.time > BREATH
        actions = jnp.where(limp[:, None], 0.0, self.action_space.clip(actions))
        bodies = self._move(state.bodies, state.terrain, actions)
        potential = self.potential(bodies)
        effort = jnp.sum(jnp.abs(actions), axis=1)
        reward = potential - state.potential - self.walker.torque_cost * effort
        x, y = self.head(bodies)
        fallen = (x < 0) | self._critical_contact(bodies)
        reward = jnp.where(fallen, -100.0, reward)
        under = y <= jnp.asarray(state.terrain.water)
        hostile = {"swimmer": ~under, "amphibian": under & ~under}.get(self.walker.kind, under)
        time = jnp.where(limp, medium.time, jnp.where(hostile, medium.time + 1, 0))
        state = state._replace(
            bodies=bodies,
            potential=potential,
            total=state.total + reward,
            steps=state.steps + 1,
            medium=medium._replace(limp=limp, time=time),
        )
        state = self._seen(state)
        return state, self._timestep(state, reward, fallen, fallen | (x > terrains.END))

    def _moved(self, bodies: Bodies, terrain: Terrain, actions: Float[Array, "n m"]) -> Bodies:
        mechanism = self.walker.mechanism
        if not len(mechanism.hands):
            return super()._moved(bodies, terrain, actions)
        motors = len(mechanism.motors)
        torque, speed = self._drive(actions[:, :motors])
        grasp = actions[:, motors:].T > 0
        return worlds_first(self.engine.step(worlds_last(bodies), terrain, torque, speed, grasp))

    def _critical_contact(self, bodies: Bodies) -> Bool[Array, " n"]:
        """Return whether a body touches what it may not: climbers may touch the ceiling."""
        contacts = bodies.contacts
        touching = contacts.touching & self._critical[:, None]
        if self.walker.kind == "climber":
            touching = touching & (contacts.surface < CEILING_IDS)
        return jnp.any(touching, axis=(1, 2))

    def _seen(self, state: WalkerState) -> WalkerState:
        x, y = self.head(state.bodies)
        width = self.engine.reach.creeper_width
        found, kinds = ray_hits(state.terrain, SPACING, x, y, self.ray_vectors, width)
        under = y <= jnp.asarray(state.terrain.water)
        medium = _of(state)._replace(under_water=under, kinds=kinds.T)
        return state._replace(rays=found.T, medium=medium)

    def observe(self, state: WalkerState) -> Float[Array, "n k"]:
        """Return the observations: those of walkers, with what is particular to Parkour."""
        base, medium = super().observe(state), _of(state)
        parts = [
            base[:, :4],
            jnp.stack([medium.under_water, medium.limp], axis=1),
            base[:, 4:-NUM_RAYS],
        ]
        grips = state.bodies.grips
        if grips is not None:
            hands = jnp.stack([grips.touching, grips.holding], axis=2)
            parts.append(hands.reshape(hands.shape[0], -1))
        parts += [state.rays, medium.kinds]
        return jnp.concatenate([part.astype(jnp.float32) for part in parts], axis=1)

    def expert(self) -> None:
        """No expert knows the parkour."""
        return None

    def labels(self, state: WalkerState) -> Bool[Array, "n p"]:
        """Return which propositions hold."""
        base, medium, contacts = super().labels(state), _of(state), state.bodies.contacts
        half_way = self.head(state.bodies)[0] > terrains.LENGTH * SPACING / 2
        at_ceiling = jnp.any(contacts.touching & (contacts.surface >= CEILING_IDS), axis=(1, 2))
        grips, none = state.bodies.grips, jnp.zeros_like(medium.limp)
        one = none if grips is None else jnp.any(grips.holding, axis=1)
        all_ = none if grips is None else jnp.all(grips.holding, axis=1)
        level = jnp.asarray(state.terrain.water)[:, None]
        airborne = base[:, 1] & ~one & ~jnp.any(state.bodies.motion.y < level, axis=1)
        columns = [base[:, 0], airborne, half_way, medium.under_water]
        return jnp.stack([*columns, one, all_, medium.limp, at_ceiling], axis=1)

    def render(self, state, index):
        """Draw the body, its rays and the landscape around it; uint8[400, 600, 3]."""
        world = jax.tree.map(lambda x: np.asarray(x[index]), state)
        head = self.head(jax.tree.map(lambda x: x[None], world.bodies))
        at = (float(head[0][0]), float(head[1][0]))
        return draw(self.walker, world, at, self.ray_vectors, self.describe(world.tasks))

    def describe(self, task):
        _, _, _, level, _, height, spacing, scale = (
            float(x) for x in np.asarray(completed(jnp.asarray(task)[None]))[0]
        )
        water = f"water at {level:.2f}" if level > 0 else "dry"
        size = "" if scale == 10 else f", scale {scale:.0f}"
        creepers = f"creepers of {max(height, 0.2):.1f} m, {spacing:.1f} m apart"
        return f"{self.walker.name}: {water}, {creepers}{size}"


def _of(state: WalkerState) -> Medium:
    if state.medium is None:
        raise ValueError("a state of Parkour has a medium")
    return state.medium


register("Parkour", Parkour, "walk, climb or swim between ground and ceiling; 6 parameters")
