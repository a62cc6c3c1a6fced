"""The compiled loop: what teachers and students are told, seeds, devices, chunks."""

import json

import fakes
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import SettingError, make
from didact.experiments.loop import DEVICES, SEEDS, Loop
from didact.students import NetworkConfig, PPOConfig, ppo
from didact.teachers import alp_gmm

N, T = 16, 6
SMALL = PPOConfig(network=NetworkConfig(hidden=16, memory=8), num_minibatches=2)


def counting(**more):
    return Loop(
        fakes.Counting(),
        more.pop("teacher", fakes.serial_teacher()),
        fakes.counting_student(),
        **{"num_envs": N, "rollout_length": T} | more,
    )


def learning(num_seeds=1, environment="Counting", num_envs=N, **more):
    world = make(environment)
    student = ppo(
        world.observation_space,
        world.action_space,
        more.pop("config", SMALL),
        num_updates=more.pop("num_updates", 20),
        axes=(DEVICES,),
        seeds_axis=SEEDS if num_seeds > 1 else None,
    )
    return Loop(
        world,
        alp_gmm(world.task_space, fit_rate=30),
        student,
        num_envs=num_envs,
        rollout_length=T,
        num_seeds=num_seeds,
        **more,
    )


def arrays(tree):
    """Leaves as NumPy arrays, keys as their data."""
    return [
        np.asarray(jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x)
        for x in jax.tree.leaves(tree)
    ]


def assert_same(one, other):
    for a, b in zip(arrays(one), arrays(other), strict=True):
        np.testing.assert_array_equal(a, b)


def rows_of(records):
    """Finished episodes as rows of (task, outcomes), update by update."""
    weights = np.asarray(records.outcomes.weights)
    assert set(np.unique(weights)) <= {0.0, 1.0}
    for k in range(weights.shape[0]):
        kept = weights[k] > 0
        yield {
            "tasks": np.asarray(records.tasks[k])[kept],
            "returns": np.asarray(records.outcomes.returns[k])[kept],
            "success": np.asarray(records.outcomes.success[k])[kept],
            "lengths": np.asarray(records.outcomes.lengths[k])[kept],
            **{n: np.asarray(x[k])[kept] for n, x in records.outcomes.scores.items()},
        }


def test_all_finished_episodes_are_reported_where_there_is_room():
    loop = counting(outcomes_per_update=N * T)
    state, records = loop.chunk(loop.init(0), 5)
    counts = np.asarray(records.metrics["episodes"])
    serials = []
    for k, rows in enumerate(rows_of(records)):
        assert len(rows["tasks"]) == counts[k] > 0
        length, _, serial = rows["tasks"].T
        serials += serial.tolist()
        np.testing.assert_array_equal(rows["lengths"], length)
        # Returns less what actions and levels add: under length * (3 / 64 + 7 / 1024).
        base = length * (serial % 64) + length * (length + 1) / 16
        rest = rows["returns"] - base
        assert (rest >= 0).all()
        assert (rest <= length * (3 / 64 + 7 / 1024)).all()
        assert float(records.metrics["return_sum"][k]) == pytest.approx(rows["returns"].sum())
        assert records.metrics["success_sum"][k] == rows["success"].sum()
        assert records.metrics["length_sum"][k] == length.sum()
        # Scores are means over the steps of an episode.
        np.testing.assert_allclose(
            rows["value"], 100 * (length + 1) / 2 + (length - 1) / 2, rtol=1e-5
        )
        assert (rows["squared"] <= (rows["returns"] / length + 1) ** 2).all()
    assert len(set(serials)) == len(serials)  # no task was played twice
    assert max(serials) < N + 5 * N * T
    assert int(state.updates) == int(state.student) == 5


def test_many_episodes_are_thinned_evenly():
    """Of 30 to 50 episodes an update, 8 are told: spread over all, in the order they ended."""
    full, thin = counting(outcomes_per_update=N * T), counting(outcomes_per_update=8)
    _, all_records = full.chunk(full.init(3), 4)
    _, records = thin.chunk(thin.init(3), 4)
    assert_same(records.metrics, all_records.metrics)
    for every, some in zip(rows_of(all_records), rows_of(records), strict=True):
        assert len(some["tasks"]) == 8
        place = [every["tasks"][:, 2].tolist().index(s) for s in some["tasks"][:, 2]]
        gaps = np.diff([*place, len(every["tasks"])])
        assert place[0] == 0
        assert gaps.min() >= len(every["tasks"]) // 8
        assert gaps.max() <= len(every["tasks"]) // 8 + 1
        for name in every:
            np.testing.assert_array_equal(every[name][place], some[name])


