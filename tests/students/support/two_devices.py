"""Learning from one rollout on one device and on two, in a process that has both."""

import json

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from small_policy import JOINTS, NETWORK, NUMBERS

from didact.students import PPOConfig, Rollout, ppo

T, N = 5, 8
MASKS = {
    "all": np.ones((T, N)),
    "mixed": np.random.default_rng(0).random((T, N)) < 0.5,
    "one device": np.arange(N) < N // 2 + np.zeros((T, 1)),  # the other has nothing to learn from
    "nothing": np.zeros((T, N)),
}


def rollout_of(learn):
    k = iter(jax.random.split(jax.random.key(0), 9))
    over = jax.random.bernoulli(next(k), 0.3, (T, N))
    halves = jnp.arange(N) / 4.0  # the halves differ
    return Rollout(
        {"numbers": jax.random.normal(next(k), (T, N, 3)) + halves[:, None]},
        jax.random.bernoulli(next(k), 0.3, (T, N)),
        JOINTS.sample(next(k), T * N).reshape(T, N, 2),
        jax.random.normal(next(k), (T, N)) * (1 + halves),
        over,
        over & False,
        {name: jax.random.normal(next(k), (T, N)) - 2 for name in ("value", "log_prob")},
        jnp.zeros((T, N)),
        jnp.zeros(N),
        jnp.zeros((N, NETWORK.memory)),
        jnp.asarray(learn, jnp.float32),
        {},
    )


def learned(devices, rollout):
    """Parameters, statistics and optimiser after two updates."""
    config = PPOConfig(network=NETWORK, num_minibatches=1)
    student = ppo(NUMBERS, JOINTS, config, num_updates=5, axes=("devices",))
    state = jax.jit(student.init)(jax.random.key(1))
    mesh = Mesh(np.array(jax.devices()[:devices]), ("devices",))
    rows, columns = PartitionSpec(None, "devices"), PartitionSpec("devices")
    learn = jax.jit(
        jax.shard_map(
            lambda s, r: student.learn(s, r, jax.random.key(2))[0],
            mesh=mesh,
            in_specs=(PartitionSpec(), Rollout(*[rows] * 8, columns, columns, rows, rows)),
            out_specs=PartitionSpec(),
            check_vma=False,
        )
    )
    after = learn(learn(state, rollout), rollout)
    return jax.device_get((state, after))


def compare():
    told = {}
    for name, mask in MASKS.items():
        (before, one), (_, two) = (learned(devices, rollout_of(mask)) for devices in (1, 2))
        pairs = [jax.tree.leaves((x.params, x.returns, x.optimiser)) for x in (before, one, two)]
        told[name] = {
            "moved": max(float(abs(a - b).max()) for a, b in zip(*pairs[:2], strict=True)),
            "difference": max(float(abs(a - b).max()) for a, b in zip(*pairs[1:], strict=True)),
            "statistics": statistics(two),
        }
    return told


def statistics(state):
    from small_policy import modules

    found = modules(state.params)["encoders_numbers"]["normalisation"]
    return {name: np.asarray(x, float).tolist() for name, x in found.items()}


if __name__ == "__main__":
    print(json.dumps(compare()))
