"""The scores on the cards of the policies that didact brings, measured anew by their commands."""

import json
import math
import shlex

import pytest

from didact.experiments.cli import main
from didact.students import load_policy
from didact.students.policies.lookup import shipped

SCORES = [
    pytest.param(name, task, mode, id=f"{name}, {task}, {mode}")
    for name, folder in shipped().items()
    for task in json.loads((folder / "policy.json").read_text())["scores"]
    for mode in ("sampled", "greedy")
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "task", "mode"), SCORES)
def test_the_score_on_the_card_is_measured_again(name, task, mode, capsys):
    score = load_policy(name).card["scores"][task]
    _, *arguments = shlex.split(score["command"])
    main([*arguments, "--json", *(["--greedy"] if mode == "greedy" else [])])
    row = json.loads(capsys.readouterr().out)
    measured, p, n = row["success"], score[mode], row["episodes"]
    # Both are shares of n episodes.
    error = math.sqrt(2 * max(p * (1 - p), 1 / n) / n)
    print(f"{name}, {task}, {mode}: {p} on the card, {measured} now")
    assert abs(measured - p) < 4 * error
