"""The compiled loop: what teachers and students are told, seeds, devices, chunks."""

import itertools
import json

import fakes
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import Restart, SettingError, make
from didact.experiments.actors import student_actor
from didact.experiments.loop import DEVICES, SEEDS, Loop
from didact.experiments.rollout import Runner, collect, new_worlds
from didact.experiments.tasks.task_sources import by_step
from didact.students import NetworkConfig, PPOConfig, ppo
from didact.teachers import Proposals, alp_gmm

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
        assert (rows["max_reward"] >= rows["returns"] / length - 1e-5).all()
        assert (rows["max_reward"] <= serial % 64 + length / 8 + 3 / 64 + 7 / 1024).all()
    assert len(set(serials)) == len(serials)  # no task was played twice
    assert max(serials) < 5 * N * T
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
    ended = serial // N + length
    assert (np.diff(ended) >= 0).all()
    assert ended.max() <= T


def test_the_teacher_sees_what_is_recorded():
    loop = counting(outcomes_per_update=24)
    state, records = loop.chunk(loop.init(0), 3)
    _, seen, count = state.teacher
    assert int(count) == 3 * 24
    o, serial = records.outcomes, np.asarray(records.tasks)[..., 2]
    there = np.asarray(o.weights) > 0
    columns = [serial % 3 > 0, 2 * serial, *o[:4], *(o.scores[k] for k in sorted(o.scores))]
    expected = np.concatenate([records.tasks, np.stack(columns, axis=-1)], axis=-1)
    np.testing.assert_array_equal(np.asarray(seen)[:72][there.ravel()], expected[there])
    assert set(o.scores) == {"max_reward", "squared", "value"}


