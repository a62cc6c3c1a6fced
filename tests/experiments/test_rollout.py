"""Rollouts against a plain Python telling of the same episodes."""

from collections import Counter

import fakes
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import Restart
from didact.experiments.actors import student_actor
from didact.experiments.rollout import (
    Runner,
    collect,
    episode_totals,
    new_worlds,
)
from didact.experiments.tasks.task_sources import by_step, once
from didact.teachers import Proposals

T, N, ROLLOUTS = 9, 13, 4


@pytest.fixture(scope="module", params=[4, 32])
def played(request):
    """Several rollouts one after another; worlds restart in groups of 4 or all at once."""
    environment, student = fakes.Counting(), fakes.counting_student()
    actor = student_actor(student)
    restart = Restart(environment, request.param)
    teacher = fakes.serial_teacher()
    teacher_state = teacher.init(jax.random.key(0))

    @jax.jit
    def run(worlds, key, proposals):
        take, queue = by_step(proposals)
        runner = Runner(environment, restart, actor, take)
        return collect(runner, student, None, worlds, queue, key, T)

    worlds = new_worlds(environment, actor, N)
    told, offered = [], []
    for i in range(ROLLOUTS):
        proposals, teacher_state = teacher.propose(teacher_state, jax.random.key(10 + i), T * N)
        proposals = jax.tree.map(lambda x: x.reshape(T, N, *x.shape[1:]), proposals)
        before = worlds.carry
        worlds, _, rollout, episodes, waited = run(worlds, jax.random.key(20 + i), proposals)
        np.testing.assert_array_equal(rollout.carry, before)
        assert waited == 0
        told.append((rollout, episodes))
        offered.append(proposals.tasks)
    return jax.device_get((told, offered, worlds))


def joined(played, field):
    """An array of all rollouts as one, [ROLLOUTS * T, N, ...]."""
    return np.concatenate([field(rollout, episodes) for rollout, episodes in played[0]])


def episodes_of(played):
    """Every episode of every world as Python finds it by counting, in the order of their ends.

    Which tasks come next, the levels and the actions are read; all else is computed.
    """
    _, offered, _ = played
    actions = joined(played, lambda r, e: r.action)
    seen = joined(played, lambda r, e: r.observation["numbers"])
    offers = np.concatenate(offered)
    found = []
    for world in range(N):
        began = 0
        while began < ROLLOUTS * T:
            task = offers[began, world]
            level = round(float(seen[began, world, fakes.ACTIONS]) * (1 << 20))
            length, ending, serial = (int(x) for x in task)
            last = began + length - 1
            rows = range(began, min(last, ROLLOUTS * T - 1) + 1)
            rewards = [
                fakes.reward(serial, level, t - began + 1, int(actions[t, world])) for t in rows
            ]
            found.append(
                {
                    "world": world,
                    "task": (length, ending, serial),
                    "level": level,
                    "rows": rows,
                    "rewards": rewards,
                    "finished": last < ROLLOUTS * T,
                    "truncated": ending == 1,
                    "success": int(actions[rows[-1], world]) == level % fakes.ACTIONS,
                }
            )
            began = last + 1
    return found


