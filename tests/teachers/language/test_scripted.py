"""The scripted proposer, on students whose success is a known function of the task."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from didact.environments import Box, Dimension, SettingError
from didact.environments.grid.mazes import Blocks, Levels
from didact.teachers.language import task_parsing
from didact.teachers.language.proposer import Report, TaskReport
from didact.teachers.language.scripted import RIDGE, Fit, scripted

SPACE = Box(
    (
        Dimension("rooms", 1, 9, integer=True),
        Dimension("gap", 0, 2.0),
        Dimension("colour", 0, 5, integer=True),
        Dimension("fixed", 3, 3),
    )
)


def solved(task):
    """Many rooms and wide gaps are hard; the colour does not matter."""
    difficulty = (task["rooms"] - 1) / 8 + task["gap"] / 2
    return 1 / (1 + np.exp(25 * (difficulty - 0.8)))


def told(tasks, space=SPACE, success=solved, attempts=20, **more):
    rows = tuple(TaskReport(task, attempts, float(success(task)), 0.1, 0.0) for task in tasks)
    return Report("Somewhere", space.json_schema(), more.get("steps", 0), 0.5, rows)


def drawn(count, rooms=(1, 9), seed=0):
    rng = np.random.default_rng(seed)
    return [
        {
            "rooms": int(rng.integers(rooms[0], rooms[1] + 1)),
            "gap": float(rng.uniform(0, 2)),
            "colour": int(rng.integers(6)),
            "fixed": 3.0,
        }
        for _ in range(count)
    ]


def proposed(report, n=40, space=SPACE, **settings):
    reading = task_parsing.parse_tasks(scripted(**settings).propose(report, n).text, space)
    assert reading.refused == ()
    return list(reading.accepted)


def test_proposals_are_near_the_border():
    tasks = proposed(told(drawn(60)), exploring=0.0)
    assert len(tasks) == 40
    halfway = np.array([abs(solved(task) - 0.5) < 0.45 for task in tasks])
    by_chance = np.array([abs(solved(task) - 0.5) < 0.45 for task in drawn(2000)])
    assert halfway.mean() > 3 * by_chance.mean()


def test_what_is_mastered_is_raised_and_what_fails_is_eased():
    everything = drawn(200)
    easy = [task for task in everything if solved(task) > 0.9][:30]
    harder = proposed(told(easy + [t for t in everything if solved(t) < 0.1][:2]), exploring=0.0)
    assert np.mean([solved(t) for t in harder]) < 0.85 < np.mean([solved(t) for t in easy])
    hard = [task for task in everything if solved(task) < 0.1][:30]
    easier = proposed(told(hard + easy[:2]), exploring=0.0)
    assert np.mean([solved(t) for t in easier]) > 2 * np.mean([solved(t) for t in hard]) + 0.05


def test_the_fit_is_scikit_learns():
    rng = np.random.default_rng(0)
    x = rng.random((80, 3))
    success = (x @ [4, -6, 0] + rng.normal(size=80) > -1).astype(float)
    tried = [TaskReport({}, 5, s, 0, 0) for s in success]
    fit = Fit(x, tried)
    theirs = LogisticRegression(C=1 / RIDGE, tol=1e-9)
    theirs.fit(x - 0.5, success, sample_weight=np.full(80, 5.0))
    np.testing.assert_allclose(fit.slope, theirs.coef_[0], rtol=0.02, atol=0.02)
    chances = theirs.predict_proba(x - 0.5)[:, 1]
    np.testing.assert_allclose(fit(x), chances, atol=0.01)


def test_it_repeats_itself_for_the_same_report_only():
    one = told(drawn(20))
    assert scripted().propose(one, 8) == scripted().propose(one, 8)
    assert scripted().propose(one, 8).text != scripted().propose(told(drawn(20), steps=1), 8).text


@pytest.mark.parametrize("success", [lambda task: 0.0, lambda task: 1.0])
@pytest.mark.parametrize("count", [1, 12])
def test_where_nothing_tells_what_is_hard_it_tries_things_out(success, count):
    known = drawn(count)
    tasks = proposed(told(known, success=success))
    assert len(tasks) == 40
    assert not [task for task in tasks if task in known]
    assert {task["fixed"] for task in tasks} == {3.0}
    assert np.std([task["gap"] for task in tasks]) > 0.05


def test_before_anything_was_tried():
    tasks = proposed(told(drawn(5), attempts=0), n=10)
    assert len(tasks) == 10
    assert json.loads(scripted().propose(told([]), 10).text) == {"tasks": []}


def test_a_space_without_news():
    space = Box((Dimension("n", 1, 2, integer=True),))
    report = told([{"n": 1}, {"n": 2}], space, lambda task: 0.5)
    assert task_parsing.parse_tasks(scripted().propose(report, 4).text, space).accepted == ()


def test_maps_evolve_and_stay_maps():
    space = Levels(6, 6, Blocks(0, 30))
    rng = np.random.default_rng(0)
    tasks = []
    for walls in rng.integers(0, 30, 30):
        cells = np.array(list("#" * walls + "." * (34 - walls) + ">G"))
        rng.shuffle(cells)
        tasks.append({"map": ["".join(row) for row in cells.reshape(6, 6)]})

    def walls(task):
        return "".join(task["map"]).count("#")

    def success(task):
        return 1 / (1 + np.exp(walls(task) - 15))

    new = proposed(told(tasks, space, success), space=space, exploring=0.0)
    assert len(new) == 40
    assert len({json.dumps(task) for task in new + tasks}) == 70
    off = np.mean([abs(walls(t) - 15) for t in new])
    assert off < 0.7 * np.mean([abs(walls(t) - 15) for t in tasks])


def test_settings_without_meaning():
    with pytest.raises(SettingError, match="exploring"):
        scripted(exploring=2)
