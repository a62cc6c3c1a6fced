"""Facts of grid worlds that formulas can name: what an agent faces, and what it holds.

`facts` is a setting of every grid world, as in
`--env-settings facts=1 "formula=F(red_ball & X F blue_key)"`.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from didact.environments.base import Environment, Wrapper
from didact.environments.errors import SettingError
from didact.environments.grid import cells, rules
from didact.environments.grid.env import GridState, GridWorld
from didact.environments.registry import register_addition
from didact.environments.spaces import ArraySpace

FACED = tuple((kind, color) for kind in cells.TYPES for color in cells.COLORS)
HELD = tuple((kind, color) for kind, color in FACED if kind != "door")
PROPOSITIONS = (
    *(f"{color}_{kind}" for kind, color in FACED),
    *(f"holding_{color}_{kind}" for kind, color in HELD),
)
LABELS = "labels"


class WithFacts(Wrapper[GridState]):
    """A grid world that tells what its agents face and hold; made by `with_facts`."""

    environment: GridWorld

    def __init__(self, environment: GridWorld):
        super().__init__(environment)
        self.propositions = PROPOSITIONS
        told = ArraySpace((len(PROPOSITIONS),), np.bool_, 0, 1)
        self.observation_space = {**environment.observation_space, LABELS: told}

    def reset(self, key, tasks):
        state, seen = self.environment.reset(key, tasks)
        return state, self._told(state, seen)

    def step(self, key, state, actions):
        state, seen = self.environment.step(key, state, actions)
        return state, self._told(state, seen)

    def _told(self, state, seen):
        labels = facts(state, self.environment.width)
        return seen._replace(labels=labels, observation={**seen.observation, LABELS: labels})


def facts(state: GridState, width: int) -> Bool[Array, "n p"]:
    """Which of `PROPOSITIONS` hold in n worlds."""
    world = state.world
    front = rules.front_of(world.position, world.direction, width)
    ahead = jnp.take_along_axis(world.cells, front[:, None], 1, mode="clip")[:, 0]
    return jnp.concatenate([_is(ahead, FACED).T, _is(world.carried, HELD).T]).T


def _is(things: Array, looks: tuple[tuple[str, str], ...]) -> Bool[Array, "n l"]:
    """Which kind and colour things have; a door in any state is a door.

    Compared along the worlds, which is faster than along the looks.
    """
    kind = cells.kind_of(things)
    kind = jnp.where(cells.is_door(kind), cells.DOOR, kind)
    there = cells.code(kind, cells.color_of(things))
    known = [cells.code(cells.TYPES[name], cells.COLORS.index(color)) for name, color in looks]
    return (np.array(known, np.uint8)[:, None] == there).T


def with_facts(environment: GridWorld) -> WithFacts:
    """The grid world with `PROPOSITIONS` as labels, also in its observations."""
    return WithFacts(environment)


def _told(environment: Environment, text: str) -> Environment:
    if text not in ("1", "true"):
        raise SettingError("facts", text, "1, or left out")
    assert isinstance(environment, GridWorld)
    return with_facts(environment)


register_addition("facts", _told, lambda environment: isinstance(environment, GridWorld))
