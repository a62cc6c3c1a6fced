"""`GridWorld`: MiniGrid as an `Environment`."""

import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypedDict

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Int32, PRNGKeyArray, UInt8

from didact.common.errors import SettingError
from didact.environments.base import Environment, Timestep, split_keys
from didact.environments.capabilities import (
    AchievedInstructions,
    Feedback,
    OptionalPropositions,
    StateExpert,
    TextStatus,
)
from didact.environments.compiler_hints import fold_vmap
from didact.environments.grid import cells, text_observation, view
from didact.environments.grid.levels import Family
from didact.environments.grid.levels.babyai import go_to
from didact.environments.grid.levels.family import babyai_step
from didact.environments.grid.rules import World
from didact.environments.grid.verifier import Goal
from didact.environments.language import vocabulary
from didact.environments.language.paraphrase_pool import SPLITS
from didact.environments.language.paraphrases import max_paraphrase_length, paraphrase
from didact.environments.spaces import ArraySpace, Discrete
from didact.environments.task_spaces import TaskSpace

_PHRASING = 0x70687261  # folded into a level's key, so that phrasing does not affect the level


class GridState(NamedTuple):
    """The state of n worlds."""

    world: World
    goal: Goal
    mission: UInt8[Array, "n l"]
    steps: Int32[Array, " n"]  # taken in this episode
    max_steps: Int32[Array, " n"]


class Symbols(NamedTuple):
    """One world in MiniGrid's encoding, on the host."""

    grid: np.ndarray  # uint8[width, height, 3]: (type, color, state), without the agent
    agent_position: tuple[int, int]  # (x, y)
    agent_direction: int
    carried: np.ndarray | None  # uint8[3]
    visible: np.ndarray  # bool[width, height]: the cells visible to the agent


class GridSettings(TypedDict, total=False):
    """The settings of a `GridWorld` that apply to any family of levels."""

    packed: bool
    mission_length: int
    easy_space: TaskSpace | None
    evaluation: Mapping[str, TaskSpace]
    text: bool
    text_length: int


class AnySettings(GridSettings, total=False):
    """All settings of a `GridWorld` except its space."""

    family: Family
    done_action: bool
    phrasing: str | None


