"""Stop a training when NaN or infinity appears, and name the likely cause.

The compiled update computes the largest magnitude of what goes through it: one pass over data that
learning passes over many times. The host looks at these few numbers after each chunk, before it
writes anything.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from didact.common.errors import SettingError
from didact.environments.task_spaces import Box, TaskSpace
from didact.experiments.config import TrainConfig
from didact.experiments.objects import is_label
from didact.students import Rollout
from didact.students.registry import STUDENTS
from didact.teachers import Outcomes, Proposals

# What a student learns, by field of its state. Others, such as a replay buffer, are not checked.
LEARNED = ("params", "critics", "targets", "log_alpha", "optimiser", "optimisers", "returns")
HUGE = 1e6  # a magnitude of returns or observations that can make losses overflow


class Magnitudes(NamedTuple):
    """Largest absolute values in an update; NaN or infinite if any value is."""

    tasks: Float[Array, ""]  # of episodes that ended
    learn: Float[Array, ""]  # of their proposals
    observations: dict[str, Float[Array, ""]]
    rewards: Float[Array, ""]
    learned: dict[str, Float[Array, ""]]  # by field of the students' states, see `LEARNED`


def magnitudes(
    proposals: Proposals,
    outcomes: Outcomes,
    rollout: Rollout,
    student_states: Sequence[Any],
    axis: str,
) -> Magnitudes:
    """Compute the magnitudes of an update, over all devices of a mapped axis."""
    played = outcomes.weights > 0
    fields = {name: [getattr(each, name, ()) for each in student_states] for name in LEARNED}
    found = Magnitudes(
        largest(jnp.where(played[:, None], proposals.tasks, 0)),
        largest(jnp.where(played, proposals.learn, 0)),
        {name: largest(x) for name, x in rollout.observation.items() if _is_real(x)},
        largest(rollout.reward),
        {name: largest(value) for name, value in fields.items() if jax.tree.leaves(value)},
    )
    leaves, tree = jax.tree.flatten(found)
    # Not a maximum over devices: some of them drop NaN.
    every = jax.lax.all_gather(jnp.stack(leaves), axis)
    return jax.tree.unflatten(tree, list(jnp.max(every, axis=0)))


def largest(tree: Any) -> Float[Array, ""]:
    """Return the largest absolute value of all real numbers in a pytree; NaN if one is NaN."""
    real = [x for x in jax.tree.leaves(tree) if _is_real(x)]
    sizes = [jnp.max(jnp.abs(x), initial=0).astype(jnp.float32) for x in real]
    return jnp.max(jnp.stack(sizes)) if sizes else jnp.zeros(())


def _is_real(x: Any) -> bool:
    return jnp.issubdtype(x.dtype, jnp.floating)


def require_finite_records(
    config: TrainConfig, records: Any, before: int, saved: Sequence[int]
) -> None:
    """Check the records of a chunk, on the host.

    Args:
        config: settings of the training.
        records: `loop.Records` of the chunk.
        before: number of updates before the chunk.
        saved: number of updates of each checkpoint.

    Raises:
        SettingError: something is NaN or infinite. The error names the first such quantity in the
            order of cause and effect, the update, the setting that is the likely cause, and the
            last checkpoint.
    """
    quantities = list(_quantities(records))
    bad = [~np.isfinite(values) for *_, values in quantities]
    if not np.any(bad):
        return
    seeds = config.num_seeds > 1
    first = int(np.argmax(np.any(bad, axis=(0, 1) if seeds else 0)))
    for (kind, name, values), wrong in zip(quantities, bad, strict=True):
        at = np.flatnonzero(wrong[..., first])
        if at.size:
            value = float(np.asarray(values)[..., first].reshape(-1)[at[0]])
            where = f"update {before + first + 1}"
            if seeds:
                where += f" of seed {config.seed + int(at[0])}"
            cause = _cause(kind, config, records)
            raise SettingError(name, value, f"finite ({where}: {cause}; {last_finite(saved)})")


def require_tasks_inside(
    config: TrainConfig, space: TaskSpace, records: Any, before: int, saved: Sequence[int]
) -> None:
    """Check that the tasks of a chunk lie within the bounds of a box, on the host.

    Args:
        config: settings of the training.
        space: the environment's task space; only a `Box` is checked.
        records: `loop.Records` of the chunk.
        before: number of updates before the chunk.
        saved: number of updates of each checkpoint.

    Raises:
        SettingError: a task is out of bounds. The error names its parameter, the update and the
            teacher.
    """
    if not isinstance(space, Box):
        return
    tasks, played = np.asarray(records.tasks), np.asarray(records.outcomes.weights) > 0
    margin = 1e-5 * (np.abs(space.low) + np.abs(space.high))  # for rounding
    outside = (tasks < space.low - margin) | (tasks > space.high + margin)  # [(seeds,) k, m, d]
    outside &= played[..., None]
    if not outside.any():
        return
    at = np.unravel_index(np.argmax(outside), outside.shape)
    dimension, update = space.dimensions[at[-1]], before + int(at[-3]) + 1
    allowed = (
        f"from {dimension.low:g} to {dimension.high:g} (update {update}: proposed by --teacher "
        f"{config.teacher}; {last_finite(saved)})"
    )
    raise SettingError(f"task parameter {dimension.name}", float(tasks[at]), allowed)


def require_finite_state(config: TrainConfig, state: Any, updates: int) -> None:
    """Check what a training starts from: initial values, or those of a checkpoint.

    Raises:
        SettingError: something that the student learns is NaN or infinite.
    """
    antagonists = {f"antagonist {n}": each for n, each in enumerate(state.antagonists, 1)}
    for who, student in ({"student": state.student} | antagonists).items():
        fields = {name: getattr(student, name, ()) for name in LEARNED}
        found = jax.device_get(jax.jit(lambda parts: jax.tree.map(largest, parts))(fields))
        for path, value in jax.tree_util.tree_leaves_with_path(found):
            if not np.isfinite(value):
                name = jax.tree_util.keystr(path, simple=True, separator="/")
                cause = (
                    f"the checkpoint after update {updates} is not; resume from an earlier one "
                    "with --checkpoint"
                    if updates
                    else f"before the first update; see --student {config.student}"
                )
                raise SettingError(f"the {who}'s state {name}", float(value), f"finite ({cause})")


def require_teacher_without_nan(
    config: TrainConfig, teacher_state: Any, updates: int, saved: Sequence[int]
) -> None:
    """Check a teacher's state after a chunk, on the host.

    A teacher may keep infinities, such as the score of an empty slot, but NaN spreads to everything
    that it proposes, where clipping to the task space hides it.

    Args:
        config: settings of the training.
        teacher_state: the state after the chunk.
        updates: number of updates after the chunk.
        saved: number of updates of each checkpoint.

    Raises:
        SettingError: a number is NaN. The error names the field, the teacher and the last
            checkpoint.
    """
    for path, found in jax.tree_util.tree_leaves_with_path(jax.device_get(_nans(teacher_state))):
        if np.any(found):
            field = jax.tree_util.keystr(path, simple=True, separator="/")
            name = f"the teacher's state {field}".rstrip()
            where = f"by update {updates}: kept by --teacher {config.teacher}"
            raise SettingError(name, math.nan, f"a number ({where}; {last_finite(saved)})")


@jax.jit
def _nans(tree: Any) -> Any:
    """Return, for each leaf of a pytree, whether it holds NaN."""
    return jax.tree.map(
        lambda x: jnp.any(jnp.isnan(x)) if _is_real(x) else jnp.zeros((), bool), tree
    )


def require_finite_scores(scores: Mapping[str, Mapping[str, Any]], config: TrainConfig) -> None:
    """Check the results of an evaluation, by evaluation task.

    Raises:
        SettingError: a mean is NaN or infinite.
    """
    for task, row in scores.items():
        for name, value in row.items():
            if isinstance(value, float) and not math.isfinite(value):
                cause = f"an evaluation; {_environment(config)}"
                raise SettingError(f"{name} on {task}", value, f"finite ({cause})")


def require_finite_metrics(metrics: Mapping[str, Any], where: str, setting: str) -> None:
    """Check the metrics of a student that learns outside of the training loop.

    Args:
        metrics: scalars by name.
        where: which update they are of.
        setting: the setting that is the likely cause, with its value.

    Raises:
        SettingError: a metric is NaN or infinite.
    """
    for name in sorted(metrics, key=_loss_first):
        value = float(metrics[name])
        if not math.isfinite(value):
            raise SettingError(name, value, f"finite ({where}: try a smaller {setting})")


def last_finite(saved: Sequence[int]) -> str:
    """Describe the last checkpoint, for errors."""
    return f"the last finite checkpoint is {saved[-1]}" if saved else "no checkpoint was saved"


def _quantities(records: Any) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield kind, name and values `[k]` or `[seeds, k]` of each quantity, causes before effects."""
    found, metrics = records.magnitudes, records.metrics
    yield "task", "task parameter", found.tasks
    yield "task", "`learn` of a proposal", found.learn
    for name, values in found.observations.items():
        yield "observation", f"observation {name!r}", values
    yield "reward", "reward", found.rewards
    yield "return", "return of an episode", metrics["return_sum"]
    for name in sorted(metrics, key=_loss_first):
        if not name.endswith("_sum"):
            yield "learning", name, metrics[name]
    for name, values in found.learned.items():
        yield "learning", f"the student's state {name}", values


