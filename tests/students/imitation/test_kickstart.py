"""Experts and the loss that draws a student towards them, against plain NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small_policy import NUMBERS, played, shaken

from didact.environments import Box, Dimension, Discrete, SettingError
from didact.students import (
    DistillConfig,
    NetworkConfig,
    Policy,
    PPOConfig,
    card,
    distill,
    kickstart,
    ppo,
)
from didact.students.algorithms import losses
from didact.students.algorithms.losses import Outputs
from didact.students.imitation import experts
from didact.students.networks import Categorical, SquashedNormal

pytestmark = pytest.mark.slow

T, N, E = 5, 6, 3
NAMES = ("left", "right", "forward", "done")
ACTIONS = Discrete(4, NAMES)
SPACES, NETWORK = NUMBERS, NetworkConfig(hidden=8, memory=5)
CONFIG = PPOConfig(network=NETWORK, num_minibatches=1)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def advised(seed=0):
    """What a network says, what experts say, and who of them knows."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(T, N, 4))
    advice = softmax(2 * rng.normal(size=(T, N, E, 4)))
    advice[..., 0, :] = np.eye(4)[rng.integers(4, size=(T, N))]  # one that is sure
    known = rng.random((T, N, E)) < 0.5
    return logits, advice, known


def batch_of(advice, known, name="kickstart"):
    if not isinstance(advice, Categorical):
        advice = Categorical.of_probabilities(jnp.asarray(advice, jnp.float32))
    extras = {f"{name}_advice": advice, f"{name}_known": jnp.asarray(known)}
    zero = jnp.zeros((T, N))
    action = jnp.zeros((T, N), jnp.int32)
    return losses.Batch({}, zero > 0, (), action, extras, zero, zero, zero + 1)


def outputs_of(logits):
    return Outputs(Categorical(jnp.asarray(logits, jnp.float32)), jnp.zeros((T, N)))


def at(updates, weight=1.0):
    return losses.TrainingProgress(
        jnp.int32(updates), jnp.float32(0.5), {"kickstart": jnp.float32(weight)}
    )


def nobody():
    return experts.of_function(lambda seen: jnp.ones((1, 4)) / 4)


@pytest.mark.parametrize("distance", ["cross_entropy", "kl"])
def test_the_loss_is_the_sum_written_out(distance):
    logits, advice, known = advised()
    lesson = kickstart([nobody()] * E, 0.7, distance=distance)
    loss, metrics = lesson.term(outputs_of(logits), batch_of(advice, known), at(0, weight=3.0))
    total = 0.0
    for t in range(T):
        for n in range(N):
            student = softmax(logits[t, n])
            for e in range(E):
                if not known[t, n, e]:
                    continue
                for a in range(4):
                    p = advice[t, n, e, a]
                    if p > 0:
                        own = np.log(p) if distance == "kl" else 0.0
                        total += p * (own - np.log(student[a]))
    assert float(metrics["kickstart_loss"]) == pytest.approx(total / (T * N), rel=1e-5)
    assert float(loss) == pytest.approx(0.7 * 3.0 * total / (T * N), rel=1e-5)
    assert float(metrics["kickstart_lambda"]) == pytest.approx(2.1)
    assert float(metrics["kickstart_known"]) == pytest.approx(known.any(-1).mean())
    same = (logits.argmax(-1)[..., None] == advice.argmax(-1)) & known
    assert float(metrics["kickstart_agreement"]) == pytest.approx(same.sum() / known.sum())


def test_both_distances_have_the_same_gradient():
    logits, advice, known = advised()

    def gradient(distance):
        term = kickstart(nobody(), 1.0, distance=distance).term
        return jax.grad(lambda x: term(outputs_of(x), batch_of(advice, known), at(0))[0])(
            jnp.asarray(logits, jnp.float32)
        )

    np.testing.assert_allclose(gradient("kl"), gradient("cross_entropy"), atol=1e-7)
    # By hand: known experts pull the student's probabilities towards theirs.
    expected = (known[..., None] * (softmax(logits)[..., None, :] - advice)).sum(2) / (T * N)
    np.testing.assert_allclose(gradient("kl"), expected, atol=1e-6)


def test_masks_are_exact():
    """What an expert says of a task that it does not know changes nothing, whatever it is."""
    logits, advice, known = advised()
    own = Categorical.of_probabilities(jnp.asarray(advice, jnp.float32)).logits

    def both(advice):
        def loss(x):
            term = kickstart(nobody(), 1.0).term
            return term(outputs_of(x), batch_of(Categorical(advice), known), at(0))[0]

        return jax.value_and_grad(loss)(jnp.asarray(logits, jnp.float32))

    for wild in (1e6, -jnp.inf, jnp.nan):
        advised_wildly = jnp.where(known[..., None], own, wild)
        jax.tree.map(np.testing.assert_array_equal, both(own), both(advised_wildly))
    nothing = batch_of(advice, np.zeros_like(known))
    loss, metrics = kickstart(nobody(), 1.0).term(outputs_of(logits), nothing, at(0))
    assert float(loss) == 0
    assert float(metrics["kickstart_agreement"]) == 0


