"""Bipedal: the biped on tracks whose roughness, pits, stumps and stairs are the task.

References:
    Wang et al., 2019, "Paired open-ended trailblazer (POET)"; Parker-Holder et al., 2022, "Evolving
    curricula with regret-based environment design", appendix on BipedalWalker.
"""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from didact.environments.physics import Engine, Reach
from didact.environments.physics import iterations as iterations_of
from didact.environments.registry import register
from didact.environments.task_spaces import Box, Dimension, TaskSpace
from didact.environments.walkers import obstacles
from didact.environments.walkers.bodies import GYMNASIUM_BIPED
from didact.environments.walkers.env import WalkerEnvironment
from didact.environments.walkers.obstacles import PIT, STAIRS, STUMP, Obstacles
from didact.environments.walkers.track import LENGTH, SPACING

UNIT = f"{SPACING:.2f} m"
SIZES = (("pit_gap", 10, "width of pits"), ("stump_height", 5, "height of stumps"))


def _task_space() -> Box:
    found = [Dimension("roughness", 0, 10, description="unevenness, 1 as in BipedalWalker-v3")]
    for name, most, words in (*SIZES, ("stair_height", 5, "height of a stair")):
        for end, which in (("low", "smallest"), ("high", "largest")):
            text = f"{which} {words} in units of {UNIT}; none if both are 0"
            found.append(Dimension(f"{name}_{end}", 0, most, description=text))
    found.append(
        Dimension("stair_steps", 0, 9, integer=True, description="number of stairs in a flight")
    )
    return Box(tuple(found))


class Bipedal(WalkerEnvironment):
    """Walk over uneven ground with pits, stumps and stairs.

    The sizes of obstacles are drawn between the two bounds of the task, whichever is larger; pits
    are 0.47 m wider than their number says. Kinds whose bounds are both 0 do not occur. Episodes
    take at most 2000 steps of 20 ms and succeed at the far end.

    The generator differs from the one published with ACCEL (facebookresearch/dcd) in these points:
    a flight has exactly `stair_steps` stairs, not 0 to `stair_steps` - 1, and the parameter may be
    0; kinds of obstacles are absent only if their bounds are 0, not already if the upper one is
    below 0.8 for pits and 0.2 for stumps and stairs; the ground after stairs down is level with the
    last stair, not one stair lower; and a stair is at least 0.47 m thick, not as thick as high.

    Args:
        iterations: "training", or "reference" for the accuracy that is compared with Box2D.
    """

    task_space = _task_space()

    def __init__(self, iterations: Literal["training", "reference"] = "training"):
        self.name = "Bipedal"
        mechanism = GYMNASIUM_BIPED.mechanism
        reach = Reach(SPACING, 2, 2, obstacles.BOX_PITCH)
        engine = Engine(mechanism, reach, iterations_of(iterations), max_points=8)
        super().__init__(GYMNASIUM_BIPED, engine)

    @property
    def easy_space(self) -> TaskSpace:
        """Nearly level ground without obstacles."""
        sizes = {name: 0 for name in self.task_space.names if name != "roughness"}
        return self.task_space.restricted(roughness=(0, 1), **sizes)

    @property
    def evaluation_tasks(self) -> dict[str, np.ndarray]:
        """Six tracks after those of the literature, where "stairs" has 0 to 4 stairs in a flight.

        "hardcore" only resembles BipedalWalkerHardcore-v3, the track of the literature, which is
        `BipedalWalker` with `hardcore=True`: its sizes are not whole numbers, all stumps are one
        unit wide, and all flights have three stairs, without a slope of earth.
        """
        return {
            name: np.array(task, np.float32)
            for name, task in {
                "flat": (1, 0, 0, 0, 0, 0, 0, 0),
                "hardcore": (1, 2, 3, 1, 2, 1, 1, 3),
                "stairs": (0, 0, 0, 0, 0, 2, 2, 5),
                "pits": (0, 5, 5, 0, 0, 0, 0, 0),
                "stumps": (0, 0, 0, 2, 2, 0, 0, 0),
                "rough": (5, 0, 0, 0, 0, 0, 0, 0),
            }.items()
        }

    def generate(self, keys, tasks):
        return obstacles.build(jax.vmap(drawn)(keys, tasks))

    def describe(self, task):
        roughness, *sizes, steps = (float(x) for x in task)
        parts = [f"roughness {roughness:.1f}"]
        for name, low, high in zip(
            ("pits", "stumps", "stairs"), sizes[::2], sizes[1::2], strict=True
        ):
            if max(low, high) > 0 and (name != "stairs" or steps):
                parts.append(f"{name} {min(low, high):.1f} to {max(low, high):.1f}")
        return ", ".join(parts)


def drawn(key: PRNGKeyArray, task: Float[Array, " 8"]) -> Obstacles:
    """Draw the obstacles of a task."""
    ground_key, kind_key, size_key, down_key = jax.random.split(key, 4)
    noise, stretch = obstacles.stretches(ground_key)
    low, high = task[1:7:2], task[2:7:2]
    low, high = jnp.minimum(low, high), jnp.maximum(low, high)
    size = low + (high - low) * jax.random.uniform(size_key, (LENGTH, 3))
    occurs = (high > 0) & jnp.stack([task[7] >= 0, task[7] >= 0, task[7] >= 1])
    draws = jnp.where(occurs, jax.random.uniform(kind_key, (LENGTH, 3)), -1)
    kinds = jnp.array([PIT, STUMP, STAIRS], jnp.int32)
    kind = jnp.where(jnp.any(occurs), kinds[jnp.argmax(draws, axis=1)], obstacles.GRASS)
    return Obstacles(
        noise * task[0],
        jnp.full(LENGTH, obstacles.PULL) * task[0],
        stretch,
        kind,
        1 + size[:, 0],
        jnp.ones(LENGTH, jnp.int32),
        size[:, 1],
        size[:, 2] * jax.random.rademacher(down_key, (LENGTH,), jnp.float32),
        jnp.full(LENGTH, task[7], jnp.int32),
    )


register("Bipedal", Bipedal, "a biped on rough ground with pits, stumps and stairs; 8 parameters")
