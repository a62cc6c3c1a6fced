"""Options that several commands have."""

import dataclasses
from typing import Any

import tyro

from didact.experiments.option_types import Imports

RANDOM = "random"  # in the place of a policy: random actions


@dataclasses.dataclass(frozen=True, kw_only=True)
class Importing:
    """Code of the user's own, of commands that look up names."""

    imports: Imports = ()
    """code that registers environments, teachers or students of your own: a module or a .py file"""


@dataclasses.dataclass(frozen=True)
class Acting(Importing):
    """What a policy plays, and how."""

    policy: tyro.conf.Positional[str]
    """the name of a policy (`didact list policies`), a run folder or a policy folder"""
    env: str | None = None
    """environment; the one it was trained in if not given"""
    env_settings: tuple[str, ...] = ()
    """settings of --env: NAME=VALUE, as in phrasing=test; those of training if both are left out"""
    greedy: bool = False
    """take the most probable action instead of sampling"""
    tasks: tuple[str, ...] = ()
    """narrow the task space: NAME=VALUE or NAME=LOW..HIGH"""
    seed: int = 0
    """of levels and actions"""
    json: bool = False
    """print the result as JSON"""

    def check(self, episodes: int) -> None:
        """Raises a SettingError if a number is out of its bounds."""
        from didact.common.setting_types import Seed, value_of
        from didact.experiments.config import Count

        value_of("--episodes", episodes, Count)
        value_of("--seed", self.seed, Seed)

    def environment(self, policy: Any) -> Any:
        """The environment that is asked for, or the one that the policy was trained in.

        Raises:
            SettingError: it is not registered, or has no such setting.
        """
        from didact.environments import SettingError
        from didact.environments.registry import ENVIRONMENTS
        from didact.experiments.setup import make_environment
        from didact.students.registry import hint

        texts = self.env_settings
        if self.env is None:
            name, texts = policy.environment, texts or policy.environment_settings
            if name not in ENVIRONMENTS and policy.card.get("imports"):
                raise SettingError("--env", name, f"registered{hint(policy.card)}")
        return make_environment(self.env or policy.environment, tuple(texts))
