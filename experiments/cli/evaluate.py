"""Evaluate a policy: success rate, return and episode length."""

import dataclasses
from typing import Any, Literal

import tyro

from didact.common import strict_json
from didact.experiments.cli._options import RANDOM, Acting


@dataclasses.dataclass(frozen=True)
class Options(Acting):
    policy: tyro.conf.Positional[str]
    """policy name, run folder or policy folder; or `random` for random actions"""
    episodes: int = 500
    """number of episodes, each on a new level"""
    engine: Literal["didact", "minigrid", "envpool", "gymnasium"] = "didact"
    """package that simulates the environment"""
    official: bool = False
    """use the official implementation of the environment: gymnasium's if it has a counterpart of
    the policy's environment, minigrid's otherwise"""


def run(options: Options) -> None:
    """Evaluate a policy and print the result.

    Raises:
        SettingError: an option is invalid, or the policy cannot be found.
    """
    from didact.common import display

    result = evaluated(options)
    if options.json:
        return print(strict_json.dumps(result, indent=1))
    success = (
        f"{result['success']:.1%} success "
        f"(±{result['success_standard_error']:.1%} standard error, {result['episodes']} episodes), "
        if result["success"] is not None
        else f"{result['episodes']} episodes, "
    )
    return display.console().print(
        f"{result['environment']} in {result['engine']}, {result['actions']} actions: {success}"
        f"return {result['return']:.3f}, {result['length']:.1f} steps",
        highlight=False,
        soft_wrap=True,
    )


def evaluated(options: Options) -> dict[str, Any]:
    """Evaluate a policy and return the result as a dictionary."""
    from didact.common.errors import SettingError
    from didact.experiments.evaluation.evaluate import summary
    from didact.experiments.evaluation.official import play_official
    from didact.students import load_policy

    options.check(options.episodes)
    policy = None if options.policy == RANDOM else load_policy(options.policy)
    name = options.env or (policy.environment if policy else "")
    engine = options.engine
    elsewhere = "--official" if options.official else f"--engine {engine}"
    if options.official:
        if options.engine not in ("didact", "minigrid"):
            raise SettingError("--engine", options.engine, "omitted with --official")
        engine = "minigrid"
        counterpart = policy.make_environment().official if policy else None
        if counterpart is not None:
            engine, name = "gymnasium", options.env or counterpart.name
    if policy is None and engine != "didact":
        raise SettingError("policy", RANDOM, f"a trained policy with {elsewhere}")
    if policy is None and not name:
        raise SettingError("--env", None, f"given with the policy {RANDOM}")
    if engine != "didact" and policy is not None:
        for option, texts in (("--tasks", options.tasks), ("--env-settings", options.env_settings)):
            if texts:
                raise SettingError(option, texts, f"omitted with {elsewhere}")
        results = play_official(
            policy,
            name,
            episodes=options.episodes,
            seed=options.seed,
            greedy=options.greedy,
            engine=engine,
        )
    else:
        results = _played(options, policy)
    return {
        "policy": options.policy,
        "environment": name,
        "engine": engine,
        "actions": "greedy" if options.greedy else "sampled",
        **{key: None if value != value else value for key, value in summary(results).items()},
    }


def _played(options: Options, policy: Any) -> Any:
    """Play the episodes in didact's own environment, in batches of at most 1024."""
    import jax
    import numpy as np

    from didact.experiments.evaluation.evaluate import Results, evaluator
    from didact.experiments.setup import narrow_task_space
    from didact.students import random_actions

    environment = options.environment(policy)
    if policy is None:
        student, state = random_actions(environment.action_space), ()
    else:
        policy.check(environment.observation_space, environment.action_space)
        student, state = policy.student, policy.state
    space = narrow_task_space(environment.task_space, options.tasks)
    key = jax.random.key(options.seed)
    play = jax.jit(evaluator(environment, student, greedy=options.greedy))
    parts, left = [], options.episodes
    while left > 0:
        key, task_key, play_key = jax.random.split(key, 3)
        n = min(left, 1024)
        parts.append(play(state, play_key, space.sample(task_key, n)))
        left -= n
    return Results(*(np.concatenate(x) for x in zip(*parts, strict=True)))
