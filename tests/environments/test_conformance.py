"""What every registered environment has to keep, whatever its world."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import didact.environments as environments
from didact.environments.words import make_told

ALL = [entry.name for entry in environments.registered()]
N = 12


@functools.cache
def make(name):
    name, *settings = name.split()
    return make_told(name, settings)


def one_of_each_kind():
    """The first name of every kind of environments: these are really run.

    Environments differ in kind by their class, by whether their steps are random, and by the kind
    of their tasks.
    """
    kinds = {}
    for name in ALL:
        random_steps = getattr(getattr(make(name), "family", None), "random_steps", False)
        kind = type(make(name)), random_steps, type(make(name).task_space)
        kinds.setdefault(kind, []).append(name)
    return [name for names in kinds.values() for name in names[:1]]


# With feedback it is another kind, that has no name of its own.
TOLD = "BabyAI-PutNextLocalS5N3-v0 feedback=both feedback_phrasing=train feedback_wrong=0.2"
SOME = [*one_of_each_kind(), TOLD]
# Where that kind, with its solver, would be compiled for longest.
MOST = [*one_of_each_kind(), pytest.param(TOLD, marks=pytest.mark.slow)]


@functools.cache
def compiled(name):
    return jax.jit(make(name).reset), jax.jit(make(name).step)


def start(name, seed=0, n=N):
    environment = make(name)
    tasks = environment.task_space.sample(jax.random.key(seed + 100), n)
    state, timestep = compiled(name)[0](jax.random.key(seed), tasks)
    return tasks, state, timestep


def random_actions(environment, seed, n=N):
    return jax.random.randint(jax.random.key(seed), (n,), 0, environment.action_space.n)


def assert_equal(a, b):
    a, b = jax.tree.leaves(a), jax.tree.leaves(b)
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            x, y = jax.random.key_data(x), jax.random.key_data(y)
        x, y = np.asarray(x), np.asarray(y)
        assert x.dtype == y.dtype
        if np.issubdtype(x.dtype, np.floating):
            np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)
        else:
            np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", [*ALL, TOLD])
def test_shapes_and_types_are_as_declared(name):
    environment = make(name)
    tasks = jax.ShapeDtypeStruct((N, environment.task_space.size), jnp.float32)
    key = jax.eval_shape(lambda: jax.random.key(0))
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), N))
    state, first = jax.eval_shape(environment.reset, key, tasks)
    assert jax.eval_shape(environment.reset, keys, tasks) == (state, first)
    actions = jax.ShapeDtypeStruct((N,), jnp.int32)
    after, second = jax.eval_shape(environment.step, key, state, actions)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), after) == jax.tree.map(
        lambda x: (x.shape, x.dtype), state
    )
    for timestep in (first, second):
        assert set(timestep.observation) == set(environment.observation_space)
        for part, space in environment.observation_space.items():
            assert timestep.observation[part].shape == (N, *space.shape), part
            assert timestep.observation[part].dtype == space.dtype, part
        assert timestep.reward.shape == (N,)
        assert timestep.reward.dtype == jnp.float32
        for flag in (timestep.terminated, timestep.truncated, timestep.success):
            assert (flag.shape, flag.dtype) == ((N,), bool)
        assert timestep.labels.shape == (N, len(environment.propositions))
        assert timestep.labels.dtype == bool


@pytest.mark.parametrize("name", ALL)
def test_tasks_survive_json(name):
    environment = make(name)
    space = environment.task_space
    schema = space.json_schema()
    assert json.loads(json.dumps(schema)) == schema
    assert all(p["description"] for p in schema["properties"].values())
    for task in np.asarray(space.sample(jax.random.key(0), 5)):
        assert (space.from_json(space.to_json(task)) == task).all()
    easy = environment.easy_space
    assert easy.names == space.names
    assert (easy.low >= space.low).all()
    assert (easy.high <= space.high).all()
    assert environments.registered()[ALL.index(name)].description


@pytest.mark.parametrize("name", MOST)
def test_the_same_key_gives_the_same_worlds_and_another_key_others(name):
    _, state, timestep = start(name)
    _, state2, timestep2 = start(name)
    assert_equal((state, timestep), (state2, timestep2))
    actions = random_actions(make(name), 0)
    assert_equal(*(compiled(name)[1](jax.random.key(1), state, actions) for _ in range(2)))


@pytest.mark.parametrize("name", MOST)
def test_one_key_for_each_world_decides_that_world(name):
    environment, (reset, _) = make(name), compiled(name)
    tasks = environment.task_space.sample(jax.random.key(0), N)
    keys = jax.random.split(jax.random.key(1), N)
    order = np.arange(N)[::-1]
    state, timestep = reset(keys, tasks)
    turned = reset(keys[order], tasks[order])
    assert_equal(jax.tree.map(lambda x: x[order], (state, timestep)), turned)
    alone = jax.jit(environment.reset)(keys[:1], tasks[:1])
    assert_equal(jax.tree.map(lambda x: x[:1], (state, timestep)), alone)


@pytest.mark.parametrize("name", SOME)
def test_compiled_is_as_interpreted_and_values_lie_inside_the_space(name):
    environment = make(name)
    _, state, timestep = start(name)
    for i in range(5):
        actions = random_actions(environment, i)
        key = jax.random.key(i)
        ours = compiled(name)[1](key, state, actions)
        assert_equal(ours, environment.step(key, state, actions))
        state, timestep = ours
        for part, space in environment.observation_space.items():
            values = np.asarray(timestep.observation[part])
            assert (values >= space.low).all(), part
            assert (values <= space.high).all(), part


@pytest.mark.parametrize("name", MOST)
def test_vmap_is_a_loop(name):
    environment, seeds = make(name), 3
    tasks = jnp.stack([environment.task_space.sample(jax.random.key(s), N) for s in range(seeds)])
    keys = jax.random.split(jax.random.key(0), seeds)
    actions = jnp.stack([random_actions(environment, s) for s in range(seeds)])
    restart = environments.Restart(environment, group_size=4)

    def life(key, tasks, actions):
        state, _ = environment.reset(key, tasks)
        state, timestep = environment.step(key, state, actions)
        done = timestep.done | (actions % 2 == 0)
        return restart(jax.random.split(key, N), tasks, done, state, timestep)

    together = jax.jit(jax.vmap(life))(keys, tasks, actions)
    one = jax.jit(life)
    for s in range(seeds):
        alone = one(keys[s], tasks[s], actions[s])
        assert_equal(jax.tree.map(lambda x, s=s: x[s], together), alone)


@pytest.mark.parametrize("name", SOME)
def test_restart_gives_new_worlds_to_the_finished_and_touches_no_other(name):
    environment, (reset, step) = make(name), compiled(name)
    tasks, state, _ = start(name)
    state, timestep = step(jax.random.key(0), state, random_actions(environment, 0))
    done = jnp.arange(N) % 3 != 1
    keys = jax.random.split(jax.random.key(9), N)
    for group_size in (3, 32):
        restart = jax.jit(environments.Restart(environment, group_size).__call__)
        new_state, new = restart(keys, tasks, done, state, timestep)
        fresh_state, fresh = reset(keys, tasks)

        def choose(fresh, old):
            return jnp.where(done.reshape(-1, *[1] * (old.ndim - 1)), fresh, old)

        expected = jax.tree.map(choose, fresh_state, state)
        assert_equal(new_state, expected)
        expected = jax.tree.map(choose, fresh.observation, timestep.observation)
        assert_equal(new.observation, expected)
        assert_equal(new.reward, timestep.reward)
        assert_equal(new.done, timestep.done)
    nobody = restart(keys, tasks, jnp.zeros(N, bool), state, timestep)
    assert_equal(nobody, (state, timestep))


@pytest.mark.parametrize("name", SOME)
def test_episodes_end_and_success_is_an_end(name):
    environment = make(name)
    _, state, _ = start(name)

    def act(carry, key):
        state, ended = carry
        actions = jax.random.randint(key, (N,), 0, environment.action_space.n)
        state, timestep = environment.step(key, state, actions)
        consistent = ~timestep.success | timestep.done
        return (state, ended | timestep.done), consistent

    keys = jax.random.split(jax.random.key(0), environment.max_steps)
    (_, ended), consistent = jax.jit(lambda s: jax.lax.scan(act, (s, jnp.zeros(N, bool)), keys))(
        state
    )
    assert ended.all()
    assert consistent.all()


@pytest.mark.parametrize("name", MOST)
def test_worlds_can_be_split_over_devices(name):
    environment, (reset, step) = make(name), compiled(name)
    tasks = environment.task_space.sample(jax.random.key(0), N)
    mesh = jax.make_mesh((1,), ("worlds",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec("worlds")
    keys = jax.random.split(jax.random.key(3), N)
    actions = random_actions(environment, 0)

    def life(keys, tasks, actions):
        state, _ = environment.reset(keys, tasks)
        return environment.step(jax.random.key(0), state, actions)

    sharded = jax.jit(
        jax.shard_map(life, mesh=mesh, in_specs=(spec, spec, spec), out_specs=spec, check_vma=True)
    )
    state, _ = reset(keys, tasks)
    assert_equal(sharded(keys, tasks, actions), step(jax.random.key(0), state, actions))
