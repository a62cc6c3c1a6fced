"""Language feedback: worlds that say how the last action was and what to do next.

What is said comes from the solver, which sees everything. How often something is said is a part of
the task, `feedback_rate`, because an environment is a function of keys and tasks: so a teacher can
let messages fade out as any other help, students can be asked how they do without, and levels with
and without messages can be mixed in one batch.

References:
    Xi et al., Teaching Embodied Reinforcement Learning Agents: Informativeness and Diversity of
    Language Use, EMNLP 2024 (arXiv:2410.24218), section 3 (hindsight, foresight, templates, pools).
"""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Int32, PRNGKeyArray, UInt32

from didact.environments.array_spaces import ArraySpace
from didact.environments.base import Environment, Timestep, split_keys
from didact.environments.errors import SettingError
from didact.environments.grid import guide as guides
from didact.environments.grid import verdicts
from didact.environments.grid.compiling import folding
from didact.environments.grid.env import GridState, GridWorld
from didact.environments.grid.families.base import follow
from didact.environments.grid.gains import BINS, Look, Model, worth_telling
from didact.environments.grid.guide import Guide
from didact.environments.grid.remarks import POOL, TEMPLATE, Pool, read_pool
from didact.environments.grid.search import NEVER
from didact.environments.grid.utterances import PARTS, SILENT, Message, Speech
from didact.environments.spaces import Box, Dimension, TaskSpace

KEY, VECTOR = "feedback", "feedback_vector"
RATE = Dimension(
    "feedback_rate",
    *(0, 1, False, "probability"),
    "How often a message says how the last action was or what to do next, in each step.",
)
_WORDS = 0x66656564  # folded into a level's key: messages have randomness of their own


