"""Combinators of registered teachers, for the command line.

The parts are one text: names separated by commas, each with settings of its own after colons, as in
`alp_gmm:fit_rate=100:k_max=5,uniform`. Commas and colons in brackets belong to a value.
"""

from collections.abc import Iterator
from typing import Any

from didact.common.errors import SettingError
from didact.common.settings import UnknownSetting
from didact.environments.task_spaces import Box, TaskSpace
from didact.teachers.base import Teacher
from didact.teachers.combinators.bandit import bandit_over
from didact.teachers.combinators.mixture import mixture
from didact.teachers.combinators.moved_parts import moved_part
from didact.teachers.combinators.shuffled import shuffled
from didact.teachers.combinators.solvable_first import solvable_first
from didact.teachers.registry import make, settings_of

Bounds = tuple[float, float]

FORM = "NAME[:SETTING=VALUE...], separated by commas"


def named(
    text: str,
    space: TaskSpace,
    easy: TaskSpace | None = None,
    return_range: Bounds = (0.0, 1.0),
    setting: str = "teachers",
) -> tuple[Teacher, ...]:
    """Make the teachers that a text names.

    Args:
        text: for example `alp_gmm:fit_rate=100,uniform`.
        space: the tasks to choose from.
        easy: the easy part of the space, for teachers that have a setting `easy`.
        return_range: for teachers that have this setting and are not given another value.
        setting: the name of the setting, for errors.

    Raises:
        SettingError: the text is not of this form, or a name, a setting or a value is invalid.
    """
    return tuple(_one(part, space, easy, return_range, setting) for part in _split(text, ","))


def mixture_of(
    space: TaskSpace,
    *,
    teachers: str = "alp_gmm,uniform",
    weights: tuple[float, ...] | None = None,
    easy: TaskSpace | None = None,
    return_range: Bounds = (0.0, 1.0),
) -> Teacher:
    """Draw each task from one of several registered teachers; see `mixture`.

    Args:
        space: the task space.
        teachers: names and settings of the teachers; see `named`.
        weights: one for each teacher; equal by default. They are divided by their sum.
        easy, return_range: see `named`.

    Raises:
        SettingError: a part or a weight is invalid.
    """
    parts = named(teachers, space, easy, return_range)
    given = (1.0,) * len(parts) if weights is None else weights
    if len(given) != len(parts) or not sum(given) > 0:
        allowed = f"{len(parts)} numbers, one for each teacher, with a sum above 0"
        raise SettingError("weights", weights, allowed)
    return mixture([(w / sum(given), part) for w, part in zip(given, parts, strict=True)])


def bandit(
    space: TaskSpace,
    *,
    teachers: str = "alp_gmm,uniform",
    horizon: int = 2000,
    exploration: float = 0.1,
    temperature: float = 0.25,
    history: int = 1024,
    outcome: str = "return",
    easy: TaskSpace | None = None,
    return_range: Bounds = (0.0, 1.0),
) -> Teacher:
    """Draw tasks from the registered teacher that helps most; see `bandit_over`.

    Args:
        space: the task space.
        teachers: names and settings of the teachers; see `named`.
        easy, return_range: see `named`.
        horizon, exploration, temperature, history, outcome: as for `bandit_over`.

    Raises:
        SettingError: a part or a setting is invalid.
    """
    return bandit_over(
        named(teachers, space, easy, return_range),
        space,
        horizon=horizon,
        exploration=exploration,
        temperature=temperature,
        history=history,
        outcome=outcome,
    )


def shuffled_by_name(
    space: Box,
    *,
    teacher: str = "alp_gmm",
    cells: int = 4,
    shuffle_seed: int = 0,
    jointly: bool = True,
    easy: TaskSpace | None = None,
    return_range: Bounds = (0.0, 1.0),
) -> Teacher:
    """Let a registered teacher see the task space with its cells permuted; see `shuffled`.

    Args:
        space: the task space.
        teacher: name and settings of the teacher; see `named`.
        cells, jointly: as for `shuffled`.
        easy, return_range: see `named`. The teacher is given the easy tasks where it sees them, see
            `moved_part`.
        shuffle_seed: the seed of the permutation.

    Raises:
        SettingError: the teacher or a setting is invalid, or the space is not a `Box`.
    """
    if isinstance(easy, Box):
        easy = moved_part(easy, space, cells=cells, seed=shuffle_seed, jointly=jointly)
    inner = _one(teacher, space, easy, return_range, "teacher")
    return shuffled(inner, space, cells=cells, seed=shuffle_seed, jointly=jointly)


def solvable_by_name(
    space: TaskSpace,
    *,
    teacher: str = "uniform",
    tries: int = 16,
    easy: TaskSpace | None = None,
    return_range: Bounds = (0.0, 1.0),
) -> Teacher:
    """Reject the unsolvable tasks of a registered teacher; see `solvable_first`.

    Args:
        space: a task space with a method `solvable`, such as that of mazes.
        teacher: name and settings of the teacher; see `named`.
        tries: as for `solvable_first`.
        easy, return_range: see `named`.

    Raises:
        SettingError: the teacher or a setting is invalid, or the space has no such method.
    """
    predicate = getattr(space, "solvable", None)
    if predicate is None:
        raise SettingError("space", type(space).__name__, "one that knows which tasks are solvable")
    return solvable_first(
        _one(teacher, space, easy, return_range, "teacher"), predicate, tries=tries
    )


def _one(
    text: str, space: TaskSpace, easy: TaskSpace | None, return_range: Bounds, setting: str
) -> Teacher:
    """Make the teacher of a text without commas."""
    name, *pairs = _split(text, ":")
    settings: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = (x.strip() for x in pair.partition("="))
        if not (key and equals and value):
            raise SettingError(setting, text, FORM)
        settings[key.replace("-", "_")] = value
    if not name.strip():
        raise SettingError(setting, text, FORM)
    name = name.strip()
    try:
        kinds = settings_of(name)
        if easy is not None and "easy" in kinds:
            settings["easy"] = easy
        if "return_range" in kinds:
            settings.setdefault("return_range", return_range)
        return make(name, space, **settings)
    except UnknownSetting as error:
        where = f"setting of {name} in {setting}"
        raise UnknownSetting(where, error.value, error.known, "teacher") from None
    except SettingError as error:
        if error.setting == "space":
            raise
        where = setting if error.setting == "teacher" else f"{setting} {name}:{error.setting}"
        raise SettingError(where, error.value, error.allowed) from None


def _split(text: str, separator: str) -> Iterator[str]:
    """Split a text at a separator outside of brackets and quotes."""
    depth, start, quoted = 0, 0, False
    for at, letter in enumerate(text):
        quoted ^= letter == '"'
        if not quoted:
            depth += (letter in "[({") - (letter in "])}")
        if letter == separator and depth == 0 and not quoted:
            yield text[start:at]
            start = at + 1
    yield text[start:]
