"""Options shared by several commands."""

import dataclasses
from typing import Any

import tyro

from didact.common.setting_types import Seed
from didact.experiments.option_types import Imports


@dataclasses.dataclass(frozen=True, kw_only=True)
class Importing:
    """Base of commands that look up registered names."""

    imports: Imports = ()
    """module or .py file that registers your own environments, teachers or students"""


@dataclasses.dataclass(frozen=True)
class Acting(Importing):
    """Options of commands that run a policy in an environment."""

    policy: tyro.conf.Positional[str]
    """policy name (see `didact list policies`), run folder or policy folder"""
    env: str | None = None
    """environment to run in; defaults to the one the policy was trained in"""
    env_settings: tuple[str, ...] = ()
    """environment settings as NAME=VALUE, such as phrasing=test; if neither --env nor
    --env-settings is given, the training settings are used"""
    greedy: bool = False
    """take the most probable actions instead of sampling"""
    tasks: tuple[str, ...] = ()
    """restrict the task space: NAME=VALUE or NAME=LOW..HIGH"""
    seed: Seed = 0
    """random seed of levels and actions"""
    json: bool = False
    """print the result as JSON"""

    def check(self, episodes: int) -> None:
        """Raise a `SettingError` if `episodes` or the seed is out of range."""
        from didact.common.setting_types import value_of
        from didact.experiments.config import Count

        value_of("--episodes", episodes, Count)
        value_of("--seed", self.seed, Seed)

    def environment(self, policy: Any) -> Any:
        """Make the environment given by the options, or else the policy's training environment.

        Raises:
            SettingError: the environment or one of its settings is unknown.
        """
        from didact.experiments.evaluation.measure import environment_for

        return environment_for(policy, self.env, self.env_settings)
