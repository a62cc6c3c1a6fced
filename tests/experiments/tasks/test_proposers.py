"""Trainings with a proposer, to their end, gone on with, and again from their transcript."""

import json
import os
import shutil
import signal
import time

import fakes
import jax
import numpy as np
import pytest
from proposer_runs import SETTINGS

from didact.environments import Box, SettingError, register
from didact.environments.feedback.wrapper import RATE
from didact.experiments import setup
from didact.experiments.cli import main
from didact.experiments.config import TrainConfig, from_dict, read_run
from didact.experiments.runs import logs
from didact.experiments.runs.checkpoints import Checkpoints
from didact.experiments.tasks import proposers
from didact.experiments.training import train
from didact.teachers.language.background import BackgroundProposer
from didact.teachers.language.proposer import BudgetSpent, ProposerError, Reply
from didact.teachers.language.transcript import Exchange, exchanges, totals

pytestmark = pytest.mark.slow

OPTIONS = """
    --env Counting --teacher pool --teacher-settings capacity=24 --num-envs 16 --rollout-length 4
    --chunk 2 --warm-up 0 --evaluate-every 1 --checkpoint-every 1 --ppo.num-minibatches 2
    --ppo.network.hidden 16 --ppo.network.memory 8
"""
WORDS = OPTIONS.split()
CURVES = ("updates", "return", "success", "length", "episodes", "learning")


@pytest.fixture(autouse=True)
def quick_ends(monkeypatch):
    """No pictures, no videos, no final evaluation."""
    from didact.experiments.runs import report

    monkeypatch.setattr(report, "finish", lambda training, state: {})
    monkeypatch.setattr(report, "pictures", lambda training: {})


def curves(run):
    return [{k: row[k] for k in CURVES} for row in logs.read(run / logs.METRICS)]


def arrays(run):
    """The last checkpoint."""
    config = read_run(run / "config.json", run)
    loop = setup.loop_of(config, setup.environment_of(config), jax.devices())
    state = Checkpoints(run / "checkpoints").restore(loop.init(config.seed))
    leaves = jax.tree.leaves(state._replace(key=jax.random.key_data(state.key)))
    return [np.asarray(x) for x in leaves]


@pytest.fixture(
    scope="module",
    params=[pytest.param(1, marks=pytest.mark.slow), 2],
    ids=["one seed", "two seeds"],
)
def scripted(request, tmp_path_factory):
    """A run with the scripted proposer: its folder, and its settings."""
    with pytest.MonkeyPatch.context() as patch:
        from didact.experiments.runs import report

        patch.setattr(report, "finish", lambda training, state: {})
        patch.setattr(report, "pictures", lambda training: {})
        settings = SETTINGS | {"num_seeds": request.param}
        run = tmp_path_factory.mktemp("runs") / "run"
        train(**settings, run=run)
    return run, settings


def test_what_is_written_down(scripted):
    run, settings = scripted
    found = exchanges(run / "transcript.jsonl")
    seeds = range(settings["num_seeds"])
    assert [(e.asked, e.seed) for e in found] == [(u, s) for u in (4, 8, 12, 16) for s in seeds]
    assert all(e.came == e.asked for e in found)
    assert all(e.accepted for e in found)
    assert found[0].steps == 4 * 64
    space = fakes.SPACE
    for exchange in found:
        rows = [space.from_json(task) for task in exchange.accepted]
        assert np.all(space.contains(np.array(rows)))
        assert len(rows) + len(exchange.refused) <= 6
    rows = {r["updates"]: r for r in logs.read(run / logs.METRICS)}
    assert rows[4]["proposed"]["accepted"] == sum(len(e.accepted) for e in found[: len(seeds)])
    assert "proposed" not in rows[6]
    if len(seeds) == 2:
        assert found[0].accepted != found[1].accepted


