"""PAIRED: an adversary that writes levels in which an antagonist beats the protagonist."""

from typing import TypedDict, Unpack

from didact.common.errors import require
from didact.environments.task_spaces import Box
from didact.teachers.adversary.transformer import transformer
from didact.teachers.base import Teacher

_SCORES = {"relative": "regret", "population": "population_regret"}


class WriterSettings(TypedDict, total=False):
    """The settings of the transformer that writes the levels, see `transformer`."""

    temperature: float
    random_fraction: float
    train_every: int
    memory: int
    learning_rate: float
    steps: int
    batch: int
    critic_steps: int
    bins: int
    width: int
    layers: int
    heads: int


def paired(
    space: Box,
    *,
    regret: str = "relative",
    antagonists: int = 1,
    **settings: Unpack[WriterSettings],
) -> Teacher:
    """Write levels token by token with a transformer that is rewarded for the student's regret.

    Several students of the same design learn from the same levels: the protagonist, which is the
    result of the training, and antagonists. The regret of a level is the best return of the
    antagonists minus the mean return of the protagonist. It is 0 where all of them succeed, and
    also where none can, so that the levels stay solvable; compare `minimax`.

    In the original, the adversary is trained by PPO on the regrets of its own latest levels. Here a
    critic learns the expected regret of tasks, and the transformer is trained on the critic's
    values (see `transformer`), so that noisy regrets of single levels are averaged over similar
    levels, and levels whose outcomes arrive late count as well.

    Args:
        space: the task space.
        regret: "relative", as above; or "population": the best return of any student minus the
            mean return of all, so that no student has a special role.
        antagonists: the number of antagonists. The environments are divided equally among all
            students.
        settings: the settings of the transformer.

    Returns:
        A teacher with several `students`. The training loop trains all of them, and its number of
        environments has to be a multiple of their number.

    Raises:
        SettingError: a setting is out of range, or the task space is not a `Box`; when it observes,
            if the outcomes have no regrets, because only one student plays.

    References:
        Dennis et al., Emergent complexity and zero-shot transfer via unsupervised environment
        design, NeurIPS 2020, algorithm 1. See `adversary.regrets` for regrets of populations.
    """
    require("regret", regret, regret in _SCORES, '"relative" or "population"')
    require("antagonists", antagonists, 1 <= antagonists <= 64, "from 1 to 64")
    teacher = transformer(space, reward="regret", score=_SCORES[regret], **settings)
    return teacher._replace(students=1 + antagonists)


def minimax(space: Box, **settings: Unpack[WriterSettings]) -> Teacher:
    """Write levels token by token with a transformer that is rewarded for the student's failure.

    The reward of a level is minus the student's return. Such an adversary prefers levels that
    cannot be solved wherever the space has some. This is the baseline that PAIRED improves on.

    Args:
        space: the task space.
        settings: the settings of the transformer, see `transformer`.

    Returns:
        The teacher.

    Raises:
        SettingError: a setting is out of range, or the task space is not a `Box`.

    References:
        Pinto et al., Robust adversarial reinforcement learning, ICML 2017; Dennis et al., NeurIPS
        2020, section 3 (minimax adversary).
    """
    return transformer(space, reward="minimax", **settings)
