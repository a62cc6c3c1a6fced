"""Train a goal-conditioned network for all goals of an environment, off-policy and compiled."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, UInt8

from didact.environments import Environment, Restart, SettingError
from didact.environments.spaces import discrete
from didact.environments.wrappers import WithoutGoal
from didact.experiments.actors import student_actor
from didact.experiments.rollout import Actor, Runner, Step, advance, new_worlds, play
from didact.experiments.tasks.task_sources import random_tasks
from didact.students import random_actions
from didact.students.skills.deep import (
    GoalLearnerConfig,
    GoalNetwork,
    action_values,
    goal_learner,
    goal_of,
)

DISCOVERY = 200  # random steps per environment to discover the goals
NUM_ENVS, CHUNK = 64, 100
MIN = NUM_ENVS * CHUNK  # minimum number of steps
SOME = 256  # images kept per goal, to estimate the distances between goals


class Skills(NamedTuple):
    """A trained network for all goals of an environment."""

    goals: Bool[np.ndarray, "goals propositions"]
    params: Any
    network: GoalNetwork
    between: Callable[[Bool[np.ndarray, " goals"]], np.ndarray]  # discount**steps, for `goal_plans`


class Discovered(NamedTuple):
    """The goals discovered by random actions."""

    goals: Bool[np.ndarray, "goals propositions"]  # all distinct labels, sorted
    images: list[UInt8[np.ndarray, "m h w"]]  # some observations of each goal; may be empty

    def of(self, goals: Bool[np.ndarray, "n propositions"]) -> "Discovered":
        """Return the images of given goals; those that were not discovered have none."""
        known = {goal.tobytes(): seen for goal, seen in zip(self.goals, self.images, strict=True)}
        return Discovered(goals, [known.get(goal.tobytes(), self.images[0][:0]) for goal in goals])


def checked(environment: Environment) -> tuple[int, int]:
    """Return the shape of an environment's images.

    Raises:
        SettingError: the environment has no propositions, or no images of packed cells.
    """
    image = environment.observation_space.get("image")
    if image is None or len(image.shape) != 2 or not environment.propositions:
        allowed = (
            "an environment with propositions, and with numbered places or images of packed cells"
        )
        raise SettingError("--env", environment.name, allowed)
    return int(image.shape[0]), int(image.shape[1])


def discover(environment: Environment, *, seed: int = 0, num_envs: int = 256) -> Discovered:
    """Discover the goals (distinct label vectors) of an environment by random actions.

    Episodes go on after a success of the environment's own task, as they do with a formula.

    Raises:
        SettingError: see `checked`.
    """
    checked(environment)
    environment = WithoutGoal(environment)
    actor = student_actor(random_actions(environment.action_space))
    take, queue = random_tasks(environment.task_space)
    runner = Runner(environment, Restart(environment), actor, take)

    def record(step: Step):
        return step.seen.labels, step.seen.observation["image"]

    @jax.jit
    def run(key):
        worlds = new_worlds(environment, actor, num_envs)
        return play(runner, (), worlds, queue, key, DISCOVERY, record)[-1]

    labels, images = (np.asarray(x) for x in run(jax.random.key(seed)))
    images = images.reshape(-1, *images.shape[2:])
    goals, goal = np.unique(labels.reshape(-1, labels.shape[-1]), axis=0, return_inverse=True)
    at = [np.flatnonzero(goal.ravel() == g)[:SOME] for g in range(len(goals))]
    return Discovered(goals, [images[rows] for rows in at])


def train_skills(
    environment: Environment,
    found: Discovered,
    steps: int,
    *,
    config: GoalLearnerConfig | None = None,
    seed: int = 0,
    num_envs: int = NUM_ENVS,
    exploration: float = 0.3,
    chunk: int = CHUNK,
    tell: Callable[[int, float], None] = lambda steps, loss: None,
) -> Skills:
    """Train a network for all goals of an environment.

    Each environment pursues a goal of its own, without constraints, until it is reached; random
    actions are taken with probability `exploration`.

    Args:
        environment: environment with propositions and images of packed cells.
        found: result of `discover`.
        steps: total number of steps over all parallel environments.
        config: settings of the learner; the defaults if None.
        seed: random seed.
        num_envs: number of parallel environments; an update follows each of their steps.
        exploration: probability of a random action.
        chunk: steps per environment in one compiled chunk.
        tell: called with the number of steps and the loss after each chunk.

    Raises:
        SettingError: the environment lacks such observations, or there are too few steps.
    """
    if steps < num_envs * chunk:
        raise SettingError("--steps", steps, f"at least {num_envs * chunk}")
    config = config or GoalLearnerConfig()
    goals, n, updates = found.goals, num_envs, steps // num_envs
    size = checked(environment)
    functions = goal_learner(
        size, goals, discrete(environment.action_space, "skills").n, updates, config
    )

    def act(params, worlds, key):
        network, wanted = params
        chance_key, action_key = jax.random.split(key)
        chance = jax.random.bernoulli(chance_key, exploration, (n,))
        action = environment.action_space.sample(action_key, n)
        chosen = functions.act(network, worlds.observation["image"], wanted)
        return jnp.where(chance, action, chosen), (), {}

    actor = Actor(lambda n: (), act)
    take, queue = random_tasks(environment.task_space)
    world = WithoutGoal(environment)
    runner = Runner(world, Restart(world), actor, take)

    def one(carry, key):
        learner, worlds, wanted = carry
        act_key, learn_key, goal_key = jax.random.split(key, 3)
        worlds, _, step = advance(runner, (learner.params, wanted), worlds, queue, act_key)
        seen = step.seen
        goal = goal_of(seen.labels, goals)
        before, after = step.worlds.observation["image"], seen.observation["image"]
        learner = functions.add_experience(
            learner, before, step.action, after, goal, seen.terminated
        )
        learner, loss = functions.learn(learner, learn_key)
        another = jax.random.randint(goal_key, (n,), 0, len(goals))
        return (learner, worlds, jnp.where((goal == wanted) | seen.done, another, wanted)), loss

    @jax.jit
    def begin(key):
        learner_key, goal_key = jax.random.split(key)
        wanted = jax.random.randint(goal_key, (n,), 0, len(goals))
        return functions.init(learner_key), new_worlds(world, actor, n), wanted

    @jax.jit
    def run(carry, key):
        return jax.lax.scan(one, carry, jax.random.split(key, chunk))

    key = jax.random.key(seed)
    carry = begin(jax.random.fold_in(key, 1 << 30))
    for number in range(updates // chunk):
        carry, losses = run(carry, jax.random.fold_in(key, number))
        tell((number + 1) * chunk * n, float(jnp.mean(losses)))
    return skills(found, carry[0].params, config, environment)


def skills(
    found: Discovered, params: Any, config: GoalLearnerConfig, environment: Environment
) -> Skills:
    """Wrap a trained network as skills.

    Args:
        found: result of `discover` in this environment, in the order of the network's goals.
        params: parameters of the network.
        config: settings with the sizes of the network.
        environment: environment in which the network was trained.
    """
    count = len(found.goals)
    network = GoalNetwork(
        count, discrete(environment.action_space, "skills").n, config.hidden, config.cell
    )
    values = jax.jit(lambda images, no: jnp.max(action_values(network, params, images, no), -1))
    images = np.concatenate(found.images)
    ends = np.cumsum([len(rows) for rows in found.images])[:-1]

    def between(avoided):
        many = jnp.broadcast_to(jnp.asarray(avoided), (len(images), count))
        parts = np.split(np.asarray(values(images, many)), ends, axis=1)
        # From goals without images, no way is known.
        means = [part.mean(1) if part.size else np.zeros(count) for part in parts]
        return config.discount * np.stack(means)

    return Skills(found.goals, params, network, between)
