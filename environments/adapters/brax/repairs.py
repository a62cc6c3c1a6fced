"""Compatibility fixes for brax, which is no longer developed, with newer versions of jax."""

import importlib
import inspect
from typing import Any

import jax.numpy as jnp


class _OlderNumpy:
    """`jax.numpy` with a `clip` that accepts the old names of its bounds."""

    def __getattr__(self, name: str) -> Any:
        return getattr(jnp, name)

    @staticmethod
    def clip(x: Any, a_min: Any = None, a_max: Any = None) -> Any:
        return jnp.clip(x, a_min, a_max)


def repair() -> None:
    """Make fluid drag, which the swimmer needs, work with jax 0.10.

    brax 0.14.2 calls `jnp.clip(..., a_min=...)`, which jax 0.10 no longer accepts. With older
    versions of jax this does nothing.
    """
    fluid: Any = importlib.import_module("brax.fluid")
    if "a_min" not in inspect.signature(jnp.clip).parameters:
        fluid.jp = _OlderNumpy()
