"""Connects a proposer to a training: between chunks it gets a report on the pool and adds tasks.

With several seeds, each has its own pool. The proposer is asked for each seed in turn, so that the
seeds remain independent trainings.
"""

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from didact.common.files import replacing
from didact.common.registry import Entry, Registry
from didact.common.setting_types import shown
from didact.environments import Environment, SettingError, TaskSpace, registered
from didact.environments.base import name_of
from didact.experiments import setup
from didact.experiments.config import TrainConfig
from didact.experiments.loop import Loop, TrainState
from didact.experiments.runs.transcripts import TRANSCRIPT
from didact.teachers.language import Budget, language_model, task_parsing
from didact.teachers.language.background import Answer, BackgroundProposer, backoff
from didact.teachers.language.proposer import Proposer
from didact.teachers.language.scripted import scripted
from didact.teachers.language.transcript import (
    Exchange,
    Replayed,
    Transcript,
    exchanges,
    replayed,
    totals,
)
from didact.teachers.pool import PoolState, refill, report

TEACHER = "pool"  # whose tasks proposers write
KEPT = "replayed.jsonl"  # the run's copy of the transcript that it replays


@dataclasses.dataclass(frozen=True)
class ProposerContext:
    """The training that a proposer is made for.

    Attributes:
        config: training settings.
        environment: environment of the training.
        space: task space of the teacher.
        run: run folder; None if it does not exist yet.
        before: exchanges before the checkpoint, if the training was resumed.
        dropped: exchanges after the checkpoint, which only count towards the budget.
    """

    config: TrainConfig
    environment: Environment
    space: TaskSpace
    run: Path | None
    before: tuple[Exchange, ...] = ()
    dropped: tuple[Exchange, ...] = ()


def _replayed(context: ProposerContext) -> Proposer:
    config = context.config
    kept = None if context.run is None else context.run / KEPT
    path = kept if kept is not None and kept.is_file() else config.transcript
    if path is None:
        raise SettingError("--transcript", None, "given with --proposer replayed")
    try:
        proposer = replayed(path)
    except SettingError as error:
        raise SettingError("--transcript", str(path), error.allowed) from None
    found = [e for e in exchanges(path) if e.accepted]
    odd = [e for e in found if e.came % config.updates_per_chunk or e.seed >= config.num_seeds]
    if odd:
        allowed = "the transcript of a training with the same --num-seeds and updates per chunk"
        raise SettingError("--transcript", str(path), allowed)
    return proposer


def _language_model(context: ProposerContext) -> Proposer:
    settings = dataclasses.asdict(context.config.llm)
    limits = {name: settings.pop(f"max_{name}") for name in ("calls", "total_tokens", "cost")}
    try:
        budget = Budget(limits["calls"], limits["total_tokens"], limits["cost"])
        proposer = language_model(budget=budget, **settings)
    except SettingError as error:
        limit = {"calls": "max_calls", "tokens": "max_total_tokens", "cost": "max_cost"}
        name = limit.get(error.setting, error.setting)
        ours = name in settings or name in limit.values()
        name = f"--llm.{name.replace('_', '-')}" if ours else name
        raise SettingError(name, error.value, error.allowed) from None
    spent = totals([*context.before, *context.dropped])
    tokens = spent.prompt_tokens + spent.completion_tokens
    budget.spend(spent.calls, tokens, spent.cost if spent.answers else spent.cost or 0.0)
    proposer.recall((e.seed, e.reply.text) for e in context.before if e.reply is not None)
    return proposer


# `make(context)` returns a `Proposer`, or None.
PROPOSERS: Registry[Entry] = Registry("proposer")
PROPOSERS.register("none", lambda context: None, "no proposer: the pool keeps its initial tasks")
PROPOSERS.register(
    "scripted",
    lambda context: scripted(),
    "makes mastered tasks harder and failed tasks easier; needs no server",
)
PROPOSERS.register(
    "language-model",
    _language_model,
    "a language model on an OpenAI-compatible server; see the --llm options",
)
PROPOSERS.register("replayed", _replayed, "replays the tasks of another run, from --transcript")


def of_label(option: str, label: str) -> str:
    """Return the proposer in the label of a teacher, such as `pool:scripted`; "" if it has none.

    Raises:
        SettingError: the teacher is not `pool`, or there is no such proposer.
    """
    first = (label.split() or [""])[0]
    teacher, colon, name = first.partition(":")
    if not colon:
        return ""
    if teacher != TEACHER or name in ("", "none"):
        allowed = f"a teacher, or {TEACHER} with a proposer such as {TEACHER}:scripted"
        raise SettingError(option, shown(label), allowed)
    return PROPOSERS.find(name, option).name


