"""Compiled loops of tiny worlds and students."""

import fakes
import jax
import jax.numpy as jnp
import numpy as np

from didact.environments import make
from didact.experiments.loop import DEVICES, SEEDS, Loop
from didact.students import NetworkConfig, PPOConfig, ppo
from didact.teachers import alp_gmm

N, T = 16, 6
COSTLY = {"rollout_length": 8, "outcomes_per_update": 8 * N}
SMALL = PPOConfig(network=NetworkConfig(hidden=16, memory=8), num_minibatches=2)


def counting(**more):
    return Loop(
        fakes.Counting(),
        more.pop("teacher", fakes.serial_teacher()),
        fakes.counting_student(),
        **{"num_envs": N, "rollout_length": T} | more,
    )


def learning(num_seeds=1, environment="Counting", num_envs=N, **more):
    world = make(environment)
    student = ppo(
        world.observation_space,
        world.action_space,
        more.pop("config", SMALL),
        num_updates=more.pop("num_updates", 20),
        axes=(DEVICES,),
        seeds_axis=SEEDS if num_seeds > 1 else None,
    )
    return Loop(
        world,
        alp_gmm(world.task_space, fit_rate=30),
        student,
        num_envs=num_envs,
        rollout_length=T,
        num_seeds=num_seeds,
        **more,
    )


def arrays(tree):
    """Leaves as NumPy arrays, keys as their data."""
    return [
        np.asarray(jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x)
        for x in jax.tree.leaves(tree)
    ]


def assert_same(one, other):
    for a, b in zip(arrays(one), arrays(other), strict=True):
        np.testing.assert_array_equal(a, b)


def rows_of(records):
    """Finished episodes as rows of (task, outcomes), update by update."""
    weights = np.asarray(records.outcomes.weights)
    assert set(np.unique(weights)) <= {0.0, 1.0}
    for k in range(weights.shape[0]):
        kept = weights[k] > 0
        yield {
            "tasks": np.asarray(records.tasks[k])[kept],
            "returns": np.asarray(records.outcomes.returns[k])[kept],
            "success": np.asarray(records.outcomes.success[k])[kept],
            "lengths": np.asarray(records.outcomes.lengths[k])[kept],
            **{n: np.asarray(x[k])[kept] for n, x in records.outcomes.scores.items()},
        }
