"""Office World: rooms with named places for temporal-logic formulas, for composing skills.

References:
    Toro Icarte, Klassen, Valenzano and McIlraith, Using Reward Machines for High-Level Task
    Specification and Decomposition in Reinforcement Learning, ICML 2018: the map and its places.
    Nangue Tasse et al., Skill Machines, ICLR 2024 (arXiv:2205.12532): walls that occupy cells.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32

from didact.common.errors import SettingError
from didact.environments.base import PLACE, Environment, Map, Timestep
from didact.environments.grid import cells
from didact.environments.registry import register
from didact.environments.spaces import ArraySpace, Discrete
from didact.environments.task_spaces import Box, Dimension

# Twelve rooms; c coffee, m mail, o the office, * decorations, and the places A, B, C and D.
MAP = """
#################
#...#...#...#...#
#.B...*...*...C.#
#...#c..#...#...#
##.###.###.###.##
#...#...#...#...#
#.*.#.o.#.m.#.*.#
#...#...#...#...#
##.###########.##
#...#...#..c#...#
#.A...*...*...D.#
#...#...#...#...#
#################
"""
PROPOSITIONS = ("coffee", "mail", "office", "decoration", "A", "B", "C", "D")
SIGNS = dict(zip("cmo*ABCD", PROPOSITIONS, strict=True))
# The appearance of the places, as MiniGrid objects.
APPEARANCES = {
    "coffee": cells.code(cells.BALL, cells.YELLOW),
    "mail": cells.code(cells.KEY, cells.BLUE),
    "office": cells.code(cells.GOAL, cells.GREEN),
    "decoration": cells.code(cells.LAVA, cells.RED),
    "A": cells.code(cells.FLOOR, cells.RED),
    "B": cells.code(cells.FLOOR, cells.BLUE),
    "C": cells.code(cells.FLOOR, cells.PURPLE),
    "D": cells.code(cells.FLOOR, cells.YELLOW),
}
MOVES = ("right", "down", "left", "up")  # in MiniGrid's order of directions
VIEW = 7


class OfficeState(NamedTuple):
    """n agents in the office."""

    place: Int32[Array, " n"]  # row * width + column
    direction: Int32[Array, " n"]  # of the last move
    steps: Int32[Array, " n"]  # taken so far


class Office(Environment[OfficeState]):
    """A static map of rooms, in which an agent moves in four directions.

    There is no reward and no success: a formula over `propositions`, the places where the agent is,
    defines the goal. A task is the free cell where the agent starts.

    Observations: `place`, int32[n], the number of the agent's cell; `image`, uint8[n, 7, 7], the
    packed cells around it; `labels`, bool[n, 8], the propositions that hold.

    Attributes:
        places: bool[cells, 8], the propositions that hold in each cell.
        moves: int32[cells, 4], the cell that each move leads to.
        free: int32[k], the cells without walls.

    Args:
        map: rows of equal length, enclosed by walls (#); for the other characters see `SIGNS`.
        max_steps: the length of an episode.

    Raises:
        SettingError: the map is not enclosed by walls, or has an unknown character or no free cell.
    """

    propositions = PROPOSITIONS
    action_space = Discrete(len(MOVES), MOVES)

    def __init__(self, map: str = MAP, max_steps: int = 200):
        if max_steps < 1:
            raise SettingError("max_steps", max_steps, "at least 1")
        self.name, self.max_steps = "Office", max_steps
        signs = _signs(map)
        self.height, self.width = signs.shape
        free = np.flatnonzero(signs.ravel() != "#")
        self.free = free.astype(np.int32)
        named = [signs.ravel() == sign for sign in SIGNS]
        self.places = np.stack(named, 1)  # bool[cells, propositions]
        looks = np.where(signs == "#", cells.GREY_WALL, cells.EMPTY).astype(np.uint8)
        for sign, name in SIGNS.items():
            looks[signs == sign] = APPEARANCES[name]
        self.cells = looks
        margin = VIEW // 2
        self._around = jnp.asarray(np.pad(looks, margin, constant_values=cells.UNSEEN))
        # The cell after a move from each cell in each direction; walls stop it.
        here = np.arange(signs.size)[:, None]
        after = here + np.array([1, self.width, -1, -self.width])
        after = np.where(np.isin(after, free), after, here)
        self.moves = after.astype(np.int32)  # [cells, actions]
        self.task_space = Box(
            (
                Dimension(
                    "start", 0, len(free) - 1, integer=True,
                    description="the free cell where the agent starts, in reading order",
                ),
            )
        )  # fmt: skip
        self.observation_space = {
            PLACE: ArraySpace((), np.int32, 0, signs.size - 1, kind="hidden"),
            "image": cells.view_space((VIEW, VIEW)),
            "labels": ArraySpace((len(PROPOSITIONS),), np.bool_, 0, 1),
        }

    def reset(self, key, tasks):
        start = self.task_space.clip(tasks)[:, 0].astype(jnp.int32)
        none = jnp.zeros(tasks.shape[0], jnp.int32)
        state = OfficeState(jnp.asarray(self.free)[start], none, none)
        return state, self._timestep(state)

    def step(self, key, state, actions):
        direction = self.action_space.clip(actions).astype(jnp.int32)
        place = jnp.asarray(self.moves)[state.place, direction]
        state = OfficeState(place, direction, state.steps + 1)
        return state, self._timestep(state)

    def render(self, state, index, tile_size: int = 32):
        """Draw the office from above, uint8[height, width, 3]."""
        from didact.environments.grid.rendering.rgb import draw

        place = int(state.place[index])
        position = place % self.width, place // self.width
        symbols = cells.unpack(self.cells.T)
        return draw(symbols, position, int(state.direction[index]), tile_size=tile_size)

    def map(self, state, index):
        places = jnp.arange(len(self.places), dtype=jnp.int32)
        none = jnp.zeros_like(places)
        seen = self._timestep(OfficeState(places, none, none))
        signs = {name: name if len(name) == 1 else name[:3] for name in PROPOSITIONS}
        marks = [
            "".join(signs[name] for name in np.array(PROPOSITIONS)[row]) for row in self.places
        ]
        free = np.isin(np.arange(len(places)), self.free)
        return Map(seen.observation, free, marks, self.width)

    def _timestep(self, state: OfficeState) -> Timestep:
        row, column = state.place // self.width, state.place % self.width
        window = jnp.arange(VIEW)
        image = self._around[row[:, None, None] + window[:, None], column[:, None, None] + window]
        labels = jnp.asarray(self.places)[state.place]
        no = jnp.zeros(state.place.shape, bool)
        return Timestep(
            observation={PLACE: state.place, "image": image, "labels": labels},
            reward=jnp.zeros(state.place.shape),
            terminated=no,
            truncated=state.steps >= self.max_steps,
            success=no,
            labels=labels,
        )


def _signs(map: str) -> np.ndarray:
    """Return the characters of a map, [height, width]."""
    rows = map.strip().splitlines()
    lengths = sorted({len(row) for row in rows})
    if len(lengths) != 1:
        raise SettingError("map", f"rows of {lengths} characters", "rows of equal length")
    signs = np.array([list(row) for row in rows])
    unknown = sorted(set(signs.ravel()) - {"#", ".", *SIGNS})
    if unknown:
        raise SettingError("map", "".join(unknown), "made of the characters #." + "".join(SIGNS))
    border = np.concatenate([signs[0], signs[-1], signs[:, 0], signs[:, -1]])
    if np.any(border != "#"):
        raise SettingError("map", map, "enclosed by walls (#)")
    if np.all(signs == "#"):
        raise SettingError("map", map, "a map with a free cell")
    return signs


register("Office", Office, "rooms with coffee, mail and an office, for composing skills")