def test_proposed_tasks_are_played(scripted):
    """The pool at the end holds what was proposed last, and episodes of it have ended."""
    run, settings = scripted
    config = read_run(run / "config.json", run)
    loop = setup.loop_of(config, setup.environment_of(config), jax.devices())
    state = Checkpoints(run / "checkpoints").restore(loop.init(config.seed))
    last = exchanges(run / "transcript.jsonl")[-1]
    pick = (lambda x: np.asarray(x)[last.seed]) if settings["num_seeds"] > 1 else np.asarray
    tasks, attempts = pick(state.teacher.tasks), pick(state.teacher.attempts)
    rows = [(tasks == fakes.SPACE.from_json(task)).all(axis=1) for task in last.accepted]
    assert [row.sum() for row in rows] == [1] * len(last.accepted)
    assert sum(attempts[row].sum() for row in rows) > 0


def test_from_its_transcript_it_is_the_same_run(scripted, tmp_path):
    run, settings = scripted
    again = settings | {"proposer": "replayed", "transcript": run / "transcript.jsonl"}
    train(**again, run=tmp_path / "again")
    assert curves(tmp_path / "again") == curves(run)
    pairs = list(zip(arrays(run), arrays(tmp_path / "again"), strict=True))
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)
    one, other = (exchanges(path / "transcript.jsonl") for path in (run, tmp_path / "again"))
    assert [e.accepted for e in one] == [e.accepted for e in other]
    without = train(**settings | {"proposer": "none"}, run=tmp_path / "without")
    assert without["finished"]
    assert curves(tmp_path / "without")[:2] == curves(run)[:2]
    assert curves(tmp_path / "without") != curves(run)
    assert not (tmp_path / "without" / "transcript.jsonl").exists()


def test_gone_on_with_it_ends_the_same(scripted, tmp_path):
    run, _ = scripted
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    saved = Checkpoints(copy / "checkpoints").saved()
    middle = saved[-2]
    assert 4 < middle < 20
    train(resume=copy, checkpoint=middle)
    assert curves(copy) == curves(run)
    assert exchanges(copy / "transcript.jsonl") == exchanges(run / "transcript.jsonl")
    assert all(
        np.array_equal(a, b, equal_nan=True) for a, b in zip(arrays(run), arrays(copy), strict=True)
    )


class Slow:
    """Answers in a thread; what it answers, a function of the number of the call says."""

    name = "slow"
    immediate = False

    def __init__(self, answer):
        self.answer, self.reports = answer, []

    def propose(self, report, n):
        self.reports.append(report)
        told = self.answer(len(self.reports))
        if isinstance(told, Exception):
            raise told
        return Reply(told, ({"role": "user", "content": "Teach."},), "m", 10, 5, 0.5)


def tasks(*serials):
    return json.dumps([{"length": 2, "ending": 0, "serial": s} for s in serials])


@pytest.fixture
def with_proposer(monkeypatch, tmp_path):
    """Trains with a proposer made here; gives the exchanges."""

    def run(proposer, name="run", **more):
        entry = proposers.Entry("fake", lambda post: proposer, "for a test")
        monkeypatch.setitem(proposers.PROPOSERS._entries, "fake", entry)
        train(**SETTINGS | {"proposer": "fake"} | more, run=tmp_path / name)
        return exchanges(tmp_path / name / "transcript.jsonl")

    return run


def test_answers_from_a_thread_come_when_they_come(with_proposer, tmp_path):
    """The training does not wait, and is repeated bit for bit from its transcript."""

    def answer(number):
        time.sleep(0.02)
        if number == 1:
            return 'Here: [{"length": 9, "ending": 0, "serial": 1}]'
        return tasks(number, number + 100)

    found = with_proposer(slow := Slow(answer), steps=64 * 200, propose_every=0.1)
    answered = [e for e in found if e.reply is not None]
    assert len(answered) > 3
    assert any(e.came > e.asked for e in found)
    assert [len(e.accepted) for e in answered[:3]] == [0, 2, 2]
    assert slow.reports[0].refused == ()
    assert slow.reports[1].refused == answered[0].refused
    assert "length is 9" in answered[0].refused[0]
    assert slow.reports[2].refused == ()  # told once
    assert all(0 <= report.success <= 1 for report in slow.reports)
    assert slow.reports[0].environment == "Counting: counts"
    run = tmp_path / "run"
    more = {"proposer": "replayed", "transcript": run / "transcript.jsonl", "steps": 64 * 200}
    train(**SETTINGS | more, run=tmp_path / "again")
    assert curves(tmp_path / "again") == curves(run)


