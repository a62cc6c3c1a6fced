"""Views in words: the sentences say what the image shows, and the device says the same."""

import re

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from minigrid.core.constants import IDX_TO_COLOR, IDX_TO_OBJECT, STATE_TO_IDX

import didact.environments as environments
from didact.environments.grid import GridWorld, cells, text_observation
from didact.environments.language import vocabulary

FAMILIES = ["Playground"]
MORE = ["ObstructedMaze", "Crossing", "GoTo", "DynamicObstacles", "ObjectMissions"]
N = 32

STATES = {i: name for name, i in STATE_TO_IDX.items()}
TOLD = re.compile(
    r"(?:an? )?(?:(?P<state>open|closed|locked) )?"
    r"(?:(?P<color>red|green|blue|purple|yellow|grey) )?"
    r"(?P<kind>door|key|ball|box|goal|floor|lava)(?: square)?"
    r"(?: (?P<side_steps>\d) steps? (?P<side>left|right))?"
    r"(?: and)?(?: (?P<ahead>\d) steps? forward)?"
)


def views_of(name):
    """Views of a family along random lives, with the texts of the device: triples and tokens."""
    environment = environments.make(name, text=True)

    @jax.jit
    def lives(key):
        keys = jax.random.split(key, 3)
        tasks = environment.task_space.sample(keys[0], N)
        state, first = environment.reset(keys[1], tasks)
        # Mostly forward, so that there is something new to see, and in hand.
        actions = jnp.minimum(jnp.array([0, 1, 2, 2, 2, 3, 5]), environment.action_space.n - 1)

        def act(state, key):
            one, other = jax.random.split(key)
            state, seen = environment.step(one, state, jax.random.choice(other, actions, (N,)))
            return state, seen.observation

        _, later = jax.lax.scan(act, state, jax.random.split(keys[2], 30))
        return first.observation, later

    first, later = jax.device_get(lives(jax.random.key(3)))
    return (
        np.concatenate([first["image"], later["image"].reshape(-1, 7, 7, 3)]),
        np.concatenate([first["text"], later["text"].reshape(-1, text_observation.DEFAULT_LENGTH)]),
    )


