"""Transcripts on disk, and proposers that follow one."""

import dataclasses
import json
import os

import pytest

from didact.environments import SettingError
from didact.teachers.language import transcript
from didact.teachers.language.proposer import ProposerError, Reply, Report
from didact.teachers.language.transcript import (
    DROPPED,
    Exchange,
    Replayed,
    Totals,
    Transcript,
    exchanges,
    read,
    replayed,
    totals,
)

REPLY = Reply(
    '[{"x": 0.1}] \ud800\u202e "',
    ({"role": "user", "content": "Teach\nit."},),
    "some-model",
    120,
    30,
    0.002,
    1.5,
)
ANSWERED = Exchange(
    4, 8, 0, 400, "asked", (9, 3, 7), REPLY, ({"x": 0.1}, {"x": 0.5}), ("Task 3: no.",)
)
FAILED = Exchange(12, 12, 1, 1200, "asked", (20, 9, 18), error="Nobody is there.", over=True)


@pytest.fixture
def path(tmp_path):
    transcript = Transcript(tmp_path / "transcript.jsonl", 0)
    transcript.add(ANSWERED)
    transcript.add(FAILED)
    return transcript.path


def test_what_is_written_is_read(path):
    assert exchanges(path) == [ANSWERED, FAILED]
    lines = path.read_bytes().splitlines()
    assert len(lines) == 2
    told = json.loads(lines[0])
    assert told["reply"]["messages"] == [{"role": "user", "content": "Teach\nit."}]
    assert set(told) == {
        *("asked", "came", "seed", "steps", "proposer", "told"),
        *("reply", "accepted", "refused", "error", "spent", "over"),
    }


def test_a_line_that_was_cut_off_does_no_harm(path):
    whole = path.read_text()
    for cut in (2, 20, len(whole.splitlines()[1])):
        path.write_text(whole[:-cut])
        assert exchanges(path) == [ANSWERED]
        again = Transcript(path, 100)
        again.add(FAILED)
        assert exchanges(path) == [ANSWERED, FAILED]


def test_it_is_truncated_to_the_checkpoint(path):
    """What is behind it is kept elsewhere, for all resumptions."""
    dropped = path.with_name(DROPPED)
    assert Transcript(path, 12).dropped == []
    assert not dropped.exists()
    short = Transcript(path, 11)
    assert (short.exchanges, short.dropped) == ([ANSWERED], [FAILED])
    assert exchanges(path) == [ANSWERED]
    short.add(FAILED)
    shorter = Transcript(path, 7)
    assert (shorter.exchanges, shorter.dropped) == ([], [FAILED, ANSWERED, FAILED])
    assert exchanges(path) == []
    assert Transcript(path, 7).dropped == exchanges(dropped) == shorter.dropped


def test_what_cannot_be_read_is_kept_elsewhere(path):
    path.write_text(f'{ANSWERED.line()}{{"came": 5, "sp\n{FAILED.line()}')
    again = Transcript(path, 100)
    assert (again.exchanges, again.dropped) == ([ANSWERED, FAILED], [])
    assert read(path) == ([ANSWERED, FAILED], [])
    assert path.with_name(DROPPED).read_text() == '{"came": 5, "sp\n'


UNREAD = [
    *("[]", "{}", "null", "x", '{"came": "x"}', '{"came": true}', '{"came":1,"y":2}', "[" * 9999),
    *('{"came":1,"seed":"0"}', '{"came":1,"steps":null}', '{"came":1,"told":[1,2]}'),
    *('{"came":1,"accepted":[1,2]}', '{"came":1,"accepted":"abc"}', '{"came":1,"accepted":null}'),
    *('{"came":1,"refused":null}', '{"came":1,"refused":[1]}', '{"came":1,"error":5}'),
    *('{"came":1,"over":"no"}', '{"came":1,"proposer":null}', f'{{"came":1{"0" * 999}}}'),
    *('{"came": 1, "reply": 5}', '{"came":1,"reply":{}}', '{"came":1,"reply":{"text":null}}'),
    *(
        f'{{"came":1,"reply":{{"text":"","{name}":{value}}}}}'
        for name, value in {
            "cost": '"x"',
            "seconds": "Infinity",
            "messages": '["a"]',
            "model": "1",
            "prompt_tokens": "1.5",
            "accepted": "[]",
        }.items()
    ),
    '{"came":1,"spent":{"text":"","messages":[{"role":1}]}}',
]


@pytest.mark.parametrize("line", UNREAD)
def test_other_lines_are_left_out(path, line):
    path.write_text(f"{ANSWERED.line()}{line}\n\n{FAILED.line()}")
    assert read(path) == ([ANSWERED, FAILED], [line])
    assert exchanges(path) == [ANSWERED, FAILED]


def test_separators_within_a_text_end_no_line(path):
    """JSON of others may hold line separators that are no ends of lines of a file."""
    odd = json.loads(FAILED.line()) | {"error": "one\u2028two\x85three"}
    path.write_text(json.dumps(odd, ensure_ascii=False) + "\n", encoding="utf-8")
    assert read(path) == ([dataclasses.replace(FAILED, error=odd["error"])], [])


def test_files_that_are_no_transcripts(path, monkeypatch):
    assert read(path.with_name("nothing.jsonl")) == ([], [])
    with pytest.raises(SettingError, match=r"at most .* bytes: Is a directory"):
        read(path.parent)
    os.mkfifo(path.with_name("pipe"))
    with pytest.raises(SettingError, match="not a regular file"):
        read(path.with_name("pipe"))
    monkeypatch.setattr(transcript, "MOST", 100)
    with pytest.raises(SettingError, match="of at most 100 bytes: it has more than 100 bytes"):
        read(path)


def test_totals():
    assert totals([ANSWERED, FAILED, ANSWERED]) == Totals(3, 2, 4, 2, 240, 60, 0.004, 3.0)
    assert totals([FAILED]).cost is None


def test_long_answers_are_cut(tmp_path):
    transcript = Transcript(tmp_path / "t", 0)
    transcript.add(Exchange(reply=Reply("x" * 3_000_000)))
    assert len((tmp_path / "t").read_text()) < 1_100_000


def test_replaying(path):
    proposer = replayed(path)
    assert proposer.immediate
    report = Report("", {}, 0, 0.0, (), updates=8, seed=0)
    assert json.loads(proposer.propose(report, 1).text) == {"tasks": [{"x": 0.1}, {"x": 0.5}]}
    for updates, seed in ((4, 0), (8, 1), (12, 1)):
        with pytest.raises(ProposerError):
            proposer.propose(Report("", {}, 0, 0.0, (), updates=updates, seed=seed), 1)


def test_replaying_what_came_at_the_same_time(path):
    """Each answer by itself, as it was put into the pool."""
    transcript = Transcript(path, 100)
    transcript.add(dataclasses.replace(ANSWERED, asked=8, accepted=({"x": 0.9},)))
    proposer = replayed(path)
    assert isinstance(proposer, Replayed)
    assert [proposer.due(8, 0), proposer.due(8, 1), proposer.due(12, 1)] == [2, 0, 0]
    report = Report("", {}, 0, 0.0, (), updates=8, seed=0)
    texts = [proposer.propose(report, 1).text for _ in range(2)]
    assert list(map(json.loads, texts)) == [
        {"tasks": [{"x": 0.1}, {"x": 0.5}]},
        {"tasks": [{"x": 0.9}]},
    ]


def test_replaying_nothing(tmp_path):
    with pytest.raises(SettingError, match="at least one exchange"):
        replayed(tmp_path / "nowhere")