def test_two_answers_at_the_same_update_are_repeated(with_proposer, monkeypatch, tmp_path):
    """Of the first question, and of the next one, which is answered at once."""
    asked = Slow(lambda number: tasks(*range(10 * number, 10 * number + 6)))
    asked.immediate = True
    fetch, late = BackgroundProposer.answer, set()

    def answer(asking):
        number = len(asked.reports)
        if number in {1, 3, 5} - late:
            return late.add(number)
        return fetch(asking)

    more = {"propose_every": 0.1}
    with monkeypatch.context() as patch:
        patch.setattr(BackgroundProposer, "answer", answer)
        found = with_proposer(asked, **more)
    assert len(found) > len({e.came for e in found}) > 2
    run, more["proposer"] = tmp_path / "run", "replayed"
    train(**SETTINGS | more | {"transcript": run / "transcript.jsonl"}, run=tmp_path / "again")
    pairs = zip(arrays(run), arrays(tmp_path / "again"), strict=True)
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)


def test_errors_do_not_end_a_training_and_are_asked_about_less_and_less(with_proposer):
    asked = Slow(lambda number: ProposerError("Nobody is there."))
    asked.immediate = True
    found = with_proposer(asked, steps=64 * 80, propose_every=0.05)
    assert {e.error for e in found} == {"Nobody is there."}
    # Every 4 updates of 80, then every 8, 16 and 32.
    assert [e.asked for e in found] == [4, 8, 16, 32, 64]
    assert not any(e.accepted for e in found)


def test_an_outage_of_two_rounds_with_two_seeds(with_proposer):
    asked = Slow(lambda number: ProposerError("Nobody is there.") if number <= 4 else tasks(number))
    asked.immediate = True
    found = with_proposer(asked, steps=64 * 40, propose_every=0.1, num_seeds=2)
    assert [e.asked for e in found if e.seed == 0] == [4, 8, *range(16, 40, 4)]
    assert [e.asked for e in found if e.seed == 1] == [4, 8, *range(16, 40, 4)]


def test_when_the_budget_is_spent_nobody_is_asked_any_more(with_proposer, tmp_path):
    def answer(number):
        return tasks(1) if number == 1 else BudgetSpent("All calls are spent.")

    asked = Slow(answer)
    asked.immediate = True
    found = with_proposer(asked)
    assert [(e.error, e.over) for e in found] == [("", False), ("All calls are spent.", True)]
    assert len(asked.reports) == 2
    # Nor when the run is gone on with, from a checkpoint after that.
    saved = Checkpoints(tmp_path / "run" / "checkpoints").saved()
    train(resume=tmp_path / "run", checkpoint=next(s for s in saved if 8 < s < 20))
    assert len(asked.reports) == 2


def test_a_maker_is_told_what_was_spent(with_proposer, monkeypatch, tmp_path):
    asked = Slow(tasks)
    asked.immediate = True
    found = with_proposer(asked)
    posts = []

    def make(post):
        posts.append(post)
        return asked

    monkeypatch.setitem(
        proposers.PROPOSERS._entries, "fake", proposers.Entry("fake", make, "again")
    )
    checkpoint = Checkpoints(tmp_path / "run" / "checkpoints").saved()[-2]
    train(resume=tmp_path / "run", checkpoint=checkpoint)
    before = sum(e.came <= checkpoint for e in found)
    assert before > 1
    spent = totals(posts[-1].before)
    assert (spent.calls, spent.prompt_tokens, spent.cost) == (before, 10 * before, 0.5 * before)
    assert posts[-1].run == tmp_path / "run"