class FeedbackState(NamedTuple):
    """n worlds, and what is known to speak of them."""

    worlds: GridState
    guide: Guide
    rate: Float[Array, " n"]
    seed: UInt32[Array, " n"]
    speaks: Bool[Array, " n"]  # whether there may be a message after the next step
    told: Bool[Array, " n"]  # whether there is one now
    left: Int32[Array, " n"]  # messages that may still be given
    memory: Any  # of the model of the student
    history: Float[Array, "n b"]  # of the gains that it predicted


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is said, and how; as `with_feedback` tells."""

    hindsight: bool = True
    foresight: bool = True
    phrasing: str = TEMPLATE
    wrong: float = 0.0
    budget: int | None = None

    def __post_init__(self):
        if not (self.hindsight or self.foresight):
            raise SettingError("hindsight", False, "True where foresight is False")
        if not 0 <= self.wrong <= 1:
            raise SettingError("wrong", self.wrong, "from 0 to 1, or True or False")
        if self.budget is not None and self.budget < 0:
            raise SettingError("budget", self.budget, "None, or a number of at least 0")


class WithFeedback(Environment[FeedbackState]):
    """A grid world with messages in its observations; made by `with_feedback`."""

    task_space: Box
    # The solver is asked for all worlds of a group together.
    restart_group_size = guides.GROUP_SIZE

    def __init__(
        self,
        environment: GridWorld,
        settings: Settings,
        pool: Pool,
        model: Model | None = None,
        encoder: Any = None,
    ):
        if not isinstance(environment, GridWorld):
            kind = type(environment).__name__
            raise SettingError("environment", kind, "a grid world (wrap it in others afterwards)")
        name = getattr(environment, "name", "GridWorld")
        if environment.family.play is not follow or not isinstance(environment.task_space, Box):
            raise SettingError("environment", name, "one with instructions of Baby Language")
        if environment.done_action:
            raise SettingError("environment", name, "one without done_action")
        if RATE.name in environment.task_space.names:
            raise SettingError("environment", name, f"one without a dimension {RATE.name}")
        self.environment, self.settings, self.model = environment, settings, model
        self.name = f"{name}+feedback"
        self.phrasing = environment.phrasing
        self.task_space = _with_rate(environment.task_space)
        self.action_space, self.max_steps = environment.action_space, environment.max_steps
        self.propositions = environment.propositions
        self.speech = Speech(pool, settings.phrasing)
        self.observation_space = {
            **environment.observation_space,
            KEY: ArraySpace(
                (len(PARTS), self.speech.length),
                jnp.int32,
                0,
                self.speech.vocabulary - 1,
                kind="tokens",
                role="feedback",
            ),
        }
        self._vectors = None if encoder is None else self.speech.vectors(encoder)
        if self._vectors is not None:
            highest = max(float(np.abs(table).max()) for table in self._vectors)
            size = sum(table.shape[-1] for table in self._vectors)
            space = ArraySpace((size,), np.float32, -highest, highest, role="feedback")
            self.observation_space[VECTOR] = space
        self._begin, self._go_on = (folding(jax.jit(f)) for f in (self._first, self._next))

    @property
    def easy_space(self) -> Box:
        easy = self.environment.easy_space
        return _with_rate(easy) if isinstance(easy, Box) else self.task_space

    def landmark(self, space: TaskSpace) -> np.ndarray | None:
        """Also a task of the world without feedback is one here: that in which nothing is said."""
        own = super().landmark(space)
        inner = self.environment.task_space.point_of(space)
        return np.append(inner, np.float32(0)) if own is None and inner is not None else own

    def reset(
        self, key: PRNGKeyArray, tasks: Float[Array, "n d"]
    ) -> tuple[FeedbackState, Timestep]:
        keys, tasks = split_keys(key, tasks.shape[0]), self.task_space.clip(tasks)
        worlds, timestep = self.environment.reset(keys, tasks[:, :-1])
        seed = jax.vmap(lambda key: jax.random.bits(jax.random.fold_in(key, _WORDS)))(keys)
        state, more = self._begin(worlds, timestep.observation, tasks[:, -1], seed)
        return state, timestep._replace(observation=timestep.observation | more)

    def step(
        self, key: PRNGKeyArray | None, state: FeedbackState, actions: Int[Array, " n"]
    ) -> tuple[FeedbackState, Timestep]:
        worlds, timestep = self.environment.step(key, state.worlds, actions)
        state, more = self._go_on(state, worlds, actions, timestep.observation, timestep.done)
        return state, timestep._replace(observation=timestep.observation | more)

    def _first(self, worlds, observation, rate, seed):
        draws = _draws(seed, worlds.steps)
        left = jnp.full(len(seed), -1 if self.settings.budget is None else self.settings.budget)
        speaks = (draws[:, 0] < rate) & (left != 0)
        wanted = (rate > 0) if self.model else speaks & self.settings.foresight
        wanted |= self.settings.hindsight & (draws[:, 1] < rate)
        inner = self.environment
        guide = guides.begin(worlds, inner.width, inner.kinds, wanted & (left != 0))
        memory = () if self.model is None else self.model.initial(len(seed))
        history = jnp.zeros((len(seed), 0 if self.model is None else BINS))
        state = FeedbackState(
            worlds, guide, rate, seed, draws[:, 1] < rate, seed < 0, left, memory, history
        )
        speaks &= self.settings.foresight
        silent = jnp.full(len(seed), SILENT), jnp.zeros(len(seed), jnp.uint8)
        alone = jnp.zeros(len(seed), bool)
        look = Look(observation, guide.advice.action, guide.advice.action, alone, alone)
        return self._message(state, speaks, look, silent, draws)

    def _next(self, before: FeedbackState, worlds, actions, observation, done):
        settings, inner = self.settings, self.environment
        draws = _draws(before.seed, worlds.steps)
        again = draws[:, 1] < before.rate  # whether there may be a message after the next step
        some = before.left != 0
        speaks = before.speaks & some
        wanted = speaks | (settings.hindsight & again & some)
        if self.model is not None:
            wanted = (before.rate > 0) & some
        guide = guides.follow(
            *(before.guide, before.worlds, worlds, inner.width, inner.kinds, wanted & ~done)
        )
        old, new = before.guide.advice, guide.advice
        silent = jnp.full(len(done), SILENT), jnp.zeros(len(done), jnp.uint8)
        remark = silent
        if settings.hindsight:
            both = before.worlds, worlds, actions, old, new, guide.known
            remark = verdicts.hindsight(*both, inner.width)
            known = before.guide.known
            remark = jnp.where(known, remark[0], SILENT), remark[1]
        right = verdicts.is_right(old, actions)
        alone = ~before.told & before.guide.known
        look = Look(observation, new.action, old.action, right, alone)
        state = before._replace(worlds=worlds, guide=guide, speaks=again)
        return self._message(state, speaks, look, remark, draws)

    def _message(self, state: FeedbackState, speaks, look: Look, remark, draws):
        """The state and the message, where something is said."""
        settings, width = self.settings, self.environment.width
        advice, known = state.guide.advice, state.guide.known
        if self.model is not None:
            gain, memory = self.model.gain(state.memory, look)
            left = jnp.where(state.left < 0, NEVER, state.left)
            worth, history = worth_telling(state.history, gain, left, advice.length)
            state = state._replace(memory=memory, history=history)
            speaks &= worth
        number, thing = remark
        is_wrong = draws[:, 2:4] < settings.wrong
        if settings.wrong > 0:
            false = verdicts.false_hindsight(number, draws[:, 7])
            number = jnp.where(is_wrong[:, 0], false, number)
        parts = jnp.full_like(number, SILENT), thing, jnp.full_like(number, SILENT), thing
        if settings.foresight:
            actions = advice.action
            if settings.wrong > 0:
                false, other = verdicts.false_foresight(state.worlds, advice, draws[:, 8], width)
                actions = jnp.where(is_wrong[:, 1], false, actions)
                thing_ = jnp.where(is_wrong[:, 1], other.thing, advice.thing)
                advice = advice._replace(thing=thing_)
            parts = verdicts.foresight(state.worlds, advice, actions, width)
        remarks = jnp.stack([number, parts[0], parts[2]])
        # Foresight is for the world as it is; hindsight may be known without it.
        remarks = jnp.where(
            speaks & (known | jnp.array([[True], [False], [False]])), remarks, SILENT
        )
        message = Message(remarks[0], remarks[1], remarks[2], thing, parts[1], parts[3])
        told = jnp.any(remarks != SILENT, 0)
        left = jnp.where(told & (state.left > 0), state.left - 1, state.left)
        more = {KEY: self.speech.tokens(message, draws[:, 4:7])}
        if self._vectors is not None:
            more[VECTOR] = self.speech.looked_up(self._vectors, message, draws[:, 4:7])
        told_next = jnp.any(remarks[1:] != SILENT, 0)
        return state._replace(told=told_next, left=left), more

    def render(self, state: FeedbackState, index: int, **settings: Any) -> np.ndarray:
        return self.environment.render(state.worlds, index, **settings)

    def render_ansi(self, state: FeedbackState, index: int, **settings: Any) -> str:
        """As that of the world itself."""
        return self.environment.render_ansi(state.worlds, index, **settings)

    def instruction_text(self, observation: Mapping[str, Any]) -> str:
        return self.environment.instruction_text(observation)

    def feedback_text(self, observation: Mapping[str, Any]) -> str:
        return self.speech.text(np.asarray(observation[KEY]))


def _with_rate(space: Box) -> Box:
    return Box((*space.dimensions, RATE))


def _draws(seed: UInt32[Array, " n"], steps: Int32[Array, " n"]) -> Float[Array, "n 9"]:
    """Numbers uniform in 0..1 for a step of each world."""

    def draw(seed, steps):
        key = jax.random.fold_in(jax.random.key(_WORDS), seed)
        return jax.random.uniform(jax.random.fold_in(key, steps), (9,))

    return jax.vmap(draw)(seed, steps)


def with_feedback(
    environment: GridWorld,
    *,
    hindsight: bool = True,
    foresight: bool = True,
    phrasing: str = TEMPLATE,
    pool: str | os.PathLike[str] | Pool | None = None,
    wrong: bool | float = 0.0,
    budget: int | None = None,
    model: Model | None = None,
    encoder: Any = None,
) -> WithFeedback:
    """An environment whose observations also have `feedback`, int32[n, 3, length] token ids.

    The three parts tell how the last action was, what to do next, and what for.
    Its tasks have one more number, `feedback_rate`: the chance of a message in each step. With 0
    levels, steps and all other observations are those of the environment itself. `feedback_text`
    tells a message in words.

    Args:
        environment: a grid world with instructions of Baby Language and without `done_action`.
        hindsight: whether messages say how the last action was.
        foresight: whether they say what to do next, and what for.
        phrasing: "template", always the same words; or "train", "validation" or "test", words drawn
            from that split of a pool. Messages of all phrasings of a pool have the same length.
        pool: a JSON file of wordings, as `remarks.read_pool` reads it, or what that returned; the
            built-in pool if None.
        wrong: the chance that what is said is wrong, for hindsight and foresight each; True for 1.
        budget: the most messages of an episode; as many as there are steps if None.
        model: a model of the student: of the messages that the rate allows, only those are given
            that help most by what it predicts. `gains.mistakes()` is one.
        encoder: a sentence encoder, as `vectors.sentence_vectors` takes it: observations then have
            `feedback_vector`, too, float32[n, 3d], of the three parts of messages, 0 where nothing
            is said.

    Raises:
        SettingError: a setting has no meaning, the pool is no pool, or the world is another one.
    """
    if pool is None:
        pool = POOL
    elif not isinstance(pool, Mapping):
        pool = read_pool(pool)
    settings = Settings(hindsight, foresight, phrasing, float(wrong), budget)
    return WithFeedback(environment, settings, pool, model, encoder)
