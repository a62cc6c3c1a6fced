"""Runs of every kind, killed at random moments: the same commands end as if nothing had happened.

`pytest -m slow tests/experiments/runs/test_kills.py` kills each kind several times.
"""

import json
import os
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from didact import load_policy
from didact.experiments.runs.metrics_file import read_rows
from didact.students.data.recordings import open_recording

pytestmark = [pytest.mark.slow, pytest.mark.process]

SMALL = "--num-envs 8 --rollout-length 4 --chunk 2 --warm-up 0 --evaluation-episodes 2 --no-video"
PPO = "--ppo.num-minibatches 1 --ppo.network.memory 8 --ppo.network.hidden 8"
OFTEN = "--evaluate-every 0.1 --checkpoint-every 0.05"
TOY = f"train --env ToyGrid --steps 1920 --no-pictures {SMALL} {PPO} {OFTEN} --run run"
PENDULUM = "train --env Pendulum --student sac --num-envs 4 --steps 2048 --chunk 8 --no-pictures"
ROOM = TOY.replace("--env ToyGrid", "--env BabyAI-GoToObj-v0 --teacher uniform --experts solver")
DISTILL = "--student distill --distill.num-minibatches 1"
DISTILL_NETWORK = "--distill.network.memory 8 --distill.network.hidden 8"
RUNS = {
    "ppo": TOY,
    "pictures": TOY.replace("--no-pictures ", ""),
    "seeds": f"{TOY} --num-seeds 2",
    "pool": f"{TOY} --teacher pool --proposer scripted --propose-every 0.1",
    "kickstarting": ROOM,
    "distillation": ROOM.replace(PPO, f"{DISTILL} {DISTILL_NETWORK}"),
    "sac": f"{PENDULUM} {OFTEN} --warm-up 0 --evaluation-episodes 2 --no-video --run run",
}
SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
KILLS = 6  # of each kind
NOT_REPEATED = ("seconds", "steps_per_second", "compile_seconds")
CODE = "from didact.__main__ import main; main()"


def start(command, folder):
    return subprocess.Popen(
        [sys.executable, "-c", CODE, *command.split()],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def finish(command, folder):
    done = start(command, folder)
    out, err = done.communicate(timeout=300)
    assert "Traceback" not in err, err
    return done.returncode, out, err


def results(run):
    read = read_rows(run / "metrics.jsonl")
    assert not read.damaged
    return [{k: v for k, v in row.items() if k not in NOT_REPEATED} for row in read.rows]


@pytest.fixture(scope="module", params=RUNS)
def whole(request, tmp_path_factory):
    """A command, its results and its duration without a kill (programs are compiled before)."""
    command = RUNS[request.param]
    for name in ("first", "second"):
        folder = tmp_path_factory.mktemp(name)
        begun = time.monotonic()
        code, _, err = finish(command, folder)
        assert code == 0, err
    return command, folder / "run", time.monotonic() - begun


def kill(command, folder, after, number):
    """Start a command, send it a signal after a while, and check how it ends."""
    started = start(command, folder)
    try:
        started.communicate(timeout=after)
    except subprocess.TimeoutExpired:
        os.kill(started.pid, number)
    _, err = started.communicate(timeout=120)
    assert "Traceback" not in err, err
    return started.returncode


@pytest.mark.parametrize("attempt", range(KILLS))
def test_a_training_that_is_killed_ends_the_same(whole, tmp_path, attempt):
    command, expected, seconds = whole
    rng = np.random.default_rng([attempt, len(command)])
    run = tmp_path / "run"
    now = command
    for number in rng.permutation(SIGNALS)[: 1 + attempt % 2]:
        code = kill(now, tmp_path, rng.uniform(0.2, 1.0) * seconds, signal.Signals(number))
        assert code in (0, 130, 143, *(-each for each in SIGNALS)), code
        # Before a run begins there is nothing to resume.
        now = "train --resume run" if (run / "config.json").exists() else command
    code, _, err = finish(now, tmp_path)
    assert code == 0, err
    assert results(run) == results(expected)
    assert same_parameters(run / "policy", expected / "policy")
    left = {p.relative_to(run) for p in run.rglob("*") if ".part" in p.name or ".tmp" in p.name}
    assert not left


def same_parameters(one, other):
    leaves = [jax.tree.leaves(load_policy(path).params) for path in (one, other)]
    return all(np.array_equal(a, b) for a, b in zip(*leaves, strict=True))


@pytest.mark.parametrize("attempt", range(KILLS))
def test_a_recording_that_is_killed_can_be_read(tmp_path, attempt):
    rng = np.random.default_rng(attempt)
    command = "record random --env ToyGrid --episodes 100000 --out r"
    kill(command, tmp_path, rng.uniform(5, 20), SIGNALS[attempt % 3])
    if (tmp_path / "r").exists() and list((tmp_path / "r").glob("*.npz")):
        assert sum(1 for _ in open_recording(tmp_path / "r")) > 0
        assert not list((tmp_path / "r").glob("*.part"))


def whole_or_missing(policy):
    """A policy that was written completely, or not at all."""
    if policy.exists():
        assert load_policy(policy).params
    assert not [p for p in policy.parent.rglob("*") if ".part" in p.name]


@pytest.mark.parametrize("attempt", range(KILLS))
def test_cloning_that_is_killed_leaves_whole_policies(tmp_path, attempt):
    rng = np.random.default_rng(attempt)
    code, _, err = finish("record random --env ToyGrid --episodes 200 --out r", tmp_path)
    assert code == 0, err
    # An interrupt saves the policy so far; after a kill the run can be repeated in its folder.
    code = kill(
        "distill r --steps 100000000 --run run", tmp_path, rng.uniform(4, 30), SIGNALS[attempt % 3]
    )
    assert code in (130, 143, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT), code
    whole_or_missing(tmp_path / "run" / "policy")
    code, _, err = finish("distill r --steps 2000 --run again", tmp_path)
    assert code == 0, err


@pytest.mark.parametrize("attempt", range(KILLS))
def test_composing_that_is_killed_leaves_whole_policies(tmp_path, attempt):
    rng = np.random.default_rng(attempt)
    command = "compose F(coffee&X(F(office))) --run run --json"
    kill(command, tmp_path, rng.uniform(3, 25), SIGNALS[attempt % 3])
    whole_or_missing(tmp_path / "run" / "policy")
    code, out, err = finish(command.replace("--run run", "--run again"), tmp_path)
    assert code == 0, err
    assert json.loads(out)["success"] == 1


SWEEP = """
base: {env: ToyGrid, steps: 960, num_envs: 8, rollout_length: 4, chunk: 2, warm_up: 0,
  pictures: false, video: false, evaluation_episodes: 2,
  ppo: {num_minibatches: 1, network: {memory: 8, hidden: 8}}}
grid:
  teacher: [uniform, alp_gmm]
"""


@pytest.mark.parametrize("attempt", range(3))
def test_a_sweep_that_is_killed_is_completed(tmp_path, attempt):
    rng = np.random.default_rng(attempt)
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    command = "sweep sweep.yaml --out s --json"
    kill(command, tmp_path, rng.uniform(4, 25), SIGNALS[attempt])
    code, out, err = finish(command, tmp_path)
    assert code == 0, err
    assert [run["status"] for run in json.loads(out)["runs"]] == ["finished"] * 2