def test_rows_come_in_the_order_in_which_episodes_ended():
    """Serials are drawn step by step, so an episode of length 1 that follows at step t is known."""
    loop = counting(outcomes_per_update=N * T)
    _, records = loop.chunk(loop.init(1), 1)
    (rows,) = rows_of(records)
    serial, length = rows["tasks"][:, 2], rows["lengths"]
    began = np.where(serial < N, 0, (serial - N) // N + 1)
    ended = began + length
    assert (np.diff(ended) >= 0).all()
    assert ended.max() <= T


def test_the_teacher_sees_what_is_recorded():
    loop = counting(outcomes_per_update=24)
    state, records = loop.chunk(loop.init(0), 3)
    _, seen, count = state.teacher
    assert int(count) == 3 * 24
    o = records.outcomes
    columns = [o.returns, o.success, o.lengths, o.weights, o.scores["squared"], o.scores["value"]]
    expected = np.concatenate([records.tasks, np.stack(columns, axis=-1)], axis=-1)
    np.testing.assert_array_equal(np.asarray(seen)[:72, :9], expected.reshape(72, 9))


def test_scores_of_ppo_against_numpy():
    """Mean value and mean positive advantage of the episodes that begin and end in a rollout."""
    from didact.environments import Restart
    from didact.experiments.rollout import collect, start_worlds

    world = fakes.Counting()
    student = ppo(world.observation_space, world.action_space, SMALL, num_updates=5)
    state = jax.jit(student.init)(jax.random.key(0))
    tasks = fakes.SPACE.sample(jax.random.key(1), N)
    worlds = start_worlds(world, student, jax.random.key(2), tasks)
    later = fakes.SPACE.sample(jax.random.key(3), N * 12).reshape(12, N, -1)
    restart = Restart(world)
    run = jax.jit(lambda key: collect(world, restart, student, state, worlds, key, later))
    _, rollout, episodes = jax.device_get(run(jax.random.key(4)))
    value, checked = rollout.extras["value"].astype(float), 0
    for w in range(N):
        starts = np.flatnonzero(rollout.start[:, w])
        for begin, end in zip(starts, [*starts[1:], None], strict=True):
            if end is None:
                continue
            advantages, later_one = [], 0.0
            for t in reversed(range(begin, end)):
                last = t == end - 1
                after = 0.0 if last else value[t + 1, w]
                if last and rollout.truncated[t, w]:
                    after = rollout.final_value[t, w]
                delta = rollout.reward[t, w] + SMALL.discount * after - value[t, w]
                later_one = delta + SMALL.discount * SMALL.gae_lambda * later_one
                advantages.append(later_one)
            at = (end - 1, w)
            assert episodes.totals["positive_value_loss"][at] == pytest.approx(
                np.maximum(advantages, 0).sum(), rel=1e-4
            )
            assert episodes.totals["value"][at] == pytest.approx(
                value[begin:end, w].sum(), abs=1e-4
            )
            checked += 1
    assert checked > 20


@pytest.fixture(scope="module")
def loop():
    return learning()


def test_two_chunks_are_one(loop):
    whole, records = loop.chunk(loop.init(0), 4)
    half, first = loop.chunk(loop.init(0), 2)
    half, second = loop.chunk(half, 2)
    assert_same(whole, half)
    both = jax.tree.map(lambda a, b: np.concatenate([a, b]), *map(jax.device_get, (first, second)))
    assert_same(records, both)


def test_the_same_seed_is_the_same_run(loop):
    one, first = loop.chunk(loop.init(7), 2)
    two, second = loop.chunk(loop.init(7), 2)
    other, third = loop.chunk(loop.init(8), 2)
    assert_same((one, first), (two, second))
    assert not np.array_equal(first.tasks, third.tasks)
    assert not np.array_equal(arrays(one.student.params)[0], arrays(other.student.params)[0])


def test_a_training_is_followed_anew_after_it_began(loop):
    """Every update draws anew: tasks, actions and levels of two updates differ."""
    _, records = loop.chunk(loop.init(0), 4)
    for k in range(3):
        assert not np.array_equal(records.tasks[k], records.tasks[k + 1])
        assert records.metrics["return_sum"][k] != records.metrics["return_sum"][k + 1]


def test_seeds_side_by_side_are_the_seeds_alone(loop):
    """With an axis of seeds every training is what it would be alone (but for rounding)."""
    many = learning(num_seeds=2)
    state, records = many.chunk(many.init(5), 2)
    for i in range(2):
        alone, told = loop.chunk(loop.init(5 + i), 2)
        mine = jax.tree.map(lambda x, i=i: x[i], (state, records))
        np.testing.assert_allclose(mine[1].tasks, told.tasks, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(mine[1].outcomes.returns, told.outcomes.returns, rtol=1e-5)
        for a, b in zip(*map(arrays, (mine[0].student, alone.student)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
        for a, b in zip(*map(arrays, (mine[0].worlds, alone.worlds)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)


def test_more_devices_than_divide_the_worlds():
    with pytest.raises(
        SettingError, match="num_envs is 5, but must be a multiple of the 2 devices"
    ):
        counting(num_envs=5, devices=[0, 1])


TWO_DEVICES = """
import json
import sys
sys.path.insert(0, sys.argv[1])
import jax, numpy as np
import dataclasses
import fakes, test_loop
fakes.register_all()
print(json.dumps(getattr(test_loop, sys.argv[2])()))
"""


def on_two_devices(finished, tmp_path, function):
    from pathlib import Path

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
        )

    rollout, found = rollout_of(N), []
    for devices in (1, 2):
        student = ppo(
            world.observation_space, world.action_space, config, num_updates=5, axes=(DEVICES,)
        )
        state = student.init(jax.random.key(1))
        mesh = Mesh(np.array(jax.devices()[:devices]), (DEVICES,))
        over_worlds = PartitionSpec(None, DEVICES)
        specs = Rollout(*[over_worlds] * 8, PartitionSpec(DEVICES), PartitionSpec(DEVICES))
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
    assert len(state.worlds.start.sharding.device_set) == 2
    (rows,) = rows_of(records)
    serial = rows["tasks"][:, 2]
    ended = np.where(serial < N, 0, (serial - N) // N + 1) + rows["lengths"]
    alike = 0
    for _ in range(20):
        state, _ = order.chunk(state, 1)
        level = np.asarray(state.worlds.state.level)
        alike += (level[: N // 2] == level[N // 2 :]).sum()
    return {
        "alike": int(alike),
        "success": success,
        "ordered": bool((np.diff(ended) >= 0).all()),
        "unique": len(set(serial.tolist())) == len(serial),
        "episodes": len(serial) == int(records.metrics["episodes"][0]),
    }


def test_training_on_two_devices(finished, tmp_path):
    told = on_two_devices(finished, tmp_path, "train_on_both")
    assert told["alike"] == 0  # each device draws levels of its own
    assert told["ordered"]
    assert told["unique"]
    assert told["episodes"]
    one, two, seeds = (told["success"][k] for k in ("one", "two", "seeds"))
    assert one > 0.65  # acting at random: 0.25
    assert two == pytest.approx(one, abs=0.2)
    assert seeds == pytest.approx([one, one], abs=0.3)


def test_a_training_that_fails_to_compile_ends(finished, tmp_path):
    """Alone and with seeds side by side: no thread may keep the process alive."""
    code = (
        "import sys, fakes\nfakes.register_all()\nfrom didact.experiments.run import train\n"
        "train(env='Broken', steps=64, num_envs=16, rollout_length=4, num_seeds=int(sys.argv[1]),"
        " run='run' + sys.argv[1])"
    )
    for seeds in (1, 2):
        status, _, err = finished(seeds, folder=tmp_path, code=code, timeout=120)
        assert status == 1
        assert "this world cannot restart" in err
