"""A small policy and what it sees."""

import json

import jax
import jax.numpy as jnp
import numpy as np

from didact.environments import ArraySpace, Continuous, Discrete
from didact.students import NetworkConfig, Policy, Rollout, card
from didact.students.policies.cards import CARD

SPACES = {
    "image": ArraySpace((7, 7, 3), np.uint8, 0, 10, "cells", (11, 6, 3)),
    "direction": ArraySpace((), np.int32, 0, 3, "category"),
    "instruction": ArraySpace((4,), np.uint8, 0, 9, "tokens", role="instruction"),
}
ACTIONS = Discrete(3, ("left", "right", "forward"))
NUMBERS = {"numbers": ArraySpace((3,), np.float32, -5.0, 5.0)}
JOINTS = Continuous((2,), (-1.0, -2.0), (1.0, 0.5), ("hip", "knee"))
NETWORK = NetworkConfig(
    cell_embedding=4,
    cell_features=3,
    token_embedding=4,
    instruction_features=6,
    hidden=8,
    memory=5,
)


def told(spaces=SPACES, actions=ACTIONS, **more):
    more = {"training": {"steps": 5}, "scores": {}} | more
    return card("Somewhere", spaces, actions, NETWORK, **more)


def shaken(params, scale=0.2):
    """Parameters without zeros, so that nothing is hidden by an initial bias of 0."""
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    return jax.tree.unflatten(
        tree, [x + scale * jax.random.normal(k, x.shape) for x, k in zip(leaves, keys, strict=True)]
    )


def made(*spaces) -> Policy:
    blank = Policy(told(*spaces), None)
    state = jax.jit(blank.student.init)(jax.random.key(0))
    return Policy(told(*spaces), jax.device_get(shaken(state.params)))


def observation(n=5, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "image": rng.integers(0, 3, (n, 7, 7, 3)).astype(np.uint8),
        "direction": rng.integers(0, 4, n).astype(np.int32),
        "instruction": rng.integers(0, 9, (n, 4)).astype(np.uint8),
    }


def numbers(n=5, seed=0):
    rng = np.random.default_rng(seed)
    return {"numbers": rng.normal(size=(n, 3)).astype(np.float32)}


def modules(params):
    """The parameters of a network by module, those of its trunk among them."""
    inner = params["params"]
    return inner | inner.get("trunk", {})


def played(student, state, seen, *, seed=0, shown=lambda t: {}, carry=None, learn=None):
    """A rollout as the loop collects it: acting step by step, the carry reset at each start.

    Args:
        student, state: who acts; compiled functions make it faster.
        seen: the observations, each [T, n, ...].
        seed: of starts and ends, rewards and actions.
        shown: what experts see at time t.
        carry: before the first step.
        learn: 0 or 1 for each row; None for 1 everywhere.
    """
    time, n = jax.tree.leaves(seen)[0].shape[:2]
    rng = np.random.default_rng([seed, 1])
    start = rng.random((time, n)) < 0.3
    start[0] = carry is None
    ends = np.concatenate([start[1:], rng.random((1, n)) < 0.3])
    truncated = ends & (rng.random((time, n)) < 0.5)
    fresh = student.initial_carry(n)
    first = carry = fresh if carry is None else carry
    actions, extras = [], []
    for t in range(time):
        begun = start[t][:, None]
        carry = jax.tree.map(lambda x, y, begun=begun: np.where(begun, y, x), carry, fresh)
        now = {name: x[t] for name, x in seen.items()} | shown(t)
        action, carry, noted = student.act(state, carry, now, jax.random.key(100 * seed + t))
        actions.append(action)
        extras.append(noted)
    return Rollout(
        observation=jax.tree.map(jnp.asarray, seen),
        start=jnp.asarray(start),
        action=jnp.stack(actions),
        reward=jnp.asarray(rng.normal(size=(time, n)), jnp.float32),
        terminated=jnp.asarray(ends & ~truncated),
        truncated=jnp.asarray(truncated),
        extras=jax.tree.map(lambda *x: jnp.stack(x), *extras),
        final_value=jnp.asarray(rng.normal(size=(time, n)) * truncated, jnp.float32),
        last_value=jnp.asarray(rng.normal(size=n), jnp.float32),
        carry=first,
        learn=jnp.ones((time, n)) if learn is None else jnp.asarray(learn, jnp.float32),
        final_observation={},
    )


def edit(folder, change):
    path = folder / CARD
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def files(folder):
    """Every file below a folder, with what is in it."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