class GridWorld(Environment[GridState]):
    """MiniGrid with levels and missions from one of the BabyAI or MiniGrid families.

    Observations follow MiniGrid:

    - `image`: the egocentric 7x7 view with MiniGrid's indexing, as triples or as packed cells
      (`cells.unpack` converts these to triples).
    - `direction`: the agent's direction.
    - `instruction`: the mission as token ids (`vocabulary.decode` returns the text).
    - `text`, optional: a description of the view as token ids (`text_observation.decode` returns
      the sentences).

    Args:
        space: the part of the family's task space that contains the tasks. Arrays are only as
            large as this part requires.
        packed: whether `image` is packed, uint8[n, 7, 7] instead of uint8[n, 7, 7, 3].
        mission_length: the number of tokens in an instruction.
        easy_space: the part of `space` where an untrained agent occasionally succeeds.
        family: the level generator; the "go to" family by default.
        done_action: whether the agent must claim success with the action "done" (see
            `verifier.verify`). Requires Baby Language instructions.
        text: whether observations include `text`, uint8[n, text_length].
        text_length: the number of tokens in `text`. If a view needs more, the farthest objects
            are omitted. `text_observation.MAX_LENGTH` is enough for any view.
        phrasing: "train", "validation" or "test" paraphrases instructions: each phrase is drawn
            from this split of `paraphrase_pool` once per episode, and instructions have
            `max_paraphrase_length(mission_length)` tokens. Requires Baby Language instructions.
            The same key gives the same level with any phrasing. None keeps BabyAI's wording.
        evaluation: spaces with a single task each, by name. Those whose task lies in `space` are
            the `evaluation_tasks`, unless `space` itself is a single task.

    Raises:
        SettingError: `done_action` or `phrasing` is used with a family that does not use Baby
            Language, `phrasing` is not a split, `text_length` is below 1, or `mission_length` is
            too short for the longest mission in `space`.
    """

    render_modes = ("rgb_array", "ansi")

    def __init__(
        self,
        space: TaskSpace = go_to.SPACE,
        packed: bool = False,
        mission_length: int = vocabulary.DEFAULT_LENGTH,
        easy_space: TaskSpace | None = None,
        family: Family = go_to.FAMILY,
        done_action: bool = False,
        text: bool = False,
        text_length: int = text_observation.DEFAULT_LENGTH,
        phrasing: str | None = None,
        evaluation: Mapping[str, TaskSpace] = MappingProxyType({}),
    ):
        if text_length < 1:
            raise SettingError("text_length", text_length, "at least 1")
        least = max(family.longest_mission(space), 1)
        if mission_length < least:
            raise SettingError(
                "mission_length", mission_length, f"{least} or more for this task space"
            )
        self.baby_language = family.play is babyai_step  # whether missions are Baby Language
        self._play = family.play
        if done_action:
            if not self.baby_language:
                raise SettingError("done_action", True, "False for MiniGrid's own missions")
            self._play = functools.partial(babyai_step, done_action=True)
        if phrasing is not None and not self.baby_language:
            raise SettingError("phrasing", phrasing, "None for MiniGrid's own missions")
        if phrasing not in (None, *SPLITS):
            raise SettingError("phrasing", phrasing, "None, or one of " + ", ".join(SPLITS))
        self.phrasing, self.done_action, self.evaluation = phrasing, done_action, evaluation
        self.task_space, self.family = space, family
        self.action_space = Discrete(len(family.actions), family.actions)
        self.packed = packed
        self.mission_length = mission_length
        self._easy_space = easy_space or space
        self.kinds = family.kinds(space)
        self.width, self.height = family.map_size(space)
        self.max_steps = family.max_steps(space)
        self._reset, self._step = fold_vmap(self._fresh), fold_vmap(self._one_step)
        # Jitted because the host would otherwise recompile its loops for every picture.
        self._sight = jax.jit(
            lambda world: (self._look(world, packed=True), view.coordinates(world, self.width))
        )
        self.observation_space = {
            "image": cells.view_space((view.SIZE, view.SIZE), packed),
            "direction": ArraySpace((), jnp.int32, 0, 3, kind="category"),
            "instruction": ArraySpace(
                (mission_length if phrasing is None else max_paraphrase_length(mission_length),),
                *(jnp.uint8, 0, vocabulary.VOCABULARY_SIZE - 1),
                kind="tokens",
                role="instruction",
            ),
        }
        self.text_length = text_length if text else None
        if text:
            self.observation_space["text"] = ArraySpace(
                (text_length,), jnp.uint8, 0, vocabulary.VOCABULARY_SIZE - 1, kind="hidden"
            )

    @property
    def easy_space(self) -> TaskSpace:
        return self._easy_space

    @property
    def evaluation_tasks(self) -> dict[str, Float[np.ndarray, " d"]]:
        found = {name: self.single_task(space) for name, space in self.evaluation.items()}
        named = {name: task for name, task in found.items() if task is not None}
        return super().evaluation_tasks or named

    def reset(self, key: PRNGKeyArray, tasks: Float[Array, "n d"]) -> tuple[GridState, Timestep]:
        return self._reset(split_keys(key, tasks.shape[0]), self.task_space.clip(tasks))

    def _fresh(self, keys: PRNGKeyArray, tasks: Float[Array, "n d"]) -> tuple[GridState, Timestep]:
        n = tasks.shape[0]
        level = self.family.generate(self.task_space, keys, tasks, self.mission_length)
        mission = level.mission
        if self.phrasing is not None:
            own = jax.vmap(lambda key: jax.random.fold_in(key, _PHRASING))(keys)
            mission = paraphrase(own, mission, self.phrasing)
        steps = jnp.zeros(n, jnp.int32)
        state = GridState(level.world, level.goal, mission, steps, level.max_steps)
        no = jnp.zeros(n, bool)
        return state, self._timestep(state, jnp.zeros(n), no, no, no)

    def step(
        self, key: PRNGKeyArray | None, state: GridState, actions: Int[Array, " n"]
    ) -> tuple[GridState, Timestep]:
        """Step every world with one action from `action_space`.

        Args:
            key: one key or n keys; may be None unless obstacles move at random.

        Raises:
            SettingError: `key` is None and obstacles move at random.
        """
        if not self.family.random_steps:
            return self._step(state, actions)
        if key is None:
            raise SettingError("key", key, "a PRNG key, because obstacles move at random")
        return self._step(state, actions, split_keys(key, actions.shape[0]))

    def _one_step(
        self, state: GridState, actions: Int[Array, " n"], keys: PRNGKeyArray | None = None
    ) -> tuple[GridState, Timestep]:
        world, goal, verdict = self._play(
            keys, state.world, state.goal, actions, self.width, self.kinds
        )
        state = state._replace(world=world, goal=goal, steps=state.steps + 1)
        won = 1 - 0.9 * (state.steps / state.max_steps)
        reward = jnp.where(verdict.success, won, verdict.reward)
        truncated = state.steps >= state.max_steps
        terminated = verdict.success | verdict.failure
        return state, self._timestep(state, reward, terminated, truncated, verdict.success)

    def _timestep(self, state, reward, terminated, truncated, success) -> Timestep:
        observation = {
            "image": self._look(state.world, self.packed),
            "direction": state.world.direction,
            "instruction": state.mission,
        }
        if self.text_length is not None:
            observation["text"] = text_observation.tokens(observation["image"], self.text_length)
        labels = jnp.zeros((reward.shape[0], 0), bool)
        return Timestep(observation, reward, terminated, truncated, success, labels)

    def _look(self, world: World, packed: bool) -> UInt8[Array, "n 7 7 ..."]:
        return view.observe(world, self.width, packed, self.family.see_through_walls)

    def symbols(self, state: GridState, index: int) -> Symbols:
        """Return world `index` in MiniGrid's encoding."""
        world = World(*(jnp.asarray(x)[index][None] for x in state.world))
        looks, places = jax.device_get(self._sight(world))
        x, y = (at[..., 0].T for at in places)
        seen = looks[0] != cells.UNSEEN
        seen &= (x >= 0) & (x < self.width) & (y >= 0) & (y < self.height)
        visible = np.zeros((self.width, self.height), bool)
        visible[x[seen], y[seen]] = True
        carried = np.asarray(world.carried)[0]
        grid = np.asarray(world.cells[0]).reshape(self.height, self.width).T
        place = int(world.position[0])
        return Symbols(
            grid=cells.unpack(grid),
            agent_position=(place % self.width, place // self.width),
            agent_direction=int(world.direction[0]),
            carried=None if carried == cells.EMPTY else cells.unpack(carried),
            visible=visible,
        )

    def render(self, state: GridState, index: int, tile_size: int = 32) -> np.ndarray:
        """Render world `index` from above as uint8[height, width, 3].

        Cells visible to the agent are lighter. Solid wall around worlds that are smaller than the
        arrays is cropped.
        """
        from didact.environments.grid.rendering.rgb import draw

        symbols = self.symbols(state, index)
        return draw(
            symbols.grid,
            symbols.agent_position,
            symbols.agent_direction,
            visible=symbols.visible,
            tile_size=tile_size,
            crop=True,
        )

    def render_ansi(
        self,
        state: GridState,
        index: int,
        color: bool = True,
        window: tuple[int, int] | None = None,
    ) -> str:
        """Render world `index` as text for a terminal, two characters per cell (see `ansi`).

        Args:
            state: the worlds.
            index: the world to render.
            color: whether to add color codes; cells visible to the agent are then lighter.
            window: the maximum line width in characters and the maximum number of lines. The map
                is cropped around the agent.
        """
        from didact.environments.grid.rendering import ansi

        symbols = self.symbols(state, index)
        place = symbols.agent_position, symbols.agent_direction
        most = None if window is None else (max(window[0] // 2, 1), max(window[1], 1))
        return ansi.draw(symbols.grid, *place, symbols.visible, color=color, crop=True, window=most)

    def text_status(self, state: GridState, index: int) -> TextStatus:
        from didact.environments.grid.rendering import ansi

        carried = np.asarray(state.world.carried)[index]
        name = (
            "nothing"
            if carried == cells.EMPTY
            else text_observation.name(carried & cells.SEEN_BITS)
        )
        return TextStatus(int(state.max_steps[index]), (f"carrying {name}",), ansi.LEGEND)

    def instruction_text(self, observation: Mapping[str, Any]) -> str:
        return vocabulary.decode(np.asarray(observation["instruction"]))

    def expert(self) -> StateExpert:
        """Return the solver, which is the privileged expert."""
        from didact.environments.grid.solver import planner

        world: Any = self
        return StateExpert("solver", planner.expert(world))

    def achieved_instructions(self) -> AchievedInstructions | None:
        """Return the describer of achieved instructions, or None without Baby Language."""
        from didact.environments.grid import achieved_instructions

        world: Any = self
        return achieved_instructions.describer(world) if self.baby_language else None

    def feedback(self) -> Feedback | None:
        """Return the solver's advice in words, or None without Baby Language."""
        from didact.environments.grid.feedback.solver_feedback import solver_feedback

        if not self.baby_language:
            return None
        if self.done_action:
            raise SettingError("done_action", True, "False to use feedback")
        return solver_feedback(self.width, self.kinds)

    def optional_propositions(self) -> OptionalPropositions:
        """Return propositions about what the agent faces and holds."""
        from didact.environments.grid.object_propositions import optional_propositions

        return optional_propositions(self.width)
