"""The feedback settings of all environments that offer it: `--env-settings feedback=both`."""

from collections.abc import Callable
from typing import Any

import pydantic

from didact.common.errors import SettingError
from didact.environments.base import Environment, name_of
from didact.environments.feedback.student_model import mistake_model
from didact.environments.feedback.wrapper import WithFeedback, with_feedback
from didact.environments.registry import register_wrapper_setting

# From the value of the setting `feedback` to whether messages have hindsight and foresight.
SAID = {
    "none": (False, False),
    "hindsight": (True, False),
    "foresight": (False, True),
    "both": (True, True),
}
FEEDBACK = "feedback"
_Added = Callable[[Environment[Any], Any], Environment[Any]]


def _feedback(environment: Environment[Any], value: Any) -> Environment[Any]:
    if value not in SAID:
        raise SettingError(FEEDBACK, value, "one of " + ", ".join(SAID))
    if value == "none":
        return environment
    try:
        if environment.feedback() is None:
            raise SettingError(FEEDBACK, value, f"none: {name_of(environment)} offers no feedback")
        hindsight, foresight = SAID[value]
        return with_feedback(environment, hindsight=hindsight, foresight=foresight)
    except SettingError as error:
        if error.setting == FEEDBACK:
            raise
        allowed = f"none: {error.setting} would have to be {error.allowed}"
        raise SettingError(FEEDBACK, value, allowed) from None


def _changing(name: str, kind: Any) -> _Added:
    """Return a wrapper setting that changes one setting of existing feedback."""
    setting = f"{FEEDBACK}_{name}"

    def changed(environment: Environment[Any], value: Any) -> Environment[Any]:
        read = _read(setting, value, kind)
        if not isinstance(environment, WithFeedback):
            raise SettingError(setting, read, "omitted if feedback is none")
        try:
            return environment.changed(**{name: read})
        except SettingError as error:
            raise SettingError(f"{FEEDBACK}_{error.setting}", error.value, error.allowed) from None

    return changed


def _where_needed(environment: Environment[Any], value: Any) -> Environment[Any]:
    setting = f"{FEEDBACK}_where_needed"
    read = _read(setting, value, bool)
    if not isinstance(environment, WithFeedback):
        raise SettingError(setting, read, "omitted if feedback is none")
    if read and environment.settings.budget is None:
        raise SettingError(setting, True, "False without feedback_budget")
    return environment.changed(model=mistake_model() if read else None)


def _read(setting: str, value: Any, kind: Any) -> Any:
    """Parse a value that may be given as text."""
    if kind is str or not isinstance(value, str):
        return value
    try:
        return pydantic.TypeAdapter(kind).validate_json(value)
    except pydantic.ValidationError:
        name = getattr(kind, "__name__", str(kind))
        raise SettingError(setting, value, f"of type {name}") from None


SETTINGS: dict[str, _Added] = {
    FEEDBACK: _feedback,
    "feedback_phrasing": _changing("phrasing", str),
    "feedback_pool": _changing("pool", str),
    "feedback_error_rate": _changing("error_rate", float),
    "feedback_budget": _changing("budget", int | None),
    "feedback_where_needed": _where_needed,
}


def _fits(environment: Environment[Any]) -> bool:
    if isinstance(environment, WithFeedback):
        return True
    try:
        return environment.feedback() is not None
    except SettingError:  # another setting rules it out: the error of `_feedback` names it
        return True


# The order matters: the other settings change what `feedback` adds.
for _name, _added in SETTINGS.items():
    register_wrapper_setting(_name, _added, _fits)
