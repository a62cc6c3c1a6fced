"""Budgets: what is counted, and that they stop the asking."""

import threading

import chat_server as servers
import pytest

from didact.environments import SettingError
from didact.teachers.language.client.budget import Budget, with_budget
from didact.teachers.language.client.chat_completions import chat
from didact.teachers.language.proposer import BudgetSpent, ProposerError, Reply

MESSAGES = ({"role": "user", "content": "Hello."},)


class Model:
    """Answers at a price, or fails at one."""

    def __init__(self, tokens=(30, 10), cost=0.25, error=None):
        self.reply = Reply("x", (), "fake", *tokens, cost)
        self.error = error
        self.calls = 0

    def __call__(self, messages, schema):
        self.calls += 1
        if self.error:
            raise self.error
        return self.reply


def calls_until_spent(model, budget):
    ask = with_budget(model, budget)
    for _ in range(100):
        try:
            ask(MESSAGES, {})
        except BudgetSpent:
            with pytest.raises(BudgetSpent):
                ask(MESSAGES, {})
            return model.calls
        except ProposerError:
            pass
    raise AssertionError("nothing stops it")


@pytest.mark.parametrize(
    ("budget", "calls"),
    [
        (Budget(calls=3), 3),
        (Budget(calls=0), 0),
        (Budget(tokens=120), 3),  # 40 each
        (Budget(tokens=121), 4),
        (Budget(cost=0.5), 2),
        (Budget(cost=0.51), 3),
        (Budget(calls=5, tokens=1000, cost=1.0), 4),
        (Budget(calls=2, tokens=1000, cost=1.0), 2),
    ],
)
def test_the_first_limit_that_is_reached_stops_the_asking(budget, calls):
    assert calls_until_spent(Model(), budget) == calls
    assert budget.spent_calls == calls
    assert budget.spent_tokens == 40 * calls
    assert budget.spent_cost == pytest.approx(0.25 * calls)


def test_without_a_limit_all_is_counted():
    model, budget = Model(), Budget()
    for _ in range(7):
        with_budget(model, budget)(MESSAGES, {})
    assert repr(budget) == "Budget(calls=7, tokens=280, cost=1.75)"


def test_failures_are_calls():
    model = Model(error=ProposerError("no"))
    assert calls_until_spent(model, Budget(calls=4)) == 4


def test_what_failures_cost_is_counted():
    budget = Budget(tokens=100)
    model = Model(error=ProposerError("no", Reply("", (), "fake", 40, 10, 0.1)))
    assert calls_until_spent(model, budget) == 2
    assert budget.spent_cost == pytest.approx(0.2)


def test_a_limit_of_money_needs_prices():
    model = Model(cost=None)
    assert calls_until_spent(model, Budget(cost=5.0)) == 1
    free = Model(cost=0.0)
    assert calls_until_spent(free, Budget(calls=9, cost=5.0)) == 9
    assert calls_until_spent(Model(cost=None), Budget(calls=9)) == 9


def test_what_was_spent_before_counts():
    budget = Budget(calls=10, tokens=1000)
    budget.spend(calls=0, tokens=0, cost=None)  # nothing, which has no price
    budget.spend(calls=7, tokens=100, cost=0.5)
    assert calls_until_spent(Model(), budget) == 3
    assert repr(budget) == "Budget(calls=10 of 10, tokens=220 of 1000, cost=1.25)"


def test_nobody_knows_what_was_spent_before():
    for spent, calls in (({"calls": 3}, 4), ({"calls": 3, "tokens": 9}, 0)):
        budget = Budget(cost=1.0)
        budget.spend(**spent, cost=None)
        assert calls_until_spent(Model(), budget) == calls


def test_threads_together_ask_no_more_often():
    model, budget = Model(), Budget(calls=50)
    ask, start = with_budget(model, budget), threading.Barrier(8)
    refused = []

    def work():
        start.wait()
        for _ in range(20):
            try:
                ask(MESSAGES, {})
            except BudgetSpent:
                refused.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (budget.spent_calls, budget.spent_tokens) == (50, 50 * 40)
    assert len(refused) == 8 * 20 - 50


def test_a_spent_budget_asks_no_server(serve):
    server = serve(servers.says("x", usage=(60, 40)))
    ask = with_budget(chat("small", server.url, prices=(1000.0, 1000.0)), Budget(cost=0.25))
    for _ in range(3):
        ask(MESSAGES, {})
    with pytest.raises(BudgetSpent, match=r"The budget of 0.25 is spent \(0.3\)\."):
        ask(MESSAGES, {})
    assert len(server.requests) == 3


@pytest.mark.parametrize("bad", [{"calls": -1}, {"tokens": 1.5}, {"cost": float("nan")}])
def test_bad_limits_are_named(bad):
    (name,) = bad
    with pytest.raises(SettingError, match=f"^{name} is .*, but must be"):
        Budget(**bad)
