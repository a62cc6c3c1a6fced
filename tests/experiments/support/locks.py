"""A toy with a frontier and with corners in which nobody can succeed."""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from didact.environments import ArraySpace, Box, Dimension, Discrete, Environment, Timestep

LONGEST, BUTTONS = 6, 4
CODE = np.array([2, 0, 3, 1, 1, 2])


class State(NamedTuple):
    tasks: Any  # [n, 2]
    pressed: Any  # int32[n], right buttons so far


def length(tasks):
    """How many buttons a task asks for, from 1 to 6: it grows with the height."""
    return np.minimum(np.floor(LONGEST * tasks[:, 1]), LONGEST - 1).astype(int) + 1


def hopeless(tasks):
    """Whether a task lies in one of the two upper corners, where the last button never works."""
    return (tasks[:, 1] > 0.7) & (np.abs(tasks[:, 0] - 0.5) > 0.2)


class Locks(Environment[State]):
    """Press the right buttons one after another; a wrong one ends the episode. 1 for all of them.

    All tasks share one code, so that a student can learn the next button only after those before.
    """

    name = "Locks"
    task_space = Box((Dimension("side", 0, 1), Dimension("height", 0, 1)))
    action_space = Discrete(BUTTONS)
    observation_space: ClassVar = {"step": ArraySpace((LONGEST,), np.float32, 0, 1)}
    max_steps = LONGEST

    def reset(self, key, tasks):
        n = tasks.shape[0]
        state = State(tasks, jnp.zeros(n, jnp.int32))
        return state, self.see(state, jnp.zeros(n, bool), jnp.zeros(n, bool))

    def step(self, key, state, actions):
        tasks = state.tasks
        needed = jnp.minimum(jnp.floor(LONGEST * tasks[:, 1]), LONGEST - 1).astype(jnp.int32) + 1
        stuck = (tasks[:, 1] > 0.7) & (jnp.abs(tasks[:, 0] - 0.5) > 0.2)
        pressed = state.pressed + 1
        right = actions == jnp.asarray(CODE)[jnp.minimum(state.pressed, LONGEST - 1)]
        right &= ~(stuck & (pressed == needed))
        solved = right & (pressed == needed)
        state = State(tasks, pressed)
        return state, self.see(state, solved | ~right, solved)

    def see(self, state, over, solved):
        n = over.shape[0]
        return Timestep(
            {"step": jax.nn.one_hot(state.pressed, LONGEST)},
            solved.astype(jnp.float32),
            over,
            jnp.zeros(n, bool),
            solved,
            jnp.zeros((n, 0), bool),
        )