def proposer_of(
    config: TrainConfig,
    environment: Environment,
    run: Path | None = None,
    before: Sequence[Exchange] = (),
    dropped: Sequence[Exchange] = (),
) -> Proposer | None:
    """Make the proposer given by `--proposer`; None if there is none.

    Raises:
        SettingError: the proposer is unknown, or its settings are invalid for this training.
    """
    entry = PROPOSERS.find(config.proposer, "--proposer")
    if config.proposer != "none" and config.teacher != TEACHER:
        allowed = f"none, or given together with --teacher {TEACHER}"
        raise SettingError("--proposer", config.proposer, allowed)
    if config.transcript is not None and config.proposer != "replayed":
        allowed = "omitted unless --proposer is replayed"
        raise SettingError("--transcript", str(config.transcript), allowed)
    if config.propose_tasks > task_parsing.MAX:
        raise SettingError("--propose-tasks", config.propose_tasks, f"at most {task_parsing.MAX}")
    space = setup.teacher_space_of(config, environment)
    context = ProposerContext(config, environment, space, run, tuple(before), tuple(dropped))
    return entry.make(context)


def keep_transcript(config: TrainConfig, run: Path) -> None:
    """Copy the transcript that a run replays, so that the run no longer depends on the original.

    A copy that is there is kept.
    """
    if config.transcript is not None and not (run / KEPT).is_file():
        with replacing(run / KEPT) as draft:
            shutil.copyfile(config.transcript, draft)


