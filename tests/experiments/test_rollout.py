"""Rollouts against a plain Python telling of the same episodes."""

from collections import Counter
from functools import partial

import fakes
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import Restart
from didact.experiments.rollout import collect, episode_sums, start_worlds

T, N, ROLLOUTS = 9, 13, 4


@pytest.fixture(scope="module", params=[4, 32])
def played(request):
    """Several rollouts one after another; worlds restart in groups of 4 or all at once."""
    environment, student = fakes.Counting(), fakes.counting_student()
    restart = Restart(environment, request.param)
    teacher = fakes.serial_teacher()
    teacher_state = teacher.init(jax.random.key(0))
    tasks, teacher_state = teacher.propose(teacher_state, jax.random.key(1), N)
    worlds = start_worlds(environment, student, jax.random.key(2), tasks)
    first_state = worlds.state
    run = jax.jit(partial(collect, environment, restart, student, None))
    told, offered = [], [tasks[None]]
    for i in range(ROLLOUTS):
        tasks, teacher_state = teacher.propose(teacher_state, jax.random.key(10 + i), T * N)
        tasks = tasks.reshape(T, N, -1)
        before = worlds.carry
        worlds, rollout, episodes = run(worlds, jax.random.key(20 + i), tasks)
        np.testing.assert_array_equal(rollout.carry, before)
        told.append((rollout, episodes))
        offered.append(tasks)
    return jax.device_get((first_state, told, offered, worlds))


def joined(played, field):
    """An array of all rollouts as one, [ROLLOUTS * T, N, ...]."""
    return np.concatenate([field(rollout, episodes) for rollout, episodes in played[1]])


def episodes_of(played):
    """Every episode of every world as Python finds it by counting, in the order of their ends.

    Which tasks come next, the levels and the actions are read; all else is computed.
    """
    first, _, offered, _ = played
    actions = joined(played, lambda r, e: r.action)
    seen = joined(played, lambda r, e: r.observation["numbers"])
    later = np.concatenate(offered[1:])
    found = []
    for world in range(N):
        task, level, began = first.tasks[world], int(first.level[world]), 0
        while True:
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
            if began >= ROLLOUTS * T:
                break
            task = later[last, world]
            level = round(float(seen[began, world, fakes.ACTIONS]) * (1 << 20))
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
    offered = np.concatenate([tasks.reshape(-1, 3) for tasks in played[2]])
    assert set(used) <= set(offered[:, 2].astype(int))


def test_finished_episodes_are_told_exactly(played):
    found = [e for e in episodes_of(played) if e["finished"]]
    done = joined(played, lambda r, e: e.done)
    assert done.sum() == len(found)
    tasks = joined(played, lambda r, e: e.tasks)
    success = joined(played, lambda r, e: e.success)
    totals = {
        name: joined(played, lambda r, e, name=name: e.totals[name])
        for name in ("return", "length", "value", "squared")
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
    expected = np.zeros((ROLLOUTS, N))
    for e in episodes_of(played):
        for i in range(ROLLOUTS):
            age = (i + 1) * T - e["rows"][0]  # steps before the edge
            if age >= 0 and (e["rows"][-1] >= (i + 1) * T or not e["finished"]):
                if age == 0:
                    continue
                expected[i, e["world"]] = 100 * (age + 1) + age
    expected = np.where(expected == 0, 100, expected)  # a first observation
    found = np.stack([r.last_value for r, _ in played[1]])
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_running_episodes_are_carried(played):
    worlds = played[3]
    running = {e["world"]: e for e in episodes_of(played) if not e["finished"]}
    for world, e in running.items():
        assert tuple(worlds.tasks[world]) == e["task"]
        assert worlds.totals["return"][world] == sum(e["rewards"])
        assert worlds.totals["length"][world] == len(e["rows"])
        assert not worlds.start[world]
    others = sorted(set(range(N)) - set(running))
    assert worlds.start[others].all()
    assert (worlds.totals["return"][others] == 0).all()


def test_success_counts_whenever_it_came():
    """An instruction fulfilled in the middle of an episode that goes on is fulfilled."""

    class Early(fakes.Counting):
        def step(self, key, state, actions):
            state, seen = super().step(key, state, actions)
            return state, seen._replace(success=state.time == 2)

    environment, student = Early(), fakes.counting_student()
    tasks = jnp.array([[1.0, 0, 0], [2, 0, 0], [5, 0, 0], [5, 1, 0]])
    worlds = start_worlds(environment, student, jax.random.key(0), tasks)
    restart = Restart(environment)
    again = jnp.broadcast_to(jnp.array([7.0, 0, 0]), (3, 4, 3))
    key = jax.random.key(0)
    worlds, _, first = collect(environment, restart, student, None, worlds, key, again)
    _, _, second = collect(environment, restart, student, None, worlds, key, again)
    done = np.concatenate([first.done, second.done])
    success = np.concatenate([first.success, second.success])
    assert [bool(success[done[:, i].argmax(), i]) for i in range(4)] == [False, True, True, True]


def test_sums_over_episodes():
    rng = np.random.default_rng(0)
    x, done, before = rng.normal(size=(6, 3)), rng.random((6, 3)) < 0.4, rng.normal(size=3)
    totals, running = episode_sums(*map(jnp.asarray, (x, done, before)))
    for world in range(3):
        total = before[world]
        for t in range(6):
            total += x[t, world]
            assert float(totals[t, world]) == pytest.approx(total, abs=1e-5)
            total = 0.0 if done[t, world] else total
        assert float(running[world]) == pytest.approx(total, abs=1e-5)
