"""Moving Targets: balls and boxes on a torus that reappear elsewhere when they are touched.

References:
    Nangue Tasse et al., A Boolean Task Algebra for Reinforcement Learning, NeurIPS 2020
    (arXiv:2001.01394), section 5: balls and boxes of three colors, seen as pictures; Skill
    Machines, ICLR 2024 (arXiv:2205.12532), section 4.2: objects that reappear when touched.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int32

from didact.common.errors import SettingError
from didact.environments.base import Environment, Map, Timestep, split_keys
from didact.environments.grid import cells
from didact.environments.registry import register
from didact.environments.spaces import ArraySpace, Discrete
from didact.environments.task_spaces import Box, Dimension
from didact.environments.toys.office import MOVES

COLORS = {"blue": cells.BLUE, "purple": cells.PURPLE, "yellow": cells.YELLOW}
SHAPES = {"ball": cells.BALL, "box": cells.BOX}
PROPOSITIONS = (*COLORS, *SHAPES)
KINDS = tuple((color, shape) for color in COLORS for shape in SHAPES)
APPEARANCES = np.array(
    [cells.code(SHAPES[shape], COLORS[color]) for color, shape in KINDS], np.uint8
)
LABELS = np.array([[name in kind for name in PROPOSITIONS] for kind in KINDS])
MAX_DRIFT = 0.2
_STEPS = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])  # (x, y), as MiniGrid numbers directions


class TargetsState(NamedTuple):
    """n worlds with k objects each; places are numbered row * size + column."""

    agent: Int32[Array, " n"]
    direction: Int32[Array, " n"]  # of the last move
    things: Int32[Array, "n k"]
    touched: Bool[Array, "n k"]  # in the last step; these objects have already moved elsewhere
    drift: Array  # float32[n], the probability that an object moves in a step
    steps: Int32[Array, " n"]  # taken so far


class MovingTargets(Environment[TargetsState]):
    """A torus with a ball and a box of each color, on which an agent moves in four directions.

    The agent touches an object by moving onto it. The labels of that step are the color and shape
    of the object, which reappears at another free place. With `drift`, objects also move by
    themselves, but never onto the agent. There is no reward and no success: a formula over
    `propositions` defines the goal.

    Observations: `image`, uint8[n, size, size], all packed cells, centered on the cell of the
    agent, which is empty; `labels`, bool[n, 5], the propositions that hold.

    Args:
        size: the width and height of the torus; odd, so that it has a center.
        max_steps: the length of an episode.

    Raises:
        SettingError: the size is even, or below 5.
    """

    propositions = PROPOSITIONS
    adjectives = tuple(COLORS)
    action_space = Discrete(len(MOVES), MOVES)

    def __init__(self, size: int = 9, max_steps: int = 150):
        if size < 5 or size % 2 == 0:
            raise SettingError("size", size, "an odd number of at least 5")
        if max_steps < 1:
            raise SettingError("max_steps", max_steps, "at least 1")
        self.name, self.size, self.max_steps = "MovingTargets", size, max_steps
        drift = "the probability that an object moves in a step"
        self.task_space = Box((Dimension("drift", 0, MAX_DRIFT, description=drift),))
        self.observation_space = {
            "image": cells.view_space((size, size)),
            "labels": ArraySpace((len(PROPOSITIONS),), np.bool_, 0, 1),
        }
        x, y = np.meshgrid(np.arange(size), np.arange(size))
        after = [((y + dy) % size) * size + (x + dx) % size for dx, dy in _STEPS]
        self.moves = np.stack(after, -1).reshape(-1, 4).astype(np.int32)  # [places, actions]
        middle = size // 2
        rows = (np.arange(size * size)[:, None, None] // size + y - middle) % size
        columns = (np.arange(size * size)[:, None, None] % size + x - middle) % size
        self._around = (rows * size + columns).reshape(size * size, -1).astype(np.int32)

    def reset(self, key, tasks):
        n = tasks.shape[0]
        keys = split_keys(key, n)
        count = 1 + len(KINDS)

        def places(key):
            return jax.random.choice(key, self.size**2, (count,), replace=False)

        first = jax.vmap(places)(keys).astype(jnp.int32)
        none = jnp.zeros(n, jnp.int32)
        nothing = jnp.zeros((n, len(KINDS)), bool)
        drift = self.task_space.clip(tasks)[:, 0]
        state = TargetsState(first[:, 0], none, first[:, 1:], nothing, drift, none)
        return state, self._timestep(state)

    def step(self, key, state, actions):
        """Move the objects and then the agent; `key` is one key, or one for each world."""
        moves = jnp.asarray(self.moves)
        earlier = np.tri(len(KINDS), k=-1, dtype=bool)

        def one(key, agent, things, drift, action):
            keys = jax.random.split(key, 4)
            goes = jax.random.bernoulli(keys[0], drift, things.shape)
            there = moves[things, jax.random.randint(keys[1], things.shape, 0, 4)]

            # No object moves onto an object or the agent, or where an earlier object moves.
            same = (there[:, None] == there) & earlier & goes
            taken = jnp.any((there[:, None] == things) | same, 1) | (there == agent)
            things = jnp.where(goes & ~taken, there, things)
            agent = moves[agent, action]
            touched = things == agent
            chance = jax.random.uniform(keys[2], (self.size**2,))
            elsewhere = jnp.argmax(chance.at[things].set(-1).at[agent].set(-1))
            return agent, jnp.where(touched, elsewhere, things).astype(jnp.int32), touched

        direction = actions.astype(jnp.int32)
        keys = split_keys(key, direction.shape[0])
        agent, things, touched = jax.vmap(one)(
            keys, state.agent, state.things, state.drift, direction
        )
        state = TargetsState(agent, direction, things, touched, state.drift, state.steps + 1)
        return state, self._timestep(state)

    def render(self, state, index, tile_size: int = 32):
        """Draw the torus from above, uint8[height, width, 3]."""
        from didact.environments.grid.rendering.rgb import draw

        flat = np.full(self.size**2, cells.code(cells.EMPTY, 0), np.uint8)
        flat[np.asarray(state.things[index])] = APPEARANCES
        agent = int(state.agent[index])
        position = agent % self.size, agent // self.size
        symbols = cells.unpack(flat.reshape(self.size, self.size).T)
        return draw(symbols, position, int(state.direction[index]), tile_size=tile_size)

    def map(self, state, index):
        count = self.size**2
        one = jax.tree.map(lambda x: jnp.repeat(x[index][None], count, 0), state)
        agent = jnp.arange(count, dtype=jnp.int32)
        seen = self._timestep(one._replace(agent=agent))
        marks = [""] * count
        for place, (color, shape) in zip(np.asarray(state.things[index]), KINDS, strict=True):
            marks[place] = f"{color[:3]}\n{shape}"
        return Map(seen.observation, np.ones(count, bool), marks, self.size)

    def _timestep(self, state: TargetsState) -> Timestep:
        n = state.agent.shape[0]
        flat = jnp.full((n, self.size**2), cells.code(cells.EMPTY, 0), jnp.uint8)
        flat = flat.at[jnp.arange(n)[:, None], state.things].set(APPEARANCES)
        image = jnp.take_along_axis(flat, jnp.asarray(self._around)[state.agent], 1)
        labels = jnp.any(state.touched[:, :, None] & LABELS, 1)
        no = jnp.zeros(n, bool)
        return Timestep(
            observation={"image": image.reshape(n, self.size, self.size), "labels": labels},
            reward=jnp.zeros(n),
            terminated=no,
            truncated=state.steps >= self.max_steps,
            success=no,
            labels=labels,
        )


register(
    "MovingTargets",
    MovingTargets,
    "balls and boxes that reappear elsewhere when touched, for composing skills",
)
