"""BabyAI's levels about the doors of one room, as tasks of the family in `doors`."""

from didact.environments.grid.levels.babyai import doors
from didact.environments.grid.levels.family import Group
from didact.environments.task_spaces import Box

_USUAL: dict[str, float] = dict.fromkeys(doors.SPACE.names, 0)
_USUAL |= {"rows": 3, "columns": 3, "doors": 4}
_USUAL |= {"distinct_doors": 1, "agent_last": 1, "open": 1, "single": 1}


def _point(**given: float) -> Box:
    """Return a task space; the default is to open one of four closed doors of different colors."""
    return doors.SPACE.restricted(**(_USUAL | given))


def _one(**given: float) -> Box:
    return _point(room_size=8, fixed_walls=1, **given)


def _two(**given: float) -> Box:
    return _point(room_size=6, doors=2, fixed_walls=1, single=0, then=1, time_limit=20, **given)


def _order(count: int, **given: float) -> Box:
    return _point(room_size=6, doors=count, then=1, after=1, time_limit=20, **given)


_ANY_DOORS = {"distinct_doors": 0, "go_to": 1}

LEVELS: dict[str, tuple[Box, str]] = {
    "BabyAI-GoToDoor-v0": (
        _point(room_size=7, locked_doors=0.5, open=0, **_ANY_DOORS),
        "Go to one of the four doors of a room.",
    ),
    "BabyAI-GoToObjDoor-v0": (
        _point(room_size=8, objects=8, locked_doors=0.5, agent_last=0, open=0, **_ANY_DOORS),
        "Go to one of the 8 objects and four doors of a room.",
    ),
    "BabyAI-ActionObjDoor-v0": (
        _point(room_size=7, objects=5, distinct_objects=1, pick_up=1, **_ANY_DOORS),
        "Go to, open or pick up one of the 5 objects and four doors of a room.",
    ),
    "BabyAI-OpenRedDoor-v0": (
        _point(room_size=5, rows=1, columns=2, doors=1, red_blue=1, fixed_walls=1),
        "Open the only door, which is red.",
    ),
    "BabyAI-OpenDoor-v0": (
        _one(by_location=0.5),
        "Open one of four doors, described by its color or location.",
    ),
    "BabyAI-OpenDoorDebug-v0": (
        _one(by_location=0.5, strict=1),
        "Open one of four doors, described by its color or location, and no other.",
    ),
    "BabyAI-OpenDoorColor-v0": (_one(), "Open one of four doors, described by its color."),
    "BabyAI-OpenDoorLoc-v0": (
        _one(by_location=1),
        "Open one of four doors, described by its location.",
    ),
    "BabyAI-OpenTwoDoors-v0": (_two(), "Open the left door, then the right door."),
    "BabyAI-OpenRedBlueDoors-v0": (
        _two(red_blue=1),
        "Open the red door on the left, then the blue door on the right.",
    ),
    "BabyAI-OpenRedBlueDoorsDebug-v0": (
        _two(red_blue=1, strict=1),
        "Open the red door on the left, then the blue door on the right, in strict order.",
    ),
    "BabyAI-OpenDoorsOrderN2-v0": (_order(2), "Open one or both of two doors, in order."),
    "BabyAI-OpenDoorsOrderN4-v0": (_order(4), "Open one or two of four doors, in order."),
    "BabyAI-OpenDoorsOrderN2Debug-v0": (
        _order(2, strict=2),
        "Open one or both of two doors, in order, and no other. Under BabyAI's rules, missions "
        "with two doors cannot succeed.",
    ),
    "BabyAI-OpenDoorsOrderN4Debug-v0": (
        _order(4, strict=2),
        "Open one or two of four doors, in order, and no other. Under BabyAI's rules, missions "
        "with two doors cannot succeed.",
    ),
}

GROUP = Group(
    "Doors",
    "Open or go to one or two doors of a room in order, among objects.",
    doors.SPACE,
    doors.FAMILY,
    LEVELS,
    easy={
        **{"rows": 1, "columns": 2},
        **dict.fromkeys(("objects", "by_location", "then", "after", "strict"), 0),
    },
    mission_length=doors.MISSION_LENGTH,
)