@pytest.mark.parametrize("updates", [0, 3, 10, 50])
def test_lambda_follows_the_schedule(updates):
    logits, advice, known = advised()
    schedule = optax.linear_schedule(2.0, 0.0, 10)
    _, metrics = kickstart(nobody(), schedule).term(
        outputs_of(logits), batch_of(advice, known), at(updates, weight=0.5)
    )
    assert float(metrics["kickstart_lambda"]) == pytest.approx(max(0, 2 - 0.2 * updates) / 2)


def observation(rng, *shape):
    return {"numbers": jnp.asarray(rng.normal(size=(*shape, 3)), jnp.float32)}


def play(made, state, seed=0, shown=lambda t: {}):
    seen = observation(np.random.default_rng(seed), T, N)
    return played(made, state, seen, seed=seed, shown=shown)


def policy_of(seed, actions=NAMES, network=NETWORK):
    """A policy with random parameters, far from uniform."""
    made = ppo(SPACES, Discrete(len(actions), actions), PPOConfig(network=network), num_updates=1)
    params = made.init(jax.random.key(seed)).params
    params = shaken(params, 0.5)
    return Policy(card("toy", SPACES, Discrete(len(actions), actions), network), params)


def test_a_policy_with_a_memory_and_other_sizes_follows_the_students_episodes():
    """Its advice is what it would say itself, had it watched each episode from its beginning."""
    policy = policy_of(1, network=NetworkConfig(hidden=6, memory=9))
    expert = experts.of_policy(policy, ACTIONS)
    made = ppo(SPACES, ACTIONS, CONFIG, num_updates=3, auxiliary_losses=[kickstart(expert, 1.0)])
    rollout = play(made, made.init(jax.random.key(0)))
    advice = rollout.extras["kickstart_advice"].probabilities[:, :, 0]
    assert rollout.extras["kickstart_known"].all()
    assert rollout.start[1:].sum() > 3
    for world in range(N):
        carry = None
        for t in range(T):
            if rollout.start[t, world]:
                carry = None
            one = {"numbers": np.asarray(rollout.observation["numbers"][t, world])}
            # Which action is likeliest, and how often each is sampled.
            best, after = policy.act(one, carry)
            assert int(best) == int(advice[t, world].argmax())
            many = {"numbers": np.repeat(one["numbers"][None], 2000, 0)}
            wide = None if carry is None else jnp.repeat(carry[None], 2000, 0)
            drawn, _ = policy.act(many, wide, jax.random.key(t))
            counts = np.bincount(np.asarray(drawn), minlength=4) / 2000
            np.testing.assert_allclose(counts, advice[t, world], atol=0.05)
            carry = after


@pytest.mark.parametrize("others", [0, 1])
def test_what_a_masked_expert_with_a_memory_reads(others):
    """Alone it reads each step; among others, only the steps in which it knows."""

    def advise(carry, seen):
        carry = carry + seen["number"]
        return Categorical(jnp.tile(carry, (1, 4))), carry

    counting = experts.Expert("counting", lambda n: jnp.zeros((n, 1)), advise)
    masked = experts.only(counting, lambda seen: seen["number"][:, 0] % 2 == 1)
    other = experts.of_function(lambda seen: jnp.ones((len(seen["number"]), 4)) / 4)
    initial_carry, ask = experts.ask_all([masked, *[other] * others])
    numbers = np.random.default_rng(0).integers(1, 50, (6, 3, 1))
    carry = initial_carry(3)
    for number in numbers:
        _, known, carry = ask(carry, {"number": jnp.asarray(number, jnp.float32)})
        np.testing.assert_array_equal(known[:, 0], number[:, 0] % 2 == 1)
    read = numbers * (numbers % 2 == 1) if others else numbers
    np.testing.assert_array_equal(carry[0], read.sum(0))


def test_an_expert_may_know_some_of_the_actions():
    policy = policy_of(2, actions=("forward", "left"))
    advice, _ = experts.of_policy(policy, ACTIONS).advise(
        policy.initial_carry(N), observation(np.random.default_rng(0), N)
    )
    alone, _ = experts.of_policy(policy, Discrete(2, ("forward", "left"))).advise(
        policy.initial_carry(N), observation(np.random.default_rng(0), N)
    )
    advice, alone = advice.probabilities, alone.probabilities
    np.testing.assert_allclose(advice[:, [2, 0]], alone, rtol=1e-6)
    np.testing.assert_array_equal(advice[:, [1, 3]], 0)
    np.testing.assert_allclose(advice.sum(-1), 1, rtol=1e-6)
    with pytest.raises(SettingError, match=r"actions of the expert is .*'fly'"):
        experts.of_policy(policy_of(2, actions=("left", "fly")), ACTIONS)


