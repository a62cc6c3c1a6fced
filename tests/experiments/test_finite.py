"""NaN and infinity end a training in the chunk where they appear, with one sentence."""

import dataclasses
import json
from types import SimpleNamespace
from typing import NamedTuple

import fakes
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax.sharding import Mesh, PartitionSpec

from didact.environments import SettingError, register
from didact.experiments import finite
from didact.experiments.config import TrainConfig
from didact.experiments.finite import Magnitudes
from didact.experiments.loop import DEVICES, Records
from didact.experiments.runs.checkpoints import Checkpoints
from didact.experiments.training import train
from didact.students import NetworkConfig, PPOConfig, Rollout
from didact.teachers import Outcomes, Proposals, Teacher

CONFIG = TrainConfig(env="Somewhere", teacher="alp_gmm")
BAD = [np.nan, np.inf, -np.inf]


LARGEST = jax.jit(finite.largest)


@given(
    st.sampled_from(BAD),
    st.sampled_from(["single", "half", "brain", "none"]),
    st.floats(-1e4, 1e4, width=16),
    st.randoms(use_true_random=False),
)
def test_one_bad_number_anywhere_is_seen(bad, part, value, random):
    tree = {
        "single": np.full((7, 5), value, np.float32),
        "half": np.zeros(33, np.float16),
        "brain": np.zeros(3, jnp.bfloat16),
        "empty": np.zeros((0, 3), np.float32),
        "whole": np.array([3_000_000_000], np.uint32),
    }
    assert LARGEST(tree) == abs(np.float32(value))
    if part in tree:
        tree[part].flat[random.randrange(tree[part].size)] = bad
        assert not np.isfinite(LARGEST(tree))


class Learned(NamedTuple):
    params: dict
    replay: np.ndarray  # may contain anything


PLACES = ["task", "observation", "reward", "params", "antagonist", "replay", "waiting"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_the_magnitudes_of_an_update(place, bad):
    ones, rows = np.ones((3, 2), np.float32), np.ones((4, 2), np.float32)
    observation = {"numbers": ones[..., None].copy(), "image": np.full((3, 2), 200, np.uint8)}
    rollout = Rollout(*[ones] * 11, final_observation={})._replace(
        observation=observation, reward=ones.copy()
    )
    weights = np.array([1, 1, 0, 0], np.float32)
    student, antagonist = (
        Learned({"a": ones.copy(), "count": np.zeros(3, np.int32)}, ones.copy()) for _ in range(2)
    )
    target = {
        "task": rows[1],
        "waiting": rows[3],  # no episode: its task is arbitrary
        "observation": observation["numbers"][2, 1],
        "reward": rollout.reward[0],
        "params": student.params["a"][2],
        "antagonist": antagonist.params["a"][1],
        "replay": student.replay[0],
    }[place]
    target[-1] = bad
    outcomes = Outcomes(weights, weights, weights, weights, {})

    def run(*arguments):
        return finite.magnitudes(Proposals.of(arguments[0]), *arguments[1:], DEVICES)

    mesh = Mesh(np.array(jax.devices()[:1]), (DEVICES,))
    whole = PartitionSpec()
    mapped = jax.shard_map(run, mesh=mesh, in_specs=whole, out_specs=whole, check_vma=False)
    found = jax.jit(mapped)(rows, outcomes, rollout, (student, antagonist))
    assert set(found.observations) == {"numbers"}
    assert set(found.learned) == {"params"}
    values = {
        "task": found.tasks,
        "observation": found.observations["numbers"],
        "reward": found.rewards,
        "params": found.learned["params"],
    }
    place = "params" if place == "antagonist" else place
    for name, value in values.items():
        assert np.isfinite(value) == (name != place), name
        if name != place:
            assert value == 1


def records(seeds=(), k=4, **bad):
    """Records of k updates in which the named quantities are bad at an index."""
    shape = (*seeds, k)

    def values(name):
        x = np.ones(shape, np.float32)
        if name in bad:
            value, at = bad[name]
            x[at] = value
        return x

    metrics = {name: values(name) for name in ("episodes", "return_sum", "loss", "entropy")}
    observations = {"numbers": values("observation")}
    found = Magnitudes(
        values("task"),
        values("learn"),
        observations,
        values("reward"),
        {"params": values("params")},
    )
    return Records(metrics, None, None, found)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"task": (np.inf, 1)}, ["task parameter is inf", "update 12", "--teacher alp_gmm"]),
        ({"learn": (np.nan, 1)}, ["`learn` of a proposal is nan", "--teacher alp_gmm"]),
        ({"observation": (np.nan, 0)}, ["observation 'numbers' is nan", "--env Somewhere"]),
        ({"reward": (np.nan, 3), "loss": (np.nan, 3)}, ["reward is nan", "update 14", "--env"]),
        ({"return_sum": (np.inf, 2)}, ["return of an episode is inf", "--env Somewhere"]),
        ({"loss": (np.nan, 2), "entropy": (np.nan, 2)}, ["loss is nan", "--ppo.learning-rate"]),
        ({"entropy": (np.nan, 1), "loss": (np.nan, 2)}, ["entropy is nan", "update 12"]),
        ({"params": (np.inf, 2)}, ["state params is inf", "update 13", "than 0.002"]),
        ({"params": (np.inf, 1), "reward": (np.nan, 2)}, ["params is inf", "update 12"]),
        ({"reward": (1e30, 1), "loss": (np.inf, 1)}, ["loss is inf", "rewards reach 1e+30"]),
        (
            {"observation": (1e30, 1), "loss": (np.inf, 1)},
            ["loss is inf", "observation 'numbers' reaches 1e+30"],
        ),
    ],
)
def test_the_first_cause_is_named(bad, words):
    with pytest.raises(SettingError) as error:
        finite.require_finite_records(CONFIG, records(**bad), 10, [0, 8])
    message = str(error.value)
    for word in (*words, "must be finite", "the last finite checkpoint is 8"):
        assert word in message
    assert "\n" not in message


