"""Distillation from recordings: behaviour cloning, against a world it can be tested in."""

import errno
import json
import os
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import ArraySpace, Discrete, SettingError, make
from didact.experiments.imitation import behaviour_cloning, expert_setup
from didact.experiments.imitation.behaviour_cloning import clone_recording
from didact.experiments.imitation.distill import Distill, distilled
from didact.experiments.imitation.record import Record, recorded
from didact.experiments.runs.stopping import Interrupted, Terminated
from didact.students import DistillConfig, NetworkConfig, load_policy
from didact.students import behaviour_cloning as clone
from didact.students.data.recordings import Recording
from didact.students.data.sequences import SequenceBatch

SMALL = NetworkConfig(cell_embedding=8, hidden=32, memory=16, instruction_features=16)
CONFIG = DistillConfig(network=SMALL, num_minibatches=4, learning_rate=4e-3)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recording") / "r"
    recorded(Record("solver", folder, env="BabyAI-GoToLocal-v0", episodes=2000))
    return folder


@pytest.mark.slow
def test_a_student_imitates_a_recording(recording, tmp_path):
    result = clone_recording(recording, CONFIG, steps=500_000, run=tmp_path / "run")
    assert result["finished"]
    rows = [json.loads(x) for x in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    agreement = [row["learning"]["clone_agreement"] for row in rows]
    assert agreement[-1] > 0.6 > agreement[0]
    scores = result["evaluation"]["BabyAI-GoToLocal-v0"]
    policy = load_policy(tmp_path / "run")
    assert policy.card["scores"]["BabyAI-GoToLocal-v0"]["sampled"] == scores["sampled"]["success"]
    assert scores["sampled"]["success"] > 0.4  # random actions: 0.29
    assert "2000 episodes of solver" in policy.card["description"]


@pytest.mark.slow
def test_what_was_learned_is_kept_when_it_is_stopped(recording, tmp_path, monkeypatch):
    def interrupted(*_):
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(behaviour_cloning, "_tell", interrupted)
    with pytest.raises(Interrupted) as stopped:
        clone_recording(recording, CONFIG, steps=10_000_000, run=tmp_path / "run")
    result = stopped.value.result
    assert not result["finished"]
    assert 0 < result["steps"] < 1_000_000
    policy = load_policy(tmp_path / "run")
    assert policy.card["training"]["steps"] == result["steps"]
    assert policy.card["scores"] == {}


@pytest.mark.slow
def test_a_stop_during_the_last_update_is_not_forgotten(tmp_path, monkeypatch):
    recorded(Record("random", tmp_path / "r", env="ToyGrid", episodes=64))
    monkeypatch.setattr(behaviour_cloning, "_tell", lambda *_: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(Terminated) as stopped:
        clone_recording(tmp_path / "r", CONFIG, steps=64, run=tmp_path / "run")
    assert stopped.value.result["finished"]
    assert load_policy(tmp_path / "run").card["scores"] == {}


def test_a_part_of_the_tasks_stays_a_part(tmp_path, monkeypatch):
    """Whoever imitates it is tested there, and knows no more as an expert."""
    tasks = ("x0=0..0.5",)
    recorded(Record("random", tmp_path / "r", env="ToyGrid", episodes=64, tasks=tasks))
    spaces = []

    def tested(environment, space, *rest):
        spaces.append(space)
        return {mode: {"success": 0.0} for mode in ("sampled", "greedy")}

    monkeypatch.setattr(behaviour_cloning, "_test", tested)
    clone_recording(tmp_path / "r", CONFIG, steps=2000, run=tmp_path / "run")
    whole = make("ToyGrid").task_space
    (space,) = spaces
    assert space == whole.restricted(x0=(0, 0.5))
    policy = load_policy(tmp_path / "run")
    assert expert_setup.known_tasks("clone", policy, whole) == space


@pytest.mark.slow
def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    recorded(Record("random", tmp_path / "r", env="ToyGrid", episodes=64))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(behaviour_cloning, "_tell", full)
    with pytest.raises(SettingError, match=r"No space left on device; no policy was saved"):
        clone_recording(tmp_path / "r", CONFIG, steps=2000, run=tmp_path / "run")
    monkeypatch.undo()
    monkeypatch.setattr(behaviour_cloning, "_test", full)
    with pytest.raises(SettingError, match=r"No space left on device; the policy is saved"):
        clone_recording(tmp_path / "r", CONFIG, steps=2000, run=tmp_path / "other")
    assert load_policy(tmp_path / "other").card["scores"] == {}


def window_of(rng, length, lanes, action):
    shape = length, lanes
    no = np.zeros(shape, bool)
    seen = {"numbers": rng.normal(size=(*shape, 3)).astype(np.float32)}
    return SequenceBatch(
        seen, no, action, np.zeros(shape, np.float32), no, no, np.ones(shape, np.float32)
    )


@pytest.mark.slow
def test_the_carry_goes_on_from_window_to_window():
    """One long window and two short ones of the same lanes read the same."""
    spaces = {"numbers": ArraySpace((3,), np.float32, -9.0, 9.0)}
    network = NetworkConfig(hidden=8, memory=5)
    config = DistillConfig(network=network, num_minibatches=1, learning_rate=1e-9)
    cloner = clone(spaces, Discrete(3), config, num_updates=9)
    state = cloner.student.init(jax.random.key(0))
    rng = np.random.default_rng(0)
    action = rng.integers(3, size=(8, 2)).astype(np.int32)
    long = window_of(rng, 8, 2, action)
    long.start[5, 1] = True

    def cut(rows):
        parts = [x[rows] for x in long[1:]]
        return SequenceBatch({k: x[rows] for k, x in long.observation.items()}, *parts)

    carry = cloner.student.initial_carry(2)
    _, whole, told = cloner.learn(state, carry, long, jax.random.key(0))
    losses = []
    for rows in (slice(0, 4), slice(4, 8)):
        _, carry, metrics = cloner.learn(state, carry, cut(rows), jax.random.key(0))
        losses.append(float(metrics["clone_loss"]))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), whole, carry)
    assert np.mean(losses) == pytest.approx(float(told["clone_loss"]), rel=1e-5)
    # And the loss is the cross-entropy of what was done.
    distribution, _, _ = cloner.student.read(
        state, cloner.student.initial_carry(2), long.observation, jnp.asarray(long.start)
    )
    likely = np.asarray(distribution.probabilities)
    expected = -np.log(np.take_along_axis(likely, action[..., None], -1)).mean()
    assert float(told["clone_loss"]) == pytest.approx(expected, rel=1e-5)


