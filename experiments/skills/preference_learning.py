"""Learn a reward model from preferences between described random episodes.

References:
    Klissarov et al., MaestroMotif: Skill Design from Artificial Intelligence Feedback, ICLR 2025
    (arXiv:2412.08542), section 3: a reward for each skill from preferences, and a policy trained
    by it.
"""

from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Int

from didact.environments import Environment, Restart, SettingError
from didact.experiments.actors import student_actor
from didact.experiments.rollout import Runner, Step, new_worlds, play
from didact.experiments.tasks.task_sources import once
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
    """Record the labels of episodes of random actions in random tasks.

    Args:
        environment: environment with propositions.
        episodes: number of episodes.
        seed: random seed.
        steps: maximum number of steps per episode; the environment's limit if None.

    Returns:
        The propositions that held after each step; all False after the end of an episode.

    Raises:
        SettingError: the environment has no propositions, or a number is invalid.
    """
    return _recorded(environment, episodes, seed, steps)[0]


def _recorded(
    environment: Environment, episodes: int, seed: int, steps: int | None
) -> tuple[Bool[np.ndarray, "episodes steps p"], Int[np.ndarray, " episodes"]]:
    """Return the labels of `record_labels`, and the lengths of the episodes."""
    if not environment.propositions:
        raise SettingError("environment", environment.name, "an environment with propositions")
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
            return step.seen.labels & step.playing[:, None], step.playing

        return play(runner, (), worlds, queue, key, steps, record)[-1]

    labels, playing = map(np.asarray, run(jax.random.key(seed)))
    return np.moveaxis(labels, 0, 1), playing.sum(axis=0)


def learn_reward(
    environment: Environment,
    prefer: Prefer,
    *,
    episodes: int = 500,
    pairs: int = 1000,
    steps: int | None = None,
    seed: int = 0,
) -> RewardModel:
    """Fit a reward model under which preferred episodes have a higher return.

    Rewards are scaled to at most 1 per step.

    Args:
        environment: environment with propositions.
        prefer: compares two descriptions, see `preferences`.
        episodes, steps: see `record_labels`.
        pairs: number of pairs of episodes to compare.
        seed: random seed.

    Raises:
        SettingError: see `record_labels`; also if no two episodes differ, or if `prefer` could not
            decide on any pair.
    """
    labels, lengths = _recorded(environment, episodes, seed, steps)
    texts = [
        describe_episode(row[:length], environment.propositions)
        for row, length in zip(labels, lengths, strict=True)
    ]
    return fit_reward_model(
        labels, collect_preferences(texts, prefer, pairs, seed=seed), seed=seed
    ).scaled(labels)


def as_completion(complete: language.Complete) -> Complete:
    """Adapt a language model of `didact.teachers.language` for `task_plans` and `preferences`.

    A failed request returns an empty reply, which both reject.
    """

    def ask(messages: list[dict[str, str]], schema: dict[str, Any]) -> str:
        try:
            return complete(messages, schema).text
        except language.ProposerError:
            return ""

    return ask