def test_the_trial_has_what_it_should(played):
    """Episodes within a rollout, several in one, over the edge of two, and of every length."""
    found = episodes_of(played)
    over_the_edge = [e for e in found if e["rows"][0] // T != e["rows"][-1] // T]
    inside = Counter((e["world"], e["rows"][0] // T) for e in found if e not in over_the_edge)
    assert len(over_the_edge) > 10
    assert max(inside.values()) >= 3
    assert {e["task"][0] for e in found} == set(range(1, fakes.LONGEST + 1))
    assert {e["success"] for e in found} == {True, False}


def test_every_step_belongs_to_the_episode_that_was_proposed(played):
    expected = {"reward": np.zeros((ROLLOUTS * T, N)), "start": np.zeros((ROLLOUTS * T, N), bool)}
    expected |= {name: np.zeros((ROLLOUTS * T, N), bool) for name in ("terminated", "truncated")}
    for e in episodes_of(played):
        expected["reward"][list(e["rows"]), e["world"]] = e["rewards"]
        expected["start"][e["rows"][0], e["world"]] = True
        if e["finished"]:
            how = "truncated" if e["truncated"] else "terminated"
            expected[how][e["rows"][-1], e["world"]] = True
    for name, values in expected.items():
        found = joined(played, lambda r, e, name=name: getattr(r, name))
        np.testing.assert_array_equal(found, values, err_msg=name)


def test_every_level_is_new(played):
    levels = [e["level"] for e in episodes_of(played)]
    assert len(set(levels)) == len(levels)


def test_every_task_is_used_at_most_once(played):
    used = Counter(e["task"][2] for e in episodes_of(played))
    assert max(used.values()) == 1
    offered = np.concatenate([tasks.reshape(-1, 3) for tasks in played[1]])
    assert set(used) <= set(offered[:, 2].astype(int))


def test_the_student_learns_from_what_the_teacher_says(played):
    """`learn` of every row, and both marks where an episode ends."""
    learn = joined(played, lambda r, e: r.learn)
    marks = joined(played, lambda r, e: e.learn), joined(played, lambda r, e: e.tag)
    for e in episodes_of(played):
        serial = e["task"][2]
        assert np.all(learn[list(e["rows"]), e["world"]] == (serial % 3 > 0))
        assert marks[0][e["rows"][-1], e["world"]] == (serial % 3 > 0)
        assert marks[1][e["rows"][-1], e["world"]] == 2 * serial
    assert set(np.unique(learn)) == {0.0, 1.0}


def test_finished_episodes_are_told_exactly(played):
    found = [e for e in episodes_of(played) if e["finished"]]
    done = joined(played, lambda r, e: e.done)
    assert done.sum() == len(found)
    tasks = joined(played, lambda r, e: e.tasks)
    success = joined(played, lambda r, e: e.success)
    totals = {
        name: joined(played, lambda r, e, name=name: e.totals[name])
        for name in ("return", "length", "value", "squared", "max_reward")
    }
    for e in found:
        at = (e["rows"][-1], e["world"])
        assert done[at]
        assert tuple(tasks[at]) == e["task"]
        assert success[at] == e["success"]
        assert totals["return"][at] == sum(e["rewards"])
        assert totals["length"][at] == len(e["rows"]) == e["task"][0]
        np.testing.assert_allclose(
            totals["squared"][at], sum(r * r for r in e["rewards"]), rtol=1e-5
        )
        assert totals["max_reward"][at] == max(e["rewards"])
        # Value at step i: it has seen i + 1 observations of this episode.
        values = [100 * (i + 1) + i for i in range(len(e["rows"]))]
        np.testing.assert_allclose(totals["value"][at], sum(values), rtol=1e-5)


def test_final_values_stand_where_time_ran_out(played):
    """They are of the observation after the last step, remembered with the episode's memory."""
    expected = np.zeros((ROLLOUTS * T, N))
    for e in episodes_of(played):
        if e["finished"] and e["truncated"]:
            length = len(e["rows"])
            expected[e["rows"][-1], e["world"]] = 100 * (length + 1) + length
    found = joined(played, lambda r, e: r.final_value)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert (expected > 0).sum() > 10


def test_last_values_are_of_what_stands_after_each_rollout(played):
    """Of running episodes; after an episode's end nothing follows."""
    checked = 0
    for e in episodes_of(played):
        for i in range(ROLLOUTS):
            age = (i + 1) * T - e["rows"][0]  # steps before the edge
            if age > 0 and (e["rows"][-1] >= (i + 1) * T or not e["finished"]):
                assert played[0][i][0].last_value[e["world"]] == pytest.approx(
                    100 * (age + 1) + age
                )
                checked += 1
    assert checked > 20


def test_the_running_episodes_are_carried(played):
    worlds = played[2]
    running = {e["world"]: e for e in episodes_of(played) if not e["finished"]}
    for world, e in running.items():
        assert tuple(worlds.tasks[world]) == e["task"]
        assert worlds.tag[world] == 2 * e["task"][2]
        assert worlds.totals["return"][world] == sum(e["rewards"])
        assert worlds.totals["length"][world] == len(e["rows"])
        assert worlds.totals["max_reward"][world] == max(e["rewards"])
        assert not worlds.over[world]
    others = sorted(set(range(N)) - set(running))
    assert worlds.over[others].all()
    assert (worlds.totals["return"][others] == 0).all()


def test_success_counts_whenever_it_came():
    """An instruction fulfilled in the middle of an episode that goes on is fulfilled."""

    class Early(fakes.Counting):
        def step(self, key, state, actions):
            state, seen = super().step(key, state, actions)
            return state, seen._replace(success=state.time == 2)

    environment, student = Early(), fakes.counting_student()
    first = jnp.array([[1.0, 0, 0], [2, 0, 0], [5, 0, 0], [5, 1, 0]])
    again = jnp.broadcast_to(jnp.array([7.0, 0, 0]), (3, 4, 3))
    actor = student_actor(student)
    worlds, key, told = new_worlds(environment, actor, 4), jax.random.key(0), []
    for tasks in (again.at[0].set(first), again):
        take, queue = by_step(Proposals.of(tasks))
        runner = Runner(environment, Restart(environment), actor, take)
        worlds, _, _, episodes, _ = collect(runner, student, None, worlds, queue, key, 3)
        told.append(episodes)
    done = np.concatenate([e.done for e in told])
    success = np.concatenate([e.success for e in told])
    assert [bool(success[done[:, i].argmax(), i]) for i in range(4)] == [False, True, True, True]


def test_totals_over_episodes():
    """Sums and maxima against plain Python; steps in which an environment waits count nowhere."""
    rng = np.random.default_rng(0)
    x = {"sum": rng.normal(size=(9, 3)), "max_x": rng.normal(size=(9, 3)) - 5}
    playing = rng.random((9, 3)) < 0.8
    done = (rng.random((9, 3)) < 0.4) & playing
    before = {"sum": rng.normal(size=3), "max_x": np.array([-np.inf, -4.5, -9])}
    totals, running = jax.jit(episode_totals)(x, done, playing, before)
    for name, (join, blank) in {"sum": (sum, 0.0), "max_x": (max, -np.inf)}.items():
        for world in range(3):
            total = before[name][world]
            for t in range(9):
                total = join([total, x[name][t, world]]) if playing[t, world] else total
                assert float(totals[name][t, world]) == pytest.approx(total, abs=1e-5)
                total = blank if done[t, world] else total
            assert float(running[name][world]) == pytest.approx(total, abs=1e-5)
    new, _ = episode_totals(x, done, playing, {})
    assert float(new["max_x"][0, 0]) == pytest.approx(
        x["max_x"][0, 0] if playing[0, 0] else -np.inf
    )


def test_nothing_crosses_from_rows_in_which_an_environment_waits():
    """Two episodes for each environment, then it waits: against the same rollout without an end."""
    environment, student = fakes.Counting(), fakes.counting_student()
    actor, steps = student_actor(student), 20
    tasks = fakes.SPACE.sample(jax.random.key(1), 2 * N).at[:, 1].set(jnp.arange(2 * N) % 2)
    take, queue = once(tasks, jax.random.key(2), 4)
    runner = Runner(environment, Restart(environment), actor, take)
    worlds = new_worlds(environment, actor, N)
    run = jax.jit(lambda worlds, queue: collect(
        runner, student, None, worlds, queue, jax.random.key(3), steps
    ))  # fmt: skip
    worlds, queue, rollout, episodes, waited = jax.device_get(run(worlds, queue))
    assert queue.following == 2 * N
    assert worlds.over.all()
    # Every task was played once, whole, and its number is its tag.
    order = np.argsort(episodes.tag[episodes.done])
    np.testing.assert_array_equal(episodes.tag[episodes.done][order], np.arange(2 * N))
    lengths = episodes.totals["length"][episodes.done][order]
    np.testing.assert_array_equal(lengths, tasks[:, 0])
    assert waited == steps * N - lengths.sum() == (rollout.learn == 0).sum()
    waits = rollout.learn == 0
    for name in ("reward", "terminated", "truncated", "final_value"):
        assert not getattr(rollout, name)[waits].any(), name
    assert rollout.start[waits].all()
    first = waits & ~np.roll(waits, 1, axis=0)
    before = (rollout.terminated | rollout.truncated)[np.roll(first, -1, axis=0)]
    assert before.all()  # an episode ended before each wait
    # What is seen does not change while it waits.
    seen = rollout.observation["numbers"]
    again = waits & np.roll(waits, 1, axis=0)
    again[0] = False
    np.testing.assert_array_equal(seen[again], np.roll(seen, 1, axis=0)[again])
    spoilt = rollout._replace(
        extras={"value": np.where(waits, 1e6, rollout.extras["value"])},
        last_value=np.full(N, 1e6, np.float32),
    )
    for one, other in zip(*(gae(r)[~waits] for r in (rollout, spoilt)), strict=True):
        assert one == other


def gae(rollout):
    from didact.students.algorithms import losses

    return np.asarray(
        losses.advantages(
            rollout.reward, rollout.extras["value"], rollout.terminated, rollout.truncated,
            rollout.final_value, rollout.last_value, 0.99, 0.95,
        )
    )  # fmt: skip


def test_values_of_a_student_without_a_value_function_are_0():
    environment, student = fakes.Counting(), fakes.counting_student()

    def apply(state, carry, observation):
        distribution, _, carry = student.apply(state, carry, observation)
        return distribution, None, carry

    actor = student_actor(student._replace(apply=apply))
    take, queue = by_step(Proposals.of(jnp.tile(jnp.array([2.0, 1.0, 5.0]), (T, N, 1))))
    runner = Runner(environment, Restart(environment, 4), actor, take)
    worlds = new_worlds(environment, actor, N)
    key = jax.random.key(0)
    rollout = jax.jit(lambda w: collect(runner, student, None, w, queue, key, T)[2])(worlds)
    assert rollout.truncated.any()
    np.testing.assert_array_equal(rollout.final_value, np.zeros((T, N)))
    np.testing.assert_array_equal(rollout.last_value, np.zeros(N))
