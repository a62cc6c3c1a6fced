"""Makes registered grid worlds, with or without feedback, from settings that words can tell."""

from typing import Unpack

from didact.environments.errors import SettingError
from didact.environments.grid.env import AnySettings, GridWorld
from didact.environments.grid.feedback import WithFeedback, with_feedback
from didact.environments.grid.gains import mistakes
from didact.environments.grid.remarks import TEMPLATE
from didact.environments.spaces import TaskSpace

# By the setting: whether there are hindsight and foresight.
SAID = {
    "none": (False, False),
    "hindsight": (True, False),
    "foresight": (False, True),
    "both": (True, True),
}


def grid_world(
    space: TaskSpace,
    *,
    feedback: str = "none",
    feedback_phrasing: str = TEMPLATE,
    feedback_pool: str | None = None,
    feedback_wrong: float = 0.0,
    feedback_budget: int | None = None,
    feedback_where_needed: bool = False,
    **settings: Unpack[AnySettings],
) -> GridWorld | WithFeedback:
    """A `GridWorld`, with feedback if asked for.

    Args:
        space: as `GridWorld` has it, and so are `settings`.
        feedback: "none", "hindsight", "foresight" or "both"; the others say how, as
            `with_feedback` tells.
        feedback_where_needed: whether messages are kept for where the student made mistakes when
            it was told nothing (`gains.mistakes`); worth something with a budget only.

    Raises:
        SettingError: a setting has no meaning, or the world cannot have feedback.
    """
    world = GridWorld(space, **settings)
    if feedback not in SAID:
        raise SettingError("feedback", feedback, "one of " + ", ".join(SAID))
    if feedback == "none":
        for name, value, usual in (
            ("feedback_phrasing", feedback_phrasing, TEMPLATE),
            ("feedback_pool", feedback_pool, None),
            ("feedback_wrong", feedback_wrong, 0.0),
            ("feedback_budget", feedback_budget, None),
            ("feedback_where_needed", feedback_where_needed, False),
        ):
            if value != usual:
                raise SettingError(name, value, "left out where feedback is none")
        return world
    hindsight, foresight = SAID[feedback]
    if feedback_where_needed and feedback_budget is None:
        raise SettingError("feedback_where_needed", True, "False without feedback_budget")
    try:
        return with_feedback(
            world,
            hindsight=hindsight,
            foresight=foresight,
            phrasing=feedback_phrasing,
            pool=feedback_pool,
            wrong=feedback_wrong,
            budget=feedback_budget,
            model=mistakes() if feedback_where_needed else None,
        )
    except SettingError as error:
        if error.setting == "environment":
            allowed = f"none here: it takes {error.allowed}"
            raise SettingError("feedback", feedback, allowed) from None
        raise SettingError(f"feedback_{error.setting}", error.value, error.allowed) from None
