"""Trainings whose tasks a language model writes: real HTTP, the real client, a server of ours."""

import dataclasses
import io
import json
import os
import sys
from pathlib import Path

import pytest
from proposer_runs import SETTINGS
from rich.console import Console

from didact.environments import SettingError
from didact.experiments.cli import main
from didact.experiments.config import LLMConfig, TrainConfig, from_dict, to_dict
from didact.experiments.runs.checkpoints import Checkpoints
from didact.experiments.tasks import proposers
from didact.experiments.tasks.server_consent import named_in
from didact.experiments.training import train
from didact.teachers.language import LanguageModel
from didact.teachers.language.transcript import exchanges, totals

sys.path.insert(0, str(Path(__file__).parents[2] / "teachers" / "support"))

import chat_server

KEY = "sk-a-key-that-nobody-may-see"


@pytest.fixture(autouse=True)
def quick_ends(monkeypatch):
    """No pictures, no videos, no final evaluation."""
    from didact.experiments.runs import report

    monkeypatch.setattr(report, "finish", lambda training, state: {})
    monkeypatch.setattr(report, "pictures", lambda training: {})


def wrote(*serials, **more):
    tasks = [{"purpose": "p", "task": {"length": 2, "ending": 0, "serial": s}} for s in serials]
    return chat_server.says(json.dumps({"tasks": [*tasks, *more.get("also", [])]}))


@pytest.fixture
def asked(monkeypatch):
    """A server with these behaviours; it is waited for, so that runs of few steps meet it."""
    for name in [*os.environ]:
        if name.lower() in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("A_KEY", KEY)
    monkeypatch.setattr(LanguageModel, "immediate", True)
    servers = []

    def start(*behaviours, **settings):
        servers.append(chat_server.Server(behaviours))
        fast = {"timeout": 20.0, "retries": 0, "api_key_env": "A_KEY"}
        return servers[-1], LLMConfig("m", servers[-1].url, **fast | settings)

    yield start
    for one in servers:
        one.close()


HOSTILE = "quota [/nope] [red]exceeded :bomb: \x1b]0;title\x07\x1b[2J\u202e"


class BrokenStream(io.StringIO):
    def write(self, text):
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize("stream", [io.StringIO, BrokenStream])
def test_an_error_text_of_a_server_is_neither_markup_nor_lost(asked, tmp_path, stream):
    """On a console of the user that interprets markup, or that fails."""
    _, llm = asked(chat_server.error(418, HOSTILE))
    file = stream()
    more = {"proposer": "language-model", "llm": llm, "steps": 64 * 20, "propose_every": 0.2}
    result = train(**SETTINGS | more, run=tmp_path / "run", console=Console(file=file, width=300))
    assert result["finished"]
    found = exchanges(tmp_path / "run" / "transcript.jsonl")
    assert "[/nope] [red]exceeded :bomb:" in found[0].error
    if stream is io.StringIO:
        assert "[/nope] [red]exceeded :bomb:" in file.getvalue()
        assert "\x1b" not in file.getvalue()


def test_a_training_goes_on_whatever_comes(asked, tmp_path):
    bad = {"purpose": "q", "task": {"length": 90, "ending": 0, "serial": 3}}
    place, llm = asked(
        wrote(1, 2, also=[bad]),
        chat_server.error(500, "no"),
        chat_server.drops(after=20),
        chat_server.says(f"Your key is {KEY}. " + "x" * 1000),
        chat_server.echoes(401),
        wrote(3, 4, 5),
        prices=(1000.0, 2000.0),
    )
    more = {"proposer": "language-model", "llm": llm, "steps": 64 * 120, "propose_every": 0.05}
    result = train(**SETTINGS | more, run=tmp_path / "run")
    assert result["finished"]
    found = exchanges(tmp_path / "run" / "transcript.jsonl")
    assert [len(e.accepted) for e in found[:6]] == [2, 0, 0, 0, 0, 3]
    assert "length is 90" in found[0].refused[0]
    assert "error 500" in found[1].error
    assert "connection" in found[2].error.lower()
    assert found[3].refused
    assert "401" in found[4].error
    # Refusals are told once: in the next question, and not in those that follow an answer.
    questions = [json.dumps(body["messages"]) for body in place.asked]
    assert ["length is 90" in text for text in questions[:5]] == [False, True, True, True, False]
    told = totals(found[:1])
    assert (told.prompt_tokens, told.completion_tokens) == (11, 7)
    assert told.cost == pytest.approx((11 * 1000 + 7 * 2000) / 1e6)
    assert place.requests[0][0]["Authorization"] == f"Bearer {KEY}"
    for file in (tmp_path / "run").rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes(), file


