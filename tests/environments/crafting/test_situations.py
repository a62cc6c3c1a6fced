"""Every rule in a scripted situation, played by the original package and by ours.

Both have the same draws, and after every step the whole states are compared. Each situation also
says what should come of it, so that it is known to occur.
"""

import numpy as np
import pytest

pytest.importorskip("crafter")

from crafting_duel import Duel, add, blank, have, put

pytestmark = pytest.mark.reference
# What random choices come to, for all objects.
NEVER, ALWAYS, CHASE = (0.99,) * 4, (0.0,) * 4, (0.0, 0.0, 0.99, 0.99)


def count(env, achievement):
    return env._player.achievements[achievement]


def things(env, kind):
    return [x for x in env._world.objects if type(x).__name__ == kind]


def material(env, x, y):
    return env._world[32 + x, 32 + y][0]


def play(env, *actions, **draws):
    duel = Duel(env)
    for action in actions:
        duel.step(action, **draws)
    return env


@pytest.mark.parametrize(
    ("source", "tool", "item", "left"),
    [
        ("tree", None, "wood", "grass"),
        ("stone", "wood_pickaxe", "stone", "path"),
        ("coal", "wood_pickaxe", "coal", "path"),
        ("iron", "stone_pickaxe", "iron", "path"),
        ("diamond", "iron_pickaxe", "diamond", "path"),
        ("water", None, "drink", "water"),
    ],
)
def test_collect(source, tool, item, left):
    for held in (None, tool):
        env = blank()
        put(env, 0, 1, source)
        have(env, drink=3, **({held: 1} if held else {}))
        before = env._player.inventory[item]
        play(env, "do", "do")
        collects = held == tool
        assert (material(env, 0, 1) == left) == collects or source == left
        assert (env._player.inventory[item] > before) == collects
        assert (count(env, f"collect_{item}") > 0) == collects


def test_collect_with_other_tools_and_a_full_inventory():
    env = blank()
    put(env, 0, 1, "iron")
    have(env, wood_pickaxe=1, iron_pickaxe=1)
    play(env, "do")
    assert material(env, 0, 1) == "iron"
    env = blank()
    put(env, 0, 1, "tree")
    have(env, wood=9)
    play(env, "do")
    assert env._player.inventory["wood"] == 9
    assert count(env, "collect_wood") == 1


@pytest.mark.parametrize(("draw", "found"), [(0.05, 1), (0.0999, 1), (0.11, 0), (0.9, 0)])
def test_collect_sapling(draw, found):
    assert play(blank(), "do", sapling=draw)._player.inventory["sapling"] == found


@pytest.mark.parametrize("target", ["grass", "sand", "path", "water", "lava", "stone", "tree"])
@pytest.mark.parametrize(
    ("name", "item", "amount", "where"),
    [
        ("stone", "stone", 1, "grass sand path water lava"),
        ("table", "wood", 2, "grass sand path"),
        ("furnace", "stone", 4, "grass sand path"),
        ("plant", "sapling", 1, "grass"),
    ],
)
def test_place(name, item, amount, where, target):
    for held in (amount - 1, amount):
        env = blank()
        put(env, 0, 1, target)
        have(env, **{item: held})
        play(env, f"place_{name}", "noop", f"place_{name}")
        placed = held == amount and target in where.split()
        assert count(env, f"place_{name}") == placed
        assert (env._player.inventory[item] == 0) == (placed or held == 0)


def test_place_on_an_object():
    env = blank()
    add(env, "Cow", 0, 1)
    have(env, stone=9, wood=9, sapling=9)
    play(env, "place_stone", "place_table", "place_furnace", "place_plant", every=NEVER)
    assert not any(count(env, f"place_{name}") for name in ("stone", "table", "furnace", "plant"))


TOOLS = [
    f"{material}_{tool}" for material in ("wood", "stone", "iron") for tool in ("pickaxe", "sword")
]


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("stations", ["", "table", "furnace", "table furnace"])
@pytest.mark.parametrize("held", [0, 1])
def test_make(tool, stations, held):
    env = blank()
    for place, station in zip(((1, 1), (-1, 0)), stations.split(), strict=False):
        put(env, *place, station)
    have(env, wood=held, stone=held, coal=held, iron=held)
    play(env, f"make_{tool}", f"make_{tool}")
    needed = {"table", "furnace"} if "iron" in tool else {"table"}
    assert env._player.inventory[tool] == (held == 1 and needed <= set(stations.split()))