def test_rows_without_weight_teach_nothing():
    spaces = {"numbers": ArraySpace((3,), np.float32, -9.0, 9.0)}
    config = DistillConfig(network=NetworkConfig(hidden=8, memory=5), num_minibatches=1)
    cloner = clone(spaces, Discrete(3), config, num_updates=9)
    state = cloner.student.init(jax.random.key(0))
    after = []
    for action in (0, 2):
        window = window_of(np.random.default_rng(0), 4, 2, np.full((4, 2), 1, np.int32))
        window.weight[2:, 1] = 0
        window.action[2:, 1] = action
        carry = cloner.student.initial_carry(2)
        after.append(cloner.learn(state, carry, window, jax.random.key(0))[0].params)
    jax.tree.map(np.testing.assert_array_equal, *after)


def test_no_value_is_expected_after_a_step_that_terminates_and_truncates():
    spaces = {"numbers": ArraySpace((3,), np.float32, -9.0, 9.0)}
    config = DistillConfig(network=NetworkConfig(hidden=8, memory=5), num_minibatches=1)
    cloner = clone(spaces, Discrete(3), config, num_updates=9)
    state, learn = cloner.student.init(jax.random.key(0)), jax.jit(cloner.learn)
    window = window_of(np.random.default_rng(0), 4, 2, np.ones((4, 2), np.int32))
    last, no = np.zeros((4, 2), bool), np.zeros((4, 2), bool)
    last[-1] = True

    def value_loss(terminated, truncated):
        ended = window._replace(terminated=terminated, truncated=truncated)
        carry = cloner.student.initial_carry(2)
        return float(learn(state, carry, ended, jax.random.key(0))[2]["value_loss"])

    assert value_loss(last, last) == value_loss(last, no) != value_loss(no, last)


def test_the_card_of_a_policy_cloned_from_a_recording_without_optional_fields(tmp_path):
    spaces = {"numbers": ArraySpace((3,), np.float32, -9.0, 9.0)}
    fields = {name: space.to_json() for name, space in spaces.items()}
    world = make("ToyGrid")
    given = {"environment": "ToyGrid", "episodes": 3, "observation_space": fields}
    recording = Recording(tmp_path, given | {"action_space": world.action_space.to_json()})
    made = behaviour_cloning._card(recording, world, CONFIG, {"steps": 9}, own=True)
    assert made["description"] == "Cloned from 3 episodes of unknown"
    assert made["environment_settings"] == []


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"who": ()}, r"who is .*at least one policy"),
        ({"who": ("solver",)}, "--env is None"),
        ({"who": ("nobody",)}, "policy is 'nobody'"),
        ({"who": ("RECORDING", "solver")}, "a single recording"),
        ({"who": ("RECORDING",), "tasks": ("rows=1",)}, "--tasks"),
        ({"who": ("RECORDING",), "steps": 0}, "--steps is 0"),
        ({"who": ("RECORDING",), "env": "ToyGrid"}, "recorded observation"),
        ({"who": ("RECORDING",), "env": "DynamicObstacles"}, "recorded action space.*forward"),
    ],
)
def test_bad_choices_are_told(choice, message, recording, tmp_path):
    who = tuple(str(recording) if name == "RECORDING" else name for name in choice["who"])
    with pytest.raises(SettingError, match=message):
        distilled(Distill(**choice | {"who": who}, run=tmp_path / "run"))
    assert not (tmp_path / "run").exists()
