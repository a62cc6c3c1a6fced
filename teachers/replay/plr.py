"""Prioritized level replay (PLR), and its robust variant."""

from didact.environments.task_spaces import TaskSpace
from didact.teachers.base import Teacher
from didact.teachers.replay.level_replay import level_replay


def plr(
    space: TaskSpace,
    *,
    capacity: int = 4000,
    replay_share: float = 0.8,
    score: str = "max_mc",
    temperature: float = 0.3,
    staleness: float = 0.3,
    minimum_fill: float = 0.5,
    rate: float | None = None,
    learn_from_new: bool = True,
) -> Teacher:
    """Prioritized level replay: replay random levels with high scores.

    New levels are sampled from the space, played, and kept in a buffer if their score is at least
    that of the level that is least likely to be replayed. Once the buffer is half full, most steps
    are in replayed levels. These are drawn with the probability P(level), which mixes the rank of
    the score with staleness; see `level_buffer.replay_probabilities`.

    A task is a level of its own in spaces such as `Levels`. In a `Box`, a task may stand for many
    levels, so scores are those of single episodes; a `rate` below 1 averages them.

    The defaults are those of JaxUED for 13x13 mazes. `level_replay` documents how the decision per
    rollout of published implementations becomes one per proposal.

    Args:
        space: the task space.
        capacity: the number of levels in the buffer, or the number of tasks of the space if there
            are fewer.
        replay_share: the share of the environment steps in replayed levels.
        score: "max_mc", "learnability", "traced" (see `level_scores`), or the name of a score of
            the student, such as "positive_value_loss" or "max_negative_advantage".
        temperature: beta; lower temperatures concentrate on the highest ranks.
        staleness: the weight of staleness in P(level), rho.
        minimum_fill: the part of the buffer that must be filled before levels are replayed.
        rate: the weight of the latest episode in the average that determines a score; None for
            that of the score (0.1 for "learnability", which needs one below 1; otherwise 1: only
            the latest).
        learn_from_new: whether the student also learns from new levels.

    Returns:
        A teacher whose `picture` contains the levels with the highest scores.

    Raises:
        SettingError: a setting is out of range; when it observes, if the student does not provide
            the score.

    References:
        Jiang, Grefenstette and Rocktaeschel, Prioritized level replay, ICML 2021, algorithms 1
        and 2.
    """
    return level_replay(
        space,
        capacity=capacity,
        replay_share=replay_share,
        score=score,
        temperature=temperature,
        staleness=staleness,
        minimum_fill=minimum_fill,
        rate=rate,
        learn_from_new=learn_from_new,
    )


def plr_robust(
    space: TaskSpace,
    *,
    capacity: int = 4000,
    replay_share: float = 0.8,
    score: str = "max_mc",
    temperature: float = 0.3,
    staleness: float = 0.3,
    minimum_fill: float = 0.5,
    rate: float | None = None,
) -> Teacher:
    """Robust prioritized level replay: the student learns from replayed levels only.

    New levels are played for their scores, with `learn` 0. These steps count, but do not change the
    student. At a Nash equilibrium, the student's policy minimizes the maximum regret. All else is
    as in `plr`.

    Args:
        space, capacity, replay_share, score, temperature, staleness, minimum_fill, rate: see `plr`.

    Returns:
        A teacher whose `picture` contains the levels with the highest scores.

    Raises:
        SettingError: a setting is out of range; when it observes, if the student does not provide
            the score.

    References:
        Jiang et al., Replay-guided adversarial environment design, NeurIPS 2021, algorithm 1.
    """
    return level_replay(
        space,
        capacity=capacity,
        replay_share=replay_share,
        score=score,
        temperature=temperature,
        staleness=staleness,
        minimum_fill=minimum_fill,
        rate=rate,
        learn_from_new=False,
    )