def test_the_seed_is_named():
    config = dataclasses.replace(CONFIG, seed=5, num_seeds=3)
    with pytest.raises(SettingError, match=r"update 12 of seed 7: .*no checkpoint was saved"):
        finite.require_finite_records(config, records((3,), reward=(np.nan, (2, 1))), 10, [])
    finite.require_finite_records(config, records((3,)), 10, [])
    finite.require_finite_records(CONFIG, records(reward=(1e30, 1)), 10, [])


@pytest.mark.parametrize(
    ("student", "option"),
    [("sac", "--sac.learning-rate than 0.0003"), ("distill", "--distill.learning-rate than 0.002")],
)
def test_the_option_is_that_of_the_student(student, option):
    config = dataclasses.replace(CONFIG, student=student)
    with pytest.raises(SettingError, match=option):
        finite.require_finite_records(config, records(loss=(np.nan, 0)), 0, [0])


def test_a_student_object_has_no_option():
    config = dataclasses.replace(CONFIG, student="<Student object>")
    with pytest.raises(SettingError, match=r"loss is nan.*update 1: try a smaller learning rate"):
        finite.require_finite_records(config, records(loss=(np.nan, 0)), 0, [0])


def test_the_states_of_all_students():
    good = Learned({"a": np.ones(3, np.float32)}, np.ones(1))
    bad = Learned({"a": np.array([1, np.nan], np.float32)}, np.ones(1))
    finite.require_finite_state(CONFIG, SimpleNamespace(student=good, antagonists=(good,)), 8)
    for students, name in (((bad, good), "student"), ((good, good, bad), "antagonist 2")):
        state = SimpleNamespace(student=students[0], antagonists=students[1:])
        with pytest.raises(SettingError, match=f"the {name}'s state params/a is nan.*update 8"):
            finite.require_finite_state(CONFIG, state, 8)


def test_evaluations_and_metrics():
    finite.require_finite_scores({"A": {"return": 1.0, "success_by_seed": [1.0]}}, CONFIG)
    with pytest.raises(SettingError, match=r"return on A is inf.*--env Somewhere"):
        finite.require_finite_scores({"A": {"success": 0.0, "return": np.inf}}, CONFIG)
    finite.require_finite_metrics({"loss": np.float32(1)}, "update 3", "rate")
    with pytest.raises(SettingError, match=r"loss is nan.*update 3: try a smaller rate"):
        finite.require_finite_metrics({"a": np.nan, "loss": np.float32(np.nan)}, "update 3", "rate")


