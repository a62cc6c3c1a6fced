"""StumpTracks: level ground with stumps, whose mean height and distance are the task.

References:
    Portelas et al., 2020, "Teacher algorithms for curriculum learning of deep RL in continuously
    parameterized environments"; Romac et al., 2021, "TeachMyAgent", in whose package it is
    ParametricContinuousStumpTracks.
"""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from didact.common.errors import SettingError
from didact.environments.physics import Engine, Reach, Terrain, first_boxes
from didact.environments.physics import iterations as iterations_of
from didact.environments.registry import register
from didact.environments.task_spaces import Box, Dimension, TaskSpace
from didact.environments.walkers.bodies import BODIES
from didact.environments.walkers.env import WalkerEnvironment, WalkerState
from didact.environments.walkers.track import GROUND, LENGTH, SPACING, STARTPAD

WIDTH = SPACING  # m, of each stump
DEVIATION = 0.1  # of the heights of the stumps of a track, in units of SPACING
MIN_HEIGHT, MIN_GAP = 0.05, 0.01  # in units of SPACING, and in m
PITCH = WIDTH + MIN_GAP
FIRST = STARTPAD * SPACING  # m: where the first stump stands
MAX_STUMPS = int(np.ceil((LENGTH * SPACING - FIRST) / PITCH))
SOLVED = 230.0  # the return above which a task counts as mastered
# The bounds of the mean height, as in the challenges of TeachMyAgent.
HEIGHTS = {"standard": (0.0, 3.0), "unfeasible": (0.0, 9.0), "trivial": (-3.0, 3.0)}


class StumpTracks(WalkerEnvironment):
    """Walk over stumps. The task is their mean height and the distance between them.

    The height of each stump is drawn around the mean with a standard deviation of 0.1. Episodes end
    with a fall, at the far end or after 2000 steps of 20 ms; they are a success if the return
    exceeds 230.

    Further propositions: "stump 1" to "stump 3", if the head has passed that stump.

    Args:
        body: "biped", the body of the published results; "classic_biped", TeachMyAgent's newer
            version of it; "small_biped", "quadruped", "spider" or "millipede".
        heights: the bounds of the mean height, as in the challenges of TeachMyAgent: "standard"
            (0 to 3), "unfeasible" (0 to 9) or "trivial" (-3 to 3).
        iterations: "training", or "reference" for the accuracy that is compared with Box2D.
    """

    success_return = SOLVED
    propositions = (*WalkerEnvironment.propositions, "stump 1", "stump 2", "stump 3")

    def __init__(
        self,
        body: Literal[
            "biped", "classic_biped", "small_biped", "quadruped", "spider", "millipede"
        ] = "biped",
        heights: Literal["standard", "unfeasible", "trivial"] = "standard",
        iterations: Literal["training", "reference"] = "training",
    ):
        if body not in BODIES:
            raise SettingError("body", body, "one of " + ", ".join(BODIES))
        if heights not in HEIGHTS:
            raise SettingError("heights", heights, "one of " + ", ".join(HEIGHTS))
        self.name = "StumpTracks"
        walker = BODIES[body]
        leaves = len(set(walker.mechanism.child) - set(walker.mechanism.parent))
        engine = Engine(
            walker.mechanism,
            Reach(SPACING, 2, 2, PITCH),
            iterations_of(iterations),
            max_points=4 + 2 * leaves,
        )
        super().__init__(walker, engine)
        low, high = HEIGHTS[heights]
        self.task_space = Box(
            (
                Dimension(
                    "stump_height", low, high, description="mean height of stumps, 1 is 0.47 m"
                ),
                Dimension("obstacle_spacing", 0, 6, unit="m", description="gap between stumps"),
            )
        )

    @property
    def easy_space(self) -> TaskSpace:
        """Low stumps that are far apart."""
        return self.task_space.restricted(stump_height=(0, 0.3), obstacle_spacing=(4, 6))

    @property
    def evaluation_tasks(self) -> dict[str, np.ndarray]:
        """Four tasks from easy to hard; see also `stump_test_tasks`."""
        return {
            "low": np.array([0.2, 5], np.float32),
            "middle": np.array([0.8, 4], np.float32),
            "dense": np.array([0.5, 1], np.float32),
            "high": np.array([1.5, 5], np.float32),
        }

    def generate(self, keys, tasks):
        def stumps(key, task):
            drawn = task[0] + DEVIATION * jax.random.normal(key, (MAX_STUMPS,))
            height = jnp.maximum(drawn, MIN_HEIGHT) * SPACING
            left = FIRST + jnp.arange(MAX_STUMPS) * (WIDTH + jnp.maximum(task[1], MIN_GAP))
            bottom = jnp.full(MAX_STUMPS, GROUND)
            return jnp.stack([left, bottom, left + WIDTH, bottom + height], axis=1)

        boxes = jax.vmap(stumps)(keys, tasks)
        heights = jnp.full((tasks.shape[0], LENGTH), GROUND, jnp.float32)
        return Terrain(heights, boxes, first_boxes(boxes, LENGTH, SPACING))

    def labels(self, state: WalkerState) -> Bool[Array, "n p"]:
        x = self.head(state.bodies)[0]
        passed = x[:, None] > state.terrain.boxes[:, :3, 2]
        return jnp.concatenate([super().labels(state), passed], axis=1)

    def describe(self, task):
        height = max(task[0], MIN_HEIGHT) * SPACING
        return f"{self.walker.name}: stumps of {height:.2f} m, {task[1]:.1f} m apart"


def stump_test_tasks() -> Float[np.ndarray, "100 2"]:
    """Return TeachMyAgent's test set: a grid of heights from 0 to 3 and spacings from 0 to 6."""
    height, spacing = np.meshgrid(np.linspace(0, 3, 10), np.linspace(0, 6, 10), indexing="ij")
    return np.stack([height.ravel(), spacing.ravel()], axis=1).astype(np.float32)


register("StumpTracks", StumpTracks, "walk over stumps; the task is their height and distance")
