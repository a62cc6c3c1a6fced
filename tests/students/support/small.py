"""A small policy and what it sees."""

import json

import jax
import numpy as np

from didact.environments import ArraySpace, Discrete
from didact.students import NetworkConfig, Policy, card
from didact.students.cards import CARD

SPACES = {
    "image": ArraySpace((7, 7, 3), np.uint8, 0, 10),
    "direction": ArraySpace((), np.int32, 0, 3),
    "instruction": ArraySpace((4,), np.uint8, 0, 9),
}
ACTIONS = Discrete(3, ("left", "right", "forward"))
NETWORK = NetworkConfig(
    cell_embedding=4,
    cell_features=3,
    token_embedding=4,
    instruction_features=6,
    hidden=8,
    memory=5,
)


def told(**more):
    return card(
        "Somewhere", SPACES, ACTIONS, NETWORK, **{"training": {"steps": 5}, "scores": {}} | more
    )


def made() -> Policy:
    blank = Policy(told(), None)
    state = jax.jit(blank.student.init)(jax.random.key(0))
    params = jax.tree.map(
        lambda x: x + 0.2 * jax.random.normal(jax.random.key(x.size), x.shape), state.params
    )
    return Policy(told(), jax.device_get(params))


def observation(n=5, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "image": rng.integers(0, 3, (n, 7, 7, 3)).astype(np.uint8),
        "direction": rng.integers(0, 4, n).astype(np.int32),
        "instruction": rng.integers(0, 9, (n, 4)).astype(np.uint8),
    }


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
