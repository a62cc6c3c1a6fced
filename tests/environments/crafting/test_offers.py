"""What a crafting world shows of a state, and which propositions hold in it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import make
from didact.environments.crafting import layout, propositions, tasks
from didact.environments.crafting.layout import ITEM, CraftingState

AT = 64 * 10 + 20


@pytest.fixture(scope="module")
def state():
    """Two worlds of grass: in the second one, a table, a tree, a zombie and a sleeping player."""
    n = 2
    material = np.full((n, layout.CELLS), layout.GRASS, np.uint8)
    material[1, [AT + 65, AT - 64]] = layout.TABLE, layout.TREE
    objects = np.zeros((n, layout.MAX_OBJECTS), np.int32)
    objects[1, 0] = layout.pack(*np.int32([layout.ZOMBIE, AT - 3, 5, 0]))
    inventory = np.zeros((n, len(layout.ITEMS)), np.int32)
    inventory[:, :4] = [[9, 8, 7, 6], [2, 9, 9, 3]]
    inventory[1, ITEM["wood"]] = 4
    inventory[1, ITEM["stone_pickaxe"]] = 1
    zero, no = np.zeros(n, np.float32), np.zeros((n, len(layout.ACHIEVEMENTS)), bool)
    found = CraftingState(
        material=material,
        objects=objects,
        num_slots=np.array([0, 1], np.int32),
        chunks=np.zeros((n, 2), np.uint32),
        position=np.full(n, AT, np.int32),
        facing=np.full(n, layout.DIRECTIONS.index("up"), np.int32),
        inventory=inventory,
        sleeping=np.array([False, True]),
        hunger=zero,
        thirst=zero,
        fatigue=zero,
        recovery=zero,
        previous_health=inventory[:, 0],
        unlocked=no,
        achieved=no,
        steps=np.array([60, 210], np.int32),
        tasks=tasks.ORIGINAL[None].repeat(n, 0),
    )
    return jax.tree.map(jnp.asarray, found)


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
    images = [world.render(state, i, 1) for i in range(2)]
    assert images[0].shape == (126, 126, 3)
    assert images[0].mean() > images[1].mean()
