"""From a wish to a reward: episodes at random are watched, told in words, and compared.

References:
    Klissarov et al., MaestroMotif: Skill Design from Artificial Intelligence Feedback, ICLR 2025
    (arXiv:2412.08542), section 3: a reward for each skill from preferences, and a policy trained
    by it.
"""

from typing import Any

import jax
import numpy as np
from jaxtyping import Bool

from didact.environments import Environment, Restart, SettingError
from didact.experiments.actors import student_actor
from didact.experiments.rollout import Runner, Step, new_worlds, play
from didact.experiments.task_sources import once
from didact.students import random_actions
from didact.students.skills.preferences import (
    Prefer,
    collect_preferences,
    describe_episode,
    fit_reward_model,
)
from didact.students.skills.rewards import RewardModel
from didact.students.skills.task_plans import Complete
from didact.teachers import language


def record_labels(
    environment: Environment, episodes: int, *, seed: int = 0, steps: int | None = None
) -> Bool[np.ndarray, "episodes steps p"]:
    """What held in episodes of random actions in random tasks; after an episode's end nothing does.

    Args:
        environment: with propositions.
        episodes: how many.
        seed: of all that is random.
        steps: of each episode at most; the environment's own limit if None.

    Raises:
        SettingError: the environment has no propositions, or a number has no meaning.
    """
    if not environment.propositions:
        raise SettingError("environment", environment.name, "one with propositions")
    steps = environment.max_steps if steps is None else steps
    for name, value in (("episodes", episodes), ("steps", steps)):
        if value < 1:
            raise SettingError(name, value, "at least 1")

    actor = student_actor(random_actions(environment.action_space))

    @jax.jit
    def run(key):
        task_key, level_key, key = jax.random.split(key, 3)
        tasks = environment.task_space.sample(task_key, episodes)
        take, queue = once(tasks, level_key, environment.restart_group_size)
        runner = Runner(environment, Restart(environment), actor, take)
        worlds = new_worlds(environment, actor, episodes)

        def record(step: Step):
            return step.seen.labels & step.playing[:, None]

        return play(runner, (), worlds, queue, key, steps, record)[-1]

    return np.moveaxis(np.asarray(run(jax.random.key(seed))), 0, 1)


def learn_reward(
    environment: Environment,
    prefer: Prefer,
    *,
    episodes: int = 500,
    pairs: int = 1000,
    steps: int | None = None,
    seed: int = 0,
) -> RewardModel:
    """A model of rewards under which preferred episodes have more; at most 1 for a step.

    Args:
        environment: with propositions.
        prefer: compares descriptions, see `preferences`.
        episodes, steps: see `record_labels`.
        pairs: of episodes to compare.
        seed: of all that is random.

    Raises:
        SettingError: see `record_labels`; or no two episodes differ, or nobody could tell any pair.
    """
    labels = record_labels(environment, episodes, seed=seed, steps=steps)
    texts = [describe_episode(row, environment.propositions) for row in labels]
    return fit_reward_model(
        labels, collect_preferences(texts, prefer, pairs, seed=seed), seed=seed
    ).scaled(labels)


def as_completion(complete: language.Complete) -> Complete:
    """A language model of `didact.teachers.language` as `planning` and `preferences` call it.

    A question that gets no answer counts as an empty one, which neither of them believes.
    """

    def ask(messages: list[dict[str, str]], schema: dict[str, Any]) -> str:
        try:
            return complete(messages, schema).text
        except language.ProposerError:
            return ""

    return ask
