"""Rows that must not be learned from: no gradient, whatever stands in them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_policy import JOINTS, NUMBERS, played

from didact.environments import ArraySpace
from didact.students import (
    DistillConfig,
    NetworkConfig,
    PPOConfig,
    SquashedNormal,
    distill,
    experts,
    hindsight,
    kickstart,
    ppo,
)
from didact.students.imitation.hindsight import SCENE

T, N, L = 5, 6, 3
SMALL = NetworkConfig(hidden=8, memory=5, token_embedding=4, instruction_features=6)
PPO = PPOConfig(network=SMALL, num_minibatches=1)
DISTILL = DistillConfig(network=SMALL, num_minibatches=1)
WORDS = ArraySpace((L,), np.uint8, 0, 9, "tokens", role="instruction")
SPACES = NUMBERS | {"instruction": WORDS}


class Teller:
    """Scenes say what was fulfilled."""

    def initial(self, n):
        return {"text": jnp.zeros((n, L), jnp.uint8), "fulfilled": jnp.zeros(n, bool)}

    def describe(self, before, now):
        return now["text"], now["fulfilled"]

    def observations(self, instruction):
        return {"instruction": instruction}


def expert():
    def advise(seen):
        return SquashedNormal.of_space(JOINTS, seen["numbers"][:, :2], jnp.float32(-1.0))

    return experts.of_function(advise)


def student_of(name):
    if name == "distill":
        return distill(SPACES, JOINTS, expert(), DISTILL, num_updates=9)
    lessons = {
        "ppo": [],
        "kickstart": [kickstart(expert(), 0.7)],
        "hindsight": [hindsight(Teller(), 0.7, nearest=1.0)],
    }
    return ppo(SPACES, JOINTS, PPO, num_updates=9, auxiliary_losses=lessons[name])


def rollout_of(student, state, seed=0, learn=None):
    rng = np.random.default_rng(seed)
    seen = {
        "numbers": rng.normal(size=(T, N, 3)).astype(np.float32),
        "instruction": rng.integers(1, 10, (T, N, L)).astype(np.uint8),
    }
    text, fulfilled = rng.integers(1, 10, (T, N, L)).astype(np.uint8), rng.random((T, N)) < 0.5

    def shown(t):
        return {SCENE: {"text": jnp.asarray(text[t]), "fulfilled": jnp.asarray(fulfilled[t])}}

    return played(student, state, seen, seed=seed, shown=shown, learn=learn)


def where(mask, one, other):
    def choose(x, y):
        return jnp.where(mask.reshape(*mask.shape, *[1] * (x.ndim - mask.ndim)), x, y)

    return jax.tree.map(choose, one, other)


def spoilt(rollout, seed=7):
    """With nonsense in the rows whose `learn` is 0, also of infinite consequence."""
    rng = np.random.default_rng(seed)

    def wild(x):
        if jnp.issubdtype(x.dtype, jnp.floating):
            return jnp.asarray(30 * rng.normal(size=x.shape), x.dtype)
        return jnp.roll(x, 1, axis=1)

    fields = ("observation", "action", "reward", "extras", "final_value")
    given = {name: getattr(rollout, name) for name in fields}
    more = where(rollout.learn > 0, given, jax.tree.map(wild, given))
    more["extras"]["log_prob"] = jnp.where(rollout.learn > 0, rollout.extras["log_prob"], -1e4)
    return rollout._replace(**more)


OTHERS = [
    pytest.param(name, marks=pytest.mark.slow) for name in ("kickstart", "distill", "hindsight")
]
NAMES = ["ppo", *OTHERS]


@pytest.fixture(scope="module", params=NAMES)
def example(request):
    """A student that has learned a little, so that its optimiser has momentum."""
    student = student_of(request.param)
    student = student._replace(
        init=jax.jit(student.init), act=jax.jit(student.act), learn=jax.jit(student.learn)
    )
    state = student.init(jax.random.key(0))
    state, _ = student.learn(state, rollout_of(student, state), jax.random.key(1))
    return request.param, student, state


def moved(one, other):
    difference = jax.tree.map(lambda a, b: jnp.abs(a - b).max(), one, other)
    return max(map(float, jax.tree.leaves(difference)))


def test_nothing_to_learn_from_changes_nothing(example):
    """Parameters, optimiser and statistics stay bit for bit, although there is momentum."""
    _, student, state = example
    rollout = rollout_of(student, state, 1, learn=np.zeros((T, N)))
    after, metrics = student.learn(state, spoilt(rollout), jax.random.key(2))
    for name in ("params", "optimiser", "weights", "returns"):
        one, other = getattr(state, name), getattr(after, name)
        jax.tree.map(np.testing.assert_array_equal, one, other)
    assert int(after.updates) == int(state.updates) + 1
    assert all(np.isfinite(x) for x in metrics.values())


def test_what_stands_in_such_rows_does_not_matter(example):
    """Masked episodes among others, in the same environments: the same to the last bit."""
    _, student, state = example
    rollout = rollout_of(student, state, 2)
    episode = np.cumsum(rollout.start, axis=0)
    learn = (episode + np.arange(N)) % 2 == 0
    assert 0.2 < learn.mean() < 0.8
    rollout = rollout._replace(learn=jnp.asarray(learn, jnp.float32))
    one, _ = student.learn(state, rollout, jax.random.key(2))
    two, _ = student.learn(state, spoilt(rollout), jax.random.key(2))
    assert moved(one.params, state.params) > 1e-4
    jax.tree.map(np.testing.assert_array_equal, one, two)


def test_the_loss_is_that_without_such_rows(example):
    """Half of the environments are masked: as if there had been the other half alone."""
    _, student, state = example
    rollout = rollout_of(student, state, 3, learn=np.arange(N) < N // 2 + np.zeros((T, 1)))
    half = jax.tree.map(lambda x: x[:, : N // 2], rollout._replace(carry=(), last_value=()))
    half = half._replace(
        carry=jax.tree.map(lambda x: x[: N // 2], rollout.carry),
        last_value=rollout.last_value[: N // 2],
    )
    masked, told = student.learn(state, spoilt(rollout), jax.random.key(2))
    alone, expected = student.learn(state, half, jax.random.key(2))
    assert float(told["loss"]) == pytest.approx(float(expected["loss"]), rel=1e-4)
    change = [
        jax.tree.map(lambda x, y: np.asarray(x - y), after.params, state.params)
        for after in (masked, alone)
    ]
    for a, b in zip(*map(jax.tree.leaves, change), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-2, atol=2e-5)


def test_fractions_weigh_rows():
    """`learn` may also be between: the gradient of a row is multiplied by it."""
    student = student_of("ppo")
    learn = jax.jit(student.learn)
    state = jax.jit(student.init)(jax.random.key(0))
    rollout = rollout_of(student._replace(act=jax.jit(student.act)), state)
    one, _ = learn(state, rollout._replace(learn=jnp.full((T, N), 0.25)), jax.random.key(0))
    two, _ = learn(state, rollout, jax.random.key(0))
    pairs = map(jax.tree_util.tree_leaves_with_path, (one.params, two.params))
    for (path, a), (_, b) in zip(*pairs, strict=True):
        weight = 0.25 if jax.tree_util.keystr(path[-1:]) == "['count']" else 1.0
        np.testing.assert_allclose(a, weight * b, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_masks_on_two_devices(two_devices):
    """As on one device, also where one of the two has nothing to learn from."""
    for name in ("all", "mixed", "one device"):
        assert two_devices[name]["moved"] > 1e-3
        assert two_devices[name]["difference"] < 3e-5, name
    assert two_devices["nothing"]["moved"] == two_devices["nothing"]["difference"] == 0
