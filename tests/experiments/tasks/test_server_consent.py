"""Files alone never ask a language model, and never choose which key is sent where."""

import dataclasses
import json
import sys
from pathlib import Path

import pytest
from proposer_runs import SETTINGS

from didact.environments import SettingError
from didact.experiments.cli import main
from didact.experiments.config import LLMConfig, TrainConfig, to_dict
from didact.experiments.runs import resuming
from didact.experiments.sweeps import sweep as sweeps
from didact.experiments.tasks import server_consent
from didact.experiments.training import train, train_or_resume

sys.path.insert(0, str(Path(__file__).parents[2] / "teachers" / "support"))

import chat_server

URL, VARIABLE = "http://127.0.0.1:1/v1", "AWS_SECRET_ACCESS_KEY"


def settings(**llm):
    return TrainConfig(**SETTINGS | {"proposer": "language-model", "llm": LLMConfig("m", **llm)})


ASKING = settings(base_url=URL, api_key_env=VARIABLE)


@pytest.mark.parametrize(
    ("config", "named", "missing"),
    [
        (ASKING, {}, f"--llm.base-url {URL} --llm.api-key-env {VARIABLE} if"),
        (ASKING, {"proposer": "language-model"}, f"--llm.base-url {URL} --llm"),
        (ASKING, {"base_url": "http://localhost/v1"}, f"with --llm.api-key-env {VARIABLE} if"),
        (ASKING, {"api_key_env": VARIABLE}, f"with --llm.base-url {URL} if"),
        (ASKING, {"api_key_env": "MINE", "base_url": "http://localhost/v1"}, None),
        (settings(), {}, "with --proposer language-model if"),
        (settings(), {"base_url": "http://localhost/v1"}, None),
        (settings(), {"proposer": "language-model"}, None),
        (settings(api_key_env=None), {}, "with --proposer language-model if"),
        (settings(base_url="", api_key_env=""), {}, "with --proposer language-model if"),
        (dataclasses.replace(ASKING, proposer="scripted"), {}, None),
        (dataclasses.replace(ASKING, proposer="Language-Model"), {}, f"--llm.base-url {URL} --llm"),
        (dataclasses.replace(ASKING, proposer="of-my-own"), {}, f"--llm.base-url {URL} --llm"),
        (
            dataclasses.replace(ASKING, proposer="none"),
            {"proposer": "LANGUAGE-MODEL"},
            f"with --llm.base-url {URL} --llm.api-key-env {VARIABLE} if",
        ),
        (settings(base_url="http://a\nb/v1"), {}, "--llm.base-url is 'not an address'"),
        (settings(base_url="http://a:b@c/v1"), {}, "--llm.base-url is 'http://c and more'"),
        (settings(base_url="http://c/v1?key=b"), {}, "--llm.base-url is 'http://c and more'"),
        (settings(base_url="$(reboot)"), {}, "--llm.base-url is 'without http"),
        (settings(api_key_env="sk-123"), {}, r"--llm.api-key-env is '\[hidden\]|'\[key\]'"),
    ],
)
def test_what_must_be_named(config, named, missing):
    proposer = named.pop("proposer", None)
    check = (config, "--config", "f.yaml", proposer, LLMConfig(**named))
    if missing is None:
        made = server_consent.require_named_server(*check)
        assert made == dataclasses.replace(
            config, llm=dataclasses.replace(config.llm, **named)
        ) or (config.proposer == "scripted" and made == config)
        return
    with pytest.raises(SettingError) as error:
        server_consent.require_named_server(*check)
    assert any(part in str(error.value) for part in missing.replace("\\", "").split("|"))


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv(VARIABLE, "AKIA-very-secret")
    one = chat_server.Server([chat_server.says("{}")])
    yield one
    one.close()


@pytest.fixture
def stranger(server, tmp_path):
    """The folder of a run that somebody else has made."""
    config = settings(base_url=server.url, api_key_env=VARIABLE)
    run = tmp_path / "stranger"
    run.mkdir()
    (run / "config.json").write_text(json.dumps(to_dict(config)))
    return run


