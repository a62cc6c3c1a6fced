"""SAC: its losses on a hand-made replay against NumPy, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from didact.environments import ArraySpace, Continuous, Discrete, SettingError
from didact.students import NetworkConfig, SACConfig, sac
from didact.students.algorithms import replay_buffer
from didact.students.base import Rollout
from didact.students.networks.distributions import SquashedNormal

SPACE = {"o": ArraySpace((3,), np.float32, -1, 1)}
ACTIONS = Continuous((2,), (-2.0, 0.0), (2.0, 1.0))
SMALL = NetworkConfig(hidden=8, memory=0, normalise_observations=False)
T, N = 4, 3
ALPHA = 0.3


def config(**settings):
    usual = {"network": SMALL, "batch_size": 8, "replay_capacity": 64, "learning_starts": 5}
    return SACConfig(**usual | settings)


def rollout(key, learn=1.0):
    keys = jax.random.split(key, 5)
    shape = T, N
    low, high = ACTIONS.lows, ACTIONS.highs
    return Rollout(
        observation={"o": jax.random.normal(keys[0], (*shape, 3))},
        start=jnp.zeros(shape, bool),
        action=low + (high - low) * jax.random.uniform(keys[1], (*shape, 2)),
        reward=jax.random.normal(keys[2], shape),
        terminated=jax.random.bernoulli(keys[3], 0.3, shape),
        truncated=jnp.zeros(shape, bool),
        extras={},
        final_value=jnp.zeros(shape),
        last_value=jnp.zeros(N),
        carry=jnp.zeros((N, 0)),
        learn=jnp.full(shape, learn),
        final_observation={"o": jax.random.normal(keys[4], (*shape, 3))},
    )


def two_layers(params, x, extra=None):
    """The network in NumPy: two hidden layers with ReLU."""
    trunk = params["trunk"]
    hidden = x @ trunk["encoders_o"]["Dense_0"]["kernel"] + trunk["encoders_o"]["Dense_0"]["bias"]
    if extra is not None:
        hidden = hidden + extra @ params["action"]["kernel"]
    hidden = np.maximum(hidden, 0) @ trunk["body"]["kernel"] + trunk["body"]["bias"]
    return np.maximum(hidden, 0)


def q(params, x, action):
    features = two_layers(params, x, action)
    return (features @ params["value"]["kernel"] + params["value"]["bias"])[:, 0]


def pi(params, x):
    features = two_layers(params, x)
    mean, std = (
        features @ params[name]["kernel"] + params[name]["bias"] for name in ("mean", "log_std")
    )
    return mean, np.clip(std, -20, 2)


def to_numpy(tree):
    return jax.tree.map(lambda x: np.asarray(x, np.float64), tree)


def drawn(params, x, noise_key):
    """Actions on the unit scale with their log-density, from the noise of a key."""
    mean, log_std = pi(params, x)
    noise = np.asarray(jax.random.normal(noise_key, mean.shape), np.float64)
    u = mean + np.exp(log_std) * noise
    normal = -0.5 * noise**2 - log_std - 0.5 * np.log(2 * np.pi)
    return np.tanh(u), np.sum(normal - np.log(1 - np.tanh(u) ** 2), axis=1)


@pytest.mark.parametrize(
    "tuning", [{}, {"tune_alpha": False}, {"target_entropy": 1.5}], ids=lambda x: str([*x])
)
def test_one_gradient_step_is_that_of_the_paper(tuning):
    """All losses by NumPy from the same batch and noise; the step by optax from those gradients."""
    settings = config(
        updates_per_step=1 / (T * N),
        learning_starts=1,
        learning_rate=1e-2,
        initial_alpha=ALPHA,
        **tuning,
    )
    student = sac(SPACE, ACTIONS, settings)
    state = student.init(jax.random.key(0))
    data, key = rollout(jax.random.key(1)), jax.random.key(2)
    after, metrics = student.learn(state, data, key)
    assert float(metrics["gradient_steps"]) == 1

    step_key = jax.random.fold_in(key, jnp.int32(0))
    batch_key, next_key, action_key = jax.random.split(step_key, 3)
    batch = to_numpy(replay_buffer.sample(after.replay, batch_key, 8))
    params = to_numpy(state.params)["params"]
    critics = to_numpy(state.critics)["params"]
    first, second = (jax.tree.map(lambda x, i=i: x[i], critics) for i in range(2))
    low, high = ACTIONS.lows, ACTIONS.highs

    x = batch.following["o"]
    following, log_prob = drawn(params, x, next_key)
    ahead = np.minimum(q(first, x, following), q(second, x, following)) - ALPHA * log_prob
    target = batch.reward + 0.99 * np.where(batch.terminated > 0, 0, ahead)
    taken = 2 * (batch.action - low) / (high - low) - 1
    errors = [q(c, batch.observation["o"], taken) - target for c in (first, second)]
    expected = sum(0.5 * np.mean(e**2) for e in errors)
    np.testing.assert_allclose(metrics["critic_loss"], expected, rtol=1e-4)

    # The actor is judged by the critics after their step.
    x, judges = batch.observation["o"], to_numpy(after.critics)["params"]
    judges = [jax.tree.map(lambda x, i=i: x[i], judges) for i in range(2)]

    def actor_loss(params):
        action, log_prob = drawn(params, x, action_key)
        return np.mean(ALPHA * log_prob - np.minimum(*(q(c, x, action) for c in judges)))

    np.testing.assert_allclose(metrics["actor_loss"], actor_loss(params), rtol=1e-4)
    # Adam's first step has the size of the learning rate, against the gradient's sign.
    for name in ("mean", "log_std"):
        for i in range(2):
            ends = []
            for change in (1e-5, -1e-5):
                bias = params[name]["bias"] + change * (np.arange(2) == i)
                ends.append(actor_loss(params | {name: params[name] | {"bias": bias}}))
            moved = after.params["params"][name]["bias"][i] - params[name]["bias"][i]
            np.testing.assert_allclose(moved, -1e-2 * np.sign(ends[0] - ends[1]), rtol=1e-3)
    _, log_prob = drawn(params, x, action_key)
    np.testing.assert_allclose(metrics["entropy"], -np.mean(log_prob), rtol=1e-4)
    grad = -(np.mean(log_prob) + tuning.get("target_entropy", -2))
    step = -1e-2 * np.sign(grad) * tuning.get("tune_alpha", True)
    np.testing.assert_allclose(after.log_alpha, np.log(ALPHA) + step, rtol=1e-5)
    # The value's bias: its gradient is the mean error of each critic.
    for i, error in enumerate(errors):
        moved = after.critics["params"]["value"]["bias"][i, 0] - critics["value"]["bias"][i, 0]
        np.testing.assert_allclose(moved, -1e-2 * np.sign(np.mean(error)), rtol=1e-3)
    slow = optax.incremental_update(after.critics, state.targets, 0.005)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), after.targets, slow
    )


@pytest.mark.parametrize(("ratio", "expected"), [(0.25, [3, 3]), (0.1, [1, 1, 1, 1, 2]), (2, [24])])
def test_gradient_steps_follow_the_steps_of_the_environment(ratio, expected):
    student = sac(SPACE, ACTIONS, config(updates_per_step=ratio))
    state, made = student.init(jax.random.key(0)), []
    learn = jax.jit(student.learn)
    for i in range(len(expected)):
        state, metrics = learn(state, rollout(jax.random.key(i)), jax.random.key(i))
        made.append(int(metrics["gradient_steps"]))
    assert made == expected
    assert int(state.steps) == sum(expected)


def test_nothing_is_learned_before_it_should_or_from_rows_that_are_only_watched():
    student = sac(SPACE, ACTIONS, config(learning_starts=20))
    learn = jax.jit(student.learn)
    first = student.init(jax.random.key(0))
    state, _ = learn(first, rollout(jax.random.key(1)), jax.random.key(1))
    assert jax.tree.all(jax.tree.map(lambda a, b: jnp.array_equal(a, b), first[:4], state[:4]))
    assert int(replay_buffer.size(state.replay)) == T * N
    watched, _ = learn(state, rollout(jax.random.key(2), learn=0.0), jax.random.key(2))
    assert int(replay_buffer.size(watched.replay)) == T * N
    trained, _ = learn(watched, rollout(jax.random.key(3)), jax.random.key(3))
    assert not jnp.array_equal(
        trained.params["params"]["mean"]["kernel"], first.params["params"]["mean"]["kernel"]
    )


def test_actions_are_uniform_until_learning_starts():
    student = sac(SPACE, ACTIONS, config())
    state = student.init(jax.random.key(0))
    seen = {"o": jnp.zeros((20_000, 3))}
    action, _, _ = student.act(state, student.initial_carry(20_000), seen, jax.random.key(1))
    unit = (np.asarray(action) - ACTIONS.lows) / (ACTIONS.highs - ACTIONS.lows)
    assert np.abs(np.quantile(unit, [0.1, 0.5, 0.9], axis=0) - [[0.1], [0.5], [0.9]]).max() < 0.02
    distribution, value, _ = student.apply(state, (), {"o": jnp.zeros((2, 3))})
    assert isinstance(distribution, SquashedNormal)
    assert value is None


def test_what_it_cannot_do_is_said():
    with pytest.raises(SettingError, match="continuous for SAC"):
        sac(SPACE, Discrete(3))
    normalised = NetworkConfig(memory=0, normalise_observations=True)
    with pytest.raises(SettingError, match=r"sac\.network\.normalise_observations is True"):
        sac(SPACE, ACTIONS, config(network=normalised))
    with pytest.raises(SettingError, match=r"sac\.network\.memory is 4"):
        sac(SPACE, ACTIONS, config(network=NetworkConfig(memory=4)))
    student = sac(SPACE, ACTIONS, config(replay_capacity=10))
    state, data = student.init(jax.random.key(0)), rollout(jax.random.key(0))
    with pytest.raises(SettingError, match=r"sac\.replay_capacity is 10, but must be at least 12"):
        student.learn(state, data, jax.random.key(0))
    with pytest.raises(SettingError, match=r"sac\.updates_per_step"):
        sac(SPACE, ACTIONS, config(updates_per_step=0))


def branches(function, *arguments):
    """The number of branches that a compiled program would choose from when it runs."""
    return str(jax.make_jaxpr(function)(*arguments)).count(" cond[")


@pytest.mark.slow
@pytest.mark.parametrize("what", ["act", "learn"])
def test_seeds_take_one_path_through_the_encoder_of_instructions(what):
    """Under `vmap`, a choice that depends on the seed would compute all paths."""
    words = ArraySpace((4,), np.uint8, 0, 9, "tokens", role="instruction")
    small = NetworkConfig(hidden=8, memory=0, normalise_observations=False, max_instructions=2)
    spaces, settings = SPACE | {"instruction": words}, config(network=small, batch_size=64)

    def counted(seeds_axis, seeds):
        student = sac(spaces, ACTIONS, settings, seeds_axis=seeds_axis)
        state = jax.eval_shape(student.init, jax.random.key(0))
        data = jax.eval_shape(rollout, jax.random.key(0))
        texts = jax.ShapeDtypeStruct((T, N, 4), jnp.uint8)
        data = data._replace(
            observation=data.observation | {"instruction": texts},
            final_observation=data.final_observation | {"instruction": texts},
        )
        seen = {
            "o": jax.ShapeDtypeStruct((64, 3), jnp.float32),
            "instruction": jax.ShapeDtypeStruct((64, 4), jnp.uint8),
        }

        def run(state, data, seen, key):
            if what == "learn":
                return student.learn(state, data, key)[0].params
            return student.act(state, jnp.zeros((64, 0)), seen, key)[0]

        key = jax.eval_shape(lambda: jax.random.key(0))
        if not seeds:
            return branches(run, state, data, seen, key)
        many = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct((seeds, *x.shape), x.dtype), (state, data, seen, key)
        )
        return branches(jax.vmap(run, axis_name="seeds"), *many)

    assert counted("seeds", 2) == counted(None, 0) > counted(None, 2)


def test_learns_which_action_pays():
    """A bandit that pays for actions near a target, which the observation shows."""
    settings = config(
        batch_size=32,
        learning_rate=1e-2,
        replay_capacity=1024,
        initial_alpha=0.1,
        target_entropy=-4.0,
        updates_per_step=0.25,
    )
    student = sac(SPACE, ACTIONS, settings)
    middle, half = (ACTIONS.lows + ACTIONS.highs) / 2, (ACTIONS.highs - ACTIONS.lows) / 2

    def update(state, key):
        see_key, act_key, learn_key = jax.random.split(key, 3)
        seen = jax.random.uniform(see_key, (16, 3), minval=-0.7, maxval=0.7)
        action, _, _ = student.act(state, jnp.zeros((16, 0)), {"o": seen}, act_key)
        paid = -jnp.sum(jnp.square((action - middle) / half - seen[:, :2]), axis=1)
        row = rollout(key)._replace(terminated=jnp.ones((1, 16), bool), learn=jnp.ones((1, 16)))
        row = row._replace(
            observation={"o": seen[None]},
            final_observation={"o": seen[None]},
            action=action[None],
            reward=paid[None],
        )
        return student.learn(state, row, learn_key)[0], paid.mean()

    keys = jax.random.split(jax.random.key(1), 150)
    state = jax.jit(student.init)(jax.random.key(0))
    _, paid = jax.jit(lambda s: jax.lax.scan(update, s, keys))(state)
    # Uniform actions cost 1/3 + 0.7^2 / 3 = 0.5 in each dimension on average.
    assert float(paid[:1].mean()) < -0.5
    assert float(paid[-20:].mean()) > -0.2


@pytest.mark.slow
def test_two_devices_learn_as_one(two_devices):
    """From one replay buffer with the transitions of both, and from the rows that each draws."""
    report = two_devices["sac"]
    assert report["steps"] >= 2
    assert report["moved"] > 1e-4
    assert report["difference"] < 1e-5
    assert report["between devices"] == 0
    assert report["by other rows"] > 1e-5
