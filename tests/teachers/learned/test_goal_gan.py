"""GoalGAN: losses and gradients against NumPy, labels, replays, and where it goes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact import teachers
from didact.environments import Box, Dimension, SettingError
from didact.teachers import Outcomes, propose
from didact.teachers.learned.distant_tasks import DistantTasks
from didact.teachers.learned.goal_gan import GENERATIONS, REPLAY
from didact.teachers.learned.least_squares_gan import Gan, discriminator_loss, generator_loss

pytestmark = pytest.mark.slow

UNIT = Box((Dimension("x", 0, 1), Dimension("y", 0, 1)))
OTHER = Box((Dimension("z", 0, 1),))
SMALL = {"generator_width": 8, "discriminator_width": 8, "batch": 16, "pretrain": 5, "steps": 5}


def outcomes(success, weights=None):
    success = jnp.asarray(success, jnp.float32)
    one = jnp.ones_like(success)
    weights = one if weights is None else jnp.asarray(weights, jnp.float32)
    return Outcomes(success, success, one, weights, {})


def forward(parameters, x, generates):
    """The perceptron in NumPy: activations of all layers."""
    layers = [parameters["params"][f"Dense_{i}"] for i in range(3)]
    weights = [(np.asarray(w["kernel"], np.float64), np.asarray(w["bias"])) for w in layers]
    inputs = [x]
    for kernel, bias in weights[:2]:
        x = x @ kernel + bias
        x = np.maximum(x, 0 if generates else 0.2 * x)
        inputs.append(x)
    out = x @ weights[2][0] + weights[2][1]
    return (np.tanh(out) if generates else out), inputs, weights


def backward(delta, inputs, weights, slope):
    """Gradients of kernels, from the gradient of the output."""
    gradients = []
    for i in (2, 1, 0):
        gradients.append(inputs[i].T @ delta)
        delta = delta @ weights[i][0].T
        if i:
            delta = delta * np.where(inputs[i] > 0, 1, slope)
    return gradients[::-1], delta


def test_losses_and_gradients_are_those_of_numpy():
    gan = Gan(3, 8, 6)
    state = gan.init(jax.random.key(0))
    rng = np.random.default_rng(0)
    x, noise, good = rng.random((20, 3)), rng.normal(size=(20, 3)), rng.random(20) < 0.5
    scores, inputs, weights = forward(state.discriminator, x - 0.5, False)
    np.testing.assert_allclose(gan.discriminate(state, x), scores[:, 0], atol=1e-5)
    wanted = np.where(good, 1, -1)
    loss = np.mean((wanted - scores[:, 0]) ** 2)
    np.testing.assert_allclose(discriminator_loss(scores[:, 0], good * 1.0), loss, rtol=1e-5)
    expected, _ = backward(2 * (scores - wanted[:, None]) / 20, inputs, weights, 0.2)
    found = jax.grad(
        lambda p: discriminator_loss(gan.discriminate(state._replace(discriminator=p), x), good)
    )(state.discriminator)["params"]
    for i in range(3):
        np.testing.assert_allclose(found[f"Dense_{i}"]["kernel"], expected[i], atol=1e-5)

    made, made_inputs, made_weights = forward(state.generator, noise, True)
    np.testing.assert_allclose(gan.generate(state, noise), np.clip(made + 0.5, 0, 1), atol=1e-5)
    scores, inputs, weights = forward(state.discriminator, made, False)
    np.testing.assert_allclose(generator_loss(scores[:, 0]), np.mean((scores - 1) ** 2), rtol=1e-5)
    _, delta = backward(2 * (scores - 1) / 20, inputs, weights, 0.2)
    expected, _ = backward(delta * (1 - made**2), made_inputs, made_weights, 0.0)

    def total(p):
        points = gan._networks[0].apply(p, noise)
        return generator_loss(gan.discriminate(state, points + 0.5))

    found = jax.grad(total)(state.generator)["params"]
    for i in range(3):
        np.testing.assert_allclose(found[f"Dense_{i}"]["kernel"], expected[i], atol=1e-5)


def test_the_generator_learns_good_points(optimised):
    gan = Gan(2)
    points = jax.random.uniform(jax.random.key(0), (400, 2))
    good = jnp.all(points > 0.6, axis=1)
    mask = jnp.arange(400) < 350
    spoilt = jnp.where(mask[:, None], points, jnp.nan)
    state = gan.init(jax.random.key(1))
    state = jax.jit(lambda s, k: gan.train(s, k, spoilt, good, mask, 1500))(
        state, jax.random.key(2)
    )
    made = np.asarray(gan.generate(state, jax.random.normal(jax.random.key(3), (500, 2))))
    assert np.mean(np.all(made > 0.55, axis=1)) > 0.75


@pytest.mark.parametrize("seed", range(5))
def test_replays_keep_their_distance(seed):
    """The rule in NumPy: one after another, if farther than the distance from all."""
    rng = np.random.default_rng(seed)
    tasks, mask = rng.random((60, 2)).astype(np.float32), rng.random(60) < 0.7
    kept = [np.zeros(2)] * 0
    for task in tasks[mask]:
        if all(np.linalg.norm(task - other) > 0.1 for other in kept[-16:]):
            kept.append(task)
    buffer = DistantTasks.empty(16, 2).add(jnp.asarray(tasks[:30]), jnp.asarray(mask[:30]), 0.1)
    buffer = jax.jit(lambda b: b.add(jnp.asarray(tasks[30:]), jnp.asarray(mask[30:]), 0.1))(buffer)
    assert int(buffer.count) == len(kept)
    for i, task in list(enumerate(kept))[-16:]:
        np.testing.assert_array_equal(buffer.tasks[i % 16], task)


def lessons(teacher, success_of, rounds, n):
    state = teacher.init(jax.random.key(0))

    @jax.jit
    def lesson(state, key):
        proposals, state = propose(teacher, state, key, n)
        return teacher.observe(state, proposals, outcomes(success_of(proposals.tasks))), proposals

    for number in range(rounds):
        state, proposals = lesson(state, jax.random.key(number))
        yield state, proposals


def test_one_episode_at_a_time_the_rollouts_of_a_goal_follow_each_other():
    teacher = teachers.goal_gan(UNIT, rollouts=3, update_every=8, goals=8, **SMALL)
    life = lessons(teacher, lambda tasks: jnp.zeros(len(tasks)), 24, 1)
    rows = [(np.asarray(p.tasks[0]), int(p.tag[0]), int(s.generation)) for s, p in life]
    for i in range(0, 24, 3):
        assert rows[i][1] == rows[i + 1][1] == rows[i + 2][1] == i // 3 + 1
        np.testing.assert_array_equal(rows[i][0], rows[i + 2][0])
    # All eight goals have a label after the last of them.
    assert [generation for *_, generation in rows] == [1] * 23 + [2]


def test_labels_are_those_of_the_rule():
    teacher = teachers.goal_gan(UNIT, rollouts=2, update_every=32, goals=32, **SMALL)
    state = teacher.init(jax.random.key(0))
    proposals, state = propose(teacher, state, jax.random.key(1), 64)
    rng = np.random.default_rng(0)
    success, weights = rng.random(64) < 0.6, rng.random(64) < 0.9
    tag = np.asarray(proposals.tag)
    state = jax.jit(teacher.observe)(state, proposals, outcomes(success, weights))
    for goal in range(32):
        here = (tag == goal + 1) & weights
        assert int(state.tries[goal]) == here.sum()
        assert float(state.successes[goal]) == success[here].sum()
    mastered = [
        g
        for g in range(32)
        if (weights & (tag == g + 1)).sum() >= 2 and success[weights & (tag == g + 1)].all()
    ]
    assert 0 < int(state.replays.count) <= len(mastered)
    # Then one of four tasks or so is a replay, near a mastered goal.
    proposals, _ = propose(teacher, state, jax.random.key(2), 4000)
    replayed = np.asarray(proposals.tag) == REPLAY
    assert abs(replayed.mean() - 0.1) < 0.02
    # Episodes of replays are not counted.
    after = teacher.observe(state, proposals, outcomes(jnp.ones(4000), jnp.asarray(replayed)))
    np.testing.assert_array_equal(after.tries, state.tries)


def test_late_outcomes_count_until_their_goal_is_replaced():
    once = {"update_every": 16, "goals": 16, "rollouts": 1, "replay_fraction": 0.0}
    teacher = teachers.goal_gan(UNIT, **once, **SMALL)
    observe = jax.jit(teacher.observe)
    late, state = propose(teacher, teacher.init(jax.random.key(0)), jax.random.key(1), 16)
    for number in range(1, GENERATIONS + 2):
        proposals, state = propose(teacher, state, jax.random.key(number), 16)
        state = observe(state, proposals, outcomes(jnp.ones(16)))
        assert int(state.generation) == number + 1
        counted = observe(state, late, outcomes(jnp.ones(16)))
        more = counted.tries - state.tries
        assert more.tolist() == [number < GENERATIONS] * 16 + [0] * 16 * (GENERATIONS - 1)


def test_goals_are_those_of_intermediate_difficulty(optimised):
    teacher = teachers.goal_gan(UNIT, noise=0.02)

    def half(tasks):
        # Mastered at the left, impossible at the right, and a coin in between.
        coin = jnp.sin(1e4 * tasks[:, 1]) + 0.01 * jnp.arange(len(tasks)) % 2 > 0
        flip = jnp.arange(len(tasks)) % 2 == 0
        middle = (tasks[:, 0] > 0.4) & (tasks[:, 0] < 0.6)
        return jnp.where(middle, flip ^ coin, tasks[:, 0] < 0.5) * 1.0

    *_, (state, _) = lessons(teacher, half, 60, 256)
    latest = np.asarray(teacher.picture(state)["points"])[:, 0]
    assert np.mean((latest > 0.35) & (latest < 0.65)) > 0.5


def test_where_nothing_succeeds_goals_are_uniform_or_easy():
    easy = UNIT.restricted(x=(0.0, 0.2))
    for part, widest in [(None, 1.0), (easy, 0.2)]:
        teacher = teachers.goal_gan(UNIT, easy=part, goals=2000, **SMALL)
        *_, (state, _) = lessons(teacher, lambda tasks: jnp.zeros(len(tasks)), 1, 4000)
        assert int(state.generation) == 2
        goals = np.asarray(state.goals[2000:4000])
        np.testing.assert_allclose(goals.mean(0), [widest / 2, 0.5], atol=0.03)
        np.testing.assert_allclose(goals.std(0), np.array([widest, 1]) / 12**0.5, atol=0.02)


def test_the_start_is_the_easy_box(optimised):
    easy = UNIT.restricted(x=(0.1, 0.3), y=(0.6, 0.8))
    teacher = teachers.goal_gan(UNIT, easy=easy, noise=0.0)
    goals = np.asarray(teacher.init(jax.random.key(0)).goals)
    np.testing.assert_allclose(goals.mean(0), [0.2, 0.7], atol=0.05)
    assert np.all(goals.std(0) < 0.12)


@pytest.mark.parametrize(
    "bad",
    [
        {"update_every": 0},
        {"goals": 10},
        {"lowest": 0.9},
        {"highest": 1.5},
        {"noise": -1.0},
        {"replay_fraction": 2.0},
        {"learning_rate": 1.0},
        {"pretrain": -1},
        {"rollouts": 0},
        {"easy": OTHER},
    ],
)
def test_bad_settings_are_named(bad):
    (name,) = bad
    with pytest.raises(SettingError, match=f"^{name} is "):
        teachers.goal_gan(UNIT, **bad)
