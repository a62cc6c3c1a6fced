"""World value functions and their Boolean algebra: composition of tasks without learning.

A goal is the set of propositions that hold where a skill ends, as bool[propositions]. A world value
function gives the values of actions for reaching each goal, where ending at another goal is
penalised. Two of them are learned: for the task that rewards every goal, and for the task that
rewards none. In deterministic environments, the world value function of any other task has, for
each goal, the values of the first if the task rewards it, and those of the second otherwise.

References:
    Nangue Tasse et al., A Boolean Task Algebra for Reinforcement Learning, NeurIPS 2020
    (arXiv:2001.01394), theorems 2 and 3; Nangue Tasse et al., Skill Machines: Temporal Logic Skill
    Composition in Reinforcement Learning, ICLR 2024 (arXiv:2205.12532).
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from didact.environments import SettingError
from didact.students.skills.ltl import formulas
from didact.students.skills.ltl.formulas import Formula


class WorldValues(NamedTuple):
    """The learned values of an environment; "*s" are its states, or a batch of environments."""

    most: Float[Array, "goals *s actions"]  # values of the task that rewards every goal
    least: Float[Array, "goals *s actions"]  # values of the task that rewards no goal


def conjunction(
    one: Float[Array, "goals *s actions"], other: Float[Array, "goals *s actions"]
) -> Float[Array, "goals *s actions"]:
    """Return the values of the task that rewards the goals that both tasks reward."""
    return jnp.minimum(one, other)


def disjunction(
    one: Float[Array, "goals *s actions"], other: Float[Array, "goals *s actions"]
) -> Float[Array, "goals *s actions"]:
    """Return the values of the task that rewards the goals that either task rewards."""
    return jnp.maximum(one, other)


def negation(
    world: WorldValues, one: Float[Array, "goals *s actions"]
) -> Float[Array, "goals *s actions"]:
    """Return the values of the task that rewards the goals that a task does not reward."""
    return (world.most + world.least) - one


def goal_task(
    world: WorldValues, rewarded: Bool[Array, "#goals *#s"]
) -> Float[Array, "goals *s actions"]:
    """Return the values of the task that rewards the given goals.

    Args:
        world: the learned values.
        rewarded: bool[goals], or [goals, *s] if each environment has its own task.
    """
    missing = world.most.ndim - jnp.ndim(rewarded)
    rewarded = jnp.reshape(rewarded, (*jnp.shape(rewarded), *(1,) * missing))
    return jnp.where(rewarded, world.most, world.least)


def composed(
    formula: Formula,
    world: WorldValues,
    propositions: Sequence[str],
    goals: Bool[Array, "goals propositions"],
) -> Float[Array, "goals *s actions"]:
    """Return the values of reaching a goal that satisfies a formula without temporal operators.

    They are composed by the algebra from those of single propositions. `goal_task` with the goals
    that satisfy the formula gives the same values, up to rounding.

    Args:
        formula: a formula of propositions, constants and Boolean operators.
        world: the learned values.
        propositions: the names of the columns of `goals`.
        goals: the learned goals.

    Raises:
        SettingError: the formula has a temporal operator, or an unknown proposition.
    """

    def of(formula: Formula) -> Array:
        match formula:
            case formulas.Constant(value=value):
                return world.most if value else world.least
            case formulas.Proposition(name=name):
                if name not in propositions:
                    raise SettingError("proposition", name, "one of " + ", ".join(propositions))
                return goal_task(world, goals[:, list(propositions).index(name)])
            case formulas.Not(operand=inner):
                return negation(world, of(inner))
            case formulas.And(left=left, right=right):
                return conjunction(of(left), of(right))
            case formulas.Or(left=left, right=right):
                return disjunction(of(left), of(right))
            case formulas.Implies(left=left, right=right):
                return disjunction(negation(world, of(left)), of(right))
            case formulas.Iff(left=left, right=right):
                one, other = of(left), of(right)
                return disjunction(
                    conjunction(one, other),
                    conjunction(negation(world, one), negation(world, other)),
                )
        raise SettingError("skill", str(formula), "a formula without temporal operators")

    return of(formula)


def greedy(values: Float[Array, "goals *s actions"]) -> Int[Array, "*s"]:
    """Return the greedy actions: the first ones on the best way to the best goal."""
    return jnp.argmax(jnp.max(values, 0), -1)