@pytest.mark.parametrize(("x", "y"), [(0, 5), (5, 0), (63, 5), (5, 63), (63, 63), (0, 0)])
def test_make_and_look_at_the_edge(x, y):
    env = blank()
    env._world.move(env._player, (x, y))
    env._world[abs(x - 1), abs(y - 1)] = "table"
    have(env, wood=9)
    moves = [f"move_{way}" for way in ("left", "right", "up", "down")]
    play(env, "make_wood_pickaxe", *moves, *moves, "do", "place_table")
    assert (count(env, "make_wood_pickaxe") == 1) == (x > 0 and y > 0)


def test_stations_are_too_far():
    env = blank()
    put(env, 2, 0, "table")
    have(env, wood=9)
    assert play(env, "make_wood_pickaxe")._player.inventory["wood_pickaxe"] == 0


@pytest.mark.parametrize(
    "ground", ["grass", "sand", "path", "water", "stone", "tree", "table", "furnace", "coal"]
)
def test_walk(ground):
    env = blank()
    put(env, 1, 0, ground)
    play(env, "move_right", "move_right", "move_up")
    assert (env._player.pos[0] == 34) == (ground in ("grass", "sand", "path"))


def test_a_cow_is_in_the_way():
    env = blank()
    add(env, "Cow", 1, 0)
    play(env, "move_right", "move_right", every=NEVER)
    assert tuple(env._player.pos) == (32, 32)


def test_lava():
    env = blank()
    put(env, 1, 0, "lava")
    assert play(env, "move_right")._player.health == 0
    env = blank()
    put(env, 1, 0, "lava")
    env._player._recover = 25  # recovers in the step that kills
    assert play(env, "move_right", "noop")._player.health == 1


@pytest.mark.parametrize(("item", "steps"), [("food", 26), ("drink", 21), ("energy", 31)])
def test_needs(item, steps):
    env = play(blank(), *["noop"] * (steps - 1))
    assert env._player.inventory[item] == 9
    play(env, "noop")
    assert env._player.inventory[item] == 8


@pytest.mark.parametrize("missing", ["food", "drink", "energy"])
def test_starvation_and_recovery(missing):
    env = blank()
    have(env, health=3, **{missing: 0})
    assert play(env, *["noop"] * 60)._player.health == 0
    env = blank()
    have(env, health=3)
    assert play(env, *["noop"] * 60)._player.health == 5


def test_eating_and_drinking_reset_the_counters():
    env = blank()
    put(env, 0, 1, "water")
    have(env, drink=5)
    env._player._thirst = 20
    play(env, "do")
    assert env._player._thirst == 1
    assert env._player.inventory["drink"] == 6
    env = blank()
    add(env, "Cow", 0, 1, health=1)
    have(env, food=2)
    env._player._hunger = 25
    play(env, "do", "noop", every=NEVER)
    assert env._player.inventory["food"] == 8
    assert count(env, "eat_cow") == 1


def test_sleep_and_wake_up():
    env = blank()
    have(env, energy=7, health=4)
    duel = Duel(env)
    for step in range(40):
        duel.step("sleep" if step == 0 else "move_left")
    assert count(env, "wake_up") == 1
    assert env._player.inventory["energy"] >= 8
    assert env._player.health > 4
    assert tuple(env._player.pos) != (32, 32)
    assert not play(blank(), "sleep", "noop")._player.sleeping  # not tired


def test_hunger_while_asleep():
    env = blank()
    have(env, energy=0, food=1, drink=1, health=9)
    play(env, "sleep", *["noop"] * 120)
    assert env._player.inventory["drink"] == 0
    assert env._player.health < 9


def test_damage_wakes_the_sleeper_one_step_later():
    env = blank()
    have(env, energy=3)
    add(env, "Zombie", 0, 1)
    play(env, "sleep", every=CHASE)
    assert env._player.health == 2
    assert env._player.sleeping
    play(env, "noop", every=CHASE)
    assert not env._player.sleeping
    assert count(env, "wake_up") == 0


def test_a_zombie_hits_every_sixth_step():
    env = blank()
    add(env, "Zombie", 0, 1)
    play(env, *["noop"] * 13, every=CHASE)
    assert env._player.health == 9 - 3 * 2