def test_temperature_sharpens():
    policy, seen = policy_of(3), observation(np.random.default_rng(0), N)
    plain, sure = (
        experts.of_policy(policy, ACTIONS, temperature=t)
        .advise(policy.initial_carry(N), seen)[0]
        .probabilities
        for t in (1.0, 0.5)
    )
    expected = np.asarray(plain) ** 2
    np.testing.assert_allclose(sure, expected / expected.sum(-1, keepdims=True), rtol=1e-4)
    with pytest.raises(SettingError, match="temperature is 0"):
        experts.of_policy(policy, ACTIONS, temperature=0)


def test_what_the_world_tells():
    expert = experts.privileged("solver", ACTIONS)
    advice, _ = expert.advise((), {"solver": jnp.array([2, 0, -1, 4])})
    np.testing.assert_array_equal(advice.probabilities[:2], np.eye(4)[[2, 0]])
    np.testing.assert_array_equal(expert.knows({"solver": jnp.array([2, 0, -1, 4])}), [1, 1, 0, 0])
    assert expert.privileged_observations == ("solver",)


def test_experts_are_masked_to_their_tasks():
    space = Box((Dimension("size", 0, 10), Dimension("rooms", 0, 3, integer=True)))
    solver = experts.privileged("solver", ACTIONS)
    expert = experts.only_tasks(solver, space.restricted(size=(2, 5), rooms=1))
    tasks = jnp.array([[2.0, 1], [5, 1], [5.1, 1], [3, 2], [3, 1]])
    known = expert.knows({"task": tasks, "solver": jnp.array([0, 0, 0, 0, -1])})
    np.testing.assert_array_equal(known, [True, True, False, False, False])
    assert set(expert.privileged_observations) == {"solver", "task"}


def test_no_gradient_reaches_the_expert():
    table = jnp.asarray(np.random.default_rng(0).normal(size=(3, 4)), jnp.float32)

    def loss(table, direct):
        expert = experts.of_function(lambda seen: jax.nn.softmax(seen["numbers"] @ table))
        lesson = kickstart(expert, 1.0)
        seen = observation(np.random.default_rng(1), N)
        noted = lesson.annotate(lesson.initial_carry(N), seen)[0]
        if direct:
            advice = expert.advise((), seen)[0]
            noted |= {"kickstart_advice": jax.tree.map(lambda x: x[:, None], advice)}
        extras = jax.tree.map(lambda x: jnp.broadcast_to(x, (T, *x.shape)), noted)
        batch = batch_of(np.ones(4), 0)._replace(extras=extras)
        return lesson.term(outputs_of(np.ones((T, N, 4)) * np.arange(4)), batch, at(0))[0]

    assert float(jnp.abs(jax.grad(loss)(table, True)).max()) > 0  # it would, without the stop
    np.testing.assert_array_equal(jax.grad(loss)(table, False), 0)


def test_lambda_0_equals_no_expert_bit_for_bit():
    expert = experts.of_policy(policy_of(4), ACTIONS)
    plain = ppo(SPACES, ACTIONS, CONFIG, num_updates=3)
    with_expert = ppo(
        SPACES, ACTIONS, CONFIG, num_updates=3, auxiliary_losses=[kickstart(expert, 0.0)]
    )
    pulled = ppo(SPACES, ACTIONS, CONFIG, num_updates=3, auxiliary_losses=[kickstart(expert, 0.1)])
    states = []
    for made in (plain, with_expert, pulled):
        made = made._replace(act=jax.jit(made.act), learn=jax.jit(made.learn))
        state = jax.jit(made.init)(jax.random.key(0))
        for i in range(3):
            state, _ = made.learn(state, play(made, state, seed=i), jax.random.key(i))
        states.append(state)
    jax.tree.map(np.testing.assert_array_equal, states[0].params, states[1].params)
    differ = jax.tree.map(lambda a, b: jnp.abs(a - b).max(), states[0].params, states[2].params)
    assert max(map(float, jax.tree.leaves(differ))) > 1e-4


def test_a_distilled_student_becomes_its_expert():
    expert = experts.of_policy(policy_of(5), ACTIONS)
    config = DistillConfig(learning_rate=1e-2, network=NETWORK, num_minibatches=1)
    made = distill(SPACES, ACTIONS, expert, config, num_updates=300)
    made = made._replace(act=jax.jit(made.act), learn=jax.jit(made.learn))
    state = made.init(jax.random.key(0))
    apart, agrees = [], []
    for i in range(300):
        state, metrics = made.learn(state, play(made, state, seed=i), jax.random.key(i))
        apart.append(float(metrics["distill_loss"]))
        agrees.append(float(metrics["distill_agreement"]))
    assert np.mean(apart[-10:]) < 0.15 * np.mean(apart[:3])
    assert np.mean(agrees[-10:]) > 0.85


