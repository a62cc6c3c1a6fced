"""Trains a network of skills in the compiled loop: all goals of a world, off-policy."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool

from didact.environments import Environment, Restart, SettingError
from didact.students.skills.deep import Deep, DeepConfig, deep, goal_of

DISCOVERY = 200  # steps at random of all worlds, that find out what can hold


class Skills(NamedTuple):
    """A network that was trained, and what it is for."""

    goals: Bool[np.ndarray, "goals propositions"]
    params: Any
    between: Callable[[Bool[np.ndarray, " goals"]], np.ndarray]  # see `plans`
    functions: Deep


def goals_of(environment: Environment, num_envs: int, seed: int) -> Bool[np.ndarray, "g p"]:
    """All labels that random actions come upon, sorted; nothing is the first of them."""
    n = num_envs

    def one(carry, key):
        keys = jax.random.split(key)
        action = jax.random.randint(keys[0], (n,), 0, environment.action_space.n)
        state, seen = environment.step(keys[1], carry, action)
        return state, seen.labels

    @jax.jit
    def run(key):
        keys = jax.random.split(key, 3)
        tasks = environment.task_space.sample(keys[0], n)
        state, _ = environment.reset(keys[1], tasks)
        return jax.lax.scan(one, state, jax.random.split(keys[2], DISCOVERY))[1]

    labels = np.asarray(run(jax.random.key(seed)))
    return np.unique(labels.reshape(-1, labels.shape[-1]), axis=0)


def train_skills(
    environment: Environment,
    steps: int,
    *,
    config: DeepConfig | None = None,
    seed: int = 0,
    num_envs: int = 256,
    exploration: float = 0.3,
    chunk: int = 100,
    tell: Callable[[int, float], None] = lambda steps, loss: None,
) -> Skills:
    """Trains a network of all goals of an environment.

    Each world is after a goal of its own, without constraints, until it has come to it; with
    `exploration` it takes an action at random instead.

    Args:
        environment: one with propositions, and images of packed cells.
        steps: of all worlds together.
        config: of the network.
        seed: of all that is random.
        num_envs: worlds; there is an update after each of their steps.
        exploration: how often an action is taken at random.
        chunk: steps of all worlds in one program.
        tell: is told steps and loss after each of them.

    Raises:
        SettingError: there are no such observations, or too few steps.
    """
    image = environment.observation_space.get("image")
    if image is None or len(image.shape) != 2 or not environment.propositions:
        allowed = "one with propositions and images of packed cells, such as MovingTargets"
        raise SettingError("--env", environment.name, allowed)
    if steps < num_envs * chunk:
        raise SettingError("--steps", steps, f"at least {num_envs * chunk}")
    config = config or DeepConfig()
    goals = goals_of(environment, num_envs, seed)
    n, updates = num_envs, steps // num_envs
    functions = deep(
        (int(image.shape[0]), int(image.shape[1])), len(goals), environment.action_space.n,
        updates, config,
    )  # fmt: skip
    restart = Restart(environment)
    free = jnp.zeros((n, len(goals)), bool)

    def one(carry, key):
        learner, state, seen, wanted = carry
        keys = jax.random.split(key, 8)
        before = seen.observation["image"]
        values = functions.look(learner.params, before, free)[wanted, jnp.arange(n)]
        chance = jax.random.bernoulli(keys[0], exploration, (n,))
        action = jax.random.randint(keys[1], (n,), 0, environment.action_space.n)
        action = jnp.where(chance, action, jnp.argmax(values, -1))
        state, seen = environment.step(keys[2], state, action)
        goal = goal_of(seen.labels, goals)
        rows = before, action, seen.observation["image"], goal, seen.terminated
        learner = functions.remember(learner, *rows)
        learner, loss = functions.learn(learner, keys[3])
        another = jax.random.randint(keys[4], (n,), 0, len(goals))
        wanted = jnp.where((goal == wanted) | seen.done, another, wanted)
        tasks = environment.task_space.sample(keys[5], n)
        state, seen = restart(jax.random.split(keys[6], n), tasks, seen.done, state, seen)
        return (learner, state, seen, wanted), loss

    @jax.jit
    def begin(key):
        keys = jax.random.split(key, 4)
        state, seen = environment.reset(keys[0], environment.task_space.sample(keys[1], n))
        wanted = jax.random.randint(keys[2], (n,), 0, len(goals))
        return functions.init(keys[3]), state, seen, wanted

    @jax.jit
    def run(carry, key):
        return jax.lax.scan(one, carry, jax.random.split(key, chunk))

    key = jax.random.key(seed)
    carry = begin(jax.random.fold_in(key, 1 << 30))
    for number in range(updates // chunk):
        carry, losses = run(carry, jax.random.fold_in(key, number))
        tell((number + 1) * chunk * n, float(jnp.mean(losses)))
    learner = carry[0]
    return Skills(goals, learner.params, _between(learner, functions, len(goals)), functions)


def _between(learner: Any, functions: Deep, count: int) -> Callable[[np.ndarray], np.ndarray]:
    """Values from goal to goal: their means over remembered steps that led to the first."""
    memory = learner.memory
    goal = np.asarray(memory.goal)[: int(memory.filled)]
    at = [np.flatnonzero(goal == g)[:256] for g in range(count)]
    images = np.concatenate([np.asarray(memory.after[rows]) for rows in at])
    look = jax.jit(functions.look)

    def between(avoided):
        many = jnp.broadcast_to(jnp.asarray(avoided), (len(images), count))
        best = np.asarray(jnp.max(look(learner.params, images, many), -1))  # [goals, images]
        parts = np.split(best, np.cumsum([len(rows) for rows in at])[:-1], 1)
        return np.stack([part.mean(1) for part in parts])

    return between