def test_a_zombie_comes_closer_and_is_lost():
    env = blank()
    zombie = add(env, "Zombie", 7, 1)
    play(env, *["noop"] * 4, every=ALWAYS)
    assert tuple(zombie.pos) == (35, 33)
    play(env, *["noop"] * 8)
    far = add(env, "Zombie", 0, -20)
    play(env, *["move_down"] * 3)
    assert tuple(far.pos) == (32, 12)


@pytest.mark.parametrize(
    ("sword", "hits"), [(None, 5), ("wood_sword", 3), ("stone_sword", 2), ("iron_sword", 1)]
)
@pytest.mark.parametrize("kind", ["Zombie", "Skeleton", "Cow"])
def test_fight(kind, sword, hits):
    achievement = "eat_cow" if kind == "Cow" else f"defeat_{kind.lower()}"
    hits = hits if kind == "Zombie" else min(hits, 3) if sword is None else max(hits - 1, 1)
    env = blank("path" if kind == "Skeleton" else "grass")
    put(env, -1, 1, "water"), put(env, 1, 1, "water"), put(env, 0, 2, "water")
    add(env, kind, 0, 1)
    if sword:
        have(env, **{sword: 1})
    play(env, *["do"] * (hits - 1), every=NEVER)
    assert count(env, achievement) == 0
    assert things(env, kind)
    play(env, "do", every=NEVER)
    assert count(env, achievement) == 1
    assert not things(env, kind)


def test_a_dying_zombie_still_hits():
    env = blank()
    add(env, "Zombie", 0, 1, health=1)
    play(env, "do", every=NEVER)
    assert env._player.health == 7
    assert not things(env, "Zombie")


def test_a_skeleton_flees_shoots_and_reloads():
    env = blank("path")
    skeleton = add(env, "Skeleton", 2, 0)
    play(env, "noop", every=ALWAYS)
    assert tuple(skeleton.pos) == (35, 32)
    play(env, "noop", every=(0.99, 0.0, 0.99, 0.99))
    env = blank("path")
    add(env, "Skeleton", 4, 0)
    duel = Duel(env)
    for _ in range(12):
        duel.step("noop", every=(0.0, 0.0, 0.0, 0.0))
    assert env._player.health < 9
    assert things(env, "Skeleton")


def test_a_skeleton_in_a_dead_end_shoots():
    env = blank("stone")
    put(env, 1, 0, "path"), put(env, 2, 0, "path")
    add(env, "Skeleton", 2, 0)
    play(env, "noop", every=ALWAYS)
    assert len(things(env, "Arrow")) == 1
    play(env, "noop", every=NEVER)
    assert env._player.health == 7
    assert not things(env, "Arrow")


@pytest.mark.parametrize("target", ["table", "furnace", "stone", "water", "lava", "tree"])
def test_an_arrow_meets_a_material(target):
    env = blank()
    put(env, 3, -3, target)
    add(env, "Arrow", 1, -3, facing=(1, 0))
    play(env, "noop", "noop", "noop")
    flies = target in ("water", "lava")
    assert len(things(env, "Arrow")) == flies
    assert material(env, 3, -3) == ("path" if target in ("table", "furnace") else target)


@pytest.mark.parametrize("kind", ["Cow", "Zombie", "Skeleton", "Plant", "Arrow"])
def test_an_arrow_meets_an_object(kind):
    env = blank()
    victim = add(env, kind, 3, -6, **({"facing": (0, 1)} if kind == "Arrow" else {}))
    put(env, 4, -6, "water"), put(env, 3, -5, "stone"), put(env, 3, -7, "water")
    before = victim.health
    add(env, "Arrow", 2, -6, facing=(1, 0))
    play(env, "noop", every=NEVER)
    assert victim.health == max(before - 2, 0)
    assert len(things(env, "Arrow")) <= 1
    play(env, "noop", "noop", every=NEVER)
    assert bool(things(env, "Plant")) is False


def test_an_arrow_leaves_the_map():
    env = blank()
    env._world.move(env._player, (60, 32))
    add(env, "Arrow", 30, 1, facing=(1, 0))
    play(env, "noop", "noop", "noop")
    assert not things(env, "Arrow")


