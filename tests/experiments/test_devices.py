"""The compiled loop on several devices, in processes of their own."""

import json
from pathlib import Path

import fakes
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from loops import COSTLY, SMALL, N, T, arrays, counting, learning, rows_of

from didact.experiments.loop import DEVICES
from didact.students import NetworkConfig, PPOConfig, ppo

TWO_DEVICES = """
import json
import sys
sys.path.insert(0, sys.argv[1])
import jax, numpy as np
import dataclasses
import fakes, test_devices
fakes.register_all()
print(json.dumps(getattr(test_devices, sys.argv[2])()))
"""


def on_two_devices(finished, tmp_path, function):
    code, out, err = finished(
        Path(__file__).parent, function, folder=tmp_path, code=TWO_DEVICES, devices=2
    )
    assert code == 0, err
    return json.loads(out.splitlines()[-1])


def learn_on_both():
    """The largest difference after learning from one rollout on one device and on two."""
    from jax.sharding import Mesh, PartitionSpec

    from didact.students import Rollout

    world = fakes.Counting()
    config = PPOConfig(network=SMALL.network, num_minibatches=1)

    def rollout_of(n):
        k = iter(jax.random.split(jax.random.key(0), 9))
        over = jax.random.uniform(next(k), (T, n)) < 0.3
        return Rollout(
            {"numbers": jax.random.uniform(next(k), (T, n, fakes.ACTIONS + 4))},
            jax.random.uniform(next(k), (T, n)) < 0.3,
            jax.random.randint(next(k), (T, n), 0, 4),
            jax.random.normal(next(k), (T, n)) + jnp.arange(n),  # the halves differ
            over,
            over & False,
            {name: jax.random.normal(next(k), (T, n)) - 2 for name in ("value", "log_prob")},
            jnp.zeros((T, n)),
            jnp.zeros(n),
            jnp.zeros((n, SMALL.network.memory)),
            (jax.random.uniform(next(k), (T, n)) < 0.7).astype(jnp.float32),
            {},
        )

    rollout, found = rollout_of(N), []
    for devices in (1, 2):
        student = ppo(
            world.observation_space, world.action_space, config, num_updates=5, axes=(DEVICES,)
        )
        state = student.init(jax.random.key(1))
        mesh = Mesh(np.array(jax.devices()[:devices]), (DEVICES,))
        over_worlds = PartitionSpec(None, DEVICES)
        ends = PartitionSpec(DEVICES)
        specs = Rollout(*[over_worlds] * 8, ends, ends, over_worlds, over_worlds)
        learn = jax.shard_map(
            lambda s, r, student=student: student.learn(s, r, jax.random.key(2)),
            mesh=mesh,
            in_specs=(PartitionSpec(), specs),
            out_specs=PartitionSpec(),
            check_vma=False,
        )
        found.append(jax.device_get(jax.jit(learn)(state, rollout)[0].params))
    before = jax.device_get(state.params)
    pairs = [jax.tree.leaves(x) for x in (*found, before)]
    return {
        "difference": max(float(abs(a - b).max()) for a, b in zip(*pairs[:2], strict=True)),
        "moved": max(float(abs(a - b).max()) for a, b in zip(*pairs[1:], strict=True)),
    }


@pytest.mark.slow
def test_learning_is_the_same_on_two_devices(finished, tmp_path):
    told = on_two_devices(finished, tmp_path, "learn_on_both")
    assert told["moved"] > 1e-3
    assert told["difference"] < 2e-5


def train_on_both():
    """Success in the last updates on one device, on two, and with two seeds on two devices.

    And what each device's rows say of the order of their ends.
    """
    success = {}
    config = PPOConfig(
        network=NetworkConfig(hidden=64, memory=8), num_minibatches=4, learning_rate=1e-2
    )
    for name, devices, seeds in (("one", 1, 1), ("two", 2, 1), ("seeds", 2, 2)):
        loop = learning(
            seeds,
            "Matching",
            num_updates=40,
            config=config,
            num_envs=64,
            devices=jax.devices()[:devices],
        )
        _, records = loop.chunk(loop.init(0), 40)
        m = jax.device_get(records.metrics)
        tail = np.s_[..., -10:]
        success[name] = (m["success_sum"][tail].sum(-1) / m["episodes"][tail].sum(-1)).tolist()
    order = counting(outcomes_per_update=N * T, devices=jax.devices())
    state, records = order.chunk(order.init(1), 1)
    assert len(state.worlds.over.sharding.device_set) == 2
    (rows,) = rows_of(records)
    serial = rows["tasks"][:, 2]
    ended = serial // N + rows["lengths"]
    alike = 0
    for _ in range(20):
        state, _ = order.chunk(state, 1)
        level = np.asarray(state.worlds.state.level)
        alike += (level[: N // 2] == level[N // 2 :]).sum()
    return {
        "alike": int(alike),
        "costly": costly_on_both(),
        "success": success,
        "ordered": bool((np.diff(ended) >= 0).all()),
        "unique": len(set(serial.tolist())) == len(serial),
        "episodes": len(serial) == int(records.metrics["episodes"][0]),
    }


def without_memory():
    """Whether a student whose carry has no elements goes on after its first chunk."""
    network = NetworkConfig(hidden=16, memory=0)
    config = PPOConfig(network=network, num_minibatches=2)
    loop = learning(1, "Matching", num_updates=4, config=config, num_envs=8, devices=jax.devices())
    state = loop.init(0)
    for _ in range(2):
        state, _ = loop.chunk(state, 2)
    return int(state.updates)


def costly_on_both():
    """Whether prepared proposals go to the same environments on one device and on two."""
    ends = []
    for count in (1, 2):
        loop = counting(
            teacher=fakes.serial_teacher(batch=5), devices=jax.devices()[:count], **COSTLY
        )
        state, records = loop.chunk(loop.init(1), 4)
        same = (state.worlds.tasks, state.worlds.over, state.prepared, state.teacher[0])
        ends.append((*arrays(same), np.asarray(records.metrics["waiting"])))
        order = np.sort(np.asarray(records.tasks)[np.asarray(records.outcomes.weights) > 0, 2])
        ends[-1] = (*ends[-1], order)
    return all(np.array_equal(a, b) for a, b in zip(*ends, strict=True)) and len(order) > 60


@pytest.mark.slow
def test_training_on_two_devices(finished, tmp_path):
    told = on_two_devices(finished, tmp_path, "train_on_both")
    assert told["costly"]
    assert told["alike"] == 0  # each device draws levels of its own
    assert told["ordered"]
    assert told["unique"]
    assert told["episodes"]
    one, two, seeds = (told["success"][k] for k in ("one", "two", "seeds"))
    # Acting at random: 0.25. Of ten seeds, alone and on two devices, the worst had 0.6.
    assert min(one, two, *seeds) > 0.5


@pytest.mark.slow
def test_a_student_without_memory_on_two_devices(finished, tmp_path):
    assert on_two_devices(finished, tmp_path, "without_memory") == 4


@pytest.mark.slow
def test_a_training_that_fails_to_compile_ends(finished, tmp_path):
    """Alone and with seeds side by side: no thread may keep the process alive."""
    code = (
        "import sys, fakes\nfakes.register_all()\nfrom didact.experiments.training import train\n"
        "train(env='Broken', steps=64, num_envs=16, rollout_length=4, num_seeds=int(sys.argv[1]),"
        " run='run' + sys.argv[1])"
    )
    for seeds in (1, 2):
        status, _, err = finished(seeds, folder=tmp_path, code=code, timeout=120)
        assert status == 1
        assert "this world cannot restart" in err
