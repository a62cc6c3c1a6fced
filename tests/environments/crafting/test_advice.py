"""The planner's advice in words."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import with_feedback
from didact.environments.crafting import CrafterInstructions
from didact.environments.crafting.advice import remarks
from didact.environments.crafting.advice.requirements import GOALS, NONE, missing
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
