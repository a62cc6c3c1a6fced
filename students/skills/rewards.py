"""Models of rewards: what each label of an environment is worth, and worlds that pay it.

A model is one JSON file of plain numbers, so that a reward can be looked at, given away, and named
where settings are told in words: `didact train --env-settings rewards=FILE`.
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

from didact.environments import Environment, SettingError, Wrapper
from didact.environments.registry import register_wrapper_setting
from didact.students.skills.json_files import write_json

FORMAT = 1
MAX_SIZE = 1 << 22  # bytes of a file


class RewardModel(NamedTuple):
    """What each label is worth: a network with one hidden layer.

    Attributes:
        params: of the network.
        hidden: its width.
        scale: what its values are multiplied by.
    """

    params: Any
    hidden: int
    scale: float = 1.0

    def __call__(self, labels: Bool[Array, "*n p"]) -> Float[Array, "*n"]:
        """The rewards of labels; where nothing holds it is 0."""
        network = _Network(self.hidden)
        apply: Any = network.apply
        nothing = jnp.zeros(labels.shape[-1])
        worth = apply(self.params, labels.astype(jnp.float32)) - apply(self.params, nothing)
        return self.scale * worth

    def scaled(self, labels: Bool[np.ndarray, "*n p"]) -> "RewardModel":
        """The model by which none of these labels is worth more than 1, or less than -1.

        Only the ratio of rewards follows from preferences; students learn best from such sizes.
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
    """A model of random weights."""
    params = _Network(hidden).init(jax.random.key(seed), jnp.zeros(propositions))
    return RewardModel(params, hidden)


def save_rewards(
    model: RewardModel, propositions: tuple[str, ...], path: str | os.PathLike[str]
) -> Path:
    """Writes a model as JSON; it appears whole or not at all.

    Args:
        model: what to write.
        propositions: what the labels mean that it was fitted to.
        path: the file.

    Raises:
        SettingError: the file cannot be written.
    """
    layers = jax.tree.map(lambda x: np.asarray(x, np.float64).tolist(), model.params["params"])
    told = {
        "format": FORMAT,
        "propositions": list(propositions),
        "scale": model.scale,
        "layers": layers,
    }
    return write_json("rewards", path, told)


def load_rewards(path: str | os.PathLike[str], propositions: tuple[str, ...]) -> RewardModel:
    """Reads what `save_rewards` wrote.

    Args:
        path: the file.
        propositions: what labels mean where rewards are paid.

    Raises:
        SettingError: the file is missing or damaged, or is for other propositions.
    """
    path = Path(path)

    def wrong(allowed: str) -> SettingError:
        return SettingError("rewards", str(path), allowed)

    try:
        if path.stat().st_size > MAX_SIZE:
            raise wrong(f"a file of at most {MAX_SIZE} bytes")
        told: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, SettingError):
            raise
        why = (getattr(error, "strerror", None) or str(error)).splitlines()[0]
        raise wrong(f"a model of rewards in JSON ({why})") from None
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise wrong(f"a model of rewards of format {FORMAT}")
    if told.get("propositions") != list(propositions):
        raise wrong("a model for the propositions " + ", ".join(propositions))
    try:
        layers, scale = told["layers"], float(told["scale"])
        hidden = len(layers["seen"]["bias"])
        kinds = jax.eval_shape(
            lambda: initial_reward_model(hidden, len(propositions)).params["params"]
        )
        rows = {
            layer: {name: np.asarray(layers[layer][name], np.float32) for name in kinds[layer]}
            for layer in kinds
        }
    except (KeyError, TypeError, ValueError, OverflowError):
        raise wrong("a model of rewards with all its layers") from None
    fits = jax.tree.map(lambda kind, row: kind.shape == row.shape, kinds, rows)
    finite = np.isfinite(scale) and all(np.isfinite(row).all() for row in jax.tree.leaves(rows))
    if not hidden or not all(jax.tree.leaves(fits)) or not finite:
        raise wrong("a model of rewards with finite numbers, as many as its layers have")
    return RewardModel({"params": jax.tree.map(jnp.asarray, rows)}, hidden, scale)


class WithRewardModel(Wrapper[Any]):
    """An environment that pays what a model of rewards says of the labels of each step.

    Args:
        environment: with propositions.
        model: fitted to labels of these.
    """

    def __init__(self, environment: Environment, model: RewardModel):
        super().__init__(environment)
        self.model = model

    def reset(self, key, tasks):
        return self.environment.reset(key, tasks)

    def step(self, key, state, actions):
        state, seen = self.environment.step(key, state, actions)
        return state, seen._replace(reward=self.model(seen.labels))


def _told(environment: Environment, text: str) -> Environment:
    return WithRewardModel(environment, load_rewards(text, environment.propositions))


register_wrapper_setting("rewards", _told, lambda environment: bool(environment.propositions))
