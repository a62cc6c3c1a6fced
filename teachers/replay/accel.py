"""ACCEL: level replay with edited levels."""

from didact.environments.task_spaces import TaskSpace
from didact.teachers.base import Teacher
from didact.teachers.replay.level_replay import level_replay


def accel(
    space: TaskSpace,
    *,
    edits: int = 5,
    capacity: int = 4000,
    replay_share: float = 0.8,
    score: str = "max_mc",
    temperature: float = 0.3,
    staleness: float = 0.3,
    minimum_fill: float = 0.5,
    rate: float | None = None,
) -> Teacher:
    """Evolve levels: replay levels with high scores, and edit them.

    This is `plr_robust` with a third kind of levels: copies of levels of the buffer with some
    random edits (`space.mutate`). They are played with `learn` 0, and enter the buffer like new
    levels. Parents are drawn with P(level), the distribution of the replayed levels, and edited
    levels get as many environment steps as replayed ones: with the replay share p, the shares of
    new, replayed and edited levels are 1 - p, p and p, divided by 1 + p.

    For the variant that starts from simple levels, restrict the space: the levels of `Levels` that
    `space.restricted(walls=0)` samples are empty, but editing may add walls. (On the command line:
    `--tasks walls=0`.) In a `Box`, an edit changes one parameter.

    Args:
        space: the task space.
        edits: the number of edits of a level.
        capacity, replay_share, score, temperature, staleness, minimum_fill, rate: see `plr`;
            `replay_share` is that of the steps which are not in edited levels.

    Returns:
        A teacher whose `picture` contains the levels with the highest scores.

    Raises:
        SettingError: a setting is out of range; when it observes, if the student does not provide
            the score.

    References:
        Parker-Holder et al., Evolving curricula with regret-based environment design, ICML 2022,
        algorithm 1; the defaults are those of JaxUED for 13x13 mazes, whose edits are of other
        kinds (see `Levels.mutate`).
    """
    return level_replay(
        space,
        edits=edits,
        capacity=capacity,
        replay_share=replay_share,
        score=score,
        temperature=temperature,
        staleness=staleness,
        minimum_fill=minimum_fill,
        rate=rate,
        learn_from_new=False,
    )
