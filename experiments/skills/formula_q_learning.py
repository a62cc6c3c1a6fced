"""Tabular Q-learning for formulas in environments with numbered places.

Learning can start from scratch or from composed values.

References:
    Toro Icarte et al., Reward Machines: Exploiting Reward Function Structure in Reinforcement
    Learning, JAIR 2022 (arXiv:2010.03950), section 3: Q-learning over the product with the machine
    (cross-product baseline), and from counterfactual experience (CRM); Nangue Tasse et al., Skill
    Machines, ICLR 2024 (arXiv:2205.12532), section 3.3: few-shot learning from composed values.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from didact.environments import Restart, SettingError
from didact.environments.base import PLACE
from didact.environments.spaces import discrete
from didact.environments.wrappers import ends_without_goal
from didact.experiments.skills.exploration import number_of_places
from didact.students.skills import batch_automata
from didact.students.skills import next_states as advance
from didact.students.skills.formula_task import WithFormula

Values = Float[Array, "states places actions"]
TIE_BREAK = 1e-3  # scales composed values so that they are below all learned values


def q_learning(
    world: WithFormula,
    steps: int,
    *,
    counterfactual: bool = True,
    learning_rate: float = 1.0,
    exploration: float = 0.5,
    discount: float = 0.97,
    num_envs: int = 16,
) -> Callable[[PRNGKeyArray, Values | None], Values]:
    """Return a pure function `(key, prior) -> values` that runs Q-learning; `vmap` it over seeds.

    Args:
        world: environment with a formula.
        steps: total number of steps over all parallel environments.
        counterfactual: also update the values of every other automaton state with each step.
        learning_rate: step size of the value updates; 1 suits deterministic environments.
        exploration: probability of a random action.
        discount: discount factor per step.
        num_envs: number of parallel environments.

    Returns:
        The function. `prior` are composed values to start from (None: zeros). State-action pairs
        whose learned value is 0 keep their prior as a tie-breaker, so that few steps suffice to
        refine it.

    Raises:
        SettingError: a number is invalid, or places are not numbered.
    """
    for name, value in (("exploration", exploration), ("discount", discount)):
        if not 0 <= value < 1:
            raise SettingError(name, value, "at least 0 and below 1")
    if not 0 < learning_rate <= 1:
        raise SettingError("learning_rate", learning_rate, "above 0, at most 1")
    if steps < num_envs:
        raise SettingError("steps", steps, f"at least {num_envs}, one for each environment")
    made, restart, n = world.automaton, Restart(world), num_envs
    machines = batch_automata([made], world.propositions)
    shape = (
        made.num_states,
        number_of_places(world),
        discrete(world.action_space, "Q-learning in a table").n,
    )
    every = jnp.arange(made.num_states)
    accepting, failed = machines.accepting[0], machines.failed[0]

    def targets(values: Values, before: Array, seen: Any, place: Array, lost: Array) -> Array:
        """Return the TD targets of a step that began in these automaton states, [n, k].

        There is nothing to come where the world has ended.
        """
        k = before.shape[1]
        labels = jnp.repeat(seen.labels, k, 0)
        after = advance(machines, before.ravel(), labels, jnp.zeros(n * k, jnp.int32))
        after = after.reshape(n, k)
        promised = discount * jnp.max(values[after, place[:, None]], -1)
        promised = jnp.where(lost[:, None], 0.0, promised)
        promised = jnp.where(accepting[after], 1.0, promised)
        return jnp.where(failed[after], 0.0, promised)

    def mixed(values, prior):
        return values if prior is None else jnp.maximum(values, TIE_BREAK * prior)

    def one(prior, carry, key):
        values, state, seen = carry
        keys = jax.random.split(key, 6)
        place = seen.observation[PLACE]
        here = mixed(values, prior)[state.machine, place]
        # Ties are broken at random; otherwise the first action would always be taken.
        noise = jax.random.uniform(keys[0], here.shape)
        best = jnp.argmax(here * (1 + 1e-5 * noise) + 1e-9 * noise, -1)
        chance = jax.random.bernoulli(keys[1], exploration, (n,))
        action = jnp.where(chance, jax.random.randint(keys[2], (n,), 0, shape[2]), best)
        before = state.machine[:, None]
        if counterfactual:
            before = jnp.broadcast_to(every, (n, len(every)))
        # The step of the worlds is compiled once: `world` takes the same one.
        _, own = world.environment.step(keys[5], state.worlds, action)
        state, seen = world.step(keys[5], state, action)
        lost = ends_without_goal(world.environment, own)
        promised = targets(values, before, seen, seen.observation[PLACE], lost)
        at = before, place[:, None], action[:, None]
        values = values.at[at].set(values[at] + learning_rate * (promised - values[at]))
        tasks = world.task_space.sample(keys[3], n)
        state, seen = restart(jax.random.split(keys[4], n), tasks, seen.done, state, seen)
        return (values, state, seen), None

    def run(key, prior=None):
        task_key, reset_key, key = jax.random.split(key, 3)
        start = world.reset(reset_key, world.task_space.sample(task_key, n))
        keys = jax.random.split(key, steps // n)
        begin = jnp.zeros(shape), *start
        learned = jax.lax.scan(functools.partial(one, prior), begin, keys)[0][0]
        return mixed(learned, prior)

    return run
