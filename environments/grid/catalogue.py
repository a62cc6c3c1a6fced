"""BabyAI's registered levels, as points of the task spaces of their families."""

from didact.environments.grid import synth
from didact.environments.grid.levels import SPACE
from didact.environments.spaces import Box


def _point(
    room_size: int = 8,
    rooms: int = 1,
    distractors: int = 0,
    open_doors: float = 0,
    red_ball: float = 0,
    grey_distractors: float = 0,
) -> Box:
    return SPACE.restricted(
        room_size=room_size,
        rows=rooms,
        columns=rooms,
        distractors=distractors,
        open_doors=open_doors,
        red_ball=red_ball,
        grey_distractors=grey_distractors,
    )


def _local(room_size: int, objects: int) -> tuple[Box, str]:
    # The official parameter counts the target among the distractors.
    text = f"Go to one of {objects} objects in one room of size {room_size}."
    return _point(room_size, distractors=objects - 1), text


def _maze(room_size: int, rooms: int, opened: bool = False) -> tuple[Box, str]:
    text = f"Go to the only object in {rooms}x{rooms} rooms of size {room_size}"
    space = _point(room_size, rooms, open_doors=float(opened))
    return space, text + (", all doors open." if opened else ".")


GO_TO: dict[str, tuple[Box, str]] = {
    "BabyAI-GoToRedBallGrey-v0": (
        _point(distractors=7, red_ball=1, grey_distractors=1),
        "Go to the red ball among 7 grey objects in one room.",
    ),
    "BabyAI-GoToRedBall-v0": (
        _point(distractors=7, red_ball=1),
        "Go to a red ball among 7 objects of any colour in one room.",
    ),
    "BabyAI-GoToRedBallNoDists-v0": (_point(red_ball=1), "Go to the red ball in an empty room."),
    "BabyAI-GoToObj-v0": (_point(), "Go to the only object in one room."),
    "BabyAI-GoToObjS4-v0": (_point(4), "Go to the only object in one room of size 4."),
    "BabyAI-GoToObjS6-v1": (_point(6), "Go to the only object in one room of size 6."),
    "BabyAI-GoToLocal-v0": _local(8, 8),
    "BabyAI-GoToLocalS5N2-v0": _local(5, 2),
    "BabyAI-GoToLocalS6N2-v0": _local(6, 2),
    "BabyAI-GoToLocalS6N3-v0": _local(6, 3),
    "BabyAI-GoToLocalS6N4-v0": _local(6, 4),
    "BabyAI-GoToLocalS7N4-v0": _local(7, 4),
    "BabyAI-GoToLocalS7N5-v0": _local(7, 5),
    "BabyAI-GoToLocalS8N2-v0": _local(8, 2),
    "BabyAI-GoToLocalS8N3-v0": _local(8, 3),
    "BabyAI-GoToLocalS8N4-v0": _local(8, 4),
    "BabyAI-GoToLocalS8N5-v0": _local(8, 5),
    "BabyAI-GoToLocalS8N6-v0": _local(8, 6),
    "BabyAI-GoToLocalS8N7-v0": _local(8, 7),
    "BabyAI-GoTo-v0": (
        _point(8, 3, distractors=17),
        "Go to one of 18 objects in 3x3 rooms with closed doors.",
    ),
    "BabyAI-GoToOpen-v0": (
        _point(8, 3, distractors=17, open_doors=1),
        "Go to one of 18 objects in 3x3 rooms with open doors.",
    ),
    "BabyAI-GoToObjMaze-v0": _maze(8, 3),
    "BabyAI-GoToObjMazeOpen-v0": _maze(8, 3, opened=True),
    "BabyAI-GoToObjMazeS4R2-v0": _maze(4, 2),
    "BabyAI-GoToObjMazeS4-v0": _maze(4, 3),
    "BabyAI-GoToObjMazeS5-v0": _maze(5, 3),
    "BabyAI-GoToObjMazeS6-v0": _maze(6, 3),
    "BabyAI-GoToObjMazeS7-v0": _maze(7, 3),
}


def _synth(room_size: int = 8, rows: int = 3, columns: int = 3, objects: int = 18, **more) -> Box:
    """BabyAI's generator with its own defaults: everything may be asked for."""
    usual: dict[str, float] = {
        "locked_room": 0.5,
        "locations": 1,
        "unblocking": 1,
        "implicit_unlock": 1,
        **dict.fromkeys(("go_to", "open", "pick_up", "put_next"), 1),
        **dict.fromkeys(("single", "both", "sequence"), 1),
    }
    sizes = {"room_size": room_size, "rows": rows, "columns": columns, "objects": objects}
    return synth.SPACE.restricted(**sizes, **(usual | more))


_ONE = {"both": 0, "sequence": 0}
_GO_TO_ONLY = {"open": 0, "pick_up": 0, "put_next": 0, "locked_room": 0, "locations": 0}
_GO_TO_ONLY["unblocking"] = 0
_PICK_UP_ONLY = {"go_to": 0, "open": 0, "put_next": 0, "locked_room": 0, "unblocking": 0}

SYNTH: dict[str, tuple[Box, str]] = {
    "BabyAI-GoToSeq-v0": (_synth(**_GO_TO_ONLY), 'Several "go to", in order, in 3x3 rooms.'),
    "BabyAI-GoToSeqS5R2-v0": (
        _synth(5, 2, 2, 4, **_GO_TO_ONLY),
        'Several "go to", in order, in 2x2 small rooms.',
    ),
    "BabyAI-PickupLoc-v0": (
        _synth(8, 1, 1, 8, **_PICK_UP_ONLY, **_ONE),
        "Pick up an object told by its place, in one room.",
    ),
    "BabyAI-Synth-v0": (
        _synth(locations=0, implicit_unlock=0, **_ONE),
        "One instruction of any kind in 3x3 rooms.",
    ),
    "BabyAI-SynthS5R2-v0": (
        _synth(5, 2, locations=0, implicit_unlock=0, **_ONE),
        "One instruction of any kind in 2x3 small rooms.",
    ),
    "BabyAI-SynthLoc-v0": (
        _synth(implicit_unlock=0, **_ONE),
        "One instruction of any kind, objects also told by their place.",
    ),
    "BabyAI-SynthSeq-v0": (
        _synth(implicit_unlock=0),
        "Up to four instructions of any kind, in order.",
    ),
    "BabyAI-MiniBossLevel-v0": (
        _synth(5, 2, 2, 7, locked_room=0.25),
        "The whole language in 2x2 small rooms.",
    ),
    "BabyAI-BossLevel-v0": (_synth(), "The whole language in 3x3 rooms, one of them locked."),
    "BabyAI-BossLevelNoUnlock-v0": (
        _synth(locked_room=0, implicit_unlock=0),
        "The whole language in 3x3 rooms, none of them locked.",
    ),
}
