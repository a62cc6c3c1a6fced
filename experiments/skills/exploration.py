"""Steps at random in a world of numbered places: what skills are learned from."""

import jax
import numpy as np

from didact.environments import Environment, Restart, SettingError
from didact.environments.base import PLACE
from didact.experiments.actors import student_actor
from didact.experiments.rollout import Runner, Step, new_worlds, play
from didact.experiments.task_sources import random_tasks
from didact.students import random_actions
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
    actor = student_actor(random_actions(environment.action_space))
    take, queue = random_tasks(environment.task_space)
    runner = Runner(environment, Restart(environment), actor, take)

    def record(step: Step):
        before, seen = step.worlds.observation[PLACE], step.seen
        return before, step.action, seen.observation[PLACE], seen.labels, seen.terminated

    @jax.jit
    def run(key):
        worlds = new_worlds(environment, actor, num_envs)
        return play(runner, (), worlds, queue, key, -(-steps // num_envs), record)[-1]

    rows = jax.device_get(run(jax.random.key(seed)))
    return Transitions(*(np.asarray(x).reshape(-1, *x.shape[2:])[:steps] for x in rows))
