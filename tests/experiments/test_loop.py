"""The compiled loop: what teachers and students are told, seeds, chunks."""

import itertools

import fakes
import jax
import numpy as np
import pytest
from loops import COSTLY, SMALL, N, T, arrays, assert_same, counting, learning, rows_of

from didact.environments import Restart, SettingError, make
from didact.experiments.actors import student_actor
from didact.experiments.loop import DEVICES, SEEDS, Loop
from didact.experiments.rollout import Runner, collect, new_worlds
from didact.experiments.tasks.task_sources import by_step
from didact.students import NetworkConfig, SACConfig, ppo, sac
from didact.students.data.pytree_storage import load_tree, save_tree
from didact.teachers import Proposals, uniform


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_sac_side_by_side_and_after_a_pause(tmp_path):
    """Two seeds learn as each does alone, and a replay buffer that was stored goes on."""
    world = make("Pendulum")
    network = NetworkConfig(hidden=8, memory=0, normalise_observations=False)
    config = SACConfig(network=network, batch_size=8, replay_capacity=64, learning_starts=16)

    def loop_of(seeds):
        spaces = world.observation_space, world.action_space
        axis = SEEDS if seeds > 1 else None
        student = sac(*spaces, config, axes=(DEVICES,), seeds_axis=axis)
        teacher = uniform(world.task_space)
        return Loop(world, teacher, student, num_envs=4, rollout_length=4, num_seeds=seeds)

    both, alone = loop_of(2), loop_of(1)
    state, _ = both.chunk(both.init(3), 2)
    save_tree(tmp_path / "state", jax.device_get(state))
    kept = both.place(load_tree(tmp_path / "state", jax.eval_shape(lambda: state)))
    state, _ = both.chunk(state, 2)
    assert_same(both.chunk(kept, 2)[0], state)
    assert int(state.student.steps[0]) > 30
    for i in range(2):
        one = alone.chunk(alone.chunk(alone.init(3 + i), 2)[0], 2)[0].student
        mine = jax.tree.map(lambda x, i=i: x[i], state.student)
        for a, b in zip(arrays(mine.params), arrays(one.params), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-2, atol=1e-4)
        np.testing.assert_array_equal(mine.replay.transitions.action.shape, (64, 1))
        a, b = (x.replay.transitions.reward for x in (mine, one))
        np.testing.assert_allclose(a, b, rtol=1e-2, atol=1e-3)
