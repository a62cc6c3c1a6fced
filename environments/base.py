"""The environment interface: `Environment`, `Timestep`, and `Restart` for finished worlds.

Environments are pure and batch-native: every array has a leading axis of worlds, and one call
steps all of them. This is several times faster than `vmap` over a single world.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from didact.common.errors import SettingError
from didact.environments import backends
from didact.environments.capabilities import (
    AchievedInstructions,
    Feedback,
    OptionalPropositions,
    StateExpert,
    TextStatus,
)
from didact.environments.counterpart import Counterpart
from didact.environments.spaces import ActionSpace, ArraySpace
from didact.environments.task_spaces import TaskSpace

State = TypeVar("State")
PICTURES = "rgb_array"  # the render mode of environments that implement `render`
PLACE = "place"  # the observation with the number of the agent's place, where places are numbered


class Timestep(NamedTuple):
    """The outputs of n worlds after a reset or a step.

    `terminated` and `truncated` have the same meaning as in Gymnasium. When an episode ends, the
    observation is its last one: worlds do not restart by themselves.
    """

    observation: dict[str, Array]  # each [n, ...]
    reward: Float[Array, " n"]
    terminated: Bool[Array, " n"]  # a terminal state was reached: the value of the next state is 0
    truncated: Bool[Array, " n"]  # the time limit was reached: bootstrap from the last observation
    success: Bool[Array, " n"]  # the instruction was fulfilled in this step
    labels: Bool[Array, "n p"]  # which of `Environment.propositions` hold now

    @property
    def done(self) -> Bool[Array, " n"]:
        return self.terminated | self.truncated


class Map(NamedTuple):
    """What an agent would observe at each of the p places of a world, in rows of `width`."""

    observation: dict[str, Array]  # each [p, ...]
    free: Bool[np.ndarray, " p"]  # where an agent can be
    marks: list[str]  # a short label for the content of each place, or ""
    width: int


class Environment(Generic[State]):
    """A batch of worlds that are stepped together; the base class of all environments.

    Subclasses set the attributes and implement `reset` and `step`, and `render` for pictures and
    videos. All three are deterministic functions of their arguments, and the first two can be
    jitted. Everything else is optional: the methods of optional capabilities (see `capabilities`)
    return None by default.

    Attributes:
        name: the id under which the environment is registered; without one, the name of the class.
        task_space: the tasks that a teacher can choose.
        easy_space: the part of `task_space` in which an untrained student sometimes succeeds.
        observation_space: the arrays of an observation, by name.
        action_space: the actions.
        max_steps: the maximum length of an episode.
        return_range: the returns of poor and of nearly perfect episodes. Teachers that learn from
            returns scale them by it, unless they are given another range.
        propositions: the names of the propositions in `Timestep.labels`.
        achievements: the propositions that are counted over episodes: trainings and evaluations
            report the share of episodes in which each of them held at least once.
        can_continue: whether worlds can still be stepped after a success that ended an episode,
            as other tasks such as formulas do. False if the agent may be dead then.
        success_at_limit: whether success is decided at the environment's own time limit, so that
            the setting `step_limit` would make it impossible.
        adjectives: the propositions that describe the kind of an object, such as blue in "the blue
            ball".
        proposition_instructions: for propositions that an instruction can ask for, the instruction
            that is fulfilled by making them true, such as "go to the red ball" for "red_ball".
        restart_group_size: the default number of finished worlds that `Restart` resets at once on
            a CPU.
        official: the corresponding environment in gymnasium, if there is one.
        render_fps: the steps per second at which videos run at natural speed.
        render_modes: "rgb_array" if `render` is implemented, which is the default of a subclass
            that defines it, and "ansi" if `render_ansi` is.
        phrasing: the split of paraphrases that instructions are drawn from; None for the original
            wording.
        controls: for playing an environment with continuous actions by keyboard: the action of
            each control, by its name, such as "left"; see `wrappers.keyboard`.
        help_parameter: the task parameter that controls how much help a student gets, if there is
            one. Training can anneal it to its minimum.
    """

    name: str
    task_space: TaskSpace
    observation_space: Mapping[str, ArraySpace]
    action_space: ActionSpace
    max_steps: int
    return_range: tuple[float, float] = (0.0, 1.0)
    propositions: tuple[str, ...] = ()
    achievements: tuple[str, ...] = ()
    can_continue: bool = True
    success_at_limit: bool = False
    adjectives: tuple[str, ...] = ()
    proposition_instructions: Mapping[str, str] = MappingProxyType({})
    restart_group_size: int = 16
    official: Counterpart | None = None
    render_fps: int = 6
    render_modes: tuple[str, ...] = ()
    phrasing: str | None = None
    controls: Mapping[str, tuple[float, ...]] = MappingProxyType({})
    help_parameter: str | None = None

    def __init_subclass__(cls, **more: Any):
        super().__init_subclass__(**more)
        if "name" not in vars(cls):
            cls.name = cls.__name__
        if "render_modes" not in vars(cls):
            others = tuple(mode for mode in cls.render_modes if mode != PICTURES)
            draws = cls.render is not Environment.render
            cls.render_modes = (PICTURES, *others) if draws else others

    @property
    def easy_space(self) -> TaskSpace:
        return self.task_space

    @property
    def evaluation_tasks(self) -> dict[str, Float[np.ndarray, " d"]]:
        """The tasks to evaluate students on, by name; by default the task, if there is only one."""
        only = self.single_task(self.task_space)
        return {} if only is None else {name_of(self): only}

    @property
    def test_sets(self) -> dict[str, Float[np.ndarray, "n d"]]:
        """Published sets of test tasks, by name, for suites; by default none."""
        return {}

    def single_task(self, space: TaskSpace) -> Float[np.ndarray, " d"] | None:
        """Return the only task of another space as a task of this environment.

        Returns None if the space has several tasks, or if its task is not one of this environment.
        """
        return self.task_space.single_task(space)

    def reset(self, key: PRNGKeyArray, tasks: Float[Array, "n d"]) -> tuple[State, Timestep]:
        """Start n worlds, one for each task.

        Args:
            key: one key, or n keys, one for each world.
            tasks: points of `task_space`.

        Returns:
            The state of the worlds and their first timestep.
        """
        raise NotImplementedError

    def step(self, key: PRNGKeyArray, state: State, actions: Array) -> tuple[State, Timestep]:
        """Take one action in every world.

        Args:
            key: one key for all worlds.
            state: the state of the worlds.
            actions: int32[n] if the action space is `Discrete`, float32[n, k] if it is
                `Continuous`. The environment clips continuous actions to the bounds.

        Returns:
            The new state and its timestep.
        """
        raise NotImplementedError

    def render(self, state: State, index: int) -> np.ndarray:
        """Draw world `index` on the host, as uint8[height, width, 3].

        Raises:
            SettingError: the environment does not implement it; see `render_modes`.
        """
        raise SettingError("environment", name_of(self), "one that implements render")

    def render_ansi(
        self,
        state: State,
        index: int,
        color: bool = True,
        window: tuple[int, int] | None = None,
    ) -> str | None:
        """Draw world `index` as text, or return None if `render_modes` does not include "ansi".

        Args:
            state: the state of the worlds.
            index: the world to draw.
            color: whether to use ANSI color codes.
            window: the maximum number of characters per line and of lines. The drawing is cropped
                around the agent.
        """
        return None

    def text_status(self, state: State, index: int) -> TextStatus:
        """Return what a person who plays world `index` in a terminal needs besides the drawing."""
        return TextStatus(self.max_steps)

    def map(self, state: State, index: int) -> Map | None:
        """Return the observations of world `index` at all its places, or None if it has none."""
        return None

    def instruction_text(self, observation: Mapping[str, Any]) -> str:
        """Return the instruction in the observation of one world (without batch axis), or ''."""
        return ""

    def feedback_text(self, observation: Mapping[str, Any]) -> str:
        """Return the feedback in the observation of one world (without batch axis), or ''."""
        return ""

    def expert(self) -> StateExpert | None:
        """Return a privileged expert, which sees the whole state."""
        return None

    def achieved_instructions(self) -> AchievedInstructions | None:
        """Return a description of what steps achieved, for learning in hindsight.

        Raises:
            SettingError: a setting of this environment rules it out.
        """
        return None

    def feedback(self) -> Feedback | None:
        """Return a description of actions in words, for `with_feedback`.

        Raises:
            SettingError: a setting of this environment rules it out.
        """
        return None

    def optional_propositions(self) -> OptionalPropositions | None:
        """Return further propositions, for `with_propositions`."""
        return None


def name_of(environment: Environment) -> str:
    """Return the registered name of an environment, or else the name of its class."""
    return getattr(environment, "name", type(environment).__name__)


def split_keys(key: PRNGKeyArray, n: int) -> PRNGKeyArray:
    """Split a key into n keys; n keys are returned unchanged."""
    return key if jnp.ndim(key) == 1 else jax.random.split(key, n)


class Restart:
    """Replaces finished worlds by new ones, generating only as many levels as needed.

    Only a few worlds finish in each step, and generating a level costs many times as much as a
    step. So the finished worlds are gathered in groups of `group_size` (on accelerators an eighth
    of all worlds, if that is more) and only these are reset: the cost of generation is per episode,
    not per step. Under `vmap` (over seeds), the mapped axis is folded into the axis of worlds,
    which keeps this property.
    """

    def __init__(self, environment: Environment, group_size: int | None = None):
        self.environment = environment
        self.group_size = group_size or environment.restart_group_size

        @custom_vmap
        def restart(keys, tasks, done, state, observation, labels):
            return self._restart(keys, tasks, done, state, observation, labels)

        @restart.def_vmap
        def _(axis_size, in_batched, *arguments):
            def fold(x, batched):
                x = x if batched else jnp.broadcast_to(x, (axis_size, *jnp.shape(x)))
                return x.reshape(axis_size * x.shape[1], *x.shape[2:])

            folded = jax.tree.map(fold, arguments, tuple(in_batched))
            out = restart(*folded)
            out = jax.tree.map(
                lambda x: x.reshape(axis_size, x.shape[0] // axis_size, *x.shape[1:]), out
            )
            return out, jax.tree.map(lambda _: True, out)

        self._call = restart

    def __call__(
        self,
        keys: PRNGKeyArray,
        tasks: Float[Array, "n d"],
        done: Bool[Array, " n"],
        state: Any,
        timestep: Timestep,
    ) -> tuple[Any, Timestep]:
        """Start new episodes in the worlds that are done.

        Args:
            keys: one key for each world.
            tasks: the next task of each world; used only where it is done.
            done: the worlds to restart.
            state, timestep: the results of `Environment.step`.

        Returns:
            The state and timestep with new episodes where `done` holds. Observation and labels are
            those of the new episodes; reward, terminated, truncated and success still describe the
            step before.
        """
        state, observation, labels = self._call(
            keys, tasks, done, state, timestep.observation, timestep.labels
        )
        return state, timestep._replace(observation=observation, labels=labels)

    def _restart(self, keys, tasks, done, state, observation, labels):
        def fresh(worlds):
            new_state, first = self.environment.reset(keys[worlds], tasks[worlds])
            return new_state, first.observation, first.labels

        return map_in_groups(fresh, done, (state, observation, labels), self.group_size)


def map_in_groups(
    function: Callable[[Int[Array, " g"]], Any],
    chosen: Bool[Array, " n"],
    values: Any,
    group_size: int,
) -> Any:
    """Replace the rows of chosen worlds in `values` by `function` of their indices.

    The chosen worlds are gathered in groups of a fixed size, so the cost grows with the number of
    chosen worlds. The last group is padded with a world whose results are dropped.

    Args:
        function: maps g indices to new rows for all of `values`.
        chosen: the worlds to replace.
        values: a tree of arrays `[n, ...]`.
        group_size: g, the number of worlds processed at once on a CPU; on accelerators, an eighth
            of all worlds if that is more.
    """
    n = chosen.shape[0]
    size = backends.group_size(n, group_size, parts=8)
    count = jnp.sum(chosen)
    # The indices of chosen worlds come first, then n, which is out of range: the scatter drops it.
    order = jnp.nonzero(chosen, size=n, fill_value=n)[0]
    order = jnp.concatenate([order, jnp.full(size, n)])

    def group(carry):
        begin, old = carry
        worlds = jax.lax.dynamic_slice(order, (begin,), (size,))
        new = function(jnp.minimum(worlds, n - 1))
        return begin + size, jax.tree.map(lambda x, y: x.at[worlds].set(y, mode="drop"), old, new)

    return jax.lax.while_loop(lambda carry: carry[0] < count, group, (0, values))[1]
