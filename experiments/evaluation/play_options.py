"""Options of the command `didact play`. This module does not import JAX."""

import dataclasses

import tyro

from didact.common.setting_types import Seed


@dataclasses.dataclass(frozen=True)
class Play:
    """Play an environment with the keyboard, in the terminal."""

    env: tyro.conf.Positional[str]
    """environment that renders as text, such as a grid world, or a biped; see `didact list envs`"""
    env_settings: tuple[str, ...] = ()
    """environment settings as NAME=VALUE, such as phrasing=train done_action=true"""
    tasks: tuple[str, ...] = ()
    """restrict the task space: NAME=VALUE or NAME=LOW..HIGH"""
    seed: Seed = 0
    """random seed of the levels"""
