"""What a crafting world shows of a state, and which propositions hold in it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from crafting_states import added, grassland, placed

from didact.environments import make
from didact.environments.crafting import layout, propositions, tasks
from didact.environments.crafting.layout import ACHIEVEMENT, ITEM
from didact.environments.crafting.offers import _next

AT = 64 * 10 + 20


@pytest.fixture(scope="module")
def state():
    """Two worlds of grass: in the second one, a table, a tree, a zombie and a sleeping player."""
    state = placed(placed(grassland(2, at=AT), AT + 65, layout.TABLE), AT - 64, layout.TREE)
    state = added(state, layout.ZOMBIE, AT - 3)
    alone = jnp.array([True, False])
    inventory = np.array(state.inventory)
    inventory[:, :4] = [[9, 8, 7, 6], [2, 9, 9, 3]]
    inventory[1, ITEM["wood"]] = 4
    inventory[1, ITEM["stone_pickaxe"]] = 1
    return state._replace(
        material=jnp.where(alone[:, None], layout.GRASS, state.material).astype(jnp.uint8),
        objects=jnp.where(alone[:, None], 0, state.objects),
        num_slots=jnp.where(alone, 0, state.num_slots),
        facing=jnp.full(2, layout.DIRECTIONS.index("up"), jnp.int32),
        inventory=jnp.asarray(inventory),
        sleeping=~alone,
        steps=jnp.array([60, 210], jnp.int32),
    )


def test_propositions(state):
    held = [
        {name for name, value in zip(propositions.NAMES, row, strict=True) if value}
        for row in np.asarray(propositions.make().holds(state))
    ]
    assert held[0] == {"facing_grass"}
    assert held[1] == {
        *("near_table", "near_tree", "facing_tree", "near_zombie", "night", "asleep"),
        *("hurt", "tired", "has_wood", "has_stone_pickaxe"),
    }


def test_terminals_and_pictures(state):
    world = make("Crafter")
    day, night = (world.text_status(state, i) for i in range(2))
    assert day.lines[:2] == ("health 9  food 8", "drink 7  energy 6")
    assert "day" in day.lines[2]
    assert "night, asleep" in night.lines[2]
    assert " ".join(night.lines[3:]) == "you have 4 wood, 1 stone pickaxe"
    assert all(len(line) <= 34 for line in (*night.lines, *night.legend))
    drawn = world.render_ansi(state, 1, color=False)
    assert all(sign in drawn for sign in ("@z", "T", "#", "Z"))
    short = jnp.asarray(np.stack([tasks.ORIGINAL, tasks.task(length=100)]))
    limits = [world.text_status(state._replace(tasks=short), i).step_limit for i in range(2)]
    assert limits == [layout.MAX_STEPS, 100]
    images = [world.render(state, i, 1) for i in range(2)]
    assert images[0].shape == (126, 126, 3)
    assert images[0].mean() > images[1].mean()


@pytest.mark.slow
def test_success_needs_rewarded_achievements():
    """Four dead players with one achievement; it is not enough, not rewarded, or the only one."""
    unpaid = {f"pay_{name}": 0 for name in layout.ACHIEVEMENTS}
    rows = tasks.task(), tasks.task(**unpaid), tasks.task(**unpaid | {"pay_wake_up": 1})
    rows = *rows, tasks.task(goal=1)
    state = grassland(4, health=0)._replace(tasks=jnp.asarray(np.stack(rows)))
    state = state._replace(unlocked=state.unlocked.at[:, ACHIEVEMENT["wake_up"]].set(True))
    keys = jax.random.split(jax.random.key(0), 4)
    ended = make("Crafter")._timestep(keys, state, jnp.zeros(4))
    assert ended.terminated.all()
    assert ended.success.tolist() == [False, False, True, True]


def test_the_next_goal_is_possible():
    """Waking up is the goal of who sleeps, and else the last one."""
    state = grassland(4, energy=5)
    wake, rest = (
        np.arange(len(layout.ACHIEVEMENTS)) == ACHIEVEMENT[name]
        for name in ("wake_up", "collect_sapling")
    )
    state = state._replace(
        sleeping=jnp.array([False, True, False, True]),
        unlocked=jnp.asarray(np.stack([~rest & ~wake, ~rest & ~wake, ~wake, ~rest])),
    )
    named = [layout.ACHIEVEMENTS[i] for i in np.argmax(_next(state), 1)]
    assert named == ["collect_sapling", "wake_up", "wake_up", "collect_sapling"]
    assert not _next(state._replace(unlocked=jnp.ones((4, 22), bool))).any()


def test_the_next_goal_is_the_most_common_one():
    state = grassland(2)
    state = state._replace(unlocked=state.unlocked.at[1, ACHIEVEMENT["collect_sapling"]].set(True))
    assert [layout.ACHIEVEMENTS[i] for i in np.argmax(_next(state), 1)] == [
        "collect_sapling",
        "place_plant",
    ]
    unpaid = tasks.task(pay_collect_sapling=0, pay_place_plant=0)
    state = state._replace(tasks=jnp.tile(jnp.asarray(unpaid), (2, 1)))
    assert np.argmax(_next(state), 1).tolist() == [ACHIEVEMENT["collect_wood"]] * 2
