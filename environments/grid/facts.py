"""Facts of grid worlds that formulas can name: what an agent faces, and what it holds.

`facts` is a setting of every grid world, as in
`--env-settings facts=1 "formula=F(red_ball & X F blue_key)"`.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from didact.environments.array_spaces import ArraySpace
from didact.environments.base import Environment, Wrapper
from didact.environments.errors import SettingError
from didact.environments.grid import cells, rules
from didact.environments.grid.env import GridState, GridWorld
from didact.environments.registry import register_addition

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
        labels, told = facts(state, self.environment.width), _rows(state, self.environment.width)
        return seen._replace(labels=labels, observation={**seen.observation, LABELS: told})


def facts(state: GridState, width: int) -> Bool[Array, "n p"]:
    """Which of `PROPOSITIONS` hold in n worlds.

    Made column by column, so that where single ones are read, as by formulas, nothing is written
    and read again.
    """
    faced, held = _looks(state, width)
    columns = [faced == look for look in _known(FACED)] + [held == look for look in _known(HELD)]
    return jnp.stack(columns, 1)


def _rows(state: GridState, width: int) -> Bool[Array, "n p"]:
    """The same, in the way in which all of them are written fastest."""
    faced, held = _looks(state, width)
    return jnp.concatenate([_known(FACED)[:, None] == faced, _known(HELD)[:, None] == held]).T


def _looks(state: GridState, width: int) -> tuple[Array, Array]:
    """Kind and colour of what agents face and of what they hold; a door in any state is a door."""
    world = state.world
    front = rules.front_of(world.position, world.direction, width)
    ahead = jnp.take_along_axis(world.cells, front[:, None], 1, mode="clip")[:, 0]

    def look(things):
        kind = cells.kind_of(things)
        kind = jnp.where(cells.is_door(kind), cells.DOOR, kind)
        return cells.code(kind, cells.color_of(things))

    return look(ahead), look(world.carried)


def _known(looks: tuple[tuple[str, str], ...]) -> np.ndarray:
    codes = [cells.code(cells.TYPES[name], cells.COLORS.index(color)) for name, color in looks]
    return np.array(codes, np.uint8)


def with_facts(environment: GridWorld) -> WithFacts:
    """The grid world with `PROPOSITIONS` as labels, also in its observations."""
    return WithFacts(environment)


def _told(environment: Environment, text: str) -> Environment:
    if text not in ("1", "true"):
        raise SettingError("facts", text, "1, or left out")
    assert isinstance(environment, GridWorld)
    return with_facts(environment)


register_addition("facts", _told, lambda environment: isinstance(environment, GridWorld))
