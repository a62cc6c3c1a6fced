"""Language feedback: a wrapper that adds messages on the last and the next action.

The content of messages comes from the environment, which has access to the whole state
(`Environment.feedback`). The rate of messages is a parameter of the task, `feedback_rate`, because
an environment is a function of keys and tasks. So a teacher can anneal messages like any other
help, students can be evaluated without them, and levels with and without messages can be mixed in
one batch. Nothing here depends on grids.

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
from jaxtyping import Array, Bool, Float, Int32, PRNGKeyArray, UInt32

from didact.common.errors import SettingError
from didact.environments.base import Environment, Map, Timestep, name_of, split_keys
from didact.environments.capabilities import PARTS, SILENT, Feedback, Remark
from didact.environments.compiler_hints import fold_vmap
from didact.environments.feedback.messages import Message, Speech
from didact.environments.feedback.student_model import BINS, Model, StepContext, worth_sending
from didact.environments.feedback.wordings import TEMPLATE, Pool, read_pool
from didact.environments.spaces import ArraySpace
from didact.environments.task_spaces import Box, Dimension
from didact.environments.wrappers.wrapper import Wrapper

KEY, VECTOR = "feedback", "feedback_vector"
RATE = Dimension(
    "feedback_rate",
    *(0, 1, False, "probability"),
    "The probability of a message on the last or the next action in each step.",
)
_MANY = 10_000  # stands for an unlimited budget of messages
_WORDS = 0x66656564  # folded into a level's key, so that messages have independent randomness


class FeedbackState(NamedTuple):
    """n worlds, and what is needed to comment on them."""

    worlds: Any  # the state of the wrapped environment
    guide: Any  # see `capabilities.Feedback`
    rate: Float[Array, " n"]
    seed: UInt32[Array, " n"]
    steps: Int32[Array, " n"]  # taken so far
    speaks: Bool[Array, " n"]  # whether a message may follow the next step
    informed: Bool[Array, " n"]  # whether the current message contains foresight
    left: Int32[Array, " n"]  # the remaining budget of messages; negative if unlimited
    memory: Any  # the memory of the model of the student
    history: Float[Array, "n b"]  # the histogram of the gains that the model predicted


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of messages; see `with_feedback`."""

    hindsight: bool = True
    foresight: bool = True
    phrasing: str = TEMPLATE
    error_rate: float = 0.0
    budget: int | None = None

    def __post_init__(self):
        if not (self.hindsight or self.foresight):
            raise SettingError("hindsight", False, "True if foresight is False")
        if not 0 <= self.error_rate <= 1:
            raise SettingError("error_rate", self.error_rate, "from 0 to 1, or True or False")
        if self.budget is not None and self.budget < 0:
            raise SettingError("budget", self.budget, "None, or a number of at least 0")