@pytest.mark.slow
def test_a_run_that_is_gone_on_with_knows_what_was_spent(asked, tmp_path, capsys):
    place, llm = asked(wrote(1), chat_server.error(500), wrote(2), wrote(3), max_calls=3)
    settings = SETTINGS | {"proposer": "language-model", "llm": llm, "steps": 64 * 40}
    train(**settings | {"checkpoint_every": 0.5}, run=tmp_path / "run")
    found = exchanges(tmp_path / "run" / "transcript.jsonl")
    assert [bool(e.error) for e in found] == [False, True, False, True]
    assert found[-1].over
    assert "3 calls" in found[-1].error
    assert len(place.requests) == 3
    early = next(e.came for e in found if e.error)
    saved = Checkpoints(tmp_path / "run" / "checkpoints").saved()
    middle = max(s for s in saved if early <= s < found[2].came)
    train(resume=tmp_path / "run", checkpoint=middle, llm=named_in(llm))
    again = exchanges(tmp_path / "run" / "transcript.jsonl")
    assert again[-1].over
    kept = [e for e in again if e.came <= early]
    assert kept == [e for e in found if e.came <= early]
    assert len(place.requests) == 3  # the third of them is paid for, though it was dropped
    dropped = exchanges(tmp_path / "run" / "dropped.jsonl")
    assert dropped == [e for e in found if e.came > early]
    assert sum(not e.over for e in [*again, *dropped]) == 3
    main(["transcript", str(tmp_path / "run")])
    out = " ".join(capsys.readouterr().out.split())  # however wide the terminal is
    assert "2 requests after a checkpoint that was resumed; tokens 11 prompt, 7 completion" in out
    main(["transcript", str(tmp_path / "run"), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["calls"], told["dropped"]["calls"]) == (3, 2)


@pytest.mark.slow
def test_with_a_limit_of_money(asked, tmp_path):
    place, llm = asked(wrote(1), wrote(2), wrote(3), prices=(1e6, 0.0), max_cost=20.0)
    train(**SETTINGS | {"proposer": "language-model", "llm": llm}, run=tmp_path / "run")
    assert len(place.requests) == 2  # 11 each: the second goes beyond it
    assert "budget of 20 is spent" in exchanges(tmp_path / "run" / "transcript.jsonl")[-1].error


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"model": ""}, "--llm.model is ''"),
        ({"base_url": "nowhere"}, "--llm.base-url is "),
        ({"strategy": "towards"}, "--llm.goal is ''"),
        ({"goal": "mail"}, "--llm.goal is 'mail'"),
        ({"timeout": -1.0}, "--llm.timeout is -1"),
        ({"max_calls": -1}, "--llm.max-calls is -1"),
        ({"max_total_tokens": -1}, "--llm.max-total-tokens is -1"),
        ({"max_cost": -1.0, "prices": (1.0, 1.0)}, "--llm.max-cost is -1"),
        ({"max_cost": 1.0}, "--llm.prices is None"),
        ({"max_tokens": 0}, "--llm.max-tokens is 0"),
    ],
)
def test_settings_without_meaning(settings, words, tmp_path):
    usual = {"model": "m", "base_url": "http://127.0.0.1:1/v1", "api_key_env": None}
    llm = LLMConfig(**usual | settings)
    with pytest.raises(SettingError) as told:
        train(**SETTINGS | {"proposer": "language-model", "llm": llm}, run=tmp_path / "run")
    assert str(told.value).startswith(words)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("more", [[], ["--proposer", "scripted"], ["--proposer", "language-model"]])
def test_a_key_in_the_place_of_its_name_is_written_nowhere(more, tmp_path, capsys):
    words = ["train", "--env", "Counting", "--teacher", "pool", "--run", str(tmp_path / "run")]
    with pytest.raises(SystemExit) as ended:
        main([*words, *more, "--llm.api-key-env", KEY])
    assert ended.value.code == 2
    told = "".join(capsys.readouterr())
    assert told.startswith("didact: --llm.api-key-env is '[key]', but must be the name of")
    assert KEY not in told
    assert not (tmp_path / "run").exists()


def test_an_address_with_a_password_is_written_nowhere(tmp_path, capsys):
    words = ["train", "--env", "Counting", "--run", str(tmp_path / "run")]
    with pytest.raises(SystemExit):
        main([*words, "--llm.base-url", f"http://me:{KEY}@localhost/v1"])
    told = "".join(capsys.readouterr())
    assert told.startswith("didact: --llm.base-url is 'http://localhost and more'")
    assert KEY not in told
    assert not (tmp_path / "run").exists()


def test_settings_are_written_down(tmp_path):
    config = TrainConfig(llm=LLMConfig("m", prices=(1.0, 2.0), goal="mail"), run=tmp_path)
    values = json.loads(json.dumps(to_dict(config)))
    assert from_dict(values) == dataclasses.replace(config, run=None)


def test_it_is_listed():
    assert "language-model" in proposers.PROPOSERS
