"""A wrapper that labels steps with the optional propositions of an environment.

It is the setting `facts` of all environments that offer propositions:
`--env-settings facts=1 "formula=F(red_ball & X F blue_key)"`.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from didact.common.errors import SettingError
from didact.environments.base import Environment, Map, Timestep
from didact.environments.registry import register_wrapper_setting
from didact.environments.spaces import ArraySpace
from didact.environments.wrappers.wrapper import Wrapper

LABELS = "labels"


class WithPropositions(Wrapper[Any]):
    """An environment with all its propositions as labels; create it by `with_propositions`."""

    def __init__(self, environment: Environment[Any]):
        super().__init__(environment)
        found = environment.optional_propositions()
        if found is None:
            raise SettingError("environment", self.name, "one that offers propositions")
        self._more, self._own = found, environment.propositions
        self.propositions = (*self._own, *found.names)
        self.adjectives = (*environment.adjectives, *found.adjectives)
        self.proposition_instructions = {
            **environment.proposition_instructions,
            **found.instructions,
        }
        labels = ArraySpace((len(self.propositions),), np.bool_, 0, 1)
        self.observation_space = {**environment.observation_space, LABELS: labels}

    def reset(self, key: PRNGKeyArray, tasks: Float[Array, "n d"]) -> tuple[Any, Timestep]:
        state, seen = self.environment.reset(key, tasks)
        return state, self._labelled(state, seen)

    def step(self, key: PRNGKeyArray, state: Any, actions: Array) -> tuple[Any, Timestep]:
        state, seen = self.environment.step(key, state, actions)
        return state, self._labelled(state, seen)

    def optional_propositions(self) -> None:
        """Return None, because all propositions are labels already."""
        return None

    def map(self, state: Any, index: int) -> Map | None:
        """Return None, because propositions are known only where the agent is."""
        return None

    def _labelled(self, state: Any, seen: Timestep) -> Timestep:
        labels, rows = self._more.holds(state), self._more.rows(state)
        if self._own:
            labels, rows = (jnp.concatenate([seen.labels, x], 1) for x in (labels, rows))
        return seen._replace(labels=labels, observation={**seen.observation, LABELS: rows})


def with_propositions(environment: Environment[Any]) -> WithPropositions:
    """Label the steps of an environment with its optional propositions.

    The labels are also an observation, `labels`, bool[n, p].

    Raises:
        SettingError: the environment offers no propositions.
    """
    return WithPropositions(environment)


def _added(environment: Environment[Any], text: str) -> Environment[Any]:
    if str(text).lower() not in ("1", "true"):
        raise SettingError("facts", text, "1, or omitted")
    return with_propositions(environment)


register_wrapper_setting(
    "facts", _added, lambda environment: environment.optional_propositions() is not None
)
