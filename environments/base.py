"""What a world is: `Environment`, `Timestep`, and how finished worlds are restarted.

Environments are pure and batch-native: every array has a leading axis of worlds, and one call
steps all of them. That is several times faster than `vmap` over one world.
"""

from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

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
PLACE = "place"  # the observation that tells the number of a place, where places are numbered


class Timestep(NamedTuple):
    """What worlds show after a reset or a step; `terminated` and `truncated` as in Gymnasium.

    The observation of a finished episode is its last one; worlds do not restart by themselves.
    """

    observation: dict[str, Array]  # each [n, ...]
    reward: Float[Array, " n"]
    terminated: Bool[Array, " n"]  # the world came to an end: the value of what follows is 0
    truncated: Bool[Array, " n"]  # the time limit came: what would have followed has a value
    success: Bool[Array, " n"]  # the instruction was fulfilled in this step
    labels: Bool[Array, "n p"]  # which of `Environment.propositions` hold now

    @property
    def done(self) -> Bool[Array, " n"]:
        return self.terminated | self.truncated


class Map(NamedTuple):
    """What an agent would see at each of the p places of a world, in rows of `width`."""

    observation: dict[str, Array]  # each [p, ...]
    free: Bool[np.ndarray, " p"]  # where an agent can be
    marks: list[str]  # what is there, in a few letters, or ""
    width: int


class Environment(Generic[State]):
    """Many worlds of one kind, stepped together.

    Subclasses set the attributes and write `reset`, `step` and `render`; all three are
    deterministic functions of their arguments, and the first two can be jitted. Everything else
    is optional: methods of what an environment may offer (see `capabilities`) return None here.

    Attributes:
        name: the id it is registered under.
        task_space: what a teacher may ask for.
        easy_space: the part of `task_space` where a beginner succeeds now and then.
        observation_space: the arrays of an observation, by name.
        action_space: the actions.
        max_steps: no episode is longer than this.
        propositions: names of the facts in `Timestep.labels`.
        adjectives: those that tell of what kind a thing is, as blue does in "the blue ball".
        restart_group_size: how many finished worlds `Restart` resets at once on a CPU, unless told.
        official: the same environment in gymnasium, where there is one.
        render_fps: steps per second at which videos show natural speed.
        render_modes: "rgb_array", and "ansi" where `render_ansi` draws.
        phrasing: the split of paraphrases that instructions are worded in; None for plain ones.
        help_parameter: the task parameter that says how much help a student gets, if there is one;
            a training can anneal it to its minimum.
    """

    name: str
    task_space: TaskSpace
    observation_space: Mapping[str, ArraySpace]
    action_space: ActionSpace
    max_steps: int
    propositions: tuple[str, ...] = ()
    adjectives: tuple[str, ...] = ()
    restart_group_size: int = 16
    official: Counterpart | None = None
    render_fps: int = 6
    render_modes: tuple[str, ...] = ("rgb_array",)
    phrasing: str | None = None
    help_parameter: str | None = None

    @property
    def easy_space(self) -> TaskSpace:
        return self.task_space

    @property
    def evaluation_tasks(self) -> dict[str, Float[np.ndarray, " d"]]:
        """What to test students on, by name: the task, where there is only one; else none."""
        only = self.single_task(self.task_space)
        return {} if only is None else {name_of(self): only}

    def single_task(self, space: TaskSpace) -> Float[np.ndarray, " d"] | None:
        """The only task of another space as a task of this environment, or None if it is none."""
        return self.task_space.single_task(space)

    def reset(self, key: PRNGKeyArray, tasks: Float[Array, "n d"]) -> tuple[State, Timestep]:
        """Starts n worlds, one for each task.

        Args:
            key: one key, or n keys, one for each world.
            tasks: points of `task_space`.
        """
        raise NotImplementedError

    def step(self, key: PRNGKeyArray, state: State, actions: Array) -> tuple[State, Timestep]:
        """Takes one action in every world: int32[n] if `Discrete`, float32[n, k] if `Continuous`.

        Continuous actions are clipped to the bounds by the environment.
        """
        raise NotImplementedError

    def render(self, state: State, index: int) -> np.ndarray:
        """A picture uint8[height, width, 3] of world `index`; drawn on the host."""
        raise NotImplementedError

    def render_ansi(
        self,
        state: State,
        index: int,
        color: bool = True,
        window: tuple[int, int] | None = None,
    ) -> str | None:
        """World `index` as lines of text, or None where `render_modes` does not have "ansi".

        Args:
            state: the worlds.
            index: which of them.
            color: whether there are codes for colours.
            window: the most characters of a line and the most lines; what does not fit around the
                agent is cut off.
        """
        return None

    def text_status(self, state: State, index: int) -> TextStatus:
        """What a person who plays world `index` in a terminal should see beside the drawing."""
        return TextStatus(self.max_steps)

    def map(self, state: State, index: int) -> Map | None:
        """World `index` as seen from all its places, for pictures; None where there are none."""
        return None

    def instruction_text(self, observation: Mapping[str, Any]) -> str:
        """The instruction of one world's observation (no worlds axis) in words, or ''."""
        return ""

    def feedback_text(self, observation: Mapping[str, Any]) -> str:
        """The feedback in one world's observation (no worlds axis) in words, or ''."""
        return ""

    def expert(self) -> StateExpert | None:
        """A privileged expert, which sees the whole state."""
        return None

    def achieved_instructions(self) -> AchievedInstructions | None:
        """Describes what steps happened to achieve.

        Raises:
            SettingError: a setting of this environment rules it out.
        """
        return None

    def feedback(self) -> Feedback | None:
        """Describes actions in words, for `with_feedback`.

        Raises:
            SettingError: a setting of this environment rules it out.
        """
        return None

    def optional_propositions(self) -> OptionalPropositions | None:
        """More propositions, for `with_propositions`."""
        return None


