"""Maze environments with MiniGrid's rules and observations, where each task is a whole level."""

from typing import Any, Unpack

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from didact.common.errors import SettingError
from didact.environments.grid import cells, missions, view
from didact.environments.grid.env import GridSettings, GridWorld
from didact.environments.grid.levels import minigrid_drafts
from didact.environments.grid.levels.family import Family, Level
from didact.environments.grid.levels.minigrid_drafts import Start
from didact.environments.grid.mazes import narrow_view
from didact.environments.grid.mazes.named import EVALUATION, named
from didact.environments.grid.mazes.narrow_view import NarrowWorld
from didact.environments.grid.mazes.samplers import Blocks, RepeatedBlocks
from didact.environments.grid.mazes.task_space import Levels
from didact.environments.language.templates import Templates

SIZE = 13  # of the mazes in the literature, without the outer wall
MAX_BLOCKS = 60  # in a maze of this size
STEPS = 250  # per episode in mazes up to this size

_MISSION = Templates(["get to the green goal square"])


def step_limit(space: Levels) -> int:
    """Return the usual step limit: 250, or two steps per cell for mazes larger than 13x13.

    Cells include the outer wall. Evaluations in the literature differ: JaxUED uses 250 steps,
    minimax uses two steps per cell for small mazes as well (450 steps for 13x13).
    """
    if max(space.height, space.width) <= SIZE:
        return STEPS
    return 2 * (space.height + 2) * (space.width + 2)


def family(max_steps: int | None = None, see_through_walls: bool = True) -> Family:
    """Return the family of levels whose tasks are mazes.

    Args:
        max_steps: the step limit of each episode; None for `step_limit`.
        see_through_walls: whether agents see their whole field of view.
    """

    def limit(space: Levels) -> int:
        return step_limit(space) if max_steps is None else max_steps

    def generate(
        space: Levels, keys: PRNGKeyArray, tasks: Float[Array, "n d"], mission_length: int
    ) -> Level:
        n, maze = len(tasks), space.unpack(tasks)
        map = jnp.where(maze.walls, cells.GREY_WALL, cells.EMPTY).astype(jnp.uint8)
        cell = np.arange(space.cells).reshape(space.height, space.width)
        map = jnp.where(
            cell == maze.goal[:, None, None], jnp.uint8(minigrid_drafts.GREEN_GOAL), map
        )
        map = jnp.pad(map, ((0, 0), (1, 1), (1, 1)), constant_values=cells.GREY_WALL)
        start = Start(
            map=map,
            x=maze.agent % space.width + 1,
            y=maze.agent // space.width + 1,
            direction=maze.direction,
            objects=jnp.zeros((n, 0), jnp.uint8),
            places=jnp.zeros((n, 0), jnp.int32),
            members=jnp.zeros((n, 0), jnp.uint8),
        )
        mission = minigrid_drafts.fixed_missions(_MISSION, jnp.zeros(n, jnp.int32), mission_length)
        return minigrid_drafts.level_of(
            start, missions.REACH, mission, jnp.full(n, float(limit(space)))
        )

    return Family(
        map_size=lambda space: (space.width + 2, space.height + 2),
        generate=generate,
        kinds=lambda space: (missions.REACH,),
        max_steps=limit,
        longest_mission=lambda space: _MISSION.longest,
        play=missions.play,
        see_through_walls=see_through_walls,
    )


class MazeSettings(GridSettings, total=False):
    """The settings of `maze_world`."""

    max_steps: int | None
    see_through_walls: bool
    view_size: int


def maze_world(
    space: Levels,
    *,
    max_steps: int | None = None,
    see_through_walls: bool = True,
    view_size: int = view.SIZE,
    **settings: Unpack[GridSettings],
) -> GridWorld:
    """Make an environment whose tasks are the mazes of a space.

    The agent must reach the green goal square. The reward is MiniGrid's, 1 - 0.9 t / `max_steps`.
    Actions are MiniGrid's seven, of which three have an effect. The view is 7x7 cells as in
    MiniGrid; set `view_size` to 5 for the 5x5 view that most work on unsupervised environment
    design uses.

    Args:
        space: the mazes.
        max_steps: the step limit of each episode; None for `step_limit`.
        see_through_walls: whether agents see cells behind walls, as is usual for these mazes.
        view_size: the side of the view, 7 or 5. A view of 5 requires `see_through_walls`.
        settings: see `GridWorld`.

    Raises:
        SettingError: a setting is out of range.
    """
    if max_steps is not None and max_steps < 1:
        raise SettingError("max_steps", max_steps, "at least 1")
    if view_size not in (narrow_view.SIZE, view.SIZE):
        raise SettingError("view_size", view_size, "5 or 7")
    world = NarrowWorld if view_size == narrow_view.SIZE else GridWorld
    usual: Any = {f"Maze-{name}": named(name) for name in EVALUATION}
    settings.setdefault("evaluation", usual)
    return world(space, family=family(max_steps, see_through_walls), **settings)


def random_mazes(
    size: int | tuple[int, int] = SIZE,
    max_walls: int | None = None,
    draws: int | None = None,
    **settings: Unpack[MazeSettings],
) -> GridWorld:
    """Make mazes of randomly placed wall blocks, the usual domain randomization baseline.

    Args:
        size: height and width in cells, without the outer wall; one number sets both.
        max_walls: the maximum number of blocks; the number is uniform from 0. None for 60 in a
            13x13 maze, and for the same density in other sizes.
        draws: the number of blocks if they may be placed in the same cell more than once, as in
            JaxUED; `max_walls` must then be None.
        settings: see `maze_world`.

    Raises:
        SettingError: there are too many blocks for the size, or a setting is out of range.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if draws is not None:
        if max_walls is not None:
            raise SettingError("max_walls", max_walls, "omitted with draws")
        return maze_world(Levels(height, width, RepeatedBlocks(draws)), **settings)
    most = height * width * MAX_BLOCKS // SIZE**2 if max_walls is None else max_walls
    return maze_world(Levels(height, width, Blocks(0, most)), **settings)
