"""A proposer without a language model, which varies mastered tasks up and failing tasks down."""

import json
import zlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from didact.common.errors import SettingError
from didact.teachers.language.proposer import Proposer, Reply, Report, TaskReport
from didact.teachers.language.task_mutation import Task, TaskCodec

MASTERED, FAILING = 0.8, 0.2  # success rates: tasks are made harder from / easier up to these
CANDIDATES = 8  # per requested task
MAX_EPISODES = 20  # the maximum weight of a task in the fit
RIDGE = 0.3


class Scripted:
    """See `scripted`."""

    name = "scripted"
    immediate = True

    def __init__(self, exploring: float):
        self.exploring = exploring

    def propose(self, report: Report, n: int) -> Reply:
        """Propose about n tasks; always the same tasks for the same report."""
        content = [report.steps, report.seed, report.success]
        content += [[t.task, t.attempts, t.success] for t in report.tasks]
        rng = np.random.default_rng(zlib.crc32(json.dumps(content, sort_keys=True).encode()))
        tasks = _tasks(report, n, self.exploring, rng) if report.tasks else []
        return Reply(json.dumps({"tasks": tasks}), model=self.name)


def scripted(exploring: float = 0.2) -> Proposer:
    """Create a proposer that mutates the tasks of the pool, given only their schema and the report.

    A logistic regression on the success rates in the pool estimates which direction is harder;
    parameters without influence get no weight. The hardest mastered tasks (success from 0.8) are
    made harder, the easiest failing tasks (up to 0.2) easier, and those in between are varied in
    both directions. Of many such mutations, those with an expected success rate near 1/2 are the
    most likely to be proposed. The rest of the tasks are random.

    Args:
        exploring: the fraction of random tasks.

    Returns:
        The proposer.

    Raises:
        SettingError: `exploring` is not from 0 to 1.

    References:
        Hu et al., AgentGen: enhancing planning abilities for large language model based agent via
        environment and task generation, KDD 2025 (bidirectional evolution); Parker-Holder
        et al., Evolving curricula with regret-based environment design, ICML 2022.
    """
    if not 0 <= exploring <= 1:
        raise SettingError("exploring", exploring, "from 0 to 1")
    return Scripted(exploring)


def _tasks(report: Report, n: int, exploring: float, rng: np.random.Generator) -> list[Task]:
    kind = TaskCodec(report.schema)
    old = [dict(entry.task) for entry in report.tasks]
    known = {json.dumps(task, sort_keys=True) for task in old}
    tried = [entry for entry in report.tasks if entry.attempts > 0]

    def new(candidates: Sequence[Task]) -> list[Task]:
        fresh = []
        for task in candidates:
            text = json.dumps(task, sort_keys=True)
            if text not in known:
                known.add(text)
                fresh.append(task)
        return fresh

    children: list[Task] = []
    if tried:
        children = new(_children(tried, kind, CANDIDATES * n, rng))
        features = kind.features([*(dict(entry.task) for entry in tried), *children])
        expected = Fit(features[: len(tried)], tried)(features[len(tried) :])
        weights = expected * (1 - expected) + 0.01
        count = min(len(children), round((1 - exploring) * n))
        if count:
            drawn = rng.choice(len(children), count, False, weights / weights.sum())
            children = [children[i] for i in drawn]
        else:
            children = []
    rest = max(n - len(children), 0)
    parents = rng.integers(len(old), size=2 * rest)
    return children + new([kind.anywhere(old[i], rng) for i in parents])[:rest]


def _children(
    tried: Sequence[TaskReport], kind: TaskCodec, count: int, rng: np.random.Generator
) -> list[Task]:
    """Mutate tasks that were tried."""
    features = kind.features([dict(entry.task) for entry in tried])
    model = Fit(features, tried)
    expected, easier = model(features), model.slope[: len(kind.numbers)]
    length = float(np.linalg.norm(easier))
    # The direction is long if it is certain; otherwise steps are mostly random.
    easier = easier / (1 + length)
    success = np.array([entry.success for entry in tried])
    mastered, failing = success >= MASTERED, success <= FAILING
    groups = [
        (mastered, 1 - expected, (-1.0,)),
        (failing, expected, (1.0,)),
        (~mastered & ~failing, np.ones(len(tried)), (-1.0, 1.0)),
    ]
    groups = [group for group in groups if group[0].any()]
    children = []
    for _ in range(count):
        members, weights, ways = groups[rng.integers(len(groups))]
        weights = np.where(members, weights**2 + 1e-6, 0)
        parent = tried[rng.choice(len(tried), p=weights / weights.sum())]
        way = ways[rng.integers(len(ways))]
        size = 0.4 * 10 ** -rng.random()
        children.append(kind.step(dict(parent.task), way * easier, size, rng))
    return children


class Fit:
    """A logistic regression of success on features: `Fit(features, tried)(more_features)`.

    Attributes:
        slope: the effect of each feature on the logit of success.
    """

    def __init__(self, features: Float[np.ndarray, "m f"], tried: Sequence[TaskReport]):
        attempts = np.minimum([entry.attempts for entry in tried], MAX_EPISODES).astype(float)
        success = np.array([entry.success for entry in tried])
        x = np.concatenate([features - 0.5, np.ones((len(features), 1))], axis=1)
        ridge = np.full(x.shape[1], RIDGE)
        ridge[-1] = 0.01
        beta = np.zeros(x.shape[1])
        for _ in range(25):  # Newton's method, halving steps that would increase the loss
            p = _sigmoid(x @ beta)
            gradient = x.T @ (attempts * (p - success)) + ridge * beta
            curvature = (x.T * (attempts * p * (1 - p))) @ x + np.diag(ridge)
            step = np.linalg.solve(curvature, gradient)
            while (
                _loss(x, beta - step, attempts, success, ridge)
                > _loss(x, beta, attempts, success, ridge)
                and np.abs(step).max() > 1e-9
            ):
                step = step / 2
            beta = beta - step
        self.slope, self.beta = beta[:-1], beta

    def __call__(self, features: Float[np.ndarray, "n f"]) -> Float[np.ndarray, " n"]:
        return _sigmoid((features - 0.5) @ self.beta[:-1] + self.beta[-1])


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(x / 2))


def _loss(x, beta, attempts, success, ridge) -> float:
    logits = x @ beta
    likelihood = attempts * (np.logaddexp(0, logits) - success * logits)
    return float(likelihood.sum() + 0.5 * ridge @ beta**2)