def random_views(count=200):
    """Views such as no level has: each cell is anything."""
    rng = np.random.default_rng(0)
    every = [(0, 0, 0), (1, 0, 0), (8, 1, 0), (9, 0, 0)]
    every += [(kind, color, 0) for kind in (2, 3, 5, 6, 7) for color in range(6)]
    every += [(4, color, state) for color in range(6) for state in range(3)]
    image = np.array(every, np.uint8)[rng.integers(len(every), size=(count, 7, 7))]
    image[::2][rng.random((count // 2, 7, 7)) < 0.8] = (1, 0, 0)
    return image


def shown(image):
    """What an image shows, read with MiniGrid's constants: everything but walls, and the load.

    Things are (name, colour, state, steps to the right, steps ahead).
    """
    things, load = [], None
    for i in range(7):
        for j in range(7):
            kind, color, state = (int(x) for x in image[i, j])
            name = IDX_TO_OBJECT[kind]
            color = None if name == "lava" else IDX_TO_COLOR[color]
            if (i, j) == (3, 6):
                load = (name, color) if name in ("key", "ball", "box") else None
            elif name not in ("unseen", "empty", "wall"):
                state = STATES[state] if name == "door" else None
                things.append((name, color, state, i - 3, 6 - j))
    return things, load


def walls(image):
    """Steps to the wall in each straight line, where it is the first thing in that line."""
    found = {}
    for way, (di, dj) in {"forward": (0, -1), "left": (-1, 0), "right": (1, 0)}.items():
        i, j, steps = 3 + di, 6 + dj, 1
        while 0 <= i < 7 and 0 <= j < 7:
            name = IDX_TO_OBJECT[int(image[i, j, 0])]
            if name not in ("unseen", "empty"):
                if name == "wall":
                    found[way] = steps
                break
            i, j, steps = i + di, j + dj, steps + 1
    return found


def read(sentences):
    """What sentences say: things, load and walls, as `shown` and `walls` tell them."""
    things, load, found = [], None, {}
    for sentence in sentences:
        wall = re.fullmatch(r"You see a wall (\d) steps? (forward|left|right)", sentence)
        if wall:
            assert wall[2] not in found
            found[wall[2]] = int(wall[1])
            continue
        carries, told = re.fullmatch(r"You (carry|see) (.*)", sentence).groups()
        match = TOLD.fullmatch(told)
        assert match, sentence
        for number, noun in re.findall(r"(\d) (steps?)", sentence):
            assert (number == "1") == (noun == "step"), sentence
        if carries == "carry":
            assert load is None
            load = (match["kind"], match["color"])
            continue
        aside = int(match["side_steps"] or 0) * (-1 if match["side"] == "left" else 1)
        place = aside, int(match["ahead"] or 0)
        assert place != (0, 0), sentence
        things.append((match["kind"], match["color"], match["state"], *place))
    return things, load, found


@pytest.mark.parametrize(
    "name",
    [*FAMILIES, "anything", *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)],
)
def test_a_text_says_exactly_what_its_view_shows(name):
    if name == "anything":
        images = random_views()
        told = np.asarray(
            jax.jit(lambda x: text_observation.tokens(x, text_observation.MAX_LENGTH))(images)
        )
    else:
        images, told = views_of(name)
    rows = np.random.default_rng(0).permutation(len(images))[:400]
    kinds, carried = set(), 0
    for row in rows:
        sentences = text_observation.describe(images[row])
        things, load, found = read(sentences)
        expected, expected_load = shown(images[row])
        assert things == expected  # in the order of columns, and none twice
        assert load == expected_load
        assert found == walls(images[row])
        kinds |= {(kind, state) for kind, _, state, *_ in things}
        carried += load is not None
        # The device says the same, if there is room.
        whole = sum(len(vocabulary.tokens(s)) + 1 for s in sentences) - 1 <= told.shape[1]
        assert whole or name == "Crossing"
        if whole:
            assert text_observation.decode(told[row]) == sentences
    if name == "anything":
        assert {("door", "open"), ("door", "locked"), ("lava", None)} <= kinds
    assert len(kinds) >= {"Crossing": 2, "DynamicObstacles": 2}.get(name, 4)
    assert carried or name in ("Crossing", "DynamicObstacles")


@pytest.mark.parametrize("length", [1, 20, 60, 256])
def test_where_there_is_no_room_the_farthest_things_are_left_out(length):
    images = random_views()
    ids = np.asarray(jax.jit(lambda x: text_observation.tokens(x, length))(images))
    assert ids.shape == (len(images), length)
    cut = 0
    for image, row in zip(images, ids, strict=True):
        whole, kept = text_observation.describe(image), text_observation.describe(image, length)
        assert text_observation.decode(row) == kept
        rest = iter(whole)
        assert all(sentence in rest for sentence in kept)  # the same order
        left = [sentence for sentence in whole if sentence not in kept]
        cut += bool(left)
        (near, *_), (far, *_) = read(kept), read(left)
        distance = [[abs(aside) + ahead for *_, aside, ahead in part] for part in (near, far)]
        assert max(distance[0], default=0) <= min(distance[1], default=99)
        if near:  # all that comes before things is told
            assert all(s.startswith("You see") and "wall" not in s for s in left)
    assert cut > 20


@pytest.mark.slow
def test_the_longest_text_is_that_of_a_view_full_of_doors():
    image = np.full((7, 7, 3), (4, 0, 1), np.uint8)
    image[3, 6] = (5, 0, 0)
    sentences = text_observation.describe(image)
    assert len(sentences) == 49
    assert len(vocabulary.tokens(", ".join(sentences))) == text_observation.MAX_LENGTH
    ids = np.asarray(
        text_observation.tokens(jnp.asarray(image)[None], text_observation.MAX_LENGTH)
    )[0]
    assert (ids != 0).all()
    assert text_observation.decode(ids) == sentences


@pytest.mark.slow
def test_packed_views_are_told_alike():
    images = random_views(20)
    packed = cells.pack(images)
    one, other = (np.asarray(text_observation.tokens(x, 100)) for x in (images, packed))
    np.testing.assert_array_equal(one, other)
    for image, codes in zip(images, packed, strict=True):
        assert text_observation.describe(image) == text_observation.describe(codes)
    with pytest.raises(environments.SettingError, match=r"one view, \[7, 7\]"):
        text_observation.describe(images)


def test_an_empty_view_says_nothing():
    image = np.zeros((1, 7, 7), np.uint8)
    assert (
        text_observation.describe(image[0])
        == text_observation.decode(np.asarray(text_observation.tokens(image, 9))[0])
        == []
    )


def test_an_environment_has_texts_only_if_asked_for():
    assert set(GridWorld().observation_space) == {"image", "direction", "instruction"}
    space = GridWorld(text=True, text_length=40).observation_space["text"]
    assert (space.shape, space.dtype) == ((40,), jnp.uint8)
    with pytest.raises(environments.SettingError, match="text_length is 0"):
        GridWorld(text=True, text_length=0)


@pytest.mark.slow
def test_texts_come_with_every_transformation_of_the_program():
    world = environments.make("BabyAI-GoToLocal-v0", packed=True, text=True, text_length=90)
    n = 6
    tasks = world.task_space.sample(jax.random.key(0), n)

    def life(keys, tasks):
        state, _ = world.reset(keys, tasks)
        return world.step(None, state, jnp.full(len(tasks), 2))[1].observation

    keys = jax.random.split(jax.random.key(1), n)
    plain = jax.jit(life)(keys, tasks)
    expected = [text_observation.describe(image, 90) for image in np.asarray(plain["image"])]
    assert [text_observation.decode(row) for row in plain["text"]] == expected
    assert any(expected)

    twice = [x.reshape(2, 3, *x.shape[1:]) for x in (keys, tasks)]
    mapped = jax.jit(jax.vmap(life))(*twice)["text"].reshape(n, 90)
    np.testing.assert_array_equal(mapped, plain["text"])

    mesh = jax.make_mesh((1,), ("worlds",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec("worlds")
    split = jax.shard_map(life, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=True)
    np.testing.assert_array_equal(jax.jit(split)(keys, tasks)["text"], plain["text"])


@pytest.mark.filterwarnings("error")
@pytest.mark.filterwarnings("ignore:.*not have a render FPS.*")
def test_gymnasium_finds_nothing_wrong():
    world = gymnasium.make("didact/BabyAI-GoToLocal-v0", text=True, disable_env_checker=True)
    check_env(world.unwrapped, skip_close_check=True, skip_render_check=True)
    observation, _ = world.reset(seed=1)
    assert text_observation.decode(observation["text"]) == text_observation.describe(
        observation["image"]
    )
