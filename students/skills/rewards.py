"""Reward models over an environment's labels, and a wrapper that pays their rewards.

A model is stored as a JSON file of plain numbers, so that it can be inspected, shared, and used as
an environment setting: `didact train --env-settings rewards=FILE`.
"""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from didact.common.foreign_files import read_bytes, reason
from didact.environments import Environment, SettingError
from didact.environments.registry import register_wrapper_setting
from didact.environments.wrappers import WithOtherGoal
from didact.students.skills.json_files import write_json

FORMAT = 1
MAX_SIZE = 1 << 22  # maximum bytes of a file


class RewardModel(NamedTuple):
    """A reward function of labels: a network with one hidden layer.

    Attributes:
        params: parameters of the network.
        hidden: width of the hidden layer.
        scale: factor of the rewards.
    """

    params: Any
    hidden: int
    scale: float = 1.0

    def __call__(self, labels: Bool[Array, "*n p"]) -> Float[Array, "*n"]:
        """Return the rewards of labels; without true propositions, the reward is 0."""
        network = _Network(self.hidden)
        apply: Any = network.apply
        nothing = jnp.zeros(labels.shape[-1])
        worth = apply(self.params, labels.astype(jnp.float32)) - apply(self.params, nothing)
        return self.scale * worth

    def scaled(self, labels: Bool[np.ndarray, "*n p"]) -> "RewardModel":
        """Return the model rescaled so that the rewards of these labels lie in [-1, 1].

        Preferences determine rewards only up to scale, and students learn best at this scale.
        """
        most = float(jnp.max(jnp.abs(self(jnp.asarray(labels)))))
        return self._replace(scale=self.scale / most) if most > 0 else self


class _Network(nn.Module):
    hidden: int

    @nn.compact
    def __call__(self, labels: Float[Array, "*n p"]) -> Float[Array, "*n"]:
        seen = nn.tanh(nn.Dense(self.hidden, name="seen")(labels))
        return nn.Dense(1, name="worth")(seen)[..., 0]


def initial_reward_model(hidden: int, propositions: int, seed: int = 0) -> RewardModel:
    """Make a model with random weights."""
    params = _Network(hidden).init(jax.random.key(seed), jnp.zeros(propositions))
    return RewardModel(params, hidden)


def save_rewards(
    model: RewardModel, propositions: tuple[str, ...], path: str | os.PathLike[str]
) -> Path:
    """Write a model atomically as JSON.

    Args:
        model: the model.
        propositions: the names of the propositions in the labels that it was fitted to.
        path: the file.

    Returns:
        The path of the file.

    Raises:
        SettingError: the file cannot be written.
    """
    layers = jax.tree.map(lambda x: np.asarray(x, np.float64).tolist(), model.params["params"])
    content = {
        "format": FORMAT,
        "propositions": list(propositions),
        "scale": model.scale,
        "layers": layers,
    }
    return write_json("rewards", path, content)


def load_rewards(path: str | os.PathLike[str], propositions: tuple[str, ...]) -> RewardModel:
    """Load a model written by `save_rewards`.

    Args:
        path: the file.
        propositions: the names of the propositions in the environment's labels.

    Raises:
        SettingError: the file is missing or invalid, or the model is for other propositions.
    """
    path = Path(path)

    def wrong(allowed: str) -> SettingError:
        return SettingError("rewards", str(path), allowed)

    try:
        content: Any = json.loads(read_bytes(path, MAX_SIZE).decode())
    except (OSError, ValueError, RecursionError) as error:
        raise wrong(f"a reward model in JSON ({reason(error)})") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise wrong(f"a reward model of format {FORMAT}")
    if content.get("propositions") != list(propositions):
        raise wrong("a reward model for the propositions " + ", ".join(propositions))
    try:
        layers, scale = content["layers"], float(content["scale"])
        hidden = len(layers["seen"]["bias"])
        kinds = jax.eval_shape(
            lambda: initial_reward_model(hidden, len(propositions)).params["params"]
        )
        rows = {
            layer: {name: np.asarray(layers[layer][name], np.float32) for name in kinds[layer]}
            for layer in kinds
        }
    except (KeyError, TypeError, ValueError, OverflowError):
        raise wrong("a reward model with all its layers") from None
    fits = jax.tree.map(lambda kind, row: kind.shape == row.shape, kinds, rows)
    finite = np.isfinite(scale) and all(np.isfinite(row).all() for row in jax.tree.leaves(rows))
    if not hidden or not all(jax.tree.leaves(fits)) or not finite:
        raise wrong("a reward model whose layers have finite numbers and matching shapes")
    return RewardModel({"params": jax.tree.map(jnp.asarray, rows)}, hidden, scale)


class WithRewardModel(WithOtherGoal[Any]):
    """An environment whose rewards are those of a reward model, between -1 and 1.

    Args:
        environment: an environment with propositions.
        model: a reward model of its labels.
    """

    def __init__(self, environment: Environment, model: RewardModel):
        super().__init__(environment, "rewards", "a model")
        self.model = model
        most = float(self.max_steps)  # rewards are clipped to -1 and 1
        self.return_range = (-most, most)

    def reset(self, key, tasks):
        return self.environment.reset(key, tasks)

    def step(self, key, state, actions):
        state, seen = self.environment.step(key, state, actions)
        return state, seen._replace(reward=jnp.clip(self.model(seen.labels), -1, 1))


def _from_text(environment: Environment, text: str) -> Environment:
    return WithRewardModel(environment, load_rewards(text, environment.propositions))


register_wrapper_setting("rewards", _from_text, lambda environment: bool(environment.propositions))