def test_experts_lead_less_and_less():
    """At the start they act, in what they know; at the end nobody acts but the student."""
    sure = experts.of_function(lambda seen: jnp.eye(4)[jnp.full(N, 2)])
    sure = experts.only(sure, lambda seen: jnp.arange(N) < 4)
    config = DistillConfig(
        network=NETWORK, num_minibatches=1, expert_action_probability=0.8, expert_actions_until=0.5
    )
    made = distill(SPACES, ACTIONS, sure, config, num_updates=100)
    state = made.init(jax.random.key(0))
    seen = observation(np.random.default_rng(0), N)
    act = jax.jit(jax.vmap(made.act, in_axes=(None, None, None, 0)))

    def share(updates):
        now = state._replace(updates=jnp.int32(updates))
        keys = jax.random.split(jax.random.key(1), 1000)
        action = np.asarray(act(now, made.initial_carry(N), seen, keys)[0])
        return (action == 2).mean(0)

    own = share(50)
    np.testing.assert_array_equal(own, share(100))
    assert (abs(own - 0.25) < 0.06).all()  # hardly trained: nearly uniform
    for updates, lead in ((0, 0.8), (25, 0.4)):
        found = share(updates)
        np.testing.assert_allclose(found[:4], lead + (1 - lead) * own[:4], atol=0.05)
        np.testing.assert_allclose(found[4:], own[4:], atol=0.05)


def test_the_policy_that_acted_is_the_mixture():
    """What PPO compares with: the student's probabilities and, in its share, those of experts."""
    advice = softmax(np.random.default_rng(3).normal(size=(2, N, 4)))
    knows = np.array([[1, 1, 1, 0, 0, 0], [0, 1, 1, 1, 0, 0]], bool)
    panel = [
        experts.only(
            experts.of_function(lambda seen, p=p: jnp.asarray(p)[seen["world"]]),
            lambda seen, k=k: jnp.asarray(k)[seen["world"]],
        )
        for p, k in zip(advice, knows, strict=True)
    ]
    lesson = kickstart(panel, 1.0, expert_action_probability=optax.linear_schedule(0.6, 0.0, 10))
    made = ppo(SPACES, ACTIONS, CONFIG, num_updates=20, auxiliary_losses=[lesson])
    seen = observation(np.random.default_rng(0), N) | {"world": jnp.arange(N)}
    state = made.init(jax.random.key(0))
    own = np.asarray(made.apply(state, made.initial_carry(N), seen)[0].probabilities)
    for updates, lead in ((0, 0.6), (5, 0.3), (10, 0.0)):
        state = state._replace(updates=jnp.int32(updates))
        action, _, extras = made.act(state, made.initial_carry(N), seen, jax.random.key(updates))
        count = knows.sum(0)
        mean = (knows[..., None] * advice).sum(0) / np.maximum(count, 1)[:, None]
        share = np.where(count > 0, lead, 0)[:, None]
        acted = ((1 - share) * own + share * mean)[np.arange(N), np.asarray(action)]
        np.testing.assert_allclose(extras["log_prob"], np.log(acted), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("expert_action_probability", 1.5),
        ("expert_action_probability", -0.1),
        ("expert_actions_until", 0.0),
        ("learning_rate", 0.0),
    ],
)
def test_settings_of_distillation_are_checked(name, value):
    with pytest.raises(SettingError, match=f"distill.{name} is {value}"):
        distill(SPACES, ACTIONS, nobody(), DistillConfig(**{name: value}), num_updates=1)


def test_settings_are_checked():
    with pytest.raises(SettingError, match=r"experts is .*at least one"):
        kickstart([], 1.0)
    with pytest.raises(SettingError, match="distance is 'far'"):
        kickstart(nobody(), 1.0, distance="far")
    continuous = SquashedNormal(jnp.zeros((T, N, 1)), jnp.zeros((T, N, 1)), (-1.0,), (1.0,))
    term, outputs = kickstart(nobody(), 1.0).term, Outputs(continuous, jnp.zeros((T, N)))
    with pytest.raises(SettingError, match=r"experts \(kickstart\) is 'Categorical'.*SquashedN"):
        term(outputs, batch_of(*advised()[1:]), at(0))
    twice = [kickstart(nobody(), 1.0)] * 2
    with pytest.raises(SettingError, match="auxiliary_losses"):
        ppo(SPACES, ACTIONS, CONFIG, num_updates=1, auxiliary_losses=twice)