def name_of(environment: Environment) -> str:
    """The name of an environment; that of the class for an environment that was made by hand."""
    return getattr(environment, "name", type(environment).__name__)


def split_keys(key: PRNGKeyArray, n: int) -> PRNGKeyArray:
    """n keys: `key` itself where it already is n keys, else split from it."""
    return key if jnp.ndim(key) == 1 else jax.random.split(key, n)


class Restart:
    """Replaces finished worlds by new ones, generating only as many levels as are needed.

    Worlds finish a few at a time, and making a level costs many times a step. So the finished
    ones are gathered in groups of `group_size` (on accelerators an eighth of all, if that is
    more) and only they are reset: generation costs per episode, not per step. Under `vmap` (over
    seeds) the mapped axis is folded into the axis of worlds, which keeps that property.
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
        """State and timestep in which worlds that are `done` stand at the start of a new episode.

        Args:
            keys: one key for each world.
            tasks: the task each world would take if it is done.
            done: which worlds to restart.
            state, timestep: as `Environment.step` gave them. Reward, terminated, truncated and
                success keep telling of the step before; observation and labels are new.
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
    """`values` with the rows of chosen worlds replaced by `function` of their indices.

    The chosen worlds are gathered in groups of a fixed size, so the cost grows with how many
    are chosen. The last group is filled up with a world whose results are dropped.

    Args:
        function: maps g indices to new rows for all of `values`.
        chosen: which worlds.
        values: a tree of arrays `[n, ...]`.
        group_size: g, how many worlds are worked on at once on a CPU; on accelerators, an eighth
            of all if that is more.
    """
    n = chosen.shape[0]
    size = backends.group_size(n, group_size, parts=8)
    count = jnp.sum(chosen)
    # The indices of chosen worlds come first, then n ("nobody"), which the scatter drops.
    order = jnp.nonzero(chosen, size=n, fill_value=n)[0]
    order = jnp.concatenate([order, jnp.full(size, n)])

    def group(carry):
        begin, old = carry
        worlds = jax.lax.dynamic_slice(order, (begin,), (size,))
        new = function(jnp.minimum(worlds, n - 1))
        return begin + size, jax.tree.map(lambda x, y: x.at[worlds].set(y, mode="drop"), old, new)

    return jax.lax.while_loop(lambda carry: carry[0] < count, group, (0, values))[1]
