"""EnvGen in Crafter: turns, conditions and statistics."""

import dataclasses
import io
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from didact import teachers
from didact.benchmarks.crafting import envgen
from didact.benchmarks.crafting.settings import EnvGenConfig
from didact.common import strict_json
from didact.environments import SettingError, make
from didact.environments.crafting.layout import ACHIEVEMENTS
from didact.environments.crafting.tasks import ORIGINAL, SPACE
from didact.students.config import NetworkConfig, PPOConfig
from didact.teachers import Outcomes, propose, testing
from didact.teachers.base import FOREIGN
from didact.teachers.language.proposer import Report
from didact.teachers.language.strategies import envgen as strategy

TINY = EnvGenConfig(
    conditions=("pool:scripted", "original"), steps=256, cycles=2, worlds=3, seeds=2,
    test_episodes=2, num_envs=4, rollout_length=8,
    ppo=PPOConfig(num_minibatches=1, network=NetworkConfig(hidden=8, memory=8)),
)  # fmt: skip


@pytest.mark.slow
def test_turns_keep_the_promises_of_a_teacher():
    testing.check(lambda space: envgen.in_turns(teachers.uniform(space)), SPACE)


def test_the_teacher_of_worlds_sees_only_its_own_episodes():
    seen = []
    inner = teachers.uniform(SPACE)._replace(
        observe=lambda state, proposals, outcomes: seen.append((proposals, outcomes)) or state
    )
    teacher = envgen.in_turns(inner)
    state = teacher.init(jax.random.key(0))
    one = jnp.ones(6)
    for original in (False, True):
        state = state._replace(original=jnp.bool_(original))
        proposals, state = propose(teacher, state, jax.random.key(1), 6)
        same = np.all(np.asarray(proposals.tasks) == ORIGINAL, axis=1)
        assert same.all() == original
        teacher.observe(state, proposals, Outcomes(one, one, one, one, {}))
    (worlds, counted), (foreign, ignored) = seen
    assert np.asarray(worlds.tag).tolist() == [0] * 6
    assert np.asarray(counted.weights).tolist() == [1] * 6
    assert np.asarray(foreign.tag).tolist() == [FOREIGN] * 6
    assert np.asarray(ignored.weights).tolist() == [0] * 6


def fake(config, condition, seed, folder):
    rate = {"original": 0.1, "pool:scripted": 0.4}[condition] + 0.01 * seed
    rates = {name: [0.0, rate] for name in ACHIEVEMENTS}
    counts = {"accepted": 3, "refused": 1, "failed": 0}
    return {"steps": [1, 2], "rates": rates, "score": 100 * rate, "return": 1.0, "length": 9.0,
            **counts}  # fmt: skip


def test_finished_seeds_are_not_trained_again(tmp_path, monkeypatch):
    monkeypatch.setattr(envgen, "train", fake)
    config = EnvGenConfig(**(vars(TINY) | {"out": str(tmp_path)}))
    result = envgen.compare(config)
    summary = strict_json.loads(strict_json.dumps(result))["summary"]
    assert summary["pool:scripted"]["mean"] == pytest.approx(40.5)
    assert summary["pool:scripted"]["p"] < 0.01
    assert summary["pool:scripted"]["accepted"] == 6
    assert summary["original"]["p"] is None
    console = Console(file=io.StringIO(), width=160)
    console.print(envgen.table(result))
    assert "collect diamond" in console.file.getvalue()
    monkeypatch.setattr(envgen, "train", lambda *given: pytest.fail("trained"))
    assert envgen.compare(config)["summary"] == result["summary"]
    with pytest.raises(SettingError, match="different settings"):
        envgen.compare(EnvGenConfig(**(vars(config) | {"cycles": 3})))
    for change in ({"strategy": "interesting"}, {"temperature": 0.1}, {"max_calls": 1}):
        llm = dataclasses.replace(config.llm, **change)
        with pytest.raises(SettingError, match="different settings"):
            envgen.compare(EnvGenConfig(**(vars(config) | {"llm": llm})))
    moved = dataclasses.replace(config.llm, base_url="http://localhost:1")
    assert envgen.compare(EnvGenConfig(**(vars(config) | {"llm": moved})))["rows"] == result["rows"]


def test_teachers_know_the_range_of_returns_and_the_easy_tasks(monkeypatch):
    given = {}

    def made(name, space, **settings):
        given[name] = settings
        return teachers.uniform(space)

    monkeypatch.setattr(teachers, "make", made)
    world = make("Crafter")
    for name in ("alp_gmm", "learnability", "plr"):
        envgen._teacher_of(TINY, name, world)
    assert given == {
        "alp_gmm": {"return_range": (0, 22)},
        "learnability": {"easy": world.easy_space, "return_range": (0, 22)},
        "plr": {},
    }