def test_scores_of_ppo_against_numpy():
    """Of episodes within a rollout and over several: each step by the rollout that it is in."""
    steps, rollouts = 3, 8
    world = fakes.Counting()
    student = ppo(world.observation_space, world.action_space, SMALL, num_updates=5)
    state = jax.jit(student.init)(jax.random.key(0))
    actor, restart = student_actor(student), Restart(world)

    @jax.jit
    def run(worlds, key, proposals):
        take, queue = by_step(proposals)
        runner = Runner(world, restart, actor, take)
        return collect(runner, student, state, worlds, queue, key, steps)

    worlds, told = new_worlds(world, actor, N), []
    for i in range(rollouts):
        tasks = fakes.SPACE.sample(jax.random.key(3 + i), N * steps).reshape(steps, N, -1)
        worlds, _, rollout, episodes, _ = run(worlds, jax.random.key(40 + i), Proposals.of(tasks))
        told.append(jax.device_get((rollout, episodes)))
    rows = jax.tree.map(lambda *x: np.concatenate(x).astype(float), *[r[:8] for r, _ in told])
    _, start, _, reward, terminated, truncated, extras, final_value = rows
    totals = jax.tree.map(lambda *x: np.concatenate(x), *[e.totals for _, e in told])
    value, advantages = extras["value"], np.zeros_like(reward)
    for w in range(N):
        for t in reversed(range(rollouts * steps)):
            last = (t + 1) % steps == 0
            after = told[t // steps][0].last_value[w] if last else value[t + 1, w]
            after = final_value[t, w] if truncated[t, w] else 0 if terminated[t, w] else after
            over = last or terminated[t, w] or truncated[t, w]
            later = 0 if over else SMALL.discount * SMALL.gae_lambda * advantages[t + 1, w]
            advantages[t, w] = reward[t, w] + SMALL.discount * after - value[t, w] + later
    checked, several = 0, 0
    for w in range(N):
        starts = np.flatnonzero(start[:, w])
        for begin, end in itertools.pairwise(starts):
            a = advantages[begin:end, w]
            expected = {
                "value": value[begin:end, w].sum(),
                "positive_value_loss": np.maximum(a, 0).sum(),
                "mean_negative_advantage": np.maximum(-a, 0).sum(),
                "max_negative_advantage": np.maximum(-a, 0).max(),
                "return": reward[begin:end, w].sum(),
            }
            for name, x in expected.items():
                assert totals[name][end - 1, w] == pytest.approx(x, rel=1e-4, abs=1e-3), name
            checked, several = checked + 1, several + (begin // steps != (end - 1) // steps)
    assert checked > 60
    assert several > 40


COSTLY = {"rollout_length": 8, "outcomes_per_update": 8 * N}


@pytest.mark.parametrize(("group", "slots"), [(1, 1), (5, 2), (24, 1), (64, 3)])
def test_proposals_of_a_costly_teacher_cost_what_is_used(group, slots):
    loop = counting(teacher=fakes.serial_teacher(batch=group), slots=slots, **COSTLY)
    state, done = loop.init(0), []
    for _ in range(6):
        state, records = loop.chunk(state, 1)
        (rows,) = rows_of(records)
        assert len(rows["tasks"]) == records.metrics["episodes"][0]
        done += rows["tasks"][:, 2].astype(int).tolist()
        running = np.asarray(state.worlds.tasks)[~np.asarray(state.worlds.over), 2].astype(int)
        used = [*done, *running]
        assert len(set(used)) == len(used)  # nothing is played twice
        asked, ready = int(state.teacher[0]), state.prepared
        assert asked % group == 0
        assert asked <= len(used) + slots * N + group - 1
        assert max(used) < asked
        # What was asked for was played, is in a slot, or waits for one: nothing is lost.
        kept = [
            ready.slots.tasks[w, (ready.at[w] + j) % slots, 2]
            for w in range(N)
            for j in range(int(ready.left[w]))
        ]
        kept += ready.group.tasks[int(ready.taken) :, 2].tolist()
        assert sorted([*used, *map(int, kept)]) == list(range(asked))
    assert len(done) > 4 * N


def test_who_has_no_proposal_left_waits():
    """One slot, and episodes that are shorter than a rollout: against a plain count."""
    loop = counting(teacher=fakes.serial_teacher(batch=4), slots=1, **COSTLY)
    state = loop.init(2)
    over = np.ones(N, bool)
    for _ in range(4):
        left = np.zeros(N, int)  # steps that are left of the running episodes
        worlds = jax.device_get(state.worlds)
        left[~over] = (worlds.tasks[:, 0] - worlds.state.time)[~over]
        state, records = loop.chunk(state, 1)
        # The running episode, then one more from the slot if there is time; then it waits.
        (rows,) = rows_of(records)
        lengths = dict(zip(rows["tasks"][:, 2], rows["lengths"], strict=True))
        assert all(lengths[s] == task[0] for s, task in zip(lengths, rows["tasks"], strict=True))
        waited = float(records.metrics["waiting"][0]) * 8 * N
        after = jax.device_get(state.worlds)
        played = np.where(after.over, 0, after.state.time).sum()
        played += sum(lengths.values()) - (worlds.tasks[:, 0] - left)[~over].sum()
        running_before = (~over & ~after.over & (worlds.tasks[:, 2] == after.tasks[:, 2])).any()
        assert not running_before  # no episode is as long as a rollout
        assert played + waited == 8 * N
        over = after.over
    assert waited > 0


def test_plenty_of_slots_are_as_good_as_cheap_proposals():
    """Nobody waits where every step has a slot."""
    loop = counting(teacher=fakes.serial_teacher(batch=16), slots=8, **COSTLY)
    _, records = loop.chunk(loop.init(0), 3)
    np.testing.assert_array_equal(records.metrics["waiting"], 0)
    cheap = counting(**COSTLY)
    _, other = cheap.chunk(cheap.init(0), 3)
    assert "waiting" not in other.metrics
    found = [float(r.metrics["episodes"].sum()) for r in (records, other)]
    assert found[0] == pytest.approx(found[1], rel=0.15)


@pytest.mark.slow
def test_a_costly_teacher_is_the_same_in_chunks_and_beside_others():
    """Two chunks are one, and every seed is what it is alone, with waiting and without."""
    settings = {"slots": 2, **COSTLY}
    teacher = fakes.serial_teacher(batch=5)
    loop = counting(teacher=teacher, **settings)
    whole, records = loop.chunk(loop.init(4), 6)
    half, first = loop.chunk(loop.init(4), 3)
    half, second = loop.chunk(half, 3)
    assert_same(whole, half)
    both = jax.tree.map(lambda a, b: np.concatenate([a, b]), *map(jax.device_get, (first, second)))
    assert_same(records, both)
    many = counting(teacher=teacher, num_seeds=3, **settings)
    state, told = many.chunk(many.init(3), 6)
    assert_same(jax.tree.map(lambda x: x[1], (state, told)), (whole, records))
    assert len(set(np.asarray(state.teacher[0]).tolist())) > 1


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
