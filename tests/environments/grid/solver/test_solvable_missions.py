"""Ten thousand missions of each of the hardest levels: all can be fulfilled, none is already."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from solver_references import lost

from didact.environments import make
from didact.environments.grid import cells, rules
from didact.environments.grid.rules import CARRIED, GONE
from didact.environments.grid.solver import planner
from didact.environments.language import grammar, vocabulary

HARDEST = (
    "BabyAI-BossLevel-v0",
    "BabyAI-GoToImpUnlock-v0",
    "BabyAI-MiniBossLevel-v0",
    "BabyAI-PutNextS7N4-v0",
    "BabyAI-SynthSeq-v0",
    "BabyAI-UnblockPickup-v0",
)
BATCH = 1024
COPIES, LUCK = 128, 0.15


def faced(state, index, width):
    """The cell that the agent looks at."""
    position, direction = int(state.world.position[index]), int(state.world.direction[index])
    return position + (1, width, -1, -width)[direction]


def clauses_of(state, index):
    """Each clause of a world: its kind, and where the two sets of things that it means lie."""
    for c, code in enumerate(state.goal.clauses[index]):
        if code:
            members = state.goal.members[index]
            sets = [np.flatnonzero(members >> d & 1) for d in (2 * c, 2 * c + 1)]
            yield int(code) & grammar.KIND_BITS, sets


def flaws(state, index, width):
    """What BabyAI's generator does not allow at the start of a mission.

    Things to be put next to one another may not lie so, nor be the same; doors to be opened are
    shut, and what is to be picked up is not in hand. To stand before what one is to go to is
    allowed.
    """
    places, cell = state.world.places[index].astype(int), state.world.cells[index]
    for kind, (meant, other) in clauses_of(state, index):
        if not len(meant) or np.any(places[meant] == GONE):
            yield "something meant is not there"
        if kind == grammar.OPEN and np.any(cell[places[meant]] & 15 == cells.DOOR):
            yield "a door stands open"
        if kind == grammar.PICK_UP and np.any(places[meant] == CARRIED):
            yield "it is in hand"
        if kind == grammar.PUT_NEXT:
            if not len(other) or set(meant) & set(other):
                yield "things are put next to themselves, or to nothing"
            (x, y), (there_x, there_y) = (
                (places[k] % width, places[k] // width) for k in (meant, other)
            )
            apart = np.abs(x[:, None] - there_x) + np.abs(y[:, None] - there_y)
            if np.any(apart == 1):
                yield "they lie next to one another"


def solvable(environment, state, index):
    """Whether the expert fulfils a mission within its limit if some of its steps are random.

    It looks one aim ahead, and in crowded rooms may go in circles, laying down what bars its way
    where it bars another. One success in a few hundred episodes proves that there is a way.
    """
    copies = jax.tree.map(lambda x: np.repeat(x[[index]], COPIES, axis=0), state)
    expert = planner.expert(environment)

    def step(_, carry):
        state, alive, won, key = carry
        key, when, what = jax.random.split(key, 3)
        luck = jax.random.randint(what, (COPIES,), 0, len(rules.ACTIONS))
        actions = jnp.where(jax.random.uniform(when, (COPIES,)) < LUCK, luck, expert(state))
        state, seen = environment.step(None, state, actions)
        return state, alive & ~seen.done, won | alive & seen.success, key

    @jax.jit
    def play(state, key):
        everyone = jnp.ones(COPIES, bool)
        carry = state, everyone, ~everyone, key
        return jnp.any(jax.lax.fori_loop(0, state.max_steps[0], step, carry)[2])

    return any(play(copies, jax.random.key(seed)) for seed in range(4))


def check(name, batches):
    """Missions for which no way to fulfil them was found, and how many there were in all."""
    environment = make(name)
    width = environment.width

    def run(key):
        tasks = environment.task_space.sample(jax.random.fold_in(key, 1), BATCH)
        state, _ = environment.reset(key, tasks)
        idle = np.full(BATCH, rules.DONE)
        _, after = environment.step(None, state, idle)
        success, steps = planner.solve(environment, state)
        return state, after.success, success, steps

    run = jax.jit(run)
    left, seen = [], 0
    for batch in range(batches):
        state, at_once, success, steps = jax.device_get(run(jax.random.key(100 + batch)))
        seen += BATCH
        texts = [vocabulary.decode(m) for m in state.mission]
        for i, text in enumerate(texts):
            assert not list(flaws(state, i, width)), (text, list(flaws(state, i, width)))
            # Whoever does nothing succeeds where all that is asked for is to go to what is ahead.
            ahead = faced(state, i, width)
            stands = all(
                kind == grammar.GO_TO and ahead in state.world.places[i][meant]
                for kind, (meant, _) in clauses_of(state, i)
            )
            assert at_once[i] == stands, text
        assert (steps[at_once] == 1).all()
        assert not np.any(lost(state))
        missed = [i for i in np.flatnonzero(~success) if not solvable(environment, state, i)]
        left += [(batch, int(i), texts[i]) for i in missed]
    return left, seen


@pytest.mark.parametrize("damage", ["door", "hand", "neighbour", "itself", "gone"])
def test_flaws_are_noticed(damage):
    """Missions that are fulfilled already, made by hand from good ones."""
    environment = make("BabyAI-MiniBossLevel-v0")
    tasks = environment.task_space.sample(jax.random.key(0), 256)
    state, _ = jax.device_get(jax.jit(environment.reset)(jax.random.key(1), tasks))
    asked = {"door": grammar.OPEN, "hand": grammar.PICK_UP, "gone": grammar.GO_TO}
    wanted = asked.get(damage, grammar.PUT_NEXT)
    i, (meant, other) = next(
        (i, sets) for i in range(256) for kind, sets in clauses_of(state, i) if kind == wanted
    )
    assert not list(flaws(state, i, environment.width))
    places, map = state.world.places.copy(), state.world.cells.copy()
    members = state.goal.members.copy()
    if damage == "door":
        map[i, places[i, meant[0]]] = cells.DOOR
    elif damage == "neighbour":
        places[i, meant[0]] = places[i, other[0]] + environment.width
    elif damage == "itself":
        members[i, meant[0]] |= members[i, other[0]]
    else:
        places[i, meant[0]] = {"hand": CARRIED, "gone": GONE}[damage]
    world = state.world._replace(places=places, cells=map)
    state = state._replace(world=world, goal=state.goal._replace(members=members))
    assert list(flaws(state, i, environment.width))


@pytest.mark.slow
@pytest.mark.parametrize("name", HARDEST[3:4])
def test_missions_can_be_fulfilled(name):
    left, _ = check(name, 1)
    assert not left


@pytest.mark.slow
@pytest.mark.parametrize("name", HARDEST)
def test_ten_thousand_missions_can_be_fulfilled(name):
    left, seen = check(name, 10)
    assert seen >= 10_000
    assert not left
