"""Tasks of every registered environment as JSON: there, checked by its schema, and back."""

import json
import re

import jax
import numpy as np
import pytest

from didact.environments import make, registered
from didact.teachers.language import task_parsing

# Those of brax need a package that may not be there.
NAMES = [e.name for e in registered() if not e.name.startswith("brax/")]


def faults(value, schema, where="task"):
    """What is wrong with a value by the keywords of JSON Schema that schemas here use."""
    known = {"type", "properties", "required", "additionalProperties", "minimum", "maximum"}
    known |= {"description", "items", "pattern", "minItems", "maxItems"}
    assert set(schema) <= known, set(schema) - known
    kind = schema["type"]
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    fits = {
        "object": isinstance(value, dict),
        "array": isinstance(value, list),
        "string": isinstance(value, str),
        "number": number,
        "integer": number and value == int(value),
    }
    if not fits[kind]:
        return [f"{where} is no {kind}"]
    found = []
    if kind == "object":
        properties = schema["properties"]
        found += [f"{where} lacks {name}" for name in schema["required"] if name not in value]
        if schema["additionalProperties"] is False:
            found += [f"{where} has {name}" for name in value if name not in properties]
        for name in set(value) & set(properties):
            found += faults(value[name], properties[name], f"{where}.{name}")
    elif kind == "array":
        if not schema["minItems"] <= len(value) <= schema["maxItems"]:
            found.append(f"{where} has {len(value)} items")
        for i, item in enumerate(value):
            found += faults(item, schema["items"], f"{where}[{i}]")
    elif kind == "string":
        if not re.search(schema["pattern"], value):
            found.append(f"{where} is {value!r}")
    elif not schema["minimum"] <= value <= schema["maximum"]:
        found.append(f"{where} is {value}")
    return found


def assert_round_trip(space):
    """For a few random tasks; and what the schema forbids is refused."""
    schema = json.loads(json.dumps(space.json_schema()))
    tasks = np.asarray(space.sample(jax.random.key(7), 4))
    texts = [space.to_json(task) for task in tasks]
    for task, text in zip(tasks, texts, strict=True):
        assert faults(json.loads(text), schema) == []
        np.testing.assert_array_equal(space.from_json(text), task)
    distinct = np.unique(tasks, axis=0)
    reading = task_parsing.parse_tasks("Here you are: [" + ", ".join(texts) + "]", space)
    np.testing.assert_array_equal(np.unique(reading.tasks, axis=0), distinct)
    for change in ("lacks", "more", "else"):
        wrong = json.loads(texts[0])
        name = sorted(wrong)[-1]
        if change == "lacks":
            del wrong[name]
        elif change == "more":
            wrong["unheard_of"] = 1
        else:
            wrong[name] = "far too many"
        assert faults(wrong, schema)
        reading = task_parsing.parse_tasks(json.dumps([wrong]), space)
        assert len(reading.tasks) == 0
        assert len(reading.refused) == 1


SOME = [NAMES[::17], pytest.param(NAMES, marks=pytest.mark.slow)]


@pytest.mark.parametrize("names", SOME, ids=["some", "all"])
def test_of_environments(names):
    """Many are points of one space, which is then tried once."""
    spaces = {repr(space): space for space in (make(name).task_space for name in names)}
    assert len(spaces) > min(5, len(names) // 10)
    for space in spaces.values():
        assert_round_trip(space)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ToyGrid", '{"x0": 0.25, "x1": 1}'),
        ("Maze", json.dumps({"map": [">" + "." * 11 + "G", *["." * 13] * 12]})),
    ],
)
def test_written_by_hand(name, text):
    space = make(name).task_space
    assert faults(json.loads(text), space.json_schema()) == []
    task = space.from_json(text)
    assert np.all(space.contains(task[None]))
    assert json.loads(space.to_json(task)) == json.loads(text)


def test_the_checker_finds_faults():
    schema = make("Maze").task_space.json_schema()
    good = [">" + "." * 11 + "G", *["." * 13] * 12]
    assert faults({"map": good}, schema) == []
    assert faults({"map": good[1:]}, schema)
    assert faults({"map": [*good[1:], "x" * 13]}, schema)
    assert faults({"map": [*good[1:], 5]}, schema)
    assert faults({"map": "\n".join(good)}, schema)
    toy = make("ToyGrid").task_space.json_schema()
    assert faults({"x0": 0, "x1": 1.5}, toy)
    assert faults({"x0": 0, "x1": True}, toy)
