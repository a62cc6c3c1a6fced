"""Learning from one rollout on one device and on two, in a process that has both."""

import json

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from small_policy import JOINTS, NETWORK, NUMBERS

from didact.students import NetworkConfig, PPOConfig, Rollout, SACConfig, ppo, sac

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
    learn = sharded(lambda s, r: student.learn(s, r, jax.random.key(2))[0], devices)
    after = learn(learn(state, rollout), rollout)
    return jax.device_get((state, after))


def sharded(learn, devices, out=None):
    """A function of a state and a rollout, whose environments are divided among devices."""
    rows, columns = PartitionSpec(None, "devices"), PartitionSpec("devices")
    return jax.jit(
        jax.shard_map(
            learn,
            mesh=Mesh(np.array(jax.devices()[:devices]), ("devices",)),
            in_specs=(PartitionSpec(), Rollout(*[rows] * 8, columns, columns, rows, rows)),
            out_specs=out or PartitionSpec(),
            check_vma=False,
        )
    )


def learned_by_sac(devices, batch_size, same_keys):
    """The states before and after an update on each device, with a leading axis of devices."""
    config = SACConfig(
        network=NetworkConfig(hidden=8, memory=0, normalise_observations=False),
        batch_size=batch_size,
        replay_capacity=64,
        learning_starts=1,
        updates_per_step=0.2,
    )
    student = sac(NUMBERS, JOINTS, config, axes=("devices",))
    state = jax.jit(student.init)(jax.random.key(1))
    rollout = rollout_of(MASKS["mixed"])
    rollout = rollout._replace(final_observation=jax.tree.map(lambda x: -x, rollout.observation))

    def learn(state, rollout):
        device = 0 if same_keys else jax.lax.axis_index("devices")
        key = jax.random.fold_in(jax.random.key(2), device)
        return jax.tree.map(lambda x: x[None], student.learn(state, rollout, key)[0])

    after = sharded(learn, devices, PartitionSpec("devices"))(state, rollout)
    return jax.device_get((state, after))


def compare_sac():
    """If both devices draw the same rows, they learn as one does from a batch of half the size."""

    def apart(one, other):
        pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
        return max(float(np.abs(np.float64(a) - b).max()) for a, b in pairs)

    before, one = learned_by_sac(1, 4, same_keys=True)
    _, two = learned_by_sac(2, 8, same_keys=True)
    _, different = learned_by_sac(2, 8, same_keys=False)
    first, second = (jax.tree.map(lambda x, i=i: x[i], different) for i in range(2))
    alone = jax.tree.map(lambda x: x[0], one)
    return {
        "moved": apart(before.params, alone.params),
        "difference": apart(jax.tree.map(lambda x: x[0], two), alone),
        "between devices": apart(first, second),
        "by other rows": apart(first.params, alone.params),
        "steps": int(alone.steps),
    }


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
    print(json.dumps(compare() | {"sac": compare_sac()}))
