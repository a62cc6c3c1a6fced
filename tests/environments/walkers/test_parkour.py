"""Parkour: its terrain by the rules of the original, its bodies, tasks and observations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from didact.common.errors import SettingError
from didact.environments import make
from didact.environments.physics import worlds_first
from didact.environments.physics.rays import CREEPER, OTHER, WATER, ray_hits
from didact.environments.physics.terrain import CEILING_IDS
from didact.environments.walkers import parkour_test_tasks
from didact.environments.walkers.bodies import PARKOUR_BODIES
from didact.environments.walkers.parkour import tasks as parkour_tasks
from didact.environments.walkers.parkour import terrain as terrains
from didact.environments.walkers.track import GROUND, RAY_RANGE, SPACING, STARTPAD

KEYS = jax.random.split(jax.random.key(0), 6)
TASKS = np.array(
    [
        (-0.1, 0.95, 0.15, 0.85, 0.25, 0.5, 2.0, 10),
        (-0.3, 0.6, 0.0, 0.0, 0.25, 4.0, 0.0, 10),
        (0.05, 1.0, 0.3, 1.0, 0.25, 0.0, 5.0, 10),
        (-0.35, 0.7, -0.1, 0.9, 0.4, 1.0, 1.0, 10),
        (-0.5, 0.6, -0.9, 0.0, 0.0, 0.0, 0.0, 20),
        (0.7, 0.9, 0.3, 1.0, 0.0, 2.0, 0.4, 20),
    ],
    np.float32,
)
BUILD = jax.jit(terrains.build)


@pytest.fixture(scope="module")
def built():
    return jax.device_get(BUILD(KEYS, jnp.asarray(TASKS)))


def test_ground_and_ceiling_are_those_of_the_network(built):
    """A plain version in float64, and the alignment to the level start."""
    layers = [np.asarray(w, np.float64) for w in terrains.weights()]
    for i, task in enumerate(TASKS):
        x = np.array([[k / 199, *task[:3]] for k in range(200)])
        for number, layer in enumerate(layers[:4]):
            x = x @ layer
            x = np.logaddexp(x, 0) if number % 2 else np.tanh(x)
        y = x @ layers[4] / task[7]
        ground = y[:, 0] - y[0, 0] + GROUND
        ceiling = np.maximum(y[:, 1] - y[0, 1] + GROUND + 200 / task[7], ground)
        assert_allclose(built.heights[i, 20:], ground, atol=5e-3)
        assert_allclose(built.ceiling[i, 20:], ceiling, atol=5e-3)
        assert_allclose(built.heights[i, :20], GROUND)
        bottom = -1000 / task[7]
        share = max(task[3], 0.01)
        expected = bottom + share * (max(ceiling.max(), GROUND + 200 / task[7]) - bottom)
        assert built.water[i] == pytest.approx(expected, abs=0.02)


def test_creepers_hang_where_the_original_hangs_them(built):
    for i, task in enumerate(TASKS):
        spacing, since, expected = max(task[6], 0.01), max(task[6], 0.01), []
        for point in range(terrains.LENGTH - 1):
            if since >= spacing:
                expected.append(point)
                since = 0.0
            else:
                since += SPACING
        low, high = built.creepers.low[i], built.creepers.high[i]
        assert np.flatnonzero(high > low).tolist() == expected
        length = (high - low)[expected]
        assert (length >= 0.2 - 1e-4).all()
        if task[5] > 0.5:
            assert length.mean() == pytest.approx(task[5], abs=0.05)
        chain = built.ceiling[i]
        following = np.append(chain[1:], chain[-1])
        assert_allclose(high, np.maximum(chain, following))
        assert built.creepers.width[i] == pytest.approx(max(task[4], 0.2))


def test_published_test_sets():
    space = parkour_tasks.task_space("tests")
    for kind in parkour_tasks.SETS:
        tasks = parkour_test_tasks(kind)
        assert tasks.shape == (100, 8)
        assert np.asarray(space.contains(jnp.asarray(tasks))).all()
    assert (parkour_test_tasks("climbing")[:, 7] == 10).all()
    with pytest.raises(SettingError, match="kind"):
        parkour_test_tasks("flying")  # pyright: ignore[reportArgumentType]


@pytest.mark.slow
def test_rays_see_creepers_and_water():
    """A flat cave with one creeper, seen from four places."""
    length = 60
    n = 4
    ground, ceiling = np.full((n, length), 0.0), np.full((n, length), 10.0)
    high = ceiling.copy()
    low = high.copy()
    low[:, 20] = 4.0
    terrain = terrains.Terrain(
        *(jnp.asarray(q, jnp.float32) for q in (ground, np.zeros((n, 0, 4)))),
        jnp.zeros((n, length), jnp.int32),
        jnp.asarray(ceiling, jnp.float32),
        terrains.Creepers(
            jnp.asarray(low, jnp.float32), jnp.asarray(high, jnp.float32), jnp.full(n, 0.25)
        ),
        jnp.array([2.0, 2.0, 2.0, -5.0]),
    )
    left = 20 * SPACING
    x = jnp.array([left - 2, left - 2, left + 0.1, left - 2], jnp.float32)
    y = jnp.array([5.0, 1.0, 5.0, 3.0], jnp.float32)
    rays = RAY_RANGE * np.array([(1.0, 0.0), (0.0, -1.0), (0.0, 1.0)])
    fraction, kind = (np.asarray(q).T for q in ray_hits(terrain, SPACING, x, y, rays, 0.25))
    reach = RAY_RANGE
    # Above water, before the creeper.
    assert_allclose(fraction[0], [2 / reach, 3 / reach, 5 / reach], rtol=1e-4)
    assert kind[0].tolist() == [CREEPER, WATER, OTHER]
    # Under water, below the creeper's end: only ground and ceiling, which is too far.
    assert_allclose(fraction[1], [1, 1 / reach, 1], rtol=1e-4)
    assert kind[1].tolist() == [OTHER, OTHER, OTHER]
    # Inside of the creeper, which is not seen.
    assert kind[2].tolist() == [OTHER, WATER, OTHER]
    # Below the creeper, and no water.
    assert kind[3].tolist() == [OTHER, OTHER, OTHER]


# As in TeachMyAgent: motors, feet and hands.
SIZES = {
    **{"biped": (4, 2, 0), "classic_biped": (4, 2, 0), "small_biped": (4, 2, 0)},
    "quadruped": (8, 4, 0),
    **{"spider": (12, 4, 0), "millipede": (16, 8, 0), "wheel": (8, 4, 0)},
    **{"chimpanzee": (14, 8, 0), "climbing_chimpanzee": (10, 4, 2)},
    **{"climbing_chest": (6, 2, 2), "fish": (4, 4, 0), "amphibious_biped": (4, 2, 0)},
}


@pytest.mark.parametrize("body", PARKOUR_BODIES)
def test_actions_and_observations_have_the_sizes_of_the_original(body):
    environment = make("Parkour", body=body)
    motors, feet, hands = SIZES[body]
    assert environment.action_space.size == motors + hands
    expected = 6 + 2 * motors + feet + 2 * hands + 20
    assert environment.observation_space["observation"].shape == (expected,)


# The critical bodies of TeachMyAgent: their contact with the ground ends an episode.
CRITICAL = {
    "chimpanzee": {"head", "chest"},
    "climbing_chimpanzee": {"head", "chest", "left shank", "right shank"},
    "climbing_chest": {"head", "chest"},
}


@pytest.mark.parametrize("body", PARKOUR_BODIES)
def test_contacts_that_end_an_episode_are_those_of_the_original(body):
    """One body after another touches the ground, and then the ceiling."""
    environment = make("Parkour", body=body)
    mechanism = environment.walker.mechanism
    names = [mechanism.bodies[i].name for i in mechanism.solid.bodies]
    bodies = worlds_first(environment.engine.at_rest(len(names)))
    contacts = bodies.contacts
    touching = contacts.touching.at[:, :, 0].set(jnp.eye(len(names), dtype=bool))
    expected = CRITICAL.get(body, set())
    for surface, ends in ((5, expected), (CEILING_IDS + 5, expected)):
        if surface > CEILING_IDS and environment.walker.kind == "climber":
            ends = set()
        here = contacts._replace(touching=touching, surface=0 * contacts.surface + surface)
        found = environment._critical_contact(bodies._replace(contacts=here))
        assert {name for name, over in zip(names, found, strict=True) if over} == ends


def test_climbers_start_hanging_from_the_ceiling():
    environment = make("Parkour", body="climbing_chest", tasks="tests")
    tasks = jnp.asarray(TASKS)
    state, first = jax.jit(environment.reset)(jax.random.key(0), tasks)
    labels = dict(zip(environment.propositions, np.asarray(first.labels).T, strict=True))
    assert labels["holding with both hands"].all()
    assert not labels["in the air"].any()
    assert_allclose(state.bodies.grips.y[:, 0], state.terrain.ceiling[:, 0], atol=0.1)
    seen = np.asarray(first.observation["observation"])
    hands = seen[:, -24:-20]
    assert (hands == 1).all()  # both touch, and hold
    picture = environment.render(jax.device_get(state), 0)
    assert picture.shape == (400, 600, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20


def test_bodies_that_float_are_not_in_the_air():
    """With the head in the air and a leg in the water, and with the level below the legs."""
    environment = make("Parkour", body="amphibious_biped")
    tasks = jnp.tile(jnp.asarray(environment.evaluation_tasks["gentle"]), (3, 1))
    state, _ = jax.jit(environment.reset)(jax.random.key(0), tasks)
    lowest, head = state.bodies.motion.y.min(axis=1), environment.head(state.bodies)[1]
    level = jnp.stack([head[0] + 1, lowest[1] + 0.1, lowest[2] - 0.1])
    contacts = state.bodies.contacts
    contacts = contacts._replace(touching=jnp.zeros_like(contacts.touching))
    bodies = state.bodies._replace(contacts=contacts)
    state = state._replace(bodies=bodies, terrain=state.terrain._replace(water=level))
    airborne = environment.labels(state)[:, environment.propositions.index("in the air")]
    assert np.asarray(airborne).tolist() == [False, False, True]


def test_pictures_show_the_water():
    environment = make("Parkour", body="fish")
    tasks = jnp.asarray([environment.evaluation_tasks[name] for name in ("gentle", "shore")])
    state, first = jax.jit(environment.reset)(jax.random.key(0), tasks)
    under = np.asarray(first.labels)[:, environment.propositions.index("under water")]
    assert under.tolist() == [True, True]
    dry = state._replace(terrain=state.terrain._replace(water=state.terrain.water * 0 - 99))
    wet, without = (environment.render(jax.device_get(s), 1).astype(int) for s in (state, dry))
    assert wet[..., 2].mean() - wet[..., 0].mean() > without[..., 2].mean() - without[..., 0].mean()


def test_easy_tasks_suit_the_kind_of_body():
    """Swimmers start wet; the others dry, and climbers below a gentle ceiling, near creepers."""
    n = 60
    built = {}
    for body in ("biped", "fish", "climbing_chest"):
        tasks = make("Parkour", body=body).easy_space.sample(jax.random.key(0), n)
        keys = jax.random.split(jax.random.key(1), n)
        built[body] = jax.device_get(BUILD(keys, parkour_tasks.completed(tasks)))
    start = STARTPAD // 2
    for body, terrain in built.items():
        wet = terrain.water > terrain.heights[:, start] + 2
        assert wet.all() if body == "fish" else not wet.any()
    ahead = slice(start, start + int(30 / SPACING))
    climb = built["climbing_chest"]
    slopes = np.abs(np.diff(climb.ceiling[:, ahead])) / SPACING
    assert (slopes.max(axis=1) < 1).mean() > 0.85
    length = climb.creepers.high[:, ahead] - climb.creepers.low[:, ahead]
    hangs = length > 0
    assert length[hangs].min() > 1.5
    assert (hangs.sum(axis=1) > 30 / 2).all()  # one at least every 2 m


def test_returns_have_the_ranges_of_the_original():
    """The `env_reward_lb` and `env_reward_ub` of its two environments."""
    assert make("StumpTracks").return_range == (-150, 350)
    assert make("Parkour").return_range == (-150, 360)


def test_bodies_and_kinds_of_tasks_are_checked():
    with pytest.raises(SettingError, match="body"):
        make("Parkour", body="snail")
    with pytest.raises(SettingError, match="tasks"):
        make("Parkour", tasks="all")


@pytest.mark.slow
@pytest.mark.parametrize("body", ["biped", "climbing_chimpanzee", "fish"])
def test_hostile_actions_leave_finite_states(body):
    """NaN, infinities and full torques, over the whole task space; nothing leaves the cave."""
    environment = make("Parkour", body=body)
    n = 64
    tasks = environment.task_space.sample(jax.random.key(1), n)
    state, _ = jax.jit(environment.reset)(jax.random.key(2), tasks)
    step = jax.jit(environment.step)
    rng = np.random.default_rng(0)
    shape = (n, environment.action_space.size)
    strange = np.array([np.nan, np.inf, -np.inf, 1e9, -1e9, 1.0, -1.0], np.float32)
    for number in range(300):
        state, seen = step(jax.random.key(number), state, jnp.asarray(rng.choice(strange, shape)))
        for leaf in jax.tree.leaves((state, seen)):
            if np.issubdtype(leaf.dtype, np.floating):
                assert np.isfinite(np.asarray(leaf)).all()
    x, y = (np.asarray(q) for q in environment.head(state.bodies))
    at = np.arange(terrains.LENGTH) * SPACING
    for i in range(n):
        if 0 < x[i] < terrains.END and not bool(seen.terminated[i]):
            low = np.interp(x[i], at, state.terrain.heights[i])
            high = np.interp(x[i], at, state.terrain.ceiling[i])
            assert low - 0.3 < y[i] < max(high, low) + 0.3