def test_nobody_is_asked_during_a_warm_up(with_proposer):
    asked = Slow(tasks)
    asked.immediate = True
    assert with_proposer(asked, warm_up=1.0) == []


class Told(fakes.Counting):
    """Counting with feedback that nobody hears."""

    task_space = Box((*fakes.SPACE.dimensions, RATE))
    help_parameter = RATE.name

    @property
    def easy_space(self):
        return self.task_space.restricted(length=(1, 2))

    def reset(self, key, tasks):
        return super().reset(key, tasks[:, :3])


def test_while_feedback_fades_proposers_are_told_how_students_fare(tmp_path):
    register("Told", Told, "counts, and is told")
    train(**SETTINGS | {"env": "Told", "anneal_help": 0.5}, run=tmp_path / "run")
    found = exchanges(tmp_path / "run" / "transcript.jsonl")
    assert [e.asked for e in found] == [4, 8, 12, 16]
    assert found[0].told[2] == found[0].told[0] > 0
    assert all(e.accepted for e in found)
    assert {task["feedback_rate"] for e in found for task in e.accepted} == {1}
    # What is played has another rate, and at the end none.
    rates = [snapshot_rates(path) for path in sorted((tmp_path / "run" / "curriculum").iterdir())]
    assert rates[-1].max() == 0


def snapshot_rates(path):
    with np.load(path) as held:
        return held["tasks"][:, 3]


def test_several_devices(finished, tmp_path):
    """The pool is on all of them; the run is that of one process with the same devices."""
    for name, more in (("one", ["scripted"]), ("two", ["replayed", "--transcript", "one/t.jsonl"])):
        words = [*WORDS, "--steps", 64 * 8, "--propose-every", 0.3, "--run", name]
        code, _, err = finished("train", *words, "--proposer", *more, folder=tmp_path, devices=2)
        assert code == 0, err
        (tmp_path / name / "transcript.jsonl").rename(tmp_path / name / "t.jsonl")
    assert curves(tmp_path / "one") == curves(tmp_path / "two")
    one, two = (exchanges(tmp_path / name / "t.jsonl") for name in ("one", "two"))
    assert [e.accepted for e in one] == [e.accepted for e in two] != []


SLEEPER = """
import time, fakes
fakes.register_all()
from didact.experiments.tasks import proposers
class Sleeper:
    name, immediate = "sleeper", False
    def propose(self, report, n):
        print("asked", flush=True)
        time.sleep(600)
proposers.PROPOSERS.register("sleeper", lambda post: Sleeper(), "sleeps")
from didact.experiments.cli import main
main()
"""


