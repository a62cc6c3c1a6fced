"""How far the engine and Box2D part, from the same state under the same actions.

Walkers are compared until they fall in Box2D.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from didact.benchmarks.physics.box2d_walker import box2d_walker
from didact.environments.physics import (
    Bodies,
    Engine,
    Iterations,
    Motion,
    Reach,
    Terrain,
    first_boxes,
)
from didact.environments.walkers.bodies import GYMNASIUM_BIPED
from didact.environments.walkers.obstacles import BOX_PITCH, MAX_BOXES, UNUSED
from didact.environments.walkers.track import LENGTH, SPACING

TIMES = (0.1, 0.2, 0.5, 1.0)  # s
STEPS = tuple(round(50 * time) for time in TIMES)
WARM = 100  # steps of gymnasium's scripted gait before "mid-gait"
CONDITIONS = (
    "reset, random",
    "mid-gait, random",
    "mid-gait, scripted",
    "mid-gait, held",
    "hardcore, random",
)
FLOOR = (1000, 60)  # iterations of Box2D against itself


class Case:
    """n walkers in Box2D from some states, the actions they take, and the paths of their hulls."""

    def __init__(self, condition: str, n: int, seed: int = 0):
        begin, kind = condition.split(", ")
        generator = np.random.default_rng(seed)
        self.walkers = [box2d_walker()(hardcore=begin == "hardcore") for _ in range(n)]
        starts, pilots = [], []
        for i, walker in enumerate(self.walkers):
            observation = walker.reset(seed=seed + i)[0]
            pilot = _pilot()
            if begin == "mid-gait":
                for _ in range(WARM + int(generator.integers(50))):
                    observation = walker.step(pilot.step_heuristic(observation))[0]
            if begin == "hardcore":
                _drop(walker, generator)
            starts.append(walker.motion())
            pilots.append((pilot, observation))
        steps = STEPS[-1]
        self.actions = np.zeros((steps, 4, n), np.float32)
        if kind == "random":
            self.actions[:] = generator.uniform(-1, 1, self.actions.shape)
        elif kind == "held":  # full torques that change every half second
            held = np.sign(generator.uniform(-1, 1, (steps // 25 + 1, 4, n)))
            self.actions[:] = np.repeat(held, 25, axis=0)[:steps]
        self.starts = np.array(starts)
        self.terrain = _terrain(self.walkers)
        self.path = self._play(pilots if kind == "scripted" else None)

    def _play(self, pilots: Any = None) -> Float[np.ndarray, "t n 2"]:
        """Return the positions of the hulls in Box2D; with pilots, record their actions."""
        path = np.zeros((len(self.actions), len(self.walkers), 2))
        for i, walker in enumerate(self.walkers):
            walker.game_over = False
            pilot, observation = pilots[i] if pilots else (None, None)
            for t in range(len(self.actions)):
                if pilot is not None:
                    self.actions[t, :, i] = pilot.step_heuristic(observation)
                observation = walker.step(self.actions[t, :, i])[0]
                # A fall ends an episode, so what comes after it is not compared.
                path[t, i] = np.nan if walker.game_over else walker.motion()[0, :2]
        return path

    def floor(self) -> dict[str, list[float]]:
        """Return how far Box2D parts from itself with more iterations."""
        for walker, start in zip(self.walkers, self.starts, strict=True):
            walker.place(start)
            walker.iterations = (180, 60)
        # Both are placed anew, so that neither has impulses from before.
        first = self._play()
        for walker, start in zip(self.walkers, self.starts, strict=True):
            walker.place(start)
            walker.iterations = FLOOR
        return _apart(self._play(), first)

    def errors(self, step: Any) -> dict[str, list[float]]:
        """Return how far the engine parts from Box2D: the median and the 90th percentile."""
        columns = (jnp.asarray(self.starts[:, :, i].T, jnp.float32) for i in range(6))
        bodies = engine().at_rest(len(self.walkers))._replace(motion=Motion(*columns))
        path = []
        for actions in self.actions:
            bodies = step(bodies, self.terrain, actions)
            path.append(np.stack([bodies.motion.x[0], bodies.motion.y[0]], 1))
        return _apart(np.array(path), self.path)


def engine(settings: Iterations | None = None) -> Engine:
    """Return the engine of gymnasium's biped on tracks with obstacles."""
    settings = settings or Iterations()
    return Engine(GYMNASIUM_BIPED.mechanism, Reach(SPACING, 2, 2, BOX_PITCH), settings, 8)


def stepper(settings: Iterations) -> Any:
    """Return the compiled step of the engine with these iterations."""
    speed = jnp.asarray(GYMNASIUM_BIPED.mechanism.speed, jnp.float32)[:, None]

    def step(bodies: Bodies, terrain: Terrain, actions: Any) -> Bodies:
        torque = 80 * jnp.abs(actions)
        return engine(settings).step(bodies, terrain, torque, speed * jnp.sign(actions))

    return jax.jit(step)


def accuracy(n: int, settings: Mapping[str, Iterations]) -> dict[str, Any]:
    """Return the errors of all conditions, by the name of the settings of iterations."""
    steps = {name: stepper(chosen) for name, chosen in settings.items()}
    found = {}
    for condition in CONDITIONS:
        case = Case(condition, n)
        rows = {name: case.errors(step) for name, step in steps.items()}
        found[condition] = rows | {"Box2D 1000/60": case.floor()}
    return found


def _apart(path: np.ndarray, other: np.ndarray) -> dict[str, list[float]]:
    apart = np.linalg.norm(path - other, axis=2)[[step - 1 for step in STEPS]]
    median, high = np.nanmedian(apart, axis=1), np.nanquantile(apart, 0.9, axis=1)
    return {"median": np.round(median, 4).tolist(), "90 %": np.round(high, 4).tolist()}


def _terrain(walkers: list[Any]) -> Terrain:
    heights = jnp.asarray(np.array([walker.terrain_y for walker in walkers]), jnp.float32)
    unused = np.array([UNUSED, 0, UNUSED + 1, 1], np.float32)
    boxes = np.tile(unused, (len(walkers), MAX_BOXES, 1))
    for row, walker in zip(boxes, walkers, strict=True):
        found = walker.boxes()
        row[: len(found)] = found
    boxes = jnp.asarray(boxes)
    return Terrain(heights, boxes, first_boxes(boxes, LENGTH, SPACING))


def _drop(walker: Any, generator: np.random.Generator) -> None:
    """Put a walker just above a random place of its track."""
    motion, boxes = walker.motion(), walker.boxes()
    x = generator.uniform(12, 85)
    top: Any = np.interp(x, np.arange(LENGTH) * SPACING, walker.terrain_y)
    over = (boxes[:, 0] < x + 0.6) & (boxes[:, 2] > x - 0.6)
    top = max(float(top), *boxes[over, 3], -np.inf)
    motion[:, 0] += x - motion[0, 0]
    motion[:, 1] += top - walker.terrain_y[0] + 0.05
    motion[:, 3:] = 0
    motion[:, 3] = generator.uniform(-1, 2)
    walker.place(motion)


def _pilot() -> Any:
    from gymnasium.envs.box2d.bipedal_walker import BipedalWalkerHeuristics

    pilot: Any = BipedalWalkerHeuristics()
    pilot.a = np.zeros(4)
    return pilot
