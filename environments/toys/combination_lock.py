"""Combination Lock: a chain of dials, each of which must be turned the right way.

References:
    Kakade, On the sample complexity of reinforcement learning, 2003, section 8.6 (combination
    locks, in which random actions need exponentially many episodes).
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32

from didact.common.errors import require
from didact.environments.base import Environment, Timestep
from didact.environments.registry import register
from didact.environments.spaces import ArraySpace, Discrete
from didact.environments.task_spaces import Box, Dimension, TaskSpace

JAMMED = 0.5  # rust above which a lock cannot be opened
SECRET = 0xD1A1  # seed of the right ways


class LockState(NamedTuple):
    """n locks."""

    position: Int32[Array, " n"]  # of the current dial
    dials: Int32[Array, " n"]
    jammed: Bool[Array, " n"]


class CombinationLock(Environment[LockState]):
    """Open a lock by turning its dials, one after another, the right way.

    The first wrong turn ends the episode without a reward. The reward of 1 comes with the last
    dial, so that a long lock is opened at random once in `ways` ** `dials` episodes; but all locks
    have the same right ways, and short ones teach how to begin. Rusty locks (above 0.5) never open,
    and nothing that is observed shows this. So the difficulty of tasks, and the share of hopeless
    ones, are known exactly.

    Observations: `dial`, the number of the current dial.

    Args:
        dials: the largest number of dials.
        ways: the number of ways in which a dial can be turned.
    """

    def __init__(self, dials: int = 12, ways: int = 4):
        require("dials", dials, 1 <= dials <= 1000, "from 1 to 1000")
        require("ways", ways, 2 <= ways <= 1000, "from 2 to 1000")
        self.name, self.max_steps = "CombinationLock", dials
        self.action_space = Discrete(ways, tuple(f"way {i}" for i in range(ways)))
        self.task_space = Box(
            (
                Dimension("dials", 1, dials, integer=True, description="length of the lock"),
                Dimension("rust", 0, 1, description="above 0.5, the lock never opens"),
            )
        )
        self.observation_space = {
            "dial": ArraySpace((), np.int32, low=0, high=dials, kind="category"),
        }
        self.right = np.random.default_rng(SECRET).integers(0, ways, dials + 1).astype(np.int32)

    @property
    def easy_space(self) -> TaskSpace:
        """Locks of one dial, without rust."""
        return self.task_space.restricted(dials=1, rust=0)

    @property
    def evaluation_tasks(self) -> dict[str, np.ndarray]:
        """The longest lock, and one of half its length."""
        most = self.max_steps
        return {
            "half": np.array([(most + 1) // 2, 0], np.float32),
            "whole": np.array([most, 0], np.float32),
        }

    def reset(self, key, tasks):
        tasks = self.task_space.clip(tasks)
        dials = jnp.round(tasks[:, 0]).astype(jnp.int32)
        state = LockState(jnp.zeros_like(dials), dials, tasks[:, 1] > JAMMED)
        return state, self._timestep(state, dials < 0, dials < 0)

    def step(self, key, state, actions):
        right = actions.astype(jnp.int32) == jnp.asarray(self.right)[state.position]
        position = state.position + right
        last = position >= state.dials
        opened = right & last & ~state.jammed
        state = state._replace(position=position.astype(jnp.int32))
        return state, self._timestep(state, opened, last | ~right)

    def render(self, state, index, tile_size: int = 16):
        """Draw the dials: set ones in green, others in gray, those of a jammed lock in red."""
        count, set_ = int(state.dials[index]), int(state.position[index])
        color = (190, 70, 60) if bool(state.jammed[index]) else (130, 135, 140)
        dials = np.full((1, self.max_steps, 3), 245, np.uint8)
        dials[0, :count] = color
        dials[0, :set_] = (70, 160, 90)
        return np.repeat(np.repeat(dials, tile_size, 0), tile_size, 1)

    def _timestep(
        self, state: LockState, opened: Bool[Array, " n"], ended: Bool[Array, " n"]
    ) -> Timestep:
        reward: Float[Array, " n"] = opened.astype(jnp.float32)
        return Timestep(
            observation={"dial": state.position},
            reward=reward,
            terminated=ended,
            truncated=jnp.zeros_like(ended),
            success=opened,
            labels=jnp.zeros((*reward.shape, 0), bool),
        )


register("CombinationLock", CombinationLock, "a chain of dials, whose long locks need a curriculum")
