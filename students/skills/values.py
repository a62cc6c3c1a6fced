"""World value functions and their Boolean algebra: tasks that compose without learning.

A goal is what holds where a skill ends, as bool[propositions]. A world value function tells for
each goal how well an action begins the way to just that goal, ending at another one being punished.
Two of them are learned: one of the task in which every goal is rewarded, one of that in which none
is. In deterministic worlds the value function of any task that rewards some of the goals has, for
each goal, the values of the first where it is rewarded, and those of the second where not. So it
is composed.

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
    """What was learned of a world; "*s" are its states, or a batch of worlds."""

    most: Float[Array, "goals *s actions"]  # of the task in which every goal is rewarded
    least: Float[Array, "goals *s actions"]  # of the task in which none is


def conjunction(
    one: Float[Array, "goals *s actions"], other: Float[Array, "goals *s actions"]
) -> Float[Array, "goals *s actions"]:
    """The task that rewards what both tasks reward."""
    return jnp.minimum(one, other)


def disjunction(
    one: Float[Array, "goals *s actions"], other: Float[Array, "goals *s actions"]
) -> Float[Array, "goals *s actions"]:
    """The task that rewards what one of the tasks rewards."""
    return jnp.maximum(one, other)


def negation(
    world: WorldValues, one: Float[Array, "goals *s actions"]
) -> Float[Array, "goals *s actions"]:
    """The task that rewards what the other does not."""
    return (world.most + world.least) - one


def goal_task(
    world: WorldValues, rewarded: Bool[Array, "#goals *#s"]
) -> Float[Array, "goals *s actions"]:
    """The task that rewards these goals.

    Args:
        world: what was learned.
        rewarded: bool[goals], or [goals, *s] where each world has a task of its own.
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
    """The task of reaching a goal of which a formula without temporal operators is true.

    It is made by the algebra from those of single propositions. As their goals are known,
    `goal_task` with the goals of which the formula is true gives the same, up to rounding.

    Args:
        formula: of propositions, constants and Boolean operators.
        world: what was learned.
        propositions: what the columns of goals mean.
        goals: the goals that were learned.

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
    """The action that begins the best way to the best goal."""
    return jnp.argmax(jnp.max(values, 0), -1)