def _loss_first(name: str) -> tuple[bool, str]:
    return name != "loss", name


def _cause(kind: str, config: TrainConfig, records: Any) -> str:
    if kind == "task":
        return f"proposed by --teacher {config.teacher}"
    if kind == "reward" or kind == "observation":
        return _environment(config)
    if kind == "return":
        return f"its finite rewards add up to more than a float holds; {_environment(config)}"
    for name, values in records.magnitudes.observations.items():
        if np.max(values, initial=0) > HUGE or not np.all(np.isfinite(values)):
            return f"observation {name!r} reaches {_finite_max(values):.3g}; {_environment(config)}"
    reached = _finite_max(records.magnitudes.rewards)
    if reached > HUGE:
        return f"rewards reach {reached:.3g}; {_environment(config)}"
    return f"try a smaller {_learning_rate(config)}"


def _finite_max(values: Any) -> float:
    values = np.asarray(values, np.float64)
    return float(np.max(np.where(np.isfinite(values), values, 0), initial=0))


def _environment(config: TrainConfig) -> str:
    settings = f" --env-settings {' '.join(config.env_settings)}" if config.env_settings else ""
    return f"it comes from --env {config.env}{settings}"


def _learning_rate(config: TrainConfig) -> str:
    """Return the option of the student's learning rate and its value, or else its settings."""
    if is_label(config.student):
        return "learning rate of the student"
    entry = STUDENTS.find(config.student, "--student")
    rate = getattr(getattr(config, entry.name, None), "learning_rate", None)
    if rate is not None and entry.config is not None:
        return f"--{entry.name}.learning-rate than {rate:g}"
    return "learning rate in --student-settings" + (
        f" (now {' '.join(config.student_settings)})" if config.student_settings else ""
    )
