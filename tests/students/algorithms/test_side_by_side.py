"""Several students of one design."""

import jax
import jax.numpy as jnp
import numpy as np

from didact.students import Rollout, Student
from didact.students.algorithms.side_by_side import side_by_side

T, K, EACH = 3, 3, 2  # steps, students, environments of each


def test_students_start_independently_also_if_they_split_their_key():
    def init(key):
        keys = [key, *jax.random.split(key, 4)]
        return {tuple(np.asarray(jax.random.key_data(k)).tolist()) for k in keys}

    student = side_by_side(Student(init, *[lambda *_: None] * 5), 3)
    states = student.init(jax.random.key(0))
    assert len(set.union(*states)) == sum(map(len, states))


def adding() -> Student:
    """Its state becomes a sum of all that it is given to learn from."""

    def learn(state, rollout, key):
        total = state + 7.0 * rollout.carry.sum() + 11.0 * rollout.last_value.sum()
        for number, name in enumerate(("reward", "final_value", "learn", "start"), 1):
            total += number * getattr(rollout, name).astype(jnp.float32).sum()
        return total + rollout.observation["o"].sum(), {"reward": rollout.reward.sum()}

    return Student(lambda key: jnp.zeros(()), *[lambda *_: None] * 4, learn)


def rollout_of(seed=0):
    rng = np.random.default_rng(seed)
    n = K * EACH

    def some(*shape):
        return jnp.asarray(rng.integers(0, 9, shape), jnp.float32)

    shape = T, n
    return Rollout(
        observation={"o": some(*shape, 2)},
        start=some(*shape) > 4,
        action=some(*shape),
        reward=some(*shape),
        terminated=some(*shape) > 4,
        truncated=some(*shape) > 4,
        extras={},
        final_value=some(*shape),
        last_value=some(n),
        carry=(some(n, 1), jnp.arange(n) // EACH),
        learn=some(*shape),
        final_observation={},
    )


def test_each_student_learns_from_its_own_environments():
    team, rollout, key = side_by_side(adding(), K), rollout_of(), jax.random.key(0)
    states = team.init(key)
    after, metrics = team.learn(states, rollout, key)
    reward = np.asarray(rollout.reward)
    for j in range(K):
        own = slice(j * EACH, (j + 1) * EACH)
        expected = 7 * rollout.carry[0][own].sum() + 11 * rollout.last_value[own].sum()
        expected += reward[:, own].sum() + 2 * rollout.final_value[:, own].sum()
        expected += 3 * rollout.learn[:, own].sum() + 4 * rollout.start[:, own].sum()
        assert float(after[j]) == float(expected + rollout.observation["o"][:, own].sum())
        # Other rewards of its environments move its own state alone.
        other = rollout._replace(reward=rollout.reward.at[:, own].add(1.0))
        moved = np.asarray(team.learn(states, other, key)[0]) - np.asarray(after)
        np.testing.assert_array_equal(moved, np.where(np.arange(K) == j, T * EACH, 0))
    assert float(metrics["reward"]) == reward[:, :EACH].sum()
    assert float(metrics["antagonist_reward"]) == reward[:, EACH:].sum() / (K - 1)
