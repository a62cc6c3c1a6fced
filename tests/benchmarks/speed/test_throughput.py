import dataclasses
import getpass
import io
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tyro
from rich.console import Console

from didact.benchmarks.config import ThroughputConfig
from didact.benchmarks.speed import peers, training_breakdown
from didact.benchmarks.speed import throughput as benchmark
from didact.benchmarks.speed.peers import Contestant, Unavailable
from didact.benchmarks.speed.timing import Loop as Timed
from didact.environments import (
    ArraySpace,
    Box,
    Dimension,
    Discrete,
    Environment,
    SettingError,
    Timestep,
    registry,
)
from didact.experiments.config import TrainConfig
from didact.students import NetworkConfig, PPOConfig


class Countdown(Environment):
    """Action 1 counts down, others wait; 3 steps at most. The level is a random number."""

    task_space = Box((Dimension("start", 1, 3, integer=True),))
    action_space = Discrete(2, ("wait", "count"))
    max_steps = 3

    def __init__(self, packed: bool = False):
        self.observation_space = {"left": ArraySpace((1,) if packed else (1, 3), jnp.int32)}

    def reset(self, key, tasks):
        keys = key if jnp.ndim(key) else jax.random.split(key, len(tasks))
        level = jax.vmap(jax.random.uniform)(keys)
        return self._show(tasks[:, 0].astype(jnp.int32), jnp.zeros(len(tasks), jnp.int32), level)

    def step(self, key, state, actions):
        return self._show(state[0] - actions, state[1] + 1, state[2])

    def _show(self, left, steps, level):
        timestep = Timestep(
            observation={"left": left, "level": level},
            reward=(left == 0).astype(jnp.float32),
            terminated=left == 0,
            truncated=steps == 3,
            success=left == 0,
            labels=jnp.zeros((len(left), 0), bool),
        )
        return (left, steps, level), timestep


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(registry.ENVIRONMENTS, "_entries", {})
    registry.register("Countdown-v0", Countdown, "counts down")
    registry.register("Plain-v0", lambda: Countdown(), "no packed observation")


@pytest.fixture
def short(monkeypatch):
    def length(num_envs):
        return 64

    monkeypatch.setattr(peers, "scan_length", length)
    monkeypatch.setattr(benchmark, "scan_length", length)


def config(**settings):
    return ThroughputConfig(
        **{"num_envs": (8,), "seconds": 0.01, "repeats": 2, "levels": (), "peers": ()}
        | {"training": False}
        | settings
    )


def test_worlds_restart_at_new_levels(short):
    loop = benchmark.play(Countdown(), 64, jax.random.key(0))
    levels = [np.asarray(loop.carry[2]["level"])]
    for _ in range(5):
        loop()
        levels.append(np.asarray(loop.carry[2]["level"]))
    _, (left, steps, _), observation, episodes, reward = loop.carry
    assert len(np.unique(np.concatenate(levels))) == 6 * 64
    np.testing.assert_array_equal(left, observation["left"])
    assert (np.asarray(steps) < 3).all()
    # From 1, 2, 3 an episode lasts 7/4, 11/4 and 3 steps on average, and succeeds with
    # probability 7/8, 1/2 and 1/8. All three starts are held for equally many steps.
    length, success = np.array([7 / 4, 11 / 4, 3]), np.array([7 / 8, 1 / 2, 1 / 8])
    world_steps = 5 * 64 * 64
    np.testing.assert_allclose(episodes[0] / world_steps, np.mean(1 / length), rtol=0.1)
    np.testing.assert_allclose(reward[0] / world_steps, np.mean(success / length), rtol=0.2)


def test_a_mesh_of_one_device_plays_the_same(short):
    loops = [
        benchmark.play(Countdown(), 8, jax.random.key(0), devices)
        for devices in ((), jax.devices()[:1])
    ]
    for loop in loops:
        loop()
    for one, other in zip(*(jax.tree.leaves(loop.carry[1:]) for loop in loops), strict=True):
        np.testing.assert_array_equal(one, other)


