"""Reports of trainings that never were."""

import json

import numpy as np

from didact.environments import Box, Dimension
from didact.teachers.language.proposer import Report, TaskReport

SPACE = Box(
    (
        Dimension("rooms", 1, 4, integer=True, description="rooms in a row"),
        Dimension("distance", 0, 10, description="to the goal", unit="m"),
        Dimension("colour", 2, 2, integer=True, description="always 2"),
    )
)


def made_task(rooms, distance):
    return json.loads(SPACE.to_json([rooms, distance, 2]))


def tried(rooms, distance, success, attempts=20, progress=0.0):
    error = float(np.sqrt(success * (1 - success) / max(attempts, 1)))
    return TaskReport(made_task(rooms, distance), attempts, success, error, progress)


def report(*tasks, environment="Rooms: walk to the goal.", refused=()):
    return Report(environment, SPACE.json_schema(), 123_456, 1 / 3, tuple(tasks), tuple(refused))


def many(n, seed=0):
    """A report of n tasks."""
    rng = np.random.default_rng(seed)
    return report(
        *(
            tried(
                int(rng.integers(1, 5)),
                float(rng.uniform(0, 10)),
                float(rng.uniform()),
                int(rng.integers(0, 50)),
                float(rng.normal() / 10),
            )
            for _ in range(n)
        )
    )


def shown(messages, title):
    """What stands under a title in the data of a question, read back from its JSON."""
    _, _, rest = messages[1]["content"].partition(f"\n{title}: ")
    assert rest, f"{title} is not told"
    return json.JSONDecoder().raw_decode(rest)[0]
