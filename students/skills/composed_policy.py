"""Composed policies as students that do not learn; they act, save and load like other students.

In an environment with numbered places, the policy is a table over the automaton's states and the
places. Otherwise, it is a goal network with the plans of the automaton's states.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from didact.environments import ArraySpace
from didact.environments.base import PLACE
from didact.students.base import Student
from didact.students.networks.distributions import Categorical
from didact.students.skills.deep import GoalNetwork, action_values
from didact.students.skills.formula_task import PROGRESS
from didact.students.skills.ltl.automata import Automaton
from didact.students.skills.machines import letters_of
from didact.students.skills.plans import GoalPlans, goal_plans, plan_action_values
from didact.students.skills.tabular import Table, fixed_point_values

WORST = -1e9  # logit of actions that are not among the best
TABLE = ("states", "places")  # sizes of a table on a card
NETWORK = ("states", "goals", "hidden", "cell")  # sizes of a network on a card


class ComposedState(NamedTuple):
    """The student state of a composed policy."""

    params: dict[str, Any]


def compose(
    table: Table, made: Automaton, propositions: tuple[str, ...], *, as_far: bool = False
) -> Float[Array, "states places actions"]:
    """Compose the action values of a formula for each state of its automaton, without more steps.

    The values of plans over goals are the starting point. They are then iterated to a fixed point
    of the Bellman equation on the steps from which the table was learned, because the order of
    single steps may matter.

    Args:
        table: the values of reaching all goals.
        made: the formula's automaton.
        propositions: the names of the propositions in labels.
        as_far: return the values of plans that assume equal distances between all goals, as in the
            paper.

    Raises:
        SettingError: the formula has a proposition that is not in `propositions`.
    """
    plan = goal_plans([made], propositions, table.goals, None if as_far else table.goal_values)
    places = jnp.arange(table.values.shape[0])
    which = jnp.zeros_like(places)
    rows = [
        plan_action_values(
            plan, jnp.full_like(places, state), lambda no: table.action_values(places, no), which
        )
        for state in range(made.num_states)
    ]
    values = jnp.stack(rows)
    if as_far:
        return values
    after = made.transitions[:, letters_of(made, propositions, table.goals)]
    return fixed_point_values(table, after, made.accepting, made.failed, values)


def composed_student(
    sizes: Mapping[str, int], observation_space: Mapping[str, ArraySpace], actions: int
) -> Student:
    """Make a student with the given sizes; replace `ComposedState.params` to load a policy.

    Args:
        sizes: the sizes of `TABLE` or `NETWORK`. The parameters of a table are `values`
            [states, places, actions]; those of a network are `network`, and `worth`, `careful` and
            `forbidden` [states, goals], as in `GoalPlans`.
        observation_space: the observations of the environment with the formula.
        actions: the number of actions.
    """
    if set(sizes) == set(TABLE):
        shape = sizes["states"], sizes["places"], actions
        return _student(lambda key: {"values": jnp.zeros(shape)}, _looked_up)
    states, goals = sizes["states"], sizes["goals"]
    network = GoalNetwork(goals, actions, sizes["hidden"], sizes["cell"])
    image = observation_space["image"].shape

    def init(key):
        one = jnp.zeros((1, *image), jnp.uint8), jnp.zeros(1, jnp.int32)
        made = network.init(key, *one, jnp.zeros((1, goals), bool))
        plan = {name: jnp.zeros((states, goals), bool) for name in ("careful", "forbidden")}
        return {"network": made, "worth": jnp.zeros((states, goals)), **plan}

    def values_of(params, observation):
        def seen(avoided):
            return action_values(network, params["network"], observation["image"], avoided)

        machine = jnp.argmax(observation[PROGRESS], -1)
        plan = GoalPlans(*(params[name][None] for name in GoalPlans._fields))
        return plan_action_values(plan, machine, seen, jnp.zeros_like(machine))

    return _student(init, values_of)


def _looked_up(params: Any, observation: Mapping[str, Array]) -> Float[Array, "n actions"]:
    return params["values"][jnp.argmax(observation[PROGRESS], -1), observation[PLACE]]


def _student(
    params: Callable[[Array], dict[str, Any]],
    values_of: Callable[[Any, Mapping[str, Array]], Float[Array, "n actions"]],
) -> Student:
    """Make a student that takes one of the actions with the highest value."""

    def init(key):
        return ComposedState(params(key))

    def apply(state, carry, observation):
        values = values_of(state.params, observation)
        best = jnp.max(values, -1, keepdims=True)
        logits = jnp.where(values >= best * (1 - 1e-6), 0.0, WORST)
        # The value is discount**steps until the formula is fulfilled, or 0 if no way is known.
        return Categorical(logits), best[:, 0], carry

    def act(state, carry, observation, key):
        distribution, value, carry = apply(state, carry, observation)
        return distribution.sample(key), carry, {"value": value}

    def act_greedily(state, carry, observation, key):
        distribution, value, carry = apply(state, carry, observation)
        return distribution.mode(), carry, {"value": value}

    def learn(state, rollout, key):
        return state, {}

    return Student(init, lambda n: (), apply, act, act_greedily, learn)


def sizes_of(states: int, params: Mapping[str, Any]) -> dict[str, int]:
    """Return the sizes on a card for a composed policy with these parameters."""
    if "values" in params:
        return {"states": states, "places": int(np.shape(params["values"])[1])}
    inner = params["network"]["params"]
    goals, _, cell = inner["wanted"].shape
    hidden = inner["Dense_1"]["kernel"].shape[0]
    return {"states": states, "goals": int(goals), "hidden": int(hidden), "cell": int(cell)}