def test_nan_in_the_state_of_a_teacher():
    state = {"key": jax.random.key(0), "counts": jnp.arange(3), "scores": jnp.array([0, -jnp.inf])}
    finite.require_teacher_without_nan(CONFIG, state, 8, [])
    state["scores"] = jnp.array([-jnp.inf, jnp.nan])
    words = r"teacher's state scores is nan.*by update 8.*--teacher alp_gmm.*no checkpoint"
    with pytest.raises(SettingError, match=words):
        finite.require_teacher_without_nan(CONFIG, state, 8, [])


@pytest.mark.parametrize("num_seeds", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_teacher_that_breaks_ends_its_training(tmp_path, num_seeds):
    def init(key):
        return jnp.zeros(())

    def propose(state, key, n):  # nothing of it is seen in the tasks
        return fakes.SPACE.sample(key, n) + jnp.nan_to_num(state), state

    def observe(state, proposals, outcomes):
        return state + jnp.where(jnp.sum(outcomes.weights) > 0, jnp.nan, 0.0)

    with pytest.raises(SettingError, match=r"^the teacher's state is nan, but must be a number"):
        train(
            env="Counting",
            teacher=Teacher(init, propose, observe),
            run=tmp_path / "run",
            steps=64 * 20,
            num_envs=16,
            rollout_length=4,
            num_seeds=num_seeds,
            warm_up=0.0,
            pictures=False,
            video=False,
            ppo=PPOConfig(num_minibatches=2, network=NetworkConfig(hidden=16, memory=8)),
        )


@pytest.mark.parametrize("seeds", [(), (2,)])
def test_tasks_outside_of_their_space(seeds):
    tasks = np.tile([2.0, 1.0, 500.0], (*seeds, 3, 4, 1))
    weights = np.ones((*seeds, 3, 4))
    space, high = fakes.SPACE, fakes.SPACE.high[2]

    def check():
        outcomes = Outcomes(weights, weights, weights, weights, {})
        finite.require_tasks_inside(CONFIG, space, Records({}, tasks, outcomes, None), 8, [4])

    tasks[..., 1, 2, 2] = high
    check()
    tasks[..., 1, 2, 2] = high * 2
    weights[..., 1, 2] = 0  # not played
    check()
    weights[..., 1, 2] = 1
    words = r"parameter serial is .*from 0 to 1e\+06 \(update 10: .*alp_gmm.*checkpoint is 4"
    with pytest.raises(SettingError, match=words):
        check()


class Spoilt(fakes.Counting):
    """One task in a hundred pays NaN."""

    name = "Spoilt"

    def step(self, key, state, actions):
        state, seen = super().step(key, state, actions)
        reward = jnp.where(state.tasks[:, 2] > 990_000, jnp.nan, seen.reward)
        return state, seen._replace(reward=reward)


def test_a_training_stops_and_keeps_its_last_finite_checkpoint(tmp_path, refused):
    register("Spoilt", Spoilt, "pays NaN once in a while")
    run = tmp_path / "run"
    with pytest.raises(SettingError) as error:
        train(
            env="Spoilt",
            teacher="uniform",
            run=run,
            steps=64 * 200,
            num_envs=16,
            rollout_length=4,
            checkpoint_every=0.01,
            warm_up=0.0,
            pictures=False,
            video=False,
            ppo=PPOConfig(num_minibatches=2, network=NetworkConfig(hidden=16, memory=8)),
        )
    assert error.value.setting == "reward"
    saved = Checkpoints(run / "checkpoints").saved()
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["updates"] == saved[-1] > 0
    assert f"the last finite checkpoint is {saved[-1]})" in str(error.value)
    assert f"update {saved[-1] + 1}:" in str(error.value) or f"{saved[-1] + 2}:" in str(error.value)
    assert not (run / "policy").exists()
    message = refused("train", "--resume", run)  # the same seed leads to the same error
    assert message == f"didact: {error.value}\n"
