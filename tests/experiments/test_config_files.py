"""Settings from files: what is written is read back, and whatever else is there is one sentence."""

import copy
import dataclasses
import json
import math
import shlex
from pathlib import Path

import pytest
import tyro
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from didact.common.registry import suggest
from didact.environments import SettingError
from didact.experiments.cli.train import Options, options
from didact.experiments.config import (
    KickstartConfig,
    LLMConfig,
    TrainConfig,
    checked,
    from_dict,
    read_run,
    to_dict,
)
from didact.experiments.config_files import MAX_SIZE, read_file
from didact.experiments.runs.reproduction import train_command
from didact.students.config import DistillConfig, NetworkConfig, PPOConfig, SACConfig

texts = st.lists(st.sampled_from(["a=1", "rows=1..2", "yes", "1e3", "null", "-x"]), max_size=2)
configs = st.builds(
    TrainConfig,
    env=st.sampled_from(["GoTo", "no", "3", "a: b", "# c"]),
    student=st.sampled_from(["ppo", "sac", "distill"]),
    num_envs=st.sampled_from([16, 1024]),
    chunk=st.sampled_from([2, 8]),
    pictures=st.booleans(),
    video=st.booleans(),
    tasks=texts.map(tuple),
    imports=st.lists(st.sampled_from(["my.py", "a.b"]), max_size=2).map(tuple),
    steps=st.integers(1, 10**12),
    seed=st.integers(0, 2**30),
    warm_up=st.floats(0, 1),
    transcript=st.none() | st.just(Path("a/b.jsonl")),
    ppo=st.builds(
        PPOConfig,
        learning_rate=st.floats(1e-300, 1e300),
        scale_rewards=st.none() | st.booleans(),
        network=st.builds(
            NetworkConfig, hidden=st.integers(1, 8192), normalise_observations=st.booleans()
        ),
    ),
    sac=st.builds(SACConfig, tune_alpha=st.booleans()),
    distill=st.builds(DistillConfig, distance=st.sampled_from(["kl", "cross_entropy"])),
    kickstart=st.builds(KickstartConfig, weight=st.floats(0, 9)),
    llm=st.builds(
        LLMConfig,
        prices=st.none() | st.tuples(st.floats(0, 9), st.floats(0, 9)),
        max_calls=st.none() | st.integers(0, 9),
    ),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


def written(folder, values, kind):
    path = folder / f"config.{kind}"
    path.write_text(json.dumps(values) if kind == "json" else yaml.safe_dump(values))
    return path


@pytest.mark.parametrize("kind", ["json", "yaml"])
@given(config=configs)
def test_what_is_written_is_read_back(folder, kind, config):
    path = written(folder, to_dict(config), kind)
    assert read_file(path) == config


@settings(max_examples=25)
@given(config=configs)
def test_a_file_and_options_mean_the_same(folder, config):
    """The command that a run is made by, and the file that it writes."""
    config = dataclasses.replace(config, tasks=tuple(t for t in config.tasks if t[0] != "-"))
    path = written(folder, to_dict(config), "json")
    words = shlex.split(train_command(config))[2:]
    assert read_words(*words) == config
    named = [word for text in config.imports for word in ("--import", text)]
    from_file = options(["--config", str(path), *named]).settings
    assert dataclasses.replace(from_file, imports=config.imports) == config


def test_the_command_of_a_training():
    config = TrainConfig(student="sac", rollout_length=16, video=False)
    command = "didact train --student sac --num-envs 1024 --rollout-length 16 --chunk 2 --no-video"
    assert train_command(config) == command
    assert read_words(*shlex.split(command)[2:]) == config


def read_words(*words):
    """As the command line reads them."""
    return tyro.cli(Options, args=[str(word) for word in words], default=options(words)).settings


def test_options_come_before_the_file(folder):
    path = folder / "some.yaml"
    path.write_text("steps: 5000\nppo:\n  clip: 0.1\n  network: {hidden: 64}\nimports: [a.b]\n")
    usual = TrainConfig()
    ppo = dataclasses.replace(usual.ppo, clip=0.1)
    expected = dataclasses.replace(
        usual,
        steps=5000,
        imports=("a.b",),
        ppo=dataclasses.replace(ppo, network=NetworkConfig(hidden=64)),
    )
    named = "--import", "a.b"
    assert read_words("--config", str(path), *named) == expected
    assert read_words(f"--config={path}", *named) == expected
    words = ["--steps", "7", "--ppo.network.memory", "0", "--import", "c.py", *named]
    assert read_words(*words, f"--config={path}") == dataclasses.replace(
        expected,
        steps=7,
        imports=("c.py", "a.b"),
        ppo=dataclasses.replace(ppo, network=NetworkConfig(hidden=64, memory=0)),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("# nothing\n---\n", {}),
        ("ppo:\nkickstart: {}\n", {}),
        ("steps: 1_000", {"steps": 1000}),
        ("warm-up: 1\n", {"warm_up": 1.0}),
        ("warm_up: 1e-3", {"warm_up": 1e-3}),
        ("warm_up: 1E-3", {"warm_up": 1e-3}),
        ("warm_up: .5", {"warm_up": 0.5}),
        ("env: 1e3", {"env": "1e3"}),
        ("env: 'no'", {"env": "no"}),
        ("tasks: [a=1, b=2..3]", {"tasks": ("a=1", "b=2..3")}),
        ('{"steps": 3, "tasks": ["a=1"]}', {"steps": 3, "tasks": ("a=1",)}),
    ],
)
def test_files_in_yaml(folder, text, expected):
    path = folder / "text.yml"
    path.write_text(text)
    assert read_file(path) == dataclasses.replace(TrainConfig(), **expected)


