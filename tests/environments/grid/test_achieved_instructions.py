"""What steps fulfilled: the verifier must call it fulfilled, and nothing may be missed."""

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import didact
from didact.environments import SettingError
from didact.environments.grid import achieved_instructions, cells, rules, verifier
from didact.environments.language import vocabulary
from didact.environments.language.grammar import GO_TO, OPEN, PICK_UP, PUT_NEXT

pytestmark = pytest.mark.slow

N, T = 64, 120
KINDS = {"go": GO_TO, "open": OPEN, "pick": PICK_UP, "put": PUT_NEXT}


@pytest.fixture(scope="module", params=["MiniSynth", "BabyAI-KeyInBox-v0"])
def walk(request):
    """A walk in which hands are busy: states, actions, and what is told of each step."""
    world = didact.make(request.param)
    teller = achieved_instructions.describer(world)
    state, _ = jax.jit(world.reset)(
        jax.random.key(0), world.task_space.sample(jax.random.key(1), N)
    )
    likely = jnp.log(jnp.array([0.18, 0.18, 0.3, 0.14, 0.06, 0.14, 0.0]))

    @jax.jit
    def move(state, key):
        actions = jax.random.categorical(key, likely, shape=(N,))
        after, _ = world.step(key, state, actions)
        told = teller.describe(teller.reveal(state), teller.reveal(after))
        return after, actions, told

    steps = []
    for t in range(T):
        after, actions, told = move(state, jax.random.key(t))
        steps.append(jax.device_get((state, after, actions, told)))
        state = after
    return world, steps


def meant(objects, description):
    """Which rows a description means, word by word."""
    _, color, kind = description
    found = []
    for code in objects.tolist():
        state = code & cells.KIND_BITS
        name = "door" if state > 10 else {v: k for k, v in cells.TYPES.items()}.get(state)
        looks = cells.COLORS[(code & cells.SEEN_BITS) >> cells.COLOR_SHIFT], name
        found.append(code != 0 and looks == (color, kind))
    return np.array(found)


def parsed(text, objects):
    """The kind of clause and which rows its descriptions mean."""
    words = text.split()
    kind = KINDS[words[0]]
    rest = words[2:] if kind in (GO_TO, PICK_UP) else words[1:]
    one = meant(objects, rest[:3])
    other = meant(objects, rest[5:]) if kind == PUT_NEXT else np.zeros_like(one)
    for description, rows in ((rest[:3], one), (rest[5:], other)):
        if description:
            assert (description[0] == "a") == (rows.sum() > 1), text
    return kind, one, other


def test_the_verifier_agrees(walk):
    world, steps = walk
    count = collections.Counter()
    verify = jax.jit(lambda *given: verifier.verify(*given, world.width)[1].success)
    for before, after, actions, (told, fulfilled) in steps:
        n, k = before.world.objects.shape
        clauses, members = np.zeros((n, 1), np.uint8), np.zeros((n, k), np.uint8)
        for i in np.flatnonzero(fulfilled):
            kind, one, other = parsed(vocabulary.decode(told[i]), before.world.objects[i])
            clauses[i], members[i] = kind, one + 2 * other
            count[kind] += 1
        # Somebody who was given that instruction knows of the things what the real one knows.
        goal = verifier.start(jnp.asarray(clauses), jnp.asarray(members), before.goal.known)
        carried = before.world.places == rules.CARRIED
        row = np.where(carried.any(1), carried.argmax(1), verifier.NOTHING)
        goal = goal._replace(held=jnp.asarray(row[:, None], jnp.int8))
        success = np.asarray(verify(goal, after.world, actions))
        assert success[fulfilled].all()
    wanted = {GO_TO, OPEN, PICK_UP, PUT_NEXT} if world.name == "MiniSynth" else {GO_TO, PICK_UP}
    assert all(count[kind] > 10 for kind in wanted), count


def test_nothing_that_hands_did_is_missed(walk):
    world, steps = walk
    count = collections.Counter()
    for before, after, actions, (told, fulfilled) in steps:
        words = [vocabulary.decode(row).split() for row in told]
        took = (before.world.carried == cells.EMPTY) & (after.world.carried != cells.EMPTY)
        for i in np.flatnonzero(took):
            assert fulfilled[i]
            assert words[i][0] == "pick"
            count["pick"] += 1
        doors = cells.kind_of(before.world.cells) != cells.kind_of(after.world.cells)
        doors &= cells.kind_of(after.world.cells) == cells.DOOR
        for i in np.flatnonzero(doors.any(1) & (actions == rules.TOGGLE)):
            assert words[i][0] == "open"
            count["open"] += 1
        # What was put down, and where it is now beside something else.
        left = (before.world.carried != cells.EMPTY) & (after.world.carried == cells.EMPTY)
        for i in np.flatnonzero(left):
            places = after.world.places[i].astype(int)
            (put,) = np.flatnonzero(before.world.places[i] == rules.CARRIED)
            apart = np.abs(places - places[put])
            beside = ((apart == 1) | (apart == world.width)) & (places >= 0)
            assert (words[i][:1] == ["put"]) == beside.any()
            count["put"] += beside.any()
    assert count["pick"] > 20
    assert world.name != "MiniSynth" or min(count["open"], count["put"]) > 10


def test_what_missions_asked_for_is_told():
    """Where a mission of one clause ends well, that step fulfilled something."""
    world = didact.make("BabyAI-GoToLocal-v0")
    teller = achieved_instructions.describer(world)
    state, _ = jax.jit(world.reset)(
        jax.random.key(0), world.task_space.sample(jax.random.key(1), 512)
    )

    @jax.jit
    def move(state, key):
        after, seen = world.step(key, state, jax.random.randint(key, (512,), 0, 3))
        told = teller.describe(teller.reveal(state), teller.reveal(after))
        return after, seen.success, told

    found = 0
    for t in range(30):
        before = state
        state, success, (told, fulfilled) = move(state, jax.random.key(t))
        fresh = np.asarray(success & ~np.asarray(move_done(before)))
        assert np.asarray(fulfilled)[fresh].all()
        np.testing.assert_array_equal(told[fresh], before.mission[fresh])
        found += fresh.sum()
    assert found > 50


def move_done(state):
    """Where the mission was fulfilled before: worlds are not restarted here."""
    return state.goal.done.all(1)


def test_nothing_is_told_of_an_episodes_first_scene():
    world = didact.make("BabyAI-GoToLocal-v0")
    teller = achieved_instructions.describer(world)
    state, _ = jax.jit(world.reset)(
        jax.random.key(0), world.task_space.sample(jax.random.key(1), 64)
    )
    _, fulfilled = teller.describe(teller.initial(64), teller.reveal(state))
    assert not fulfilled.any()


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("MiniGrid-DoorKey-5x5-v0", {}, "Baby Language"),
        ("BabyAI-GoToLocal-v0", {"done_action": True}, "done_action is True"),
        ("BabyAI-GoToLocal-v0", {"mission_length": 5}, "mission_length is 5"),
    ],
)
def test_what_cannot_be_told_is_refused(name, settings, message):
    with pytest.raises(SettingError, match=message):
        achieved_instructions.describer(didact.make(name, **settings))
