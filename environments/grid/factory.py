"""Make registered grid worlds, with or without feedback."""

from typing import Any, Unpack

from didact.environments.base import Environment
from didact.environments.feedback import environment_settings
from didact.environments.feedback.wordings import TEMPLATE
from didact.environments.grid.env import AnySettings, GridWorld
from didact.environments.task_spaces import TaskSpace


def grid_world(
    space: TaskSpace,
    *,
    feedback: str = "none",
    feedback_phrasing: str = TEMPLATE,
    feedback_pool: str | None = None,
    feedback_error_rate: float = 0.0,
    feedback_budget: int | None = None,
    feedback_where_needed: bool = False,
    **settings: Unpack[AnySettings],
) -> Environment[Any]:
    """Make a `GridWorld`, optionally with feedback.

    Args:
        space: see `GridWorld`.
        feedback: "none", "hindsight", "foresight" or "both". For the other `feedback_` settings,
            see `with_feedback`.
        feedback_where_needed: whether messages are saved for the situations in which the student
            made mistakes without a message (`student_model.mistake_model`). Only useful with a
            budget.
        settings: see `GridWorld`.

    Raises:
        SettingError: a setting is invalid, or the environment cannot give feedback.
    """
    world: Environment[Any] = GridWorld(space, **settings)
    for name, value, usual in (
        ("feedback", feedback, "none"),
        ("feedback_phrasing", feedback_phrasing, TEMPLATE),
        ("feedback_pool", feedback_pool, None),
        ("feedback_error_rate", feedback_error_rate, 0.0),
        ("feedback_budget", feedback_budget, None),
        ("feedback_where_needed", feedback_where_needed, False),
    ):
        if value != usual:
            world = environment_settings.SETTINGS[name](world, value)
    return world
