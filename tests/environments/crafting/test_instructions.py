"""Instructions for achievements, formulas about them, and the planner that fulfills them."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import didact.students.skills  # noqa: F401  (registers formulas)
from didact.environments import SettingError, make
from didact.environments.crafting import CrafterInstructions, layout, tasks
from didact.environments.crafting.expert import act
from didact.environments.crafting.layout import ACHIEVEMENT, ACHIEVEMENTS, ACTION
from didact.environments.crafting.sentences import NOTHING
from didact.environments.testing import check

N = 32


@pytest.fixture(scope="module")
def world():
    return CrafterInstructions(max_steps=150, phrasing="train")


@functools.cache
def played(world, names, steps):
    """Let the planner play; the timesteps [steps, N, ...] and the scenes of hindsight."""
    expert, describer = world.expert(), world.achieved_instructions()

    def step(carry, key):
        state, over = carry
        new, seen = world.step(key, state, expert.act(state))
        state = jax.tree.map(
            lambda x, y: jnp.where(over.reshape(-1, *(1,) * (x.ndim - 1)), x, y), state, new
        )
        out = seen.reward, seen.success, seen.labels, over, describer.reveal(state)
        return (state, over | seen.done), out

    @jax.jit
    def play(tasks):
        state, first = world.reset(jax.random.key(0), tasks)
        carry = state, jnp.zeros(N, bool)
        keys = jax.random.split(jax.random.key(1), steps)
        return first, jax.lax.scan(step, carry, keys)[1]

    return play(jnp.asarray(world.task(*names))[None].repeat(N, 0))


NAMES = "collect_wood", "place_table", "make_wood_pickaxe"


@pytest.mark.slow
def test_the_planner_fulfills_a_sequence_in_its_order(world):
    first, (reward, success, labels, over, _) = played(world, NAMES, 60)
    reward, success, labels, over = map(np.asarray, (reward, success, labels, over))
    success = success & ~over
    assert success.any(0).mean() > 0.9
    for i in np.flatnonzero(success.any(0)):
        end = success[:, i].argmax()
        done = -1
        for name in NAMES:  # each after the one before
            times = np.flatnonzero(labels[:, i, ACHIEVEMENT[name]])
            done = times[times > done][0]
        assert done == end
        assert reward[end, i] == pytest.approx(1 - 0.9 * (end + 1) / 150)
        assert not reward[:end, i].any()
    said = [
        world.instruction_text({k: np.asarray(x[i]) for k, x in first.observation.items()})
        for i in range(N)
    ]
    assert len(set(said)) > 5


@pytest.mark.slow
def test_hindsight_describes_achievements(world):
    _, (_, _, labels, over, scenes) = played(world, NAMES, 60)
    describer = world.achieved_instructions()
    wood = ACHIEVEMENT["collect_wood"]
    alone = np.asarray(labels)[..., wood] & (np.asarray(labels).sum(-1) == 1) & ~np.asarray(over)
    step, i = np.argwhere(alone[1:])[0]
    before, now = (jax.tree.map(lambda x, t=t: x[t], scenes) for t in (step, step + 1))
    written, fulfilled = describer.describe(before, now)
    assert fulfilled[i]
    assert world.instruction_text({"instruction": written[i]}) == "collect wood"
    first = describer.initial(N)
    assert not describer.describe(first, first)[1].any()


def test_tasks_are_named(world):
    named = world.evaluation_tasks
    assert set(ACHIEVEMENTS) < set(named)
    space = world.task_space
    assert space.contains(jnp.stack([jnp.asarray(task) for task in named.values()])).all()
    task = world.task("collect_wood", "wake_up", trees=0.5)
    assert task[space.column("trees")] == 0.5
    assert task[:3].tolist() == [ACHIEVEMENT["collect_wood"] + 1, ACHIEVEMENT["wake_up"] + 1, 0]
    choices = [space.dimensions[i].description.split("demands: ")[1] for i in range(3)]
    assert choices == [choices[1].removeprefix("0: nothing, "), choices[1], choices[1]]
    assert choices[0].startswith("1: collect coal, ")
    for wrong in (("fly",), (), ("wake_up",) * 4):
        with pytest.raises(SettingError, match="achievement"):
            world.task(*wrong)
    with pytest.raises(SettingError, match="max_steps"):
        CrafterInstructions(max_steps=0)
    with pytest.raises(SettingError, match="phrasing"):
        CrafterInstructions(phrasing="dev")


@pytest.mark.slow
def test_formulas_about_achievements():
    inner = make("Crafter", facts=True)
    world: Any = make(
        "Crafter", facts=True, formula="F(collect_wood & X F(place_table & near_table))"
    )
    assert {"collect_wood", "near_table", "has_wood", "night"} < set(inner.propositions)
    wanted = np.zeros(len(ACHIEVEMENTS), bool)
    wanted[[ACHIEVEMENT["collect_wood"], ACHIEVEMENT["place_table"]]] = True

    def step(state, key):
        inner = world.inner_state(state)
        state, seen = world.step(key, state, act(inner, wanted & ~inner.unlocked))
        return state, (seen.success, seen.labels)

    @jax.jit
    def play():
        start = jnp.asarray(tasks.ORIGINAL)[None].repeat(N, 0)
        state, _ = world.reset(jax.random.key(0), start)
        return jax.lax.scan(step, state, jax.random.split(jax.random.key(1), 25))[1]

    success, labels = map(np.asarray, play())
    column = {name: i for i, name in enumerate(world.propositions)}
    first = success.argmax(0)
    assert success.any(0).mean() > 0.8
    for i in np.flatnonzero(success.any(0)):
        at = first[i]
        assert labels[at, i, column["place_table"]]
        assert labels[at, i, column["near_table"]]
        assert labels[:at, i, column["collect_wood"]].any()
        wood = labels[:, i, column["has_wood"]]
        assert wood[labels[:, i, column["collect_wood"]].argmax()]


@pytest.mark.slow
def test_instructions_keep_the_promises_of_an_environment(world):
    check(world)


def test_every_action_has_a_key():
    from didact.experiments.evaluation.play import KEYS

    names = {name for names in KEYS.values() for name in names}
    others = [name for name in ACTION if name not in names]
    assert [name for name in others if not name.startswith("make_")] == []
    assert len(others) == 6
    assert layout.ACTIONS[5] == "do"


def test_each_achievement_has_an_instruction(world):
    assert set(world.proposition_instructions) == set(ACHIEVEMENTS)
    assert world.proposition_instructions["make_wood_pickaxe"] == "make a wood pickaxe"
    assert not make("Crafter").proposition_instructions


@pytest.mark.slow
def test_a_formula_goes_on_after_the_own_instruction(world):
    asked: Any = make("CrafterInstructions", formula="F(collect_wood & X F place_table)")
    expert = np.isin(np.arange(len(ACHIEVEMENTS)), [ACHIEVEMENT[x] for x in NAMES[:2]])

    def step(state, key):
        inner = state.worlds.world
        state, seen = asked.step(key, state, act(inner, expert & ~inner.unlocked))
        return state, (seen.success, seen.terminated, seen.labels)

    @jax.jit
    def play(tasks):
        state, _ = asked.reset(jax.random.key(0), tasks)
        return jax.lax.scan(step, state, jax.random.split(jax.random.key(1), 25))[1]

    task = jnp.asarray(world.task("collect_wood"))[None].repeat(N, 0)
    success, over, labels = map(np.asarray, play(task))
    fulfilled = labels[..., ACHIEVEMENT["collect_wood"]]
    assert fulfilled.any(0).mean() > 0.8
    assert not (over & fulfilled).any()
    assert success.any(0).mean() > 0.8


@pytest.mark.parametrize("dead", [False, True])
def test_who_dies_in_the_last_step_has_not_fulfilled_the_instruction(world, monkeypatch, dead):
    task = jnp.asarray(world.task("collect_wood"))[None].repeat(N, 0)
    shapes = jax.eval_shape(world.reset, jax.random.key(0), task)
    state, seen = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
    wood = ACHIEVEMENT["collect_wood"]
    state = state._replace(steps=jnp.full_like(state.steps, NOTHING).at[:, 0].set(wood))

    def step(key, inner, actions):
        inner = inner._replace(achieved=inner.achieved.at[:, wood].set(True))
        return inner, seen._replace(terminated=jnp.full(N, dead))

    monkeypatch.setattr(world.environment, "step", step)
    _, after = world.step(jax.random.key(0), state, jnp.zeros(N, jnp.int32))
    assert after.terminated.all()
    assert (after.success != dead).all()
    assert (np.asarray(after.reward) > 0).all() != dead
