"""Copies in a run folder of the transcripts and policies that its training uses."""

import shutil
from types import SimpleNamespace

import pytest

from didact.experiments.config import TrainConfig
from didact.experiments.imitation import expert_setup
from didact.experiments.tasks import proposers


def test_a_transcript_is_copied_as_a_whole_and_once(tmp_path, monkeypatch):
    original, run = tmp_path / "mine.jsonl", tmp_path / "run"
    original.write_text("one\ntwo\n")
    config = TrainConfig(transcript=original)

    def killed(source, target):
        target.write_text("one\n")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", killed)
        with pytest.raises(KeyboardInterrupt):
            proposers.keep_transcript(config, run)
    assert not (run / proposers.KEPT).exists()
    proposers.keep_transcript(config, run)  # as the resumed run does
    assert (run / proposers.KEPT).read_text() == "one\ntwo\n"
    original.unlink()
    proposers.keep_transcript(config, run)


def test_policies_that_are_missing_are_copied(tmp_path, monkeypatch):
    saved = []
    policy = SimpleNamespace(card={}, params={})
    monkeypatch.setattr(expert_setup, "policy_of", lambda config, number: policy)
    monkeypatch.setattr(expert_setup, "save_policy", lambda path, *arguments: saved.append(path))
    (tmp_path / expert_setup.KEPT / "0").mkdir(parents=True)
    config = TrainConfig(experts=("first", "solver", "third"))
    expert_setup.keep_policies(config, tmp_path)
    assert saved == [tmp_path / expert_setup.KEPT / "2"]
