"""Grid worlds at MiniGrid's semantics, batched."""

import functools

from didact.environments.grid import catalogue, language, levels, synth
from didact.environments.grid.env import GridState, GridWorld, Symbols
from didact.environments.registry import register

__all__ = ["GridState", "GridWorld", "Symbols"]

register(
    "GoTo",
    functools.partial(
        GridWorld, levels.SPACE, easy_space=levels.SPACE.restricted(rows=1, columns=1)
    ),
    "Go to an object in up to 3x3 rooms: every level of BabyAI's GoTo group is a task of it.",
)
for _name, (_space, _description) in catalogue.GO_TO.items():
    register(_name, functools.partial(GridWorld, _space), _description)

register(
    "Synth",
    functools.partial(
        GridWorld,
        synth.SPACE,
        easy_space=synth.SPACE.restricted(
            rows=1, columns=1, locations=0, unblocking=0, put_next=0, both=0, sequence=0
        ),
        family=synth.FAMILY,
        mission_length=language.LONGEST,
    ),
    "Do what up to four instructions of any kind say: Synth to BossLevel are tasks of it.",
)
for _name, (_space, _description) in catalogue.SYNTH.items():
    register(
        _name,
        functools.partial(GridWorld, _space, family=synth.FAMILY, mission_length=language.LONGEST),
        _description,
    )