LAUGHS = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"
WRONG = [
    ("steps: 0", "steps in w.yaml is 0, but must be a whole number from 1 to"),
    (f"steps: 1{'0' * 30}", "steps in w.yaml is 1000000000000000000000000000000, but"),
    (f"steps: 0x{'f' * 9999}", "steps in w.yaml is a number of 39996 bits, but"),
    ("steps: 1e6", "steps in w.yaml is '1e6', but must be a whole number"),
    ("warm_up: 1e9", "warm_up in w.yaml is '1e9', but must be a number from 0 to 1"),
    ("steps: 5.0", "steps in w.yaml is 5.0, but must be a whole number"),
    ("steps: '5'", "steps in w.yaml is '5', but must be a whole number"),
    ("steps: true", "steps in w.yaml is True, but must be a whole number"),
    ("steps:", "steps in w.yaml is None, but must be a whole number"),
    ("warm_up: .nan", "warm_up in w.yaml is nan, but must be a finite number from 0 to 1"),
    ("ppo: {clip: .inf}", "ppo.clip in w.yaml is inf, but must be a finite number above 0"),
    ("ppo: {clip: '0.2'}", "ppo.clip in w.yaml is '0.2', but must be a number above 0"),
    ("ppo: 3", "ppo in w.yaml is 3, but must be a mapping"),
    ("ppo: [clip]", "ppo in w.yaml is ['clip'], but must be a mapping"),
    ("ppo: {network: {hiden: 3}}", "setting in w.yaml is 'ppo.network.hiden', but must be a kn"),
    ("colour: red", "setting in w.yaml is 'colour', but must be a known name"),
    ("1: 2", "setting in w.yaml is '1', but must be a known name"),
    ("? [1, 2]\n: 3", "--config is 'w.yaml', but must be valid YAML (line 1: found unhashable key"),
    ("steps: 3\nsteps: 4", "--config is 'w.yaml', but must be valid YAML (line 2: duplicate key"),
    ("warm-up: 1\nwarm_up: 1", "warm_up in w.yaml is 1, but must be given once"),
    ("tasks: a=1", "tasks in w.yaml is 'a=1', but must be a list, each item a string"),
    ("tasks: [1]", "tasks in w.yaml is [1], but must be a list, each item a string"),
    ("tasks: {a: 1}", "tasks in w.yaml is {'a': 1}, but must be a list"),
    ("env: 2024-01-01", "env in w.yaml is datetime.date(2024, 1, 1), but must be a string"),
    ("env: 2024-99-99", "--config is 'w.yaml', but must be valid YAML (month must be in 1..12)"),
    ("llm: {strategy: best}", "llm.strategy in w.yaml is 'best', but must be one of envgen, "),
    ("llm: {prices: [1]}", "llm.prices in w.yaml is [1], but must be a list of 2: a number, a n"),
    ("llm: {api_key_env: [sk-1]}", "llm.api_key_env in w.yaml is '[hidden]', but must be a string"),
    ("[]", "w.yaml is [], but must be a mapping"),
    ("3", "w.yaml is 3, but must be a mapping"),
    ("a: b: c", "--config is 'w.yaml', but must be valid YAML (line 1: mapping values are"),
    ("a: [", "--config is 'w.yaml', but must be valid YAML (line 1"),
    ("--- 1\n--- 2", "--config is 'w.yaml', but must be valid YAML (line 2"),
    ("!!python/object/apply:os.system ['false']", "YAML (line 1: could not determine a construct"),
    ("env: !!python/name:os.system", "--config is 'w.yaml', but must be valid YAML (line 1: could"),
    ("steps: !!int ''", "--config is 'w.yaml', but must be valid YAML ("),
    ("a: \x00", "--config is 'w.yaml', but must be valid YAML ("),
    ("[" * 100_000, "--config is 'w.yaml', but must be valid YAML ("),
    (LAUGHS, "--config is 'w.yaml', but must be valid YAML (line 2: aliases are not allowed"),
    ("<<: {steps: 3}", None),  # a merge of YAML 1.1: taken
]