@pytest.mark.parametrize("words", ["--resume {}", "--config {}/config.json --steps 64"])
def test_a_file_of_somebody_else_sends_nothing(stranger, server, words, capsys):
    with pytest.raises(SystemExit) as end:
        main(["train", *words.format(stranger).split()])
    assert end.value.code == 2
    message = capsys.readouterr().err
    assert f"--llm.base-url {server.url} --llm.api-key-env {VARIABLE} if you trust" in message
    assert server.requests == []


def test_nor_one_without_a_proposer(stranger, server, capsys):
    """The proposer is that of the user, but not its server."""
    content = json.loads((stranger / "config.json").read_text()) | {"proposer": "none"}
    (stranger / "config.json").write_text(json.dumps(content))
    words = f"train --config {stranger}/config.json --steps 64 --proposer language-model"
    with pytest.raises(SystemExit) as end:
        main(words.split())
    assert end.value.code == 2
    message = capsys.readouterr().err
    assert f"--llm.base-url {server.url} --llm.api-key-env {VARIABLE} if you trust" in message
    assert server.requests == []


def test_nor_does_a_sweep(stranger, server, tmp_path):
    file = tmp_path / "sweep.yaml"
    base = json.loads((stranger / "config.json").read_text())
    del base["run"], base["seed"]
    file.write_text(json.dumps({"base": base, "grid": {"seed": [1, 2]}}))
    with pytest.raises(SettingError, match=r"sweep file is .*--llm.base-url http.* if you trust"):
        sweeps.sweep(file, tmp_path / "out")
    assert server.requests == []


def test_the_defaults_of_a_sweep_and_of_python_name_nothing(stranger, server, tmp_path):
    file = tmp_path / "sweep.yaml"
    base = json.loads((stranger / "config.json").read_text())
    del base["run"], base["seed"]
    file.write_text(json.dumps({"base": base, "grid": {"seed": [1, 2]}}))
    with pytest.raises(SettingError, match="files alone never ask"):
        sweeps.sweep(file, tmp_path / "out", proposer="none")
    with pytest.raises(SettingError, match="files alone never ask"):
        train(resume=stranger, proposer="none")
    assert server.requests == []


def test_nor_does_python(stranger, server):
    with pytest.raises(SettingError, match="files alone never ask"):
        train(resume=stranger)
    for more in (
        {"proposer": "scripted"},
        {"llm": {"model": "x", "base_url": URL, "api_key_env": "A"}},
    ):
        with pytest.raises(SettingError, match="the run has its own"):
            train(resume=stranger, **{"llm": {"base_url": URL, "api_key_env": "A"}} | more)
    assert server.requests == []


def test_what_resumes_a_run(stranger):
    config = dataclasses.replace(ASKING, imports=("my parts.py",))
    assert resuming.command(config, Path("a run")) == (
        f"didact train --resume 'a run' --import 'my parts.py' --llm.base-url {URL} "
        f"--llm.api-key-env {VARIABLE}"
    )
    plain = dataclasses.replace(config, proposer="none", imports=())
    assert resuming.command(plain, Path("run")) == "didact train --resume run"
    moved = {"base_url": URL, "api_key_env": "MINE"}
    own = resuming.settings_of(stranger, llm=moved)
    assert (own.llm.model, own.llm.base_url, own.llm.api_key_env) == ("m", URL, "MINE")


@pytest.mark.slow
def test_who_names_all_settings_names_the_server(server, tmp_path, monkeypatch):
    """A script that is started again resumes its run; the answers of the server are useless."""
    from didact.experiments.runs import report

    monkeypatch.setattr(report, "finish", lambda training, state: {})
    monkeypatch.setattr(report, "pictures", lambda training: {})
    config = dataclasses.replace(
        settings(base_url=server.url, api_key_env=VARIABLE, retries=0, timeout=5.0),
        run=tmp_path / "run",
    )
    train(config)
    assert train_or_resume(config)["finished"]
