"""Composed behaviour as a student that has learned all it will: acts, saves and loads like others.

In a world of numbered places it is one table, of the automaton's states and the places.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from didact.students.base import Student
from didact.students.skills.automata import Automaton
from didact.students.skills.following import PROGRESS
from didact.students.skills.plans import follow, plans
from didact.students.skills.tabular import Table

WORST = -1e9  # the logit of an action that is not among the best


class Composed(NamedTuple):
    """The state of a composed behaviour."""

    params: dict[str, Array]  # values, float32[states, places, actions]


class Outputs(NamedTuple):
    """What it says of each observation."""

    logits: Float[Array, "n actions"]
    value: Float[Array, " n"]  # discounted, of the steps to fulfilment; 0: no way is known


def compose(
    table: Table, made: Automaton, propositions: tuple[str, ...]
) -> Float[Array, "states places actions"]:
    """The values of a formula for each state of its automaton, without any learning.

    Args:
        table: how to reach all goals.
        made: the formula's automaton.
        propositions: what labels mean.

    Raises:
        SettingError: a proposition of the formula is no label, or its skills were not learned.
    """
    plan = plans([made], propositions, table.goals, table.apart)
    places = jnp.arange(table.values.shape[0])
    which = jnp.zeros_like(places)
    rows = [
        follow(plan, jnp.full_like(places, state), lambda no: table.look(places, no), which)
        for state in range(made.num_states)
    ]
    return jnp.stack(rows)


def behaviour(states: int, places: int, actions: int) -> Student:
    """A student of these sizes; `Composed.params` is put in from elsewhere."""
    shape = states, places, actions

    def init(key):
        return Composed({"values": jnp.zeros(shape)})

    def look(state, carry, observation):
        machine = jnp.argmax(observation[PROGRESS], -1)
        values = state.params["values"][machine, observation["place"]]
        best = jnp.max(values, -1, keepdims=True)
        logits = jnp.where(values >= best * (1 - 1e-6), 0.0, WORST)
        return Outputs(logits, best[:, 0]), carry

    def act(state, carry, observation, key):
        outputs, carry = look(state, carry, observation)
        action = jax.random.categorical(key, outputs.logits)
        return action, carry, {"value": outputs.value}

    def act_greedily(state, carry, observation, key):
        outputs, carry = look(state, carry, observation)
        return jnp.argmax(outputs.logits, -1), carry, {"value": outputs.value}

    def learn(state, rollout, key):
        return state, {}

    return Student(init, lambda n: (), look, act, act_greedily, learn)