class WithFeedback(Wrapper[FeedbackState]):
    """An environment with messages in its observations; create it by `with_feedback`."""

    task_space: Box

    def __init__(
        self,
        environment: Environment[Any],
        settings: Settings,
        feedback: Feedback,
        pool: Pool,
        model: Model | None = None,
        encoder: Any = None,
    ):
        super().__init__(environment)
        space = environment.task_space
        if not isinstance(space, Box):
            raise SettingError("environment", self.name, "one whose tasks are named numbers")
        if RATE.name in space.names:
            raise SettingError("environment", self.name, f"one without a dimension {RATE.name}")
        self.settings, self.model, self._source = settings, model, feedback
        self._pool, self._encoder = pool, encoder
        self.task_space, self.help_parameter = _with_rate(space), RATE.name
        self.restart_group_size = max(environment.restart_group_size, feedback.group_size)
        self.speech = Speech(feedback, pool, settings.phrasing)
        tokens = ArraySpace(
            (len(PARTS), self.speech.length),
            *(jnp.int32, 0, self.speech.vocabulary - 1),
            kind="tokens",
            role="feedback",
        )
        self.observation_space = {**environment.observation_space, KEY: tokens}
        self._vectors = None if encoder is None else self.speech.vectors(encoder)
        if self._vectors is not None:
            highest = max(float(np.abs(table).max()) for table in self._vectors)
            size = sum(table.shape[-1] for table in self._vectors)
            vector = ArraySpace((size,), np.float32, -highest, highest, role="feedback")
            self.observation_space[VECTOR] = vector
        self._begin, self._go_on = (fold_vmap(jax.jit(f)) for f in (self._first, self._next))

    def changed(self, **settings: Any) -> "WithFeedback":
        """Return the environment with other settings of `with_feedback`."""
        informed = vars(self.settings) | {"pool": self._pool, "model": self.model}
        informed |= {"encoder": self._encoder}
        return with_feedback(self.environment, **(informed | settings))

    def inner_state(self, state: FeedbackState) -> Any:
        return state.worlds

    def outer_task(self, task: Float[np.ndarray, " d"]) -> Float[np.ndarray, " e"]:
        """Return the task with a rate of 0, because students are evaluated without messages."""
        return np.append(task, np.float32(0))

    @property
    def easy_space(self) -> Box:
        easy = self.environment.easy_space
        return _with_rate(easy) if isinstance(easy, Box) else self.task_space

    def feedback(self) -> None:
        """Return None, because the observations contain feedback already."""
        return None

    def reset(
        self, key: PRNGKeyArray, tasks: Float[Array, "n d"]
    ) -> tuple[FeedbackState, Timestep]:
        keys, tasks = split_keys(key, tasks.shape[0]), self.task_space.clip(tasks)
        worlds, timestep = self.environment.reset(keys, tasks[:, :-1])
        seed = jax.vmap(lambda key: jax.random.bits(jax.random.fold_in(key, _WORDS)))(keys)
        state, more = self._begin(worlds, timestep.observation, tasks[:, -1], seed)
        return state, timestep._replace(observation=timestep.observation | more)

    def step(
        self, key: PRNGKeyArray | None, state: FeedbackState, actions: Array
    ) -> tuple[FeedbackState, Timestep]:
        worlds, timestep = self.environment.step(key, state.worlds, actions)  # type: ignore[arg-type]
        state, more = self._go_on(state, worlds, actions, timestep.observation, timestep.done)
        return state, timestep._replace(observation=timestep.observation | more)

    def _first(self, worlds, observation, rate, seed):
        n, steps = len(seed), jnp.zeros(seed.shape, jnp.int32)
        draws = _draws(seed, steps)
        left = jnp.full(n, -1 if self.settings.budget is None else self.settings.budget)
        speaks = (draws[:, 0] < rate) & (left != 0)
        wanted = (rate > 0) if self.model else speaks & self.settings.foresight
        wanted |= self.settings.hindsight & (draws[:, 1] < rate)
        guide = self._source.begin(worlds, wanted & (left != 0))
        memory = () if self.model is None else self.model.initial(n, self._source.num_kinds)
        history = jnp.zeros((n, 0 if self.model is None else BINS))
        again, no = draws[:, 1] < rate, jnp.zeros(n, bool)
        state = FeedbackState(worlds, guide, rate, seed, steps, again, no, left, memory, history)
        speaks &= self.settings.foresight
        kind = self._source.advice(guide).kind
        return self._message(
            state, speaks, StepContext(observation, kind, kind, no, no), None, draws
        )

    def _next(self, before: FeedbackState, worlds, actions, observation, done):
        settings, source = self.settings, self._source
        steps = before.steps + 1
        draws = _draws(before.seed, steps)
        again = draws[:, 1] < before.rate  # whether a message may follow the next step
        some = before.left != 0
        speaks = before.speaks & some
        wanted = speaks | (settings.hindsight & again & some)
        if self.model is not None:
            wanted = (before.rate > 0) & some
        guide = source.follow(before.guide, before.worlds, worlds, wanted & ~done)
        old, new = source.advice(before.guide), source.advice(guide)
        remark = None
        if settings.hindsight:
            remark = source.hindsight(before.worlds, worlds, actions, before.guide, guide)
            remark = remark._replace(number=jnp.where(old.known, remark.number, SILENT))
        right = source.is_right(before.guide, actions)
        alone = ~before.informed & old.known
        context = StepContext(observation, new.kind, old.kind, right, alone)
        state = before._replace(worlds=worlds, guide=guide, steps=steps, speaks=again)
        return self._message(state, speaks, context, remark, draws)

    def _message(
        self, state: FeedbackState, speaks, context: StepContext, remark: Remark | None, draws
    ):
        """Return the state and the message, which is empty where nothing is said."""
        settings, source = self.settings, self._source
        advice = source.advice(state.guide)
        if self.model is not None:
            gain, memory = self.model.gain(state.memory, context)
            left = jnp.where(state.left < 0, _MANY, state.left)
            worth, history = worth_sending(state.history, gain, draws[:, 9], left, advice.steps)
            state = state._replace(memory=memory, history=history)
            speaks &= worth
        silent = Remark(jnp.full(len(speaks), SILENT), jnp.zeros(len(speaks), jnp.int32))
        said = Message(silent if remark is None else remark, silent, silent)
        is_wrong = draws[:, 2:4] < settings.error_rate
        if settings.error_rate > 0 and remark is not None:
            false = source.false_hindsight(remark.number, draws[:, 7])
            number = jnp.where(is_wrong[:, 0], false, remark.number)
            said = said._replace(hindsight=remark._replace(number=number))
        if settings.foresight:
            parts = source.foresight(state.worlds, state.guide)
            if settings.error_rate > 0:
                false = source.false_foresight(state.worlds, state.guide, draws[:, 8])
                parts = jax.tree.map(lambda x, y: jnp.where(is_wrong[:, 1], x, y), false, parts)
            said = said._replace(action=parts[0], purpose=parts[1])
        numbers = jnp.stack([part.number for part in said])
        # Foresight needs advice for the current state; hindsight does not.
        known = speaks & (advice.known | jnp.array([[True], [False], [False]]))
        numbers = jnp.where(known, numbers, SILENT)
        message = Message(*(p._replace(number=x) for p, x in zip(said, numbers, strict=True)))
        informed = jnp.any(numbers != SILENT, 0)
        left = jnp.where(informed & (state.left > 0), state.left - 1, state.left)
        more = {KEY: self.speech.tokens(message, draws[:, 4:7])}
        if self._vectors is not None:
            more[VECTOR] = self.speech.looked_up(self._vectors, message, draws[:, 4:7])
        has_foresight = jnp.any(numbers[1:] != SILENT, 0)
        return state._replace(informed=has_foresight, left=left), more

    def map(self, state: FeedbackState, index: int) -> Map | None:
        """Return the map with empty messages."""
        seen = super().map(state, index)
        if seen is None:
            return None
        names = (KEY, VECTOR) if VECTOR in self.observation_space else (KEY,)
        spaces = {name: self.observation_space[name] for name in names}
        blank = {k: jnp.zeros((len(seen.free), *s.shape), s.dtype) for k, s in spaces.items()}
        return seen._replace(observation={**seen.observation, **blank})

    def feedback_text(self, observation: Mapping[str, Any]) -> str:
        return self.speech.text(np.asarray(observation[KEY]))