def test_teachers_that_prepare_proposals_are_refused(monkeypatch):
    """Prepared worlds would be played in the turn of the original game."""
    prepared = teachers.uniform(SPACE)._replace(batch=8)
    monkeypatch.setattr(teachers, "make", lambda *given, **settings: prepared)
    with pytest.raises(SettingError, match=r"--conditions is 'plr', .* without `batch`"):
        envgen._teacher_of(TINY, "plr", make("Crafter"))


def test_turns_have_all_updates():
    for updates, cycles in ((8, 4), (25, 10), (25, 4), (245, 4)):
        turns = np.array(envgen.turns_of(updates, cycles))
        assert turns.shape == (cycles, 2)
        assert turns.sum() == updates
        assert np.ptp(turns) <= 1
    with pytest.raises(SettingError, match="--cycles is 13"):
        envgen.turns_of(25, 13)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conditions": ("nobody",)}, "nobody"),
        ({"conditions": ("original", "original")}, "--conditions"),
        ({"conditions": ("pool:nobody",)}, "nobody"),
        ({"cycles": 0}, "--cycles is 0"),
        ({"seeds": 1}, "--seeds is 1"),
        ({"steps": 0}, "--steps is 0"),
        ({"seeds": 10**30}, "--seeds is"),
        ({"cycles": 10**20}, "--cycles is"),
        ({"worlds": 10**6}, "--worlds is 1000000"),
        ({"test_episodes": 10**14}, "--test-episodes is"),
        ({"seed": 2**31 - 1}, "--seed"),
        ({"conditions": ("original", "pool:nope")}, "--conditions is 'nope'"),
        ({"conditions": ("original", "paired")}, "--conditions is 'paired', .* a single student"),
        ({"conditions": ("original", "pool")}, "--conditions is 'pool'"),
        ({"conditions": ("original", "pool:")}, "--conditions is 'pool:'"),
        ({"conditions": ("original", "uniform:scripted")}, "--conditions is 'uniform:scripted'"),
        ({"conditions": ("original", "pool:language-model")}, "--llm.model"),
        ({"conditions": ("original", "pool:replayed")}, "--transcript"),
    ],
)
def test_bad_settings(change, message, tmp_path, monkeypatch):
    monkeypatch.setattr(envgen, "train", lambda *given: pytest.fail("trained"))
    config = EnvGenConfig(**(vars(TINY) | {"out": str(tmp_path)} | change))
    with pytest.raises(SettingError, match=message):
        envgen.compare(config)


TOO_HIGH = {name: [2.0, 2.0] for name in ACHIEVEMENTS}


@pytest.mark.parametrize(
    "damage",
    [
        *({"score": x} for x in ("x", None, float("nan"))),
        *({"rates": x} for x in ([1], {}, None, {"collect_coal": [0.1]}, TOO_HIGH)),
        *({"steps": x} for x in ([], [1], None)),
        {"accepted": "3"},
        {"failed": 10**400},
    ],
)
def test_damaged_rows_are_refused(damage, tmp_path, monkeypatch):
    monkeypatch.setattr(envgen, "train", fake)
    config = EnvGenConfig(**(vars(TINY) | {"out": str(tmp_path)}))
    envgen.compare(config)
    path = tmp_path / envgen.RESULT
    content = strict_json.loads(path.read_bytes())
    content["rows"]["original/0"] |= damage
    path.write_text(json.dumps(content))
    monkeypatch.setattr(envgen, "train", lambda *given: pytest.fail("trained"))
    with pytest.raises(SettingError, match="undamaged"):
        envgen.compare(config)
    del content["rows"]["original/0"]["score"]
    path.write_text(json.dumps(content))
    with pytest.raises(SettingError, match="undamaged"):
        envgen.compare(config)


def test_the_prompt_has_the_skills():
    schema = {"type": "object", "properties": {}}
    asked = Report("Crafter", schema, 0, 0.0, (), skills={"collect_coal": (0.25, 0.07)})
    text = strategy().ask(asked, 2, {})[1]["content"]
    assert '"collect_coal":"0.25±0.07"' in text


@pytest.mark.slow
def test_a_tiny_comparison(tmp_path):
    config = EnvGenConfig(**(vars(TINY) | {"out": str(tmp_path)}))
    rows = envgen.compare(config)["rows"]
    assert len(rows) == 4
    for row in rows.values():
        assert row["steps"] == [128, 256]
        assert set(row["rates"]) == set(ACHIEVEMENTS)
    assert rows["pool:scripted/0"]["accepted"] > 0
    assert (tmp_path / "pool-scripted-0-transcript.jsonl").exists()
