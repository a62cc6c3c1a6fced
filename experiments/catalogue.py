"""Write the catalogue of built-in parts: `python -m didact.experiments.catalogue`."""

import json

from didact.common.catalogue import PATH
from didact.common.files import write_whole
from didact.environments.registry import ENVIRONMENTS
from didact.experiments.imitation import expert_setup
from didact.experiments.tasks.proposers import PROPOSERS
from didact.students.registry import STUDENTS
from didact.teachers.registry import TEACHERS


def collected() -> dict[str, dict[str, str]]:
    """Return the descriptions of everything registered, without plugins; see `catalogue.read`."""
    registries = {
        "environments": ENVIRONMENTS,
        "teachers": TEACHERS,
        "students": STUDENTS,
        "proposers": PROPOSERS,
    }
    found = {
        kind: {entry.name: entry.description for entry in registry.loaded()}
        for kind, registry in registries.items()
    }
    found["teachers"][expert_setup.TEACHER] = expert_setup.DESCRIPTION
    return found


if __name__ == "__main__":
    write_whole(PATH, json.dumps(collected(), indent=1) + "\n")
