"""Random exploration of environments with numbered places, as data for learning skills."""

import jax
import numpy as np

from didact.environments import Environment, Restart, SettingError
from didact.environments.base import PLACE
from didact.environments.wrappers import WithoutGoal
from didact.experiments.actors import student_actor
from didact.experiments.rollout import Runner, Step, new_worlds, play
from didact.experiments.tasks.task_sources import random_tasks
from didact.students import random_actions
from didact.students.skills.tabular import Transitions


def number_of_places(environment: Environment) -> int:
    """Return the number of places of an environment.

    Raises:
        SettingError: the environment's places are not numbered.
    """
    space = environment.observation_space.get(PLACE)
    if space is None or space.shape:
        allowed = f"an environment with numbered places (observation {PLACE!r}), such as Office"
        raise SettingError("--env", environment.name, allowed)
    return int(space.high) + 1


def explore(
    environment: Environment, steps: int, *, seed: int = 0, num_envs: int = 64
) -> Transitions:
    """Collect `steps` transitions of random actions, in episodes of random tasks.

    Episodes go on after a success of the environment's own task, as they do with a formula.

    Raises:
        SettingError: there are fewer steps than environments, or places are not numbered.
    """
    number_of_places(environment)
    if steps < num_envs:
        raise SettingError("--steps", steps, f"at least {num_envs}, one for each environment")
    environment = WithoutGoal(environment)
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
