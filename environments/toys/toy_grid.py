"""A toy problem for comparing teachers of continuous tasks, with counters as the student.

The unit cube of tasks is divided into cells. A cell is unlocked when one of its neighbors is nearly
mastered. Every visit to an unlocked cell increases its competence, and the reward is that
competence. There is no network and nothing to observe: the toy measures the order in which a
teacher visits cells.

References:
    Portelas, Colas, Hofmann and Oudeyer, Teacher algorithms for curriculum learning of deep RL in
    continuously parameterized environments, CoRL 2019, section 5.1.
"""

import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from didact.common.errors import SettingError
from didact.environments.base import Environment, Timestep
from didact.environments.registry import register
from didact.environments.spaces import ArraySpace, Discrete
from didact.environments.task_spaces import Box, Dimension, TaskSpace

UNLOCKING = 75  # the competence at which a cell unlocks its neighbors; mastered cells exceed it
MAX_VALUE = 100


def task_space(dimensions: int = 2, useless: int = 0) -> Box:
    """Return the unit cube; the last `useless` dimensions have no effect."""
    if dimensions < 1:
        raise SettingError("dimensions", dimensions, "at least 1")
    if useless < 0:
        raise SettingError("useless", useless, "at least 0")
    real = [Dimension(f"x{i}", 0, 1, description="position of a cell") for i in range(dimensions)]
    idle = [Dimension(f"idle{i}", 0, 1, description="no effect") for i in range(useless)]
    return Box((*real, *idle))


def easy_space(space: TaskSpace, dimensions: int = 2, side: int = 10) -> TaskSpace:
    """Return the tasks in the first half of the cell that is unlocked from the start."""
    return space.restricted(**{f"x{i}": (0.0, 0.5 / side) for i in range(dimensions)})


def initial_competence(dimensions: int = 2, side: int = 10) -> Float[Array, "..."]:
    """Return the competence of an untrained learner: 0 in `side` ** `dimensions` cells."""
    return jnp.zeros((side,) * dimensions)


def cell(competence: Float[Array, "..."], task: Float[Array, " d"]) -> Int[Array, " k"]:
    """Return the index of the task's cell in each of the k dimensions of the competence."""
    side, dimensions = competence.shape[0], competence.ndim
    return jnp.clip(jnp.floor(task[:dimensions] * side).astype(jnp.int32), 0, side - 1)


def unlocked(competence: Float[Array, "..."], index: Int[Array, " k"]) -> Bool[Array, ""]:
    """Whether the cell is the origin, or a neighbor one lower in some dimensions is learned."""
    steps = list(itertools.product((0, 1), repeat=competence.ndim))[1:]
    neighbours = index - np.array(steps, np.int32)
    inside = jnp.all(neighbours >= 0, axis=1)
    learned = competence[tuple(jnp.maximum(neighbours, 0).T)] >= UNLOCKING
    return jnp.all(index == 0) | jnp.any(inside & learned)


def visit(
    competence: Float[Array, "..."], task: Float[Array, " d"]
) -> tuple[Float[Array, "..."], Float[Array, ""]]:
    """Play one episode of one learner.

    Returns:
        The competence after the episode, and the reward: from 0 to 1, and 0 if the cell is locked.
    """
    index = cell(competence, task)
    at = tuple(index)
    reached = jnp.minimum(competence[at] + 1, MAX_VALUE)
    reached = jnp.where(unlocked(competence, index), reached, competence[at])
    return competence.at[at].set(reached), reached / MAX_VALUE


def score(competence: Float[Array, "..."]) -> Float[Array, ""]:
    """Return the percentage of mastered cells."""
    return 100 * jnp.mean(competence > UNLOCKING)


class ToyGridState(NamedTuple):
    """n learners."""

    competence: Float[Array, "n ..."]
    tasks: Float[Array, "n d"]


class ToyGrid(Environment[ToyGridState]):
    """The toy as an environment with one-step episodes and a single action, the visit.

    A reset starts an untrained learner, so this environment is for testing loops and pictures. To
    measure a teacher, keep the competence from episode to episode with `visit`.

    Args:
        dimensions: the dimensions of the grid.
        side: the number of cells along each dimension.
        useless: the number of further dimensions of the task space, which have no effect.
    """

    action_space = Discrete(1, ("visit",))
    max_steps = 1

    def __init__(self, dimensions: int = 2, side: int = 10, useless: int = 0):
        if side < 1:
            raise SettingError("side", side, "at least 1")
        self.name = "ToyGrid"
        self.task_space = task_space(dimensions, useless)
        self.dimensions, self.side = dimensions, side
        self.observation_space = {
            "cell": ArraySpace((dimensions,), np.int32, low=0, high=side - 1),
        }

    @property
    def easy_space(self) -> TaskSpace:
        """The cell that is unlocked from the start."""
        return easy_space(self.task_space, self.dimensions, self.side)

    def reset(self, key, tasks):
        blank = initial_competence(self.dimensions, self.side)
        competence = jnp.broadcast_to(blank, (tasks.shape[0], *blank.shape))
        state = ToyGridState(competence, tasks)
        return state, self._timestep(state, jnp.zeros(tasks.shape[0]), done=False)

    def step(self, key, state, actions):
        competence, reward = jax.vmap(visit)(state.competence, state.tasks)
        state = state._replace(competence=competence)
        return state, self._timestep(state, reward, done=True)

    def render(self, state, index):
        """Draw the competence from black to white, averaged over dimensions beyond the second."""
        competence = np.asarray(state.competence[index]) / MAX_VALUE
        picture = competence.reshape(self.side, -1)
        if self.dimensions > 2:
            picture = competence.mean(axis=tuple(range(2, self.dimensions)))
        grey = np.repeat(np.repeat((255 * picture).astype(np.uint8), 16, 0), 16, 1)
        return np.repeat(grey[..., None], 3, axis=2)

    def instruction_text(self, observation):
        """Return the cell to visit, in words."""
        return "visit cell " + " ".join(str(int(i)) for i in observation["cell"])

    def _timestep(self, state, reward, done):
        cells = jax.vmap(cell)(state.competence, state.tasks)
        no = jnp.zeros(reward.shape, bool)
        return Timestep(
            observation={"cell": cells},
            reward=reward,
            terminated=no | done,
            truncated=no,
            success=reward > 0,
            labels=jnp.zeros((*reward.shape, 0), bool),
        )


register("ToyGrid", ToyGrid, "a toy problem for comparing teachers, without networks")
