"""Steps at random in a world of numbered places: what skills are learned from."""

import jax
import numpy as np

from didact.environments import Environment, Restart, SettingError
from didact.environments.base import PLACE
from didact.students.skills.tabular import Transitions


def number_of_places(environment: Environment) -> int:
    """How many places a world has.

    Raises:
        SettingError: its places are not numbered.
    """
    space = environment.observation_space.get(PLACE)
    if space is None or space.shape:
        allowed = f"one of numbered places, with observations of {PLACE!r}, such as Office"
        raise SettingError("--env", environment.name, allowed)
    return int(space.high) + 1


def explore(
    environment: Environment, steps: int, *, seed: int = 0, num_envs: int = 64
) -> Transitions:
    """What was seen in `steps` steps of random actions, in episodes of random tasks.

    Raises:
        SettingError: there are fewer steps than worlds, or places are not numbered.
    """
    number_of_places(environment)
    if steps < num_envs:
        raise SettingError("--steps", steps, f"at least {num_envs}, one for each world")
    restart = Restart(environment)
    space, n = environment.task_space, num_envs

    def one(carry, key):
        state, seen = carry
        keys = jax.random.split(key, 4)
        action = environment.action_space.sample(keys[0], n)
        before = seen.observation[PLACE]
        state, seen = environment.step(keys[1], state, action)
        row = before, action, seen.observation[PLACE], seen.labels, seen.terminated
        tasks = space.sample(keys[2], n)
        return restart(jax.random.split(keys[3], n), tasks, seen.done, state, seen), row

    @jax.jit
    def run(key):
        task_key, reset_key, key = jax.random.split(key, 3)
        start = environment.reset(reset_key, space.sample(task_key, n))
        return jax.lax.scan(one, start, jax.random.split(key, -(-steps // n)))[1]

    rows = jax.device_get(run(jax.random.key(seed)))
    return Transitions(*(np.asarray(x).reshape(-1, *x.shape[2:])[:steps] for x in rows))
