"""Whatever is done in a grid world, nothing is lost, doubled, or inside something else."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import Restart, make, registered, split_keys
from didact.environments.grid import GridWorld, cells
from didact.environments.grid.rules import CARRIED, GONE, INSIDE

GRIDS = [
    e.name
    for e in registered()
    if not e.name.startswith("brax/") and isinstance(make(e.name), GridWorld)
]
# Boxes and locked doors; what moves by itself.
SOME = [pytest.param("ObstructedMaze", marks=pytest.mark.slow), "DynamicObstacles"]
STEPS = 10_000_000
# Rooms of any size on a larger map, which is empty beyond them, as in MiniGrid.
SMALLER_ROOMS = ("MiniGrid-GoToDoor-", "ObjectMissions", "MiniGrid-MultiRoom-", "MultiRoom")


def broken(environment, state):
    """Which worlds break each of the laws, bool[n] by name."""
    world = state.world
    map, places, objects = world.cells, world.places.astype(jnp.int32), world.objects
    size = map.shape[1]
    rows = jnp.arange(objects.shape[1])
    kind, look = cells.kind_of(map), map & cells.SEEN_BITS
    there = places >= 0
    at = jnp.take_along_axis(look, jnp.maximum(places, 0), axis=1)

    def plain(cell):  # doors look alike, whatever their state
        return jnp.where(
            cells.is_door(cells.kind_of(cell)),
            cells.code(cells.DOOR, cells.color_of(cell)),
            cell & cells.SEEN_BITS,
        )

    things = cells.is_portable(cells.kind_of(objects))
    doors = cells.is_door(cells.kind_of(objects))
    carried = places == CARRIED
    inside = places <= INSIDE
    box = jnp.where(inside, INSIDE - places, 0)
    box_place = jnp.take_along_axis(places, box, axis=1)
    box_kind = cells.kind_of(jnp.take_along_axis(objects, box, axis=1))
    in_hand = jnp.sum(jnp.where(carried, objects & cells.SEEN_BITS, 0), axis=1)
    own = jnp.take_along_axis(kind, world.position[:, None], axis=1)[:, 0]
    x, y = world.position % environment.width, world.position // environment.width
    border = (jnp.arange(size) % environment.width) % (environment.width - 1) == 0
    border |= (jnp.arange(size) // environment.width) % (environment.height - 1) == 0
    on_cells = jnp.sum(cells.is_portable(kind), axis=1)
    same_place = (places[:, :, None] == places[:, None]) & there[:, :, None]
    same_place &= rows[:, None] != rows
    hand = world.carried & cells.SEEN_BITS
    return {
        "the agent stands where it can": ~cells.is_walkable(own),
        "the agent is inside the walls": (x < 1)
        | (y < 1)
        | (x >= environment.width - 1)
        | (y >= environment.height - 1),
        "there is a border all around": jnp.any(border & cells.is_walkable(kind), axis=1),
        "objects look as they did": jnp.any(there & (plain(at) != plain(objects)), axis=1),
        "what lies there is in the table": on_cells != jnp.sum(there & things, axis=1),
        "two objects share no cell": jnp.any(same_place, axis=(1, 2)),
        "the hand holds what is carried": jnp.where(in_hand == 0, cells.EMPTY, in_hand) != hand,
        "one thing is carried at most": jnp.sum(carried, axis=1) > 1,
        "doors stay where they are": jnp.any(doors & ~there & (places != GONE), axis=1),
        "only boxes are used up": jnp.any(
            (places == GONE) & things & (cells.kind_of(objects) != cells.BOX), axis=1
        ),
        "what is inside is in a box": jnp.any(
            inside & ((box_kind != cells.BOX) | (box_place == GONE)), axis=1
        ),
        "directions are four": (world.direction < 0) | (world.direction > 3),
        "time goes on": (state.steps < 0) | (state.steps >= state.max_steps),
    }


def play(name, worlds, steps, seed=0):
    """Laws broken in a random walk with restarts, by name; and how many episodes it had."""
    environment = make(name)
    restart = Restart(environment)
    space = environment.task_space

    def step(carry, key):
        state, bad, episodes = carry
        act, go, task, again = jax.random.split(key, 4)
        actions = jax.random.randint(act, (worlds,), 0, environment.action_space.n)
        state, seen = environment.step(go, state, actions)
        keys, tasks = split_keys(again, worlds), space.sample(task, worlds)
        state, _ = restart(keys, tasks, seen.done, state, seen)
        found = {law: jnp.sum(x) for law, x in broken(environment, state).items()}
        bad = jax.tree.map(jnp.add, bad, found)
        return (state, bad, episodes + jnp.sum(seen.done)), None

    @jax.jit
    def run(key):
        task, reset, steps_key = jax.random.split(key, 3)
        state, _ = environment.reset(reset, space.sample(task, worlds))
        bad = {law: jnp.sum(x) for law, x in broken(environment, state).items()}
        carry = (state, bad, jnp.int32(0))
        return jax.lax.scan(step, carry, jax.random.split(steps_key, steps))[0][1:]

    bad, episodes = run(jax.random.key(seed))
    if name.startswith(SMALLER_ROOMS):
        del bad["there is a border all around"]
    return {law: int(x) for law, x in bad.items() if int(x)}, int(episodes)


@pytest.mark.parametrize("name", SOME)
def test_no_law_is_broken(name):
    bad, episodes = play(name, 256, 400)
    assert not bad
    assert episodes > 5


def test_the_laws_are_noticed_when_broken():
    """Each kind of damage to a good state breaks at least the law against it."""
    environment = make("BabyAI-BossLevel-v0")
    state, _ = jax.jit(environment.reset)(
        jax.random.key(0), environment.task_space.sample(jax.random.key(1), 4)
    )
    check = jax.jit(functools.partial(broken, environment))
    assert not any(np.any(x) for x in check(state).values())
    world, portable = state.world, np.asarray(cells.is_portable(cells.kind_of(state.world.objects)))
    row = int(np.flatnonzero(portable[0] & (np.asarray(world.places[0]) >= 0))[0])
    place = int(world.places[0, row])
    damages = {
        "the agent stands where it can": world._replace(position=world.position.at[0].set(place)),
        "what lies there is in the table": world._replace(
            cells=world.cells.at[0, place].set(cells.EMPTY)
        ),
        "the hand holds what is carried": world._replace(
            places=world.places.at[0, row].set(CARRIED)
        ),
        "objects look as they did": world._replace(
            objects=world.objects.at[0, row].set(world.objects[0, row] ^ 16)
        ),
        "there is a border all around": world._replace(cells=world.cells.at[0, 3].set(cells.EMPTY)),
    }
    for law, damaged in damages.items():
        found = check(state._replace(world=damaged))
        assert np.asarray(found[law]).tolist() == [True, False, False, False], law


@pytest.mark.slow
@pytest.mark.parametrize("name", GRIDS)
def test_ten_million_random_steps_break_no_law(name):
    """In all, with walks so long that time limits are reached wherever steps allow it."""
    environment = make(name)
    total = -(-STEPS // len(GRIDS))
    steps = max(environment.max_steps + 1, 500)
    worlds = max(-(-total // steps), 4)
    bad, episodes = play(name, worlds, steps)
    assert not bad
    # Whoever has not succeeded before ends at the limit.
    assert episodes >= worlds
