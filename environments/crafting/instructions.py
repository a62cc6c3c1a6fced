"""`CrafterInstructions`: the crafting world with instructions for achievements."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32, PRNGKeyArray, UInt8

from didact.common.errors import SettingError
from didact.environments.base import Timestep, split_keys
from didact.environments.capabilities import AchievedInstructions, Feedback, StateExpert, TextStatus
from didact.environments.crafting import achieved, sentences, tasks
from didact.environments.crafting.env import Crafter
from didact.environments.crafting.layout import ACHIEVEMENT, ACHIEVEMENTS, CraftingState
from didact.environments.crafting.sentences import NOTHING, STEPS
from didact.environments.language import vocabulary
from didact.environments.spaces import ArraySpace
from didact.environments.task_spaces import Box, Dimension, TaskSpace
from didact.environments.wrappers.wrapper import Wrapper

INSTRUCTION = "instruction"
ORDER = ("first", "second", "third")
_WORLD = (*tasks.TERRAIN, *tasks.CREATURES, *tasks.BEGINNING)  # for the end, see `max_steps`
# Sequences to evaluate, besides single achievements.
SEQUENCES = (
    ("collect_wood", "place_table"),
    ("place_table", "make_wood_pickaxe", "collect_stone"),
    ("collect_sapling", "place_plant"),
)


def _choice(name: str, required: bool) -> Dimension:
    """Return the dimension of one step of an instruction; 0 stands for none if not required."""
    low = 1 if required else 0
    options = ("nothing", *ACHIEVEMENTS)
    listed = ", ".join(f"{i}: {options[i].replace('_', ' ')}" for i in range(low, len(options)))
    description = f"the {name} achievement that the instruction demands: {listed}"
    return Dimension(name, low, len(ACHIEVEMENTS), True, description=description)


class InstructedState(NamedTuple):
    """n worlds with instructions."""

    world: CraftingState
    steps: Int32[Array, "n 3"]  # the demanded achievements, or NOTHING
    done: Int32[Array, " n"]  # how many of them have been achieved, in their order
    instruction: UInt8[Array, "n l"]


class CrafterInstructions(Wrapper[InstructedState]):
    """The crafting world with an instruction: one to three achievements, in their order.

    An instruction such as "collect wood, then place a table" is fulfilled when each achievement
    has been unlocked or repeated after the one before. This ends the episode, with a reward of 1,
    less up to 0.9 in proportion to the steps that it took, as in MiniGrid. Nothing else is
    rewarded. Death ends the episode, too, without success even if it comes in the same step.

    Tasks name the achievements (`first`, `second` and `third`), and the parameters of the world, as
    in `Crafter`. `evaluation_tasks` has each achievement, and some sequences, in the original
    world.

    Observations are those of `Crafter`, and `instruction`, token ids (`vocabulary.decode` returns
    the text).

    Args:
        phrasing: "train", "validation" or "test" paraphrases instructions with the wordings of this
            split, see `phrases`; None keeps the original wording.
        max_steps: the time limit of an episode.
        picture, text: see `Crafter`.

    Raises:
        SettingError: the split does not exist, or `max_steps` is out of range.
    """

    task_space: Box

    def __init__(
        self,
        phrasing: str | None = None,
        max_steps: int = 1000,
        picture: bool = False,
        text: bool = False,
    ):
        inner = Crafter(picture=picture, text=text)
        super().__init__(inner)
        if not 1 <= max_steps <= inner.max_steps:
            raise SettingError("max_steps", max_steps, f"1 to {inner.max_steps}")
        sentences.check(phrasing)
        self.name, self.phrasing, self.max_steps = "CrafterInstructions", phrasing, max_steps
        self.official, self.return_range, self.success_at_limit = None, (0.0, 1.0), False
        self.can_continue = True  # worlds go on after an instruction, unless the player has died
        self.proposition_instructions = {name: sentences.text(name) for name in ACHIEVEMENTS}
        choices = [_choice(name, required=not i) for i, name in enumerate(ORDER)]
        self.task_space = Box((*choices, *(p.dimension for p in _WORLD)))
        length, most = sentences.LENGTH, vocabulary.VOCABULARY_SIZE - 1
        tokens = ArraySpace((length,), np.uint8, 0, most, kind="tokens", role="instruction")
        self.observation_space = {**inner.observation_space, INSTRUCTION: tokens}
        self._columns = np.array([tasks.SPACE.column(p.dimension.name) for p in _WORLD])

    def inner_state(self, state: InstructedState) -> CraftingState:
        return state.world

    def outer_task(self, task: Float[np.ndarray, " d"]) -> Float[np.ndarray, " e"]:
        """Raises:
        SettingError: tasks of `Crafter` have no instruction.
        """
        raise SettingError("task", "a task of Crafter", "one with an instruction")

    def single_task(self, space: TaskSpace) -> Float[np.ndarray, " d"] | None:
        return self.task_space.single_task(space)

    def task(self, *names: str, **world: float) -> Float[np.ndarray, " d"]:
        """Return the task of a sequence of achievements, in the original world by default.

        Args:
            names: one to three achievements.
            world: parameters of the world that differ from the original game.

        Raises:
            SettingError: an achievement or a parameter is unknown, or a value is not allowed.
        """
        if not 1 <= len(names) <= STEPS:
            raise SettingError("achievements", names, f"1 to {STEPS} achievements")
        for name in names:
            if name not in ACHIEVEMENT:
                raise SettingError("achievement", name, "one of " + ", ".join(ACHIEVEMENTS))
        row = np.zeros(self.task_space.size, np.float32)
        row[: len(names)] = [ACHIEVEMENT[name] + 1 for name in names]
        row[STEPS:] = tasks.ORIGINAL[self._columns]
        for name, number in world.items():
            column = self.task_space.column(name)
            if column < STEPS:
                raise SettingError("parameter", name, "a parameter of the world")
            row[column] = self.task_space.dimensions[column].parse(number)
        return row

    @property
    def easy_space(self) -> TaskSpace:
        """One achievement, in worlds in daylight with few zombies."""
        return self.task_space.restricted(second=0, third=0, time=(0, 100), zombies=(0, 1))

    @property
    def evaluation_tasks(self) -> dict[str, Float[np.ndarray, " d"]]:
        """Each achievement and some sequences, in the original world."""
        wanted = [*((name,) for name in ACHIEVEMENTS), *SEQUENCES]
        return {", ".join(names): self.task(*names) for names in wanted}

    def reset(
        self, key: PRNGKeyArray, tasks: Float[Array, "n d"]
    ) -> tuple[InstructedState, Timestep]:
        n = tasks.shape[0]
        keys = split_keys(key, n)
        tasks = self.task_space.clip(tasks)
        chosen = tasks[:, :STEPS].astype(jnp.int32)
        steps = jnp.where(chosen == 0, NOTHING, chosen - 1)
        # Without a second step, the third is the second.
        later = jnp.where(steps[:, 1:2] == NOTHING, steps[:, :0:-1], steps[:, 1:])
        steps = jnp.concatenate([steps[:, :1], later], 1)
        own = jax.vmap(lambda key: jax.random.fold_in(key, _WORDING))(keys)
        world, seen = self.environment.reset(keys, self._inner_tasks(tasks))
        written = sentences.write(steps, own, self.phrasing)
        state = InstructedState(world, steps, jnp.zeros(n, jnp.int32), written)
        return state, self._timestep(state, seen, jnp.zeros(n, bool))

    def step(
        self, key: PRNGKeyArray, state: InstructedState, actions: Array
    ) -> tuple[InstructedState, Timestep]:
        world, seen = self.environment.step(key, state.world, actions)
        right = jnp.any(world.achieved & _wanted(state), 1)
        state = state._replace(world=world, done=state.done + right)
        fulfilled = right & (_next(state) == NOTHING) & ~seen.terminated
        return state, self._timestep(state, seen, fulfilled)

    def expert(self) -> StateExpert:
        """Return the planner, which pursues the next achievement of the instruction."""
        from didact.environments.crafting.expert import act

        return StateExpert("planner", lambda state: act(state.world, _wanted(state)))

    def feedback(self) -> Feedback:
        """Return the planner's advice in words, on the next achievement of the instruction."""
        from didact.environments.crafting.advice.feedback import feedback

        return feedback(self.inner_state, _wanted)

    def achieved_instructions(self) -> AchievedInstructions:
        """Return a description of the achievements of steps, as instructions."""
        return achieved.describer().within(self.inner_state)

    def instruction_text(self, observation: Mapping[str, Any]) -> str:
        return vocabulary.decode(np.asarray(observation[INSTRUCTION]))

    def text_status(self, state: InstructedState, index: int) -> TextStatus:
        inner = self.environment.text_status(state.world, index)
        return inner._replace(step_limit=self.max_steps)

    def _inner_tasks(self, outer: Float[Array, "n d"]) -> Float[Array, "n e"]:
        inner = jnp.broadcast_to(jnp.asarray(tasks.ORIGINAL), (outer.shape[0], tasks.SPACE.size))
        return inner.at[:, self._columns].set(outer[:, STEPS:])

    def _timestep(
        self, state: InstructedState, seen: Timestep, success: Bool[Array, " n"]
    ) -> Timestep:
        taken = state.world.steps
        return Timestep(
            observation={**seen.observation, INSTRUCTION: state.instruction},
            reward=jnp.where(success, 1 - 0.9 * taken / self.max_steps, 0.0),
            terminated=seen.terminated | success,
            truncated=taken >= self.max_steps,
            success=success,
            labels=seen.labels,
        )


def _next(state: InstructedState) -> Int32[Array, " n"]:
    """Return the next achievement that is demanded, or NOTHING when all have been achieved."""
    padded = jnp.pad(state.steps, ((0, 0), (0, 1)), constant_values=NOTHING)
    return jnp.take_along_axis(padded, state.done[:, None], 1, mode="clip")[:, 0]


def _wanted(state: InstructedState) -> Bool[Array, "n 22"]:
    """Return the next achievement that is demanded, as a mask."""
    return np.arange(len(ACHIEVEMENTS)) == _next(state)[:, None]


_WORDING = 3  # folded into keys, for the wording of the instruction