def _with_rate(space: Box) -> Box:
    return Box((*space.dimensions, RATE))


def _draws(seed: UInt32[Array, " n"], steps: Int32[Array, " n"]) -> Float[Array, "n 10"]:
    """Draw uniform numbers in 0..1 for a step of each world."""

    def draw(seed, steps):
        key = jax.random.fold_in(jax.random.key(_WORDS), seed)
        return jax.random.uniform(jax.random.fold_in(key, steps), (10,))

    return jax.vmap(draw)(seed, steps)


def with_feedback(
    environment: Environment[Any],
    *,
    hindsight: bool = True,
    foresight: bool = True,
    phrasing: str = TEMPLATE,
    pool: str | os.PathLike[str] | Pool | None = None,
    error_rate: bool | float = 0.0,
    budget: int | None = None,
    model: Model | None = None,
    encoder: Any = None,
) -> WithFeedback:
    """Add `feedback`, int32[n, 3, length] token ids, to the observations of an environment.

    The three parts of a message evaluate the last action, say what to do next, and for what
    purpose. Tasks get a further parameter, `feedback_rate`: the probability of a message in each
    step. With a rate of 0, levels, steps and all other observations are those of the environment
    itself. `feedback_text` converts a message to words.

    Args:
        environment: an environment that offers feedback, such as grid worlds with Baby Language
            instructions, and whose task space is a `Box`.
        hindsight: whether messages evaluate the last action.
        foresight: whether messages say what to do next, and for what purpose.
        phrasing: "template" for fixed wordings; "train", "validation" or "test" for wordings drawn
            from that split of the pool. Messages have the same length in all phrasings of a pool.
        pool: the path of a JSON file of wordings (see `wordings.read_pool`), or a pool that was
            read from one; by default the environment's own pool.
        error_rate: the probability that hindsight is wrong, and likewise for foresight; True
            for 1.
        budget: the maximum number of messages per episode; None for no limit.
        model: a model of the student. If given, messages that the rate allows are sent only where
            the model predicts that they help most. See `student_model.mistake_model`.
        encoder: a sentence encoder, as in `sentence_embeddings.embed_sentences`. If given,
            observations also have `feedback_vector`, float32[n, 3d], with the vectors of the three
            parts of a message; 0 where nothing is said.

    Returns:
        The environment with messages.

    Raises:
        SettingError: a setting or the pool is invalid, or the environment offers no feedback.
    """
    source = environment.feedback()
    if source is None:
        raise SettingError("environment", name_of(environment), "one that offers feedback")
    if pool is None:
        pool = source.wordings
    elif not isinstance(pool, Mapping):
        pool = read_pool(pool, source.wordings)
    settings = Settings(hindsight, foresight, phrasing, float(error_rate), budget)
    return WithFeedback(environment, settings, source, pool, model, encoder)
