"""BipedalWalker: gymnasium's BipedalWalker-v3, compiled."""

from typing import Literal

import jax
import numpy as np

from didact.environments.counterpart import Counterpart
from didact.environments.physics import Engine, Reach
from didact.environments.physics import iterations as iterations_of
from didact.environments.registry import register
from didact.environments.task_spaces import Box, Dimension
from didact.environments.walkers import obstacles
from didact.environments.walkers.bodies import GYMNASIUM_BIPED
from didact.environments.walkers.env import WalkerEnvironment
from didact.environments.walkers.track import SPACING


class BipedalWalker(WalkerEnvironment):
    """A biped on slightly uneven ground, by the rules of gymnasium's BipedalWalker-v3.

    An episode takes at most 1600 steps of 20 ms. It is a success if the walker reaches the far end;
    gymnasium calls the task solved at a mean return of 300.

    Args:
        hardcore: add the pits, stumps and stairs of BipedalWalkerHardcore-v3; an episode takes at
            most 2000 steps.
        iterations: "training", or "reference" for the accuracy that is compared with Box2D.
    """

    task_space = Box(
        (
            Dimension(
                "roughness", 1, 1, description="unevenness of the ground, 1 as in BipedalWalker-v3"
            ),
        )
    )

    def __init__(
        self, hardcore: bool = False, iterations: Literal["training", "reference"] = "training"
    ):
        self.name = "BipedalWalker"
        self.hardcore = hardcore
        self.max_steps = 2000 if hardcore else 1600
        kind = "BipedalWalkerHardcore-v3" if hardcore else "BipedalWalker-v3"
        self.official = Counterpart(kind, task="gymnasium", extra="box2d")
        reach = Reach(SPACING, 2, 2, obstacles.BOX_PITCH) if hardcore else Reach(SPACING)
        points = 8 if hardcore else 6
        mechanism = GYMNASIUM_BIPED.mechanism
        engine = Engine(mechanism, reach, iterations_of(iterations), max_points=points)
        super().__init__(GYMNASIUM_BIPED, engine)

    @property
    def evaluation_tasks(self) -> dict[str, np.ndarray]:
        """Named tasks: "gymnasium" is BipedalWalker-v3."""
        return {"gymnasium": np.ones(1, np.float32)}

    def generate(self, keys, tasks):
        draw = obstacles.hardcore if self.hardcore else obstacles.none
        drawn = jax.vmap(draw)(keys)
        terrain = obstacles.build(
            drawn._replace(noise=drawn.noise * tasks, pull=drawn.pull * tasks), ramps=True
        )
        return terrain if self.hardcore else terrain._replace(boxes=terrain.boxes[:, :0])

    def describe(self, task):
        return "hardcore: pits, stumps and stairs" if self.hardcore else "walk to the far flag"


register("BipedalWalker", BipedalWalker, "gymnasium's BipedalWalker-v3: a biped on uneven ground")
