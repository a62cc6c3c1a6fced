"""The planner's advice in words."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from crafting_states import added, grassland

from didact.environments import with_feedback
from didact.environments.crafting import CrafterInstructions, layout
from didact.environments.crafting.advice import remarks
from didact.environments.crafting.advice.feedback import Guide, _hindsight
from didact.environments.crafting.advice.requirements import (
    GOALS,
    NONE,
    Missing,
    missing,
    thing_of,
)
from didact.environments.crafting.layout import ACHIEVEMENTS, ACTION, ITEM, ITEMS
from didact.environments.feedback.wordings import checked_pool

THINGS, NEEDS = remarks.THINGS, tuple(remarks.NEEDS)


def test_wordings_are_those_that_files_could_have():
    plain = {name: {s: list(t) for s, t in w.items()} for name, w in remarks.POOL.items()}
    assert checked_pool(plain, base=remarks.POOL) == remarks.POOL
    assert {name for part in remarks.PARTS.values() for name in part} == set(remarks.POOL)


def test_goals_are_things():
    named = {
        name: THINGS[goal] if goal != NONE else None
        for name, goal in zip(ACHIEVEMENTS, GOALS, strict=True)
    }
    assert named["wake_up"] is None
    assert named["collect_drink"] == "water"
    assert named["eat_plant"] == "a ripe plant"
    assert named["make_iron_sword"] == "an iron sword"
    assert named["defeat_zombie"] == "a zombie"
    assert named["place_table"] == "a table"


@pytest.mark.parametrize(
    ("goal", "items", "stations", "need", "thing"),
    [
        ("iron", {}, (), "wood", "a stone pickaxe"),
        ("iron", {"wood": 2}, (), "table", "a wood pickaxe"),
        ("iron", {"wood": 2}, ("table",), "wood_pickaxe", "stone"),
        ("iron", {"wood_pickaxe": 1, "wood": 1}, ("table",), "stone", "a stone pickaxe"),
        ("iron", {"stone_pickaxe": 1}, (), None, "iron"),
        ("coal", {"wood": 1}, ("table",), "wood_pickaxe", "coal"),
        ("an iron sword", {"wood_pickaxe": 1, "wood": 1}, ("table",), "coal", "an iron sword"),
        ("a furnace", {"stone": 3, "wood_pickaxe": 1}, (), "stone", "a furnace"),
        ("a cow", {}, (), None, "a cow"),
        ("a diamond", {"coal": 1, "wood": 1}, (), "wood", "a table"),
    ],
)
def test_what_is_missing_first(goal, items, stations, need, thing):
    inventory = np.zeros((1, len(ITEMS)), np.int32)
    for name, count in items.items():
        inventory[0, ITEM[name]] = count
    near = {name: jnp.array([name in stations]) for name in ("table", "furnace")}
    found = missing(jnp.array([THINGS.index(goal)]), jnp.asarray(inventory), near)
    assert (NEEDS[int(found.need[0])] if found.need[0] >= 0 else None) == need
    assert THINGS[int(found.thing[0])] == thing


@pytest.mark.parametrize(
    ("achievement", "items", "thing"),
    [
        ("place_stone", {"stone": 1}, None),
        ("place_stone", {}, "stone"),
        ("place_plant", {"sapling": 1}, None),
        ("place_plant", {"stone": 1}, "a sapling"),
        ("collect_stone", {"stone": 1}, "stone"),
        ("place_table", {"wood": 9}, "a table"),
        ("wake_up", {}, None),
        (None, {}, None),
    ],
)
def test_what_is_placed_is_not_needed_any_more(achievement, items, thing):
    wanted = jnp.array([[name == achievement for name in ACHIEVEMENTS]])
    found = int(thing_of(wanted, grassland(**items).inventory)[0])
    assert (None if found == NONE else THINGS[found]) == thing


@pytest.mark.parametrize(
    ("kind", "action", "said"),
    [
        (layout.COW, "do", "useless"),
        (layout.ZOMBIE, "do", "useless"),
        (layout.COW, "noop", "nothing"),
        (layout.COW, "move_down", "blocked"),
        (layout.PLANT, "do", "nothing"),
        (None, "do", "nothing"),
    ],
)
def test_a_hit_is_not_nothing(kind, action, said):
    """In a step in which the inventory, the position and the achievements stay as they are."""
    before = grassland()
    if kind is not None:
        before = added(before, kind, layout.START + layout.SIDE)
    zero, no = jnp.zeros(1, jnp.int32), jnp.zeros(1, bool)
    old = Guide(zero + ACTION["sleep"], zero, no, Missing(zero, zero))
    actions = zero + ACTION[action]
    remark = _hindsight(before, before, jnp.zeros((1, 22), bool), actions, old)
    assert remarks.HINDSIGHT[int(remark.number[0])] == said


@pytest.mark.slow
def test_messages_of_a_level():
    inner = CrafterInstructions()
    world = with_feedback(inner)
    tasks = np.append(inner.task("make_wood_pickaxe", trees=0.5), 1)[None].astype(np.float32)
    tasks = jnp.asarray(tasks).repeat(4, 0)
    act = inner.expert().act

    def step(state, key):
        chosen = act(world.inner_state(state))
        chosen = jnp.where(np.arange(4) < 2, chosen, ACTION["make_iron_sword"])
        state, seen = world.step(key, state, chosen)
        return state, (seen.observation["feedback"], seen.done)

    @jax.jit
    def play():
        state, first = world.reset(jax.random.key(0), tasks)
        rows, done = jax.lax.scan(step, state, jax.random.split(jax.random.key(1), 12))[1]
        return first.observation["feedback"], rows, done

    first, rows, done = play()
    start = {world.speech.text(row) for row in first}
    assert all("because you need wood for" in text for text in start)
    good = [world.speech.text(rows[t, i]) for t in range(12) for i in range(2) if not done[t, i]]
    assert sum(text.startswith("good") for text in good) > len(good) / 2
    idle = [world.speech.text(rows[t, i]) for t in range(12) for i in range(2, 4)]
    assert all(text.startswith(("that did nothing", "that hurt")) for text in idle)