TWO_DEVICES = """
import sys
sys.path[:0] = [{folder!r}]
import jax, numpy as np
from test_throughput import Countdown
from didact.benchmarks.speed import throughput as benchmark
from didact.benchmarks.config import ThroughputConfig
from didact.environments import register

register("Countdown-v0", Countdown, "counts down")
benchmark.scan_length = lambda worlds: 16
loop = benchmark.play(Countdown(), 8, jax.random.key(0), jax.devices())
loop(); loop()
left, steps, level = loop.carry[1]
assert len(level.sharding.device_set) == 2 and level.addressable_shards[0].data.shape == (4,)
assert len(np.unique(level)) == 8 and loop.carry[3].shape == (2,)
config = ThroughputConfig((8, 5), 0.01, 1, ("Countdown-v0",), (), training=False)
names = [row["name"] for row in benchmark.throughput(config)["rows"]]
assert names == ["Countdown-v0", "Countdown-v0, 2 devices", "Countdown-v0"], names
try:
    benchmark.play(Countdown(), 7, jax.random.key(0), jax.devices())
except ValueError as error:
    assert "multiple of the number of devices, 2" in str(error)
else:
    raise AssertionError
"""


@pytest.mark.slow
def test_two_devices_share_the_worlds():
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    flags = {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    program = TWO_DEVICES.format(folder=str(Path(__file__).parent))
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | flags, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_actions_are_uniform():
    actions = np.asarray(peers.random_actions(jax.random.key(1), 700, 100, 7))
    counts = np.bincount(actions.ravel(), minlength=7)
    assert counts.shape == (7,)
    np.testing.assert_allclose(counts, 10_000, atol=5 * np.sqrt(10_000))


def test_result_is_complete_and_shown(registered, short, monkeypatch):
    monkeypatch.setitem(peers.PEERS, "tortoise", tortoise)
    levels = ("Countdown-v0", "Countdown-v0/packed", "Plain-v0/packed")
    result = benchmark.throughput(config(levels=levels, peers=("tortoise",), num_envs=(4, 8)))
    assert json.loads(json.dumps(result)) == result
    names = [(row["group"], row["name"]) for row in result["rows"]]
    both = ["Countdown-v0", "Countdown-v0/packed", "slow", "slower"]
    assert names == [(worlds, name) for worlds in (4, 8) for name in both]
    for row in result["rows"]:
        speed = row["steps_per_second"]
        assert 0 < speed["min"] <= speed["median"] <= speed["max"]
        assert set(row.get("ratios", {})) == ({"tortoise"} if row["package"] == "didact" else set())
    assert [row["observation"] for row in result["rows"][:2]] == ["left 1x3", "left 1"]
    assert result["rows"][0]["compile_seconds"] > 0
    assert result["skipped"] == [
        {"name": "Plain-v0/packed", "reason": "Plain-v0 has no packed observation"},
        {"name": "tortoise, Plain-v0", "reason": "tortoise has no Plain-v0"},
    ]
    assert {"cpu", "cores", "device_kind", "versions"} <= set(result["machine"])
    for name in (socket.gethostname(), os.path.expanduser("~"), os.getcwd(), getpass.getuser()):
        assert not re.search(rf"\b{re.escape(name)}\b", json.dumps(result)), "names the host"
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(benchmark.table(result))
    text = console.export_text()
    for part in ("Countdown-v0", "slower", "x tortoise", "no packed observation"):
        assert part in text


def tortoise(level, num_envs, config):
    if level != "Countdown-v0":
        raise Unavailable(f"tortoise has no {level}")
    return [
        Contestant("tortoise", level, name, num_envs, "nothing", steps, lambda: None)
        for name, steps in (("slow", 20), ("slower", 10))
    ]


def test_ratio_is_to_the_best_of_a_peer_in_the_same_round_and_level():
    contestants = [
        Contestant("didact", "level", "ours", 8, "", 1, lambda: None),
        Contestant("peer", "level", "a", 8, "", 1, lambda: None),
        Contestant("peer", "level", "b", 8, "", 1, lambda: None),
        Contestant("peer", "other", "c", 8, "", 1, lambda: None),
    ]
    # The second round is twice as slow for all: the ratios are those of a steady machine.
    rates = [np.array([80.0, 40.0, 80.0]), np.array([4.0, 2.0, 4.0]), np.array([8.0, 4.0, 8.0])]
    rates.append(np.array([99.0, 99.0, 99.0]))
    row = benchmark.compare(8, contestants, rates)[0]
    assert row["ratios"] == {"peer": {"median": 10.0, "min": 10.0, "max": 10.0}}


@pytest.mark.slow
def test_training_is_measured_piece_by_piece(monkeypatch):
    settings = TrainConfig(
        env="ToyGrid",
        teacher="alp_gmm",
        teacher_settings=("fit_rate=30", "k_max=3"),
        num_envs=64,
        rollout_length=8,
        warm_up=0,
        ppo=PPOConfig(network=NetworkConfig(hidden=16, memory=8), num_minibatches=2),
    )
    measure, timed = training_breakdown.training, {}

    def recorded(function, carry):
        timed[function.__name__] = carry
        return Timed(function, carry)

    monkeypatch.setattr(training_breakdown, "Timed", recorded)
    monkeypatch.setattr(benchmark, "training", lambda config: measure(config, settings))
    result = benchmark.throughput(config(training=True, repeats=3))
    told = result["training"]
    assert json.loads(json.dumps(result)) == result
    assert (told["settings"]["env"], told["settings"]["num_envs"]) == (settings.env, 64)
    assert told["steps_per_second"]["median"] * told["seconds"]["update"] == pytest.approx(
        64 * 8, rel=1e-3
    )
    assert set(told["shares"]) == {"environment", "acting", "teacher", "learning", "rest"}
    assert sum(told["shares"].values()) == pytest.approx(1, abs=1e-3)
    assert min(told["seconds"].values()) > 0
    _, _, proposals = timed["teach"]  # all are results, so that no part of the work is left out
    assert {len(x) for x in jax.tree.leaves(proposals)} == {64 * 8}
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(benchmark.table(result))
    assert "Training: ToyGrid with alp_gmm" in console.export_text()


@pytest.mark.parametrize(
    "settings",
    [
        {"num_envs": ()},
        {"num_envs": (8, 0)},
        {"seconds": 0.0},
        {"seconds": float("nan")},
        {"repeats": 0},
        {"threads": -1},
        {"training_num_envs": 0, "training": True},
        {"training_num_envs": 1000, "training": True},
        {"peers": ("atari",)},
        {"levels": ("Nowhere-v0",)},
    ],
)
def test_settings_that_cannot_be_measured(settings):
    with pytest.raises(SettingError, match=f"--{next(iter(settings)).replace('_', '-')}"):
        benchmark.throughput(config(**settings))


def test_the_command_line_is_made_from_the_settings(capsys):
    arguments = [
        "--num-envs",
        "16",
        "32",
        "--seconds",
        "1",
        "--repeats",
        "3",
        "--peers",
        "minigrid",
    ]
    assert tyro.cli(ThroughputConfig, args=arguments) == ThroughputConfig(
        (16, 32), 1.0, 3, peers=("minigrid",)
    )
    with pytest.raises(SystemExit):
        tyro.cli(ThroughputConfig, args=["--help"])
    told = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for field in dataclasses.fields(ThroughputConfig):
        assert f"--{field.name.replace('_', '-')}" in told
    assert "packages to compare with" in told


def test_a_missing_package_names_the_extra(tmp_path, monkeypatch):
    with pytest.raises(Unavailable, match=r"not installed: pip install -e '.\[benchmark\]'"):
        peers.load("no_such_package")
    (tmp_path / "broken_peer.py").write_text("raise AttributeError('gone in jax 9\\nmore')")
    (tmp_path / "hungry_peer.py").write_text("import no_such_package")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(Unavailable, match=r"cannot be imported: AttributeError: gone in jax 9$"):
        peers.load("broken_peer")
    with pytest.raises(Unavailable, match="hungry_peer needs no_such_package"):
        peers.load("hungry_peer")


@pytest.mark.parametrize("name", ["envpool", "minigrid"])
def test_peers_play(name, short):
    pytest.importorskip(name)
    with pytest.raises(Unavailable, match=f"{name} has no GoTo"):
        peers.PEERS[name]("GoTo", 4, config())
    contestants = peers.PEERS[name]("BabyAI-GoToLocal-v0", 4, config(peers=(name,), threads=1))
    assert contestants
    for contestant in contestants:
        contestant.call()
        contestant.close()


@pytest.mark.slow
def test_xminigrid_plays(short):
    pytest.importorskip("xminigrid")
    (contestant,) = peers.PEERS["xminigrid"]("MiniGrid-DoorKey-8x8-v0", 4, config())
    contestant.call()
    _, timesteps, reward = contestant.call.carry
    assert timesteps.observation.shape == (4, 7, 7, 2)
    assert contestant.steps == 4 * 64
    assert float(reward) >= 0
