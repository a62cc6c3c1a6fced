"""Evaluate a policy: success rate, return and episode length."""

import dataclasses
from typing import Any, Literal

import tyro

from didact.common import strict_json
from didact.experiments.cli._options import Acting
from didact.experiments.config import Count


@dataclasses.dataclass(frozen=True)
class Options(Acting):
    policy: tyro.conf.Positional[str]
    """policy name, run folder or policy folder; or `random` for random actions"""
    episodes: Count = 500
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
    display.console().print(
        f"{result['environment']} in {result['engine']}, {result['actions']} actions: {success}"
        f"return {result['return']:.3f}, {result['length']:.1f} steps",
        highlight=False,
        soft_wrap=True,
    )
    if "achievements" in result:
        display.console().print(_achievements(result))


def _achievements(result: dict[str, Any]) -> Any:
    """Return the rates of achievements and their score as a table."""
    from rich.table import Table

    table = Table("achievement", "episodes", caption=f"score {result['score']:.1f}")
    for name, rate in sorted(result["achievements"].items(), key=lambda pair: -pair[1]):
        table.add_row(name.replace("_", " "), f"{rate:.1%}")
    return table


def evaluated(options: Options) -> dict[str, Any]:
    """Evaluate a policy and return the result as a dictionary."""
    from didact.experiments.evaluation.measure import evaluate

    return evaluate(
        options.policy,
        options.env,
        episodes=options.episodes,
        greedy=options.greedy,
        tasks=options.tasks,
        env_settings=options.env_settings,
        seed=options.seed,
        engine=options.engine,
        official=options.official,
    )
