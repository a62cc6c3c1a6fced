"""Measure a policy: success rate, return and episode length over whole episodes."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from didact.common.errors import SettingError
from didact.common.setting_types import Seed, value_of
from didact.environments import Environment
from didact.environments.base import name_of
from didact.environments.registry import ENVIRONMENTS
from didact.experiments import objects
from didact.experiments.config import Count
from didact.experiments.evaluation.evaluate import Results, evaluator, summary
from didact.experiments.evaluation.official import play_official
from didact.experiments.setup import make_environment, narrow_task_space
from didact.students import Policy, load_policy, random_actions
from didact.students.registry import hint

RANDOM = "random"  # policy name that selects random actions
Texts = Sequence[str] | Mapping[str, Any]


def evaluate(
    policy: str | os.PathLike[str] | Policy,
    env: str | Environment | None = None,
    *,
    episodes: int = 500,
    greedy: bool = False,
    tasks: Texts = (),
    env_settings: Texts = (),
    seed: int = 0,
    engine: str = "didact",
    official: bool = False,
) -> dict[str, Any]:
    """Evaluate a policy; the function behind `didact evaluate`.

    Args:
        policy: a policy, its name, a run folder or policy folder, or "random".
        env: environment to run in, or its name; defaults to the one the policy was trained in.
        episodes: number of episodes, each on a new level.
        greedy: take the most probable actions instead of sampling.
        tasks: restricts the task space, as in `{"rows": (1, 2)}` or `["rows=1..2"]`.
        env_settings: environment settings, as in `{"phrasing": "test"}` or `["phrasing=test"]`; if
            neither these nor `env` are given, the training settings are used.
        seed: random seed of levels and actions.
        engine: package that simulates the environment: "didact", "minigrid", "envpool" or
            "gymnasium".
        official: use the official implementation of the environment.

    Returns:
        `policy`, `environment`, `engine`, `actions`, and over the episodes `success` with its
        `success_standard_error`, `return`, `length` and `episodes`; if the environment has
        achievements, also `achievements`, the share of episodes with each, and their `score`.

    Raises:
        SettingError: a setting is invalid, or the policy cannot be found.
    """
    value_of("--episodes", episodes, Count)
    value_of("--seed", seed, Seed)
    tasks, env_settings = _texts("tasks", tasks), _texts("env_settings", env_settings)
    if isinstance(policy, Policy):
        label, loaded = policy.card.get("name", "policy"), policy
    else:
        label = os.fspath(policy)
        loaded = None if label == RANDOM else load_policy(label)
    name = name_of(env) if isinstance(env, Environment) else env
    name = name or (loaded.environment if loaded else "")
    elsewhere = "--official" if official else f"--engine {engine}"
    if official:
        if engine not in ("didact", "minigrid"):
            raise SettingError("--engine", engine, "omitted with --official")
        engine = "minigrid"
        counterpart = loaded.make_environment().official if loaded else None
        if counterpart is not None:
            engine, name = "gymnasium", name if env else counterpart.name
        elif loaded and "instruction" not in loaded.observation_space:
            if not env:
                allowed = f"given with --official: {loaded.environment} has no official counterpart"
                raise SettingError("--env", None, allowed)
            engine = "gymnasium"
    if loaded is None and engine != "didact":
        raise SettingError("policy", RANDOM, f"a trained policy with {elsewhere}")
    if loaded is None and not name:
        raise SettingError("--env", None, f"given with the policy {RANDOM}")
    if engine != "didact" and loaded is not None:
        for option, texts in (("--tasks", tasks), ("--env-settings", env_settings)):
            if texts:
                raise SettingError(option, texts, f"omitted with {elsewhere}")
        results = play_official(
            loaded, name, episodes=episodes, seed=seed, greedy=greedy, engine=engine
        )
    else:
        environment = environment_for(loaded, env, env_settings)
        results = _played(loaded, environment, episodes, greedy, tasks, seed)
    return {
        "policy": label,
        "environment": name,
        "engine": engine,
        "actions": "greedy" if greedy else "sampled",
        **{key: None if value != value else value for key, value in summary(results).items()},
    }


def environment_for(
    policy: Policy | None, env: str | Environment | None, texts: Sequence[str] = ()
) -> Environment:
    """Return the given environment, or else the policy's training environment.

    Args:
        policy: the policy; may be None if `env` is given.
        env: the environment or its name, or None.
        texts: environment settings as NAME=VALUE.

    Raises:
        SettingError: the environment or one of its settings is unknown.
    """
    if isinstance(env, Environment):
        if texts:
            raise SettingError("--env-settings", tuple(texts), "omitted with an environment object")
        return env
    if env is None:
        assert policy is not None
        env, texts = policy.environment, texts or policy.environment_settings
        if env not in ENVIRONMENTS and policy.card.get("imports"):
            raise SettingError("--env", env, f"registered{hint(policy.card)}")
    return make_environment(env, tuple(texts))


def _texts(name: str, values: Texts) -> tuple[str, ...]:
    return objects.texts(name, values) if isinstance(values, Mapping) else tuple(values)


def _played(
    policy: Policy | None,
    environment: Environment,
    episodes: int,
    greedy: bool,
    tasks: tuple[str, ...],
    seed: int,
) -> Results:
    """Play the episodes in didact's own environment, in batches of at most 1024."""
    if policy is None:
        student, state = random_actions(environment.action_space), ()
    else:
        policy.check(environment.observation_space, environment.action_space)
        student, state = policy.student, policy.state
    space = narrow_task_space(environment.task_space, tasks)
    key = jax.random.key(seed)
    play = jax.jit(evaluator(environment, student, greedy=greedy))
    parts, left = [], episodes
    while left > 0:
        key, task_key, play_key = jax.random.split(key, 3)
        n = min(left, 1024)
        parts.append(play(state, play_key, space.sample(task_key, n)))
        left -= n
    return jax.tree.map(lambda *x: np.concatenate(x), *parts)