def test_ctrl_c_during_a_slow_call(process, tmp_path):
    words = [*WORDS, "--steps", 64 * 1_000_000, "--propose-every", 0.00001, "--run", "run"]
    started = process("train", *words, "--proposer", "sleeper", folder=tmp_path, code=SLEEPER)
    try:
        assert started.stdout.readline() == "asked\n"
        run = tmp_path / "run"
        deadline = time.monotonic() + 60
        before = logs.read(run / logs.METRICS)
        while len(logs.read(run / logs.METRICS)) < len(before) + 3:  # the training does not wait
            assert time.monotonic() < deadline
            time.sleep(0.01)
        begun = time.monotonic()
        started.send_signal(signal.SIGINT)
        out, err = started.communicate(timeout=30)
        spent = time.monotonic() - begun
    finally:
        started.kill()
    assert started.returncode == 130, err
    # On a machine with other work to do everything takes longer.
    busy = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert spent < 2 * busy, spent
    assert "didact train --resume run" in out
    last = logs.read(run / logs.METRICS)[-1]["updates"]
    assert Checkpoints(run / "checkpoints").saved()[-1] == last
    (exchange,) = exchanges(run / "transcript.jsonl")
    assert exchange.error == "The training ended before a reply arrived."


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"proposer": "oracle"}, "--proposer is 'oracle'"),
        ({"teacher": "uniform", "teacher_settings": ()}, "--teacher pool"),
        ({"proposer": "replayed"}, "--transcript is None"),
        ({"proposer": "replayed", "transcript": "nowhere"}, "--transcript is 'nowhere'"),
        ({"transcript": "somewhere"}, "--transcript is 'somewhere'"),
        ({"propose_every": 0}, "--propose-every is 0"),
        ({"propose_tasks": 0}, "--propose-tasks is 0"),
        ({"propose_tasks": 1000}, "--propose-tasks is 1000"),
    ],
)
def test_settings_without_meaning(settings, words, tmp_path):
    with pytest.raises(SettingError, match=words):
        train(**SETTINGS | settings, run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_transcript_of_other_chunks(scripted, tmp_path):
    run, settings = scripted
    more = {"proposer": "replayed", "transcript": run / "transcript.jsonl", "chunk": 7}
    with pytest.raises(SettingError, match="updates per chunk"):
        train(**settings | more, run=tmp_path / "run")


def test_settings_are_written_down(tmp_path):
    config = TrainConfig(proposer="replayed", transcript=tmp_path / "t.jsonl", teacher="pool")
    from didact.experiments.config import to_dict
    from didact.experiments.runs.reproduction import train_command

    values = json.loads(json.dumps(to_dict(config)))
    assert from_dict(values) == config
    assert f"--transcript {tmp_path / 't.jsonl'}" in train_command(config)


def test_the_transcript_is_shown(scripted, capsys):
    run, settings = scripted
    capsys.readouterr()
    main(["transcript", str(run)])
    out = capsys.readouterr().out
    found = exchanges(run / "transcript.jsonl")
    for part in ("256 steps", "update 4", "scripted", "accepted", "length", "ending", "serial"):
        assert part in out
    assert f"{len(found)} sent" in out
    assert ("seed +1" in out) == (settings["num_seeds"] == 2)
    main(["transcript", str(run / "transcript.jsonl"), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["calls"] == len(found)
    assert told["accepted"] == sum(len(e.accepted) for e in found)


def test_what_was_said_is_shown_as_it_is(with_proposer, tmp_path, capsys, refused):
    asked = Slow(
        lambda number: "[bold]no\x1b[2J\u202e[/]" if number == 1 else ProposerError("Gone.")
    )
    asked.immediate = True
    with_proposer(asked)
    capsys.readouterr()
    main(["transcript", str(tmp_path / "run"), "--full"])
    out = capsys.readouterr().out
    for part in ("Teach.", "[bold]no", "[/]", "Gone.", "no JSON", "cost 0.5", "10 + 5 tokens"):
        assert part in out
    assert not {"\x1b", "\u202e"} & set(out)
    main(["transcript", str(tmp_path / "run"), "--last", "1"])
    assert "no JSON" not in capsys.readouterr().out
    assert "a transcript, or the run folder" in refused("transcript", tmp_path)
    assert "--last is -1" in refused("transcript", tmp_path / "run", "--last", -1)


def test_transcripts_that_are_damaged_or_none(tmp_path, capsys, refused):
    path = tmp_path / "transcript.jsonl"
    path.write_text("")
    main(["transcript", str(path)])
    assert "No requests yet." in capsys.readouterr().out
    path.write_text('{"steps": 1}\nhello\n')
    assert "no line of it can be read" in refused("transcript", path)
    odd = Exchange(accepted=({"x": 10**400}, {"x": 1}), error="\x1b[2Jno", over=True)
    path.write_text(f"{odd.line()}hello\n{odd.line()}hello\n")
    main(["transcript", str(tmp_path), "--full"])
    out = capsys.readouterr().out
    assert "2 sent" in out
    assert "2 lines cannot be read." in out
    assert "\x1b" not in out
    main(["transcript", str(path), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["calls"], told["unread"]) == (2, 2)


def test_proposers_are_listed(capsys):
    main(["list", "proposers", "--json"])
    names = [row["name"] for row in json.loads(capsys.readouterr().out)]
    assert names[:4] == ["none", "scripted", "language-model", "replayed"]
