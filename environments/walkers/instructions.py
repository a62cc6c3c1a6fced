"""Bodies that follow instructions, such as "walk to the second stump and stop"."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32, PRNGKeyArray, UInt8

from didact.common.errors import SettingError
from didact.environments.base import Timestep, split_keys
from didact.environments.capabilities import AchievedInstructions
from didact.environments.language import vocabulary
from didact.environments.random_draws import uniform_index
from didact.environments.registry import register
from didact.environments.spaces import ArraySpace
from didact.environments.task_spaces import Box, Dimension, TaskSpace
from didact.environments.walkers import goals
from didact.environments.walkers.env import WalkerEnvironment, WalkerState
from didact.environments.walkers.goals import Sight
from didact.environments.walkers.parkour import Parkour
from didact.environments.walkers.stump_tracks import StumpTracks
from didact.environments.wrappers.wrapper import Wrapper

INSTRUCTION = "instruction"
STUMPS = 3  # that goals see
_WORDING = 5  # folded into keys, for the wording of the instruction


class InstructedBodies(NamedTuple):
    """n bodies with instructions."""

    world: WalkerState
    goal: Int32[Array, " n"]
    counts: Int32[Array, "n g"]  # steps that what each goal asks for has held without interruption
    start: Float[Array, "n 2"]  # the head's position at the start
    instruction: UInt8[Array, "n l"]


class Scene(NamedTuple):
    """What a description of what was achieved needs of n worlds."""

    there: Bool[Array, " n"]  # False before the first step of an episode
    counts: Int32[Array, "n g"]


class WalkerInstructions(Wrapper[InstructedBodies]):
    """A body on stump tracks or in the parkour, with an instruction.

    An instruction is fulfilled when what it asks for has held for its number of steps: "stop" means
    for half a second, "hang" for a second. This ends the episode with a reward of 1, less up to 0.9
    in proportion to the steps that it took, as in MiniGrid. Nothing else is rewarded. What ends
    episodes of the world, such as a fall, ends them here, too.

    Tasks name the instruction by its number (`instruction`), and the parameters of the world.
    Observations are those of the world, and `instruction`, token ids (`vocabulary.decode` returns
    the text).

    Args:
        world: "StumpTracks" or "Parkour".
        body: a body of that world; by default "biped", and "climbing_chimpanzee" in the parkour.
        phrasing: "train", "validation" or "test" paraphrases instructions with the wordings of this
            split, see `goals`; None keeps the original wording.
        max_steps: the time limit of an episode, steps of 20 ms.

    Raises:
        SettingError: the world, the body or the split does not exist, or `max_steps` is out of
            range.
    """

    task_space: Box

    def __init__(
        self,
        world: Literal["StumpTracks", "Parkour"] = "StumpTracks",
        body: str | None = None,
        phrasing: str | None = None,
        max_steps: int = 500,
    ):
        if world not in ("StumpTracks", "Parkour"):
            raise SettingError("world", world, "StumpTracks or Parkour")
        inner: WalkerEnvironment
        if world == "Parkour":
            inner = Parkour(body or "climbing_chimpanzee")  # pyright: ignore[reportArgumentType]
        else:
            inner = StumpTracks(body or "biped")  # pyright: ignore[reportArgumentType]
        super().__init__(inner)
        if not 1 <= max_steps <= inner.max_steps:
            raise SettingError("max_steps", max_steps, f"1 to {inner.max_steps}")
        self.bodies = inner
        self.name, self.phrasing, self.max_steps = "WalkerInstructions", phrasing, max_steps
        self.return_range = (0.0, 1.0)
        self.goals = goals.goals(world, inner.walker.kind)
        self.texts = tuple(goal.train[0] for goal in self.goals)
        self._words, self._counts = goals.table(self.goals, phrasing)
        self._original, _ = goals.table(self.goals, None)
        self._needed = np.array([goal.steps for goal in self.goals], np.int32)
        listed = "; ".join(f"{i}: {text}" for i, text in enumerate(self.texts))
        number = Dimension(
            *(INSTRUCTION, 0, len(self.texts) - 1, True),
            description=f"the instruction. {listed}",
        )
        space = inner.task_space
        assert isinstance(space, Box)
        self.task_space = Box((number, *space.dimensions))
        most = vocabulary.VOCABULARY_SIZE - 1
        tokens = ArraySpace((goals.LENGTH,), np.uint8, 0, most, kind="tokens", role=INSTRUCTION)
        self.observation_space = {**inner.observation_space, INSTRUCTION: tokens}

    def inner_state(self, state: InstructedBodies) -> WalkerState:
        return state.world

    def outer_task(self, task: Float[np.ndarray, " d"]) -> Float[np.ndarray, " e"]:
        """Return a task with the first instruction."""
        return np.concatenate([np.zeros(1, np.float32), task])

    @property
    def easy_space(self) -> TaskSpace:
        """All instructions, in easy worlds."""
        easy = self.environment.easy_space
        assert isinstance(easy, Box)
        return self.task_space.restricted(**{d.name: (d.low, d.high) for d in easy.dimensions})

    @property
    def evaluation_tasks(self) -> dict[str, Float[np.ndarray, " d"]]:
        """Each instruction, in the easiest evaluation world."""
        world = next(iter(self.environment.evaluation_tasks.values()))
        return {
            text: np.concatenate([np.array([number], np.float32), world])
            for number, text in enumerate(self.texts)
        }

    def single_task(self, space: TaskSpace) -> Float[np.ndarray, " d"] | None:
        return self.task_space.single_task(space)

    def reset(
        self, key: PRNGKeyArray, tasks: Float[Array, "n d"]
    ) -> tuple[InstructedBodies, Timestep]:
        n = tasks.shape[0]
        keys = split_keys(key, n)
        goal = jnp.clip(tasks[:, 0].astype(jnp.int32), 0, len(self.goals) - 1)
        draws = jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(key, _WORDING)))(keys)
        which = uniform_index(draws, jnp.asarray(self._counts)[goal])
        written = jnp.asarray(self._words)[goal, which]
        world, seen = self.environment.reset(keys, tasks[:, 1:])
        counts = jnp.zeros((n, len(self.goals)), jnp.int32)
        start = jnp.stack(self.bodies.head(world.bodies), axis=1)
        state = InstructedBodies(world, goal, counts, start, written)
        return state, self._timestep(state, seen, jnp.zeros(n, bool))

    def step(
        self, key: PRNGKeyArray, state: InstructedBodies, actions: Array
    ) -> tuple[InstructedBodies, Timestep]:
        world, seen = self.environment.step(key, state.world, actions)
        see = self._sight(world, state.start, seen.labels)
        holds = jnp.stack([goal.holds(see) for goal in self.goals], axis=1)
        counts = jnp.where(holds, state.counts + 1, 0)
        state = state._replace(world=world, counts=counts)
        chosen = jnp.arange(len(self.goals)) == state.goal[:, None]
        done = jnp.any(chosen & (counts >= self._needed), axis=1)
        # A body that falls in this step has not succeeded.
        return state, self._timestep(state, seen, done & ~seen.terminated)

    def expert(self) -> None:
        """No expert follows the instructions."""
        return None

    def achieved_instructions(self) -> AchievedInstructions:
        """Return a description of the goal that a step has just reached, as an instruction."""
        size = len(self.goals)

        def reveal(state):
            return Scene(jnp.ones(state.goal.shape, bool), state.counts)

        def initial(n):
            return Scene(jnp.zeros(n, bool), jnp.zeros((n, size), jnp.int32))

        def describe(before, now):
            reached = now.counts == self._needed
            which = jnp.argmax(reached, axis=1)
            return jnp.asarray(self._original)[which, 0], before.there & jnp.any(reached, axis=1)

        return AchievedInstructions(reveal, initial, describe)

    def instruction_text(self, observation: Mapping[str, Any]) -> str:
        return vocabulary.decode(np.asarray(observation[INSTRUCTION]))

    def _sight(
        self, world: WalkerState, start: Float[Array, "n 2"], labels: Bool[Array, "n p"]
    ) -> Sight:
        x, y = self.bodies.head(world.bodies)
        head, motion = self.bodies.walker.head, world.bodies.motion
        speed = jnp.hypot(motion.vx[:, head], motion.vy[:, head])
        stumps = world.terrain.boxes[:, :STUMPS, 0] - x[:, None]
        named = {name: labels[:, i] for i, name in enumerate(self.propositions)}
        return Sight(named, x - start[:, 0], y - start[:, 1], speed, stumps)

    def _timestep(
        self, state: InstructedBodies, seen: Timestep, success: Bool[Array, " n"]
    ) -> Timestep:
        taken = state.world.steps
        terminated = seen.terminated | success
        return Timestep(
            observation={**seen.observation, INSTRUCTION: state.instruction},
            reward=jnp.where(success, 1 - 0.9 * taken / self.max_steps, 0.0),
            terminated=terminated,
            truncated=(taken >= self.max_steps) & ~terminated,
            success=success,
            labels=seen.labels,
        )


register(
    "WalkerInstructions",
    WalkerInstructions,
    'bodies that follow instructions, such as "walk to the second stump and stop"',
)
