"""Step limits, and parameters with rare values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact import environments
from didact.environments import Restart, SettingError, make, testing
from didact.environments.wrappers import WithRareValues, Wrapper


def test_episodes_end_at_the_limit():
    world = make("BabyAI-GoToLocal-v0", step_limit=5)
    assert world.max_steps == 5
    state, _ = jax.jit(world.reset)(
        jax.random.key(0), world.task_space.sample(jax.random.key(1), 8)
    )
    step, over = jax.jit(world.step), np.zeros(8, bool)
    for t in range(5):
        state, seen = step(None, state, jnp.zeros(8, jnp.int32))
        over |= np.asarray(seen.terminated)
        assert np.asarray(seen.truncated)[~over].all() == (t == 4)
    assert not over.all()


def test_the_limit_is_shown():
    world = make("BabyAI-GoToLocal-v0", step_limit=5)
    state, _ = world.reset(jax.random.key(0), world.task_space.sample(jax.random.key(1), 1))
    assert world.text_status(state, 0).step_limit == 5


def test_a_limit_beyond_that_of_the_environment_has_no_effect():
    assert make("Office", step_limit=10_000).max_steps == make("Office").max_steps


@pytest.mark.parametrize("name", ["Crafter", "Pendulum"])
def test_environments_that_decide_on_success_at_their_own_limit_have_no_other_one(name):
    with pytest.raises(SettingError, match=f"step_limit is 60, .* omitted with {name}"):
        make(name, step_limit=60)


def test_instructions_and_formulas_of_such_environments_can_be_cut():
    from didact.students.skills import with_formula

    assert make("CrafterInstructions", step_limit=60).max_steps == 60
    assert not with_formula(make("Crafter"), "F collect_wood").success_at_limit


@pytest.mark.parametrize("settings", [{"step_limit": 7}, {"rare": "x0:3"}])
def test_wrapped_environments_keep_the_promises(settings):
    testing.check(make("ToyGrid", **settings))


def test_low_values_are_rare():
    world = make("Crossing", rare="size:2")
    assert isinstance(world, WithRareValues)
    inner = world.environment.task_space
    low, high = (int(x) for x in (inner.dimensions[0].low, inner.dimensions[0].high))
    assert inner.names[0] == "size"
    tasks = world.task_space.sample(jax.random.key(0), 100_000)
    sizes = np.asarray(world.inner_tasks(tasks))[:, 0]
    assert np.asarray(inner.contains(world.inner_tasks(tasks))).all()
    width = high - low + 1
    for size in range(low, high + 1):
        expected = ((size - low + 1) / width) ** 2
        assert np.mean(sizes <= size) == pytest.approx(expected, abs=0.01)
        # The ranks of one size are exactly those that give it.
        ranks = np.linspace(*world.outer_bounds("size", size, size), 50)
        column = np.tile(np.asarray(tasks[:1]), (50, 1))
        column[:, 0] = ranks
        assert set(np.asarray(world.inner_tasks(jnp.asarray(column)))[:, 0].tolist()) == {size}
        task = np.array([size, *np.asarray(tasks[0, 1:])], np.float32)
        assert np.asarray(world.inner_tasks(world.outer_task(task)[None]))[0].tolist() == (
            task.tolist()
        )


@pytest.mark.parametrize("rare", ["size:4", "size:6", "size:0.05"])
def test_ranks_of_very_rare_values_belong_to_them(rare):
    world = make("Crossing", rare=rare)
    assert isinstance(world, WithRareValues)
    sizes = world.environment.task_space.dimensions[0]
    task = np.array(world.task_space.sample(jax.random.key(0), 1))
    for size in range(int(sizes.low), int(sizes.high) + 1):
        low, high = world.outer_bounds("size", size, size)
        assert 0 <= low < high <= 1
        for task[0, 0] in np.linspace(low, high, 9):
            assert world.inner_tasks(jnp.asarray(task))[0, 0] == size


@pytest.mark.parametrize("further", [{}, {"step_limit": 5}, {"facts": 1, "formula": "F red_ball"}])
def test_levels_keep_their_parameters_below_other_wrappers(further):
    """Ranks are not taken for the values of parameters with the same names."""
    plain, level = make("GoTo"), make("BabyAI-GoToLocal-v0").task_space
    expected = plain.single_task(level)
    assert expected is not None
    world = make("GoTo", rare="rows:2,columns:3", **further)
    task = world.single_task(level)
    assert task is not None
    while not isinstance(world, WithRareValues):
        assert isinstance(world, Wrapper)
        world = world.environment
    np.testing.assert_array_equal(world.inner_tasks(jnp.asarray(task)[None])[0], expected)


@pytest.mark.parametrize("power", [2, 6])
def test_easy_tasks_remain_easy(power):
    world = make("DoorKey", rare=f"size:{power}")
    assert isinstance(world, WithRareValues)
    easy = world.easy_space.sample(jax.random.key(0), 500)
    assert np.asarray(world.environment.easy_space.contains(world.inner_tasks(easy))).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("size", "rare is 'size'"),
        ("size:0", "rare size is 0"),
        ("size:inf", "rare size is inf"),
        ("size:nan", "rare size is nan"),
        ("size:1e30", "rare size is 1e"),
        ("size:1e-30", "rare size is 1e-30"),
        ("sze:2", "sze"),
        ("size:x", "rare"),
        ("size:1,size:2", "rare is .*different task parameters"),
    ],
)
def test_bad_settings(text, message):
    with pytest.raises(SettingError, match=message):
        environments.make("Crossing", rare=text)


def test_restarts_begin_to_count_anew():
    world = make("ToyGrid", step_limit=3)
    restart = Restart(world)
    key = jax.random.key(0)
    tasks = world.task_space.sample(key, 4)
    state, seen = world.reset(key, tasks)
    for _ in range(3):
        state, seen = world.step(key, state, jnp.zeros(4, jnp.int32))
    state, _ = restart(jax.random.split(key, 4), tasks, seen.done, state, seen)
    assert np.asarray(state.steps).tolist() == np.where(np.asarray(seen.done), 0, 3).tolist()
