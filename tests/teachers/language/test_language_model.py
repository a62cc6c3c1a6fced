"""Language models as proposers: from a report, over HTTP, to a reply."""

import dataclasses
import json
import threading
import time

import chat_server as servers
import pytest
import reports
from reports import report, shown, tried

from didact.environments import SettingError
from didact.teachers.language import Budget, language_model
from didact.teachers.language.prompts import question
from didact.teachers.language.proposer import BudgetSpent, ProposerError, Reply
from didact.teachers.language.strategies import NAMES, WITH_GOAL, Strategy

GOOD = json.dumps({"tasks": [{"purpose": "far", "task": reports.made_task(2, 9.0)}]})
TOLD = report(tried(2, 9.0, 0.25), tried(1, 1.0, 1.0))


class Script:
    """A language model that says what is written, and keeps what it was asked."""

    def __init__(self, *texts):
        self.texts, self.asked = list(texts), []

    def __call__(self, messages, schema):
        self.asked.append((messages, schema))
        text = self.texts[min(len(self.asked), len(self.texts)) - 1]
        if isinstance(text, Exception):
            raise text
        return Reply(text, tuple(messages), "script", 30, 10, 0.5)


@pytest.mark.parametrize("strategy", NAMES)
def test_a_proposer_asks_a_server_and_gives_its_answer(serve, strategy):
    server = serve(servers.says(GOOD, usage=(300, 40)))
    goal = "the far room" if strategy in WITH_GOAL else ""
    proposer = language_model(
        "small", server.url, strategy, goal=goal, prices=(1.0, 2.0), budget=Budget(cost=1.0)
    )
    assert proposer.immediate is False
    assert proposer.name == f"language-model, {strategy}"
    reply = proposer.propose(TOLD, 3)
    assert reply.text == GOOD
    assert (reply.prompt_tokens, reply.completion_tokens) == (300, 40)
    (asked,) = server.asked
    assert asked["messages"] == [dict(message) for message in reply.messages]
    wanted = asked["response_format"]["json_schema"]["schema"]["properties"]["tasks"]
    assert wanted["maxItems"] == 3
    assert wanted["items"]["properties"]["task"] == TOLD.schema
    assert proposer.budget.spent_cost == pytest.approx(380e-6)


def test_the_next_question_has_what_came_of_the_last_answer():
    script = Script(GOOD)
    proposer = language_model(complete=script)
    proposer.propose(report(), 2)
    proposer.propose(TOLD, 2)
    rows = shown(script.asked[1][0], "Your previous configurations")
    assert [(row["purpose"], row["success"]) for row in rows] == [("far", "0.25±0.10")]


def test_seeds_have_memories_of_their_own():
    script = Script(GOOD)
    proposer = language_model(complete=script)
    for seed in (0, 1, 0):
        proposer.propose(dataclasses.replace(TOLD, seed=seed), 2)
    told = [shown(messages, "Your previous configurations") for messages, _ in script.asked]
    assert [len(rows) for rows in told] == [0, 0, 1]


def test_a_broken_answer_or_none_leaves_the_memory():
    script = Script(GOOD, "I would rather not.", ProposerError("no"), GOOD)
    proposer = language_model(complete=script)
    proposer.propose(TOLD, 2)
    memories = dict(proposer.memories)
    assert memories[0]
    proposer.propose(TOLD, 2)
    with pytest.raises(ProposerError):
        proposer.propose(TOLD, 2)
    assert proposer.memories == memories


def test_a_budget_stops_the_asking():
    script = Script(GOOD)
    proposer = language_model(complete=script, budget=Budget(calls=2))
    proposer.propose(TOLD, 2)
    proposer.propose(TOLD, 2)
    for _ in range(3):
        with pytest.raises(BudgetSpent, match="budget of 2 calls"):
            proposer.propose(TOLD, 2)
    assert len(script.asked) == 2


@pytest.mark.parametrize("strategy", ["envgen", "decompose"])
def test_a_run_goes_on_where_it_was(strategy):
    """From its replies alone, a new proposer asks what the old one would have asked.

    Only what the old one took from reports has to be judged anew, by the next report.
    """
    said = {"sub_goals": [{"goal": "go", "learned": True}, {"goal": "stay", "learned": False}]}
    said["tasks"] = [
        {"sub_goal": 1, "purpose": "near", "task": reports.made_task(1, 1.0)},
        {"sub_goal": 2, "purpose": "far", "task": reports.made_task(2, 9.0)},
    ]
    script = Script(json.dumps(said))
    goal = "win" if strategy == "decompose" else ""
    made = {"strategy": strategy, "goal": goal, "complete": script}
    old = language_model(**made, budget=Budget(calls=4))
    replies = [old.propose(TOLD, 2) for _ in range(3)]
    new = language_model(**made, budget=Budget(calls=4))
    new.recall((0, reply.text) for reply in replies)
    new.budget.spend(calls=3, tokens=3 * 40, cost=1.5)
    assert old.memories[0]
    assert repr(new.budget) == repr(old.budget)
    if strategy == "decompose":
        goals = [dict(goal, learned=False) for goal in old.memories[0]["sub_goals"]]
        assert new.memories == {0: {"sub_goals": goals}} != old.memories
        assert old.propose(TOLD, 2).text == new.propose(TOLD, 2).text
    else:
        assert new.memories == old.memories
        assert new.propose(TOLD, 2).messages == old.propose(TOLD, 2).messages
    assert new.memories == old.memories
    with pytest.raises(BudgetSpent):
        new.propose(TOLD, 2)


def test_a_function_is_a_strategy():
    script = Script(GOOD)

    def mine(told, n):
        return question(told, n, "Write tasks near 5 m.")

    proposer = language_model(strategy=mine, complete=script)
    proposer.propose(TOLD, 7)
    messages, schema = script.asked[0]
    assert "Write tasks near 5 m." in messages[1]["content"]
    assert schema["properties"]["tasks"]["maxItems"] == 7
    assert proposer.name == "language-model"


def test_a_strategy_of_ones_own_can_remember():
    def ask(told, n, memory):
        return question(told, n, f"This is question {memory.get('asked', 0) + 1}.")

    def hear(memory, answer, told):
        return {"asked": memory.get("asked", 0) + 1}

    script = Script(GOOD)
    proposer = language_model(strategy=Strategy(ask, hear), complete=script)
    for _ in range(3):
        proposer.propose(TOLD, 1)
    assert ["This is question 3." in asked[0][1]["content"] for asked in script.asked] == [
        False,
        False,
        True,
    ]


def test_a_slow_server_does_not_hold_a_thread_longer_than_its_time(serve):
    proposer = language_model("small", serve(servers.trickles()).url, timeout=0.5)
    seconds, errors = [], []

    def work():
        start = time.monotonic()
        try:
            proposer.propose(TOLD, 2)
        except ProposerError as error:
            errors.append(str(error))
        seconds.append(time.monotonic() - start)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(errors) == 2
    assert max(seconds) < 1.5
    assert proposer.budget.spent_calls == 2
    assert proposer.budget.spent_tokens > 200  # estimated: the server may have done its work


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"budget": Budget(cost=1.0)}, "prices is None, but must be two numbers, because"),
        ({"model": ""}, "model is ''"),
        ({"strategy": lambda told, n: (), "goal": "win"}, "goal is 'win'"),
    ],
)
def test_settings_are_checked(settings, match):
    with pytest.raises(SettingError, match=match):
        language_model(**({"model": "small", "base_url": "http://localhost:1/v1"} | settings))