def test_plant():
    env = blank()
    have(env, sapling=1, food=3)
    play(env, "place_plant", "do", *["noop"] * 5)
    (plant,) = things(env, "Plant")
    assert plant.grown == 6
    plant.grown = 299
    play(env, "do")
    assert count(env, "eat_plant") == 0
    play(env, "do", "do")
    assert count(env, "eat_plant") == 1
    assert env._player.inventory["food"] == 7
    assert plant.grown <= 2


@pytest.mark.parametrize("kind", ["Cow", "Zombie", "Skeleton"])
def test_creatures_eat_plants(kind):
    env = blank()
    add(env, "Plant", 3, 0)
    add(env, kind, 5, 0)
    play(env, "noop", every=NEVER)
    assert things(env, "Plant")
    add(env, kind, 3, 1)
    play(env, "noop", "noop", every=NEVER)
    assert not things(env, "Plant")


def test_an_arrow_hits_a_plant_that_is_just_being_placed():
    env = blank()
    have(env, sapling=1)
    add(env, "Arrow", 0, 2, facing=(0, -1))
    play(env, "place_plant")
    (plant,) = things(env, "Plant")
    assert plant.health == 0
    play(env, "noop")
    assert not things(env, "Plant")


def test_only_near_objects_act():
    env = blank()
    near, far = add(env, "Plant", 17, 0), add(env, "Plant", 9, 9)
    play(env, "noop", "noop")
    assert (near.grown, far.grown) == (2, 0)


def test_objects_are_in_the_way_of_each_other():
    env = blank()
    rng = np.random.default_rng(0)
    kinds = ["Cow", "Zombie", "Skeleton"]
    for x in range(-3, 4):
        for y in range(1, 4):
            add(env, kinds[rng.integers(3)], x, y)
    have(env, iron_sword=1)
    duel = Duel(env)
    for _ in range(60):
        env._player.health = 9
        env._last_health = 9
        duel.copy()
        duel.step(rng.integers(0, 6))


@pytest.mark.parametrize("step", [50, 200])
@pytest.mark.parametrize("ground", ["grass", "path"])
def test_balance(step, ground):
    env = blank(ground)
    env._step = step - step % 10
    for x in range(4):
        add(env, "Cow" if ground == "grass" else "Skeleton", x - 8, 10)
    for x, kind in enumerate(["Cow", "Zombie", "Skeleton", "Plant"]):
        add(env, kind, 9 * x - 12, -14)
    env._update_time()
    duel = Duel(env)
    counts = set()
    for _ in range(30):
        duel.balance()
        counts.add(len(env._world.objects))
    assert len(counts) > 1


def test_a_cow_appears_where_a_zombie_has_just_disappeared():
    env = blank()
    env._step = 50
    env._update_time()
    add(env, "Zombie", -32, -32)  # on the first cell of the first chunk
    Duel(env).balance(happens=0, place=0)
    (cow,) = (thing for thing in things(env, "Cow") if (thing.pos < 12).all())
    assert tuple(cow.pos) == (0, 0)
    assert not things(env, "Zombie")


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in range(1, 9))]
)
def test_a_life_in_a_random_world(seed):
    """Hundreds of steps among many creatures, with all items, by day and by night."""
    rng, env = np.random.default_rng(seed), blank()
    share = np.array([0, 2, 10, 2, 8, 2, 2, 0.2, 1, 1, 0.5, 1, 1])
    env._world._mat_map[:] = rng.choice(len(share), (64, 64), p=share / share.sum())
    env._world[32, 32] = "grass"
    env._step = int(rng.integers(0, 30)) * 10
    for kind in ("Cow", "Zombie", "Skeleton", "Plant"):
        for x, y in rng.integers(-18, 18, (12, 2)):
            cell, thing = env._world[32 + x, 32 + y]
            if thing is None and cell in ("grass", "sand", "path"):
                add(env, kind, x, y)
    duel, names = Duel(env, seed), [name for name in env._player.inventory if name != "health"]
    for _ in range(200):
        if rng.random() < 0.5:
            have(env, **{rng.choice(names): int(rng.integers(0, 10)), "health": 9})
            duel.copy()
        duel.step(rng.integers(0, 17) if rng.random() < 0.7 else rng.integers(1, 6))
        if env._step % 10 == 0:
            duel.balance()
        if env._player.health <= 0:
            have(env, health=9)
            duel.copy()
    assert len([name for name, times in env._player.achievements.items() if times]) >= 6