class ProposerRunner:
    """Runs a training's proposer: sends reports, parses replies and fills the pool.

    Args:
        config, environment, loop: parts of the training.
        run: folder of the transcript.
        updates: number of updates already done; later exchanges are dropped from the transcript.
        tell: shows a line of plain text to the user.
    """

    def __init__(
        self,
        config: TrainConfig,
        environment: Environment,
        loop: Loop,
        run: Path,
        updates: int = 0,
        tell: Callable[[str], None] = lambda line: None,
    ):
        self.config, self.loop, self.tell = config, loop, tell
        self.space = setup.teacher_space_of(config, environment)
        self.name = _described(environment)
        self.asking: BackgroundProposer | None = None
        if config.proposer == "none":
            proposer_of(config, environment)
            return
        self.transcript = Transcript(run / TRANSCRIPT, updates)
        known = self.transcript.exchanges, self.transcript.dropped
        proposer = proposer_of(config, environment, run, *known)
        self.asking = BackgroundProposer(proposer) if proposer else None
        self.over = any(e.over for e in self.transcript.exchanges)
        self.every = max(config.updates_per_chunk, round(config.num_updates * config.propose_every))
        self.waiting: list[int] = []  # seeds whose reports have not been sent
        self._refill = jax.jit(_refilled)

    def __call__(
        self, state: TrainState, before: int, done: int
    ) -> tuple[TrainState, dict[str, Any]]:
        """Process replies, and send requests if they are due.

        Args:
            state: state after `done` updates.
            before: number of updates at the last call.
            done: number of updates so far.

        Returns:
            The state with new tasks in its pools, and the number of tasks `accepted` and `refused`
            and of requests `failed`; empty if there was no reply.
        """
        if self.asking is None:
            return state, {}
        first = len(self.transcript.exchanges)
        state = self._fetch(state, done)
        if done < self.config.num_updates and not self.over:
            state = self._ask(state, before, done)
        came = self.transcript.exchanges[first:]
        if not came:
            return state, {}
        return state, {
            "accepted": sum(len(e.accepted) for e in came),
            "refused": sum(len(e.refused) for e in came),
            "failed": sum(bool(e.error) for e in came),
        }

    def close(self, updates: int) -> None:
        """Drop a pending request, and record this in the transcript."""
        if self.asking is not None:
            dropped = self.asking.drop("The training ended before a reply arrived.")
            if dropped is not None and dropped.reply is not None:
                why = "The reply arrived after the training had ended."
                self._note(dropped, updates, (), (why,))
            elif dropped is not None:
                self._note(dropped, updates)

    def _ask(self, state: TrainState, before: int, done: int) -> TrainState:
        assert self.asking is not None
        proposer = self.asking.proposer
        every = self.every * backoff(self.transcript.exchanges)
        if isinstance(proposer, Replayed):
            seeds = range(self.config.num_seeds)
            self.waiting = [s for s in seeds for _ in range(proposer.due(done, s))]
        elif not self.waiting and before // every != done // every:
            self.waiting = list(range(self.config.num_seeds))
        while self.waiting and self.asking.report is None and not self.over:
            seed = self.waiting.pop(0)
            pool = self._pool(state, seed)
            past = [e for e in self.transcript.exchanges if e.seed == seed]
            since = past[-1].told if past else (0, 0, 0)
            if int(pool.tried) == since[2] and not isinstance(proposer, Replayed):
                continue  # nothing new to report, for example during a warm-up
            answered = [e for e in past if e.reply is not None]
            asked = report(
                pool,
                self.space,
                environment=self.name,
                steps=done * self.config.steps_per_update,
                updates=done,
                seed=seed,
                since=since[:2],
                refused=answered[-1].refused if answered else (),
            )
            self._counts = (int(pool.episodes), int(pool.successes), int(pool.tried))
            self.asking.ask(asked, self.config.propose_tasks)
            state = self._fetch(state, done)
        return state

    def _fetch(self, state: TrainState, done: int) -> TrainState:
        """Add the tasks of a reply, if there is one, to the pool."""
        assert self.asking is not None
        answer = self.asking.answer()
        if answer is None:
            return state
        if answer.reply is None:
            self.over = answer.over
            self._note(answer, done)  # first, so that nothing can lose it
            last = " No further requests will be made." if answer.over else ""
            self.tell(f"proposer {self.asking.proposer.name}: {answer.error}{last}")
            return state
        pool = self._pool(state, answer.report.seed)
        known = np.asarray(pool.tasks)[np.asarray(pool.filled)]
        most = min(task_parsing.MAX, len(pool.filled), self.config.propose_tasks)
        reading = task_parsing.parse_tasks(answer.reply.text, self.space, known=known, most=most)
        self._note(answer, done, reading.accepted, reading.refused)
        return self._put(state, answer.report.seed, reading.tasks)

    def _note(self, answer: Answer, done: int, accepted: Any = (), refused: Any = ()) -> None:
        assert self.asking is not None
        self.transcript.add(
            Exchange(
                asked=answer.report.updates,
                came=done,
                seed=answer.report.seed,
                steps=answer.report.steps,
                proposer=self.asking.proposer.name,
                told=self._counts,
                reply=answer.reply,
                accepted=tuple(accepted),
                refused=tuple(refused),
                error=answer.error,
                spent=answer.spent,
                over=answer.over,
            )
        )

    def _pool(self, state: TrainState, seed: int) -> PoolState:
        """Return the pool of a seed, on the host."""
        pool = jax.device_get(_pools(state.teacher)[0])
        return PoolState(*(x[seed] for x in pool)) if self.config.num_seeds > 1 else pool

    def _put(self, state: TrainState, seed: int, tasks: np.ndarray) -> TrainState:
        if not len(tasks):
            return state
        padded = np.zeros((-(-len(tasks) // 32) * 32, self.space.size), np.float32)
        padded[: len(tasks)] = tasks
        counts = np.int32(len(tasks))
        if self.config.num_seeds > 1:
            padded = np.broadcast_to(padded, (self.config.num_seeds, *padded.shape))
            counts = np.where(np.arange(self.config.num_seeds) == seed, counts, 0)
        teacher = self._refill(state.teacher, jnp.asarray(padded), jnp.asarray(counts))
        return self.loop.place(state._replace(teacher=teacher))


def _refilled(teacher: Any, tasks: jax.Array, counts: jax.Array) -> Any:
    """Add tasks to the pool within a teacher's state."""
    put = jax.vmap(refill) if counts.ndim else refill

    def changed(part):
        return put(part, tasks, counts) if isinstance(part, PoolState) else part

    return jax.tree.map(changed, teacher, is_leaf=lambda part: isinstance(part, PoolState))


def _pools(teacher: Any) -> list[PoolState]:
    parts = jax.tree.leaves(teacher, is_leaf=lambda part: isinstance(part, PoolState))
    return [part for part in parts if isinstance(part, PoolState)]


def _described(environment: Environment) -> str:
    """Return an environment's name, followed by its description if it has one."""
    known = {entry.name: entry.description for entry in registered()}
    name = name_of(environment)
    return f"{name}: {known[name]}" if name in known else name