@pytest.mark.parametrize(("text", "sentence"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_in_a_file(folder, text, sentence, monkeypatch):
    monkeypatch.chdir(folder)
    Path("w.yaml").write_text(text)
    if sentence is None:
        assert read_file("w.yaml").steps == 3
        return
    with pytest.raises(SettingError) as error:
        read_file("w.yaml")
    assert sentence in str(error.value)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"steps": 3, "steps": 4}', "JSON (duplicate key steps)"),
        (b'{"steps": }', "JSON (line 1: Expecting value)"),
        (b"\xff\xfe{", "JSON ("),
        (b"", "JSON (line 1: Expecting value)"),
        (b"[" * 100_000, "JSON ("),
        (b'{"steps": ' + b"9" * 5000 + b"}", "JSON (Exceeds the limit"),
        (b'{"warm_up": NaN}', "warm_up in w.json is nan, but must be a finite number from 0 to 1"),
        (b" " * (MAX_SIZE + 1), "a readable file (it has more than 1,048,576 bytes)"),
    ],
)
def test_what_is_wrong_in_a_json_file(folder, content, sentence, monkeypatch):
    monkeypatch.chdir(folder)
    Path("w.json").write_bytes(content)
    with pytest.raises(SettingError) as error:
        read_file("w.json")
    assert sentence in str(error.value)


def test_a_run_with_a_huge_name_of_something(folder):
    """It is refused unread, and no message or search for similar names takes long."""
    path = folder / "config.json"
    path.write_text(json.dumps({"student": "p" * MAX_SIZE}))
    with pytest.raises(SettingError, match="the JSON file written by the run"):
        read_run(path, folder)
    assert "ppo" in str(suggest("--student", "p" * 10**8, ["ppo", "sac"]))


def test_files_that_cannot_be_read(folder, refused):
    for path, why in ((folder / "none.yaml", "No such file"), (folder, "Is a directory")):
        message = refused("train", "--config", path)
        assert f"--config is '{path}', but must be a readable file ({why}" in message
    assert "--config is" in refused("train", "--config", "a\0b")
    assert "given once" in refused("train", "--config", "a", "--config=b")


def paths(values, here=()):
    for name, value in values.items():
        yield (*here, name)
        if isinstance(value, dict):
            yield from paths(value, (*here, name))


PATHS = list(paths(to_dict(TrainConfig())))
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.integers(-3, 3)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["GoTo", "1", "kl", "[", "\x1b[0m", "a" * 300]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["json", "yaml"])
@settings(max_examples=300)
@given(
    changes=st.lists(st.tuples(st.sampled_from(PATHS), anything), min_size=1, max_size=3),
    more=st.dictionaries(st.text(max_size=5), anything, max_size=1),
    less=st.lists(st.sampled_from(PATHS), max_size=3),
)
def test_edited_files(folder, kind, changes, more, less):
    """They are read, or refused in one sentence; what was read means what it meant."""
    values = to_dict(TrainConfig())
    for path, value in changes:
        part = values
        for name in path[:-1]:
            part = part[name] if isinstance(part.get(name), dict) else {}
        part[path[-1]] = copy.deepcopy(value)
    for path in less:
        part = values
        for name in path[:-1]:
            part = part.get(name) if isinstance(part, dict) else None
        if isinstance(part, dict):
            part.pop(path[-1], None)
    values |= more
    accepted(written(folder, values, kind))


@pytest.mark.parametrize("kind", ["json", "yaml"])
@settings(max_examples=300)
@given(text=st.text(max_size=40) | st.text(alphabet="{}[]:,-\"'#&*!|>% \n0aé", max_size=40))
def test_any_text(folder, kind, text):
    path = folder / f"any.{kind}"
    path.write_text(text, encoding="utf-8", errors="replace")
    accepted(path)


def accepted(path):
    """Reads a file as `didact train --config` does; the sentence, if it is refused."""
    try:
        config = checked(read_file(path))
    except SettingError as error:
        sentence = str(error)
    else:
        return well_read(config)
    assert "\n" not in sentence
    assert len(sentence) < 700
    return sentence


def well_read(config):
    assert from_dict(to_dict(config)) == dataclasses.replace(config, run=None)
    assert math.isfinite(config.ppo.clip)
    assert 1 <= config.steps <= 10**15
    assert all(isinstance(text, str) for text in config.tasks)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (TrainConfig(steps=10**15, num_envs=1, rollout_length=1), "--steps is 1000000000000000"),
        (TrainConfig(seed=2**31 - 1, num_seeds=2), "--seed is 2147483647"),
        (TrainConfig(num_envs=2**24 + 1), "--num-envs is 16777217, but must be a whole number f"),
        (TrainConfig(chunk=10**30), "--chunk is 1000000000000000000000000000000"),
        (TrainConfig(env=None), "--env is None, but must be a string"),  # type: ignore[arg-type]
        (TrainConfig(imports="my.py"), "--import is 'my.py', but must be a list"),  # type: ignore[arg-type]
        (TrainConfig(ppo=DistillConfig()), "--ppo is DistillConfig"),  # type: ignore[arg-type]
        (TrainConfig(ppo=PPOConfig(clip=math.nan)), "--ppo.clip is nan, but must be a finite"),
    ],
)
def test_settings_of_python_that_mean_nothing(config, sentence):
    with pytest.raises(SettingError) as error:
        checked(config)
    assert str(error.value).startswith(sentence)
