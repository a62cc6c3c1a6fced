"""Tabular action values for every goal under every constraint, learned off-policy.

A goal is a place where some propositions hold, or any place where none does. A constraint is a set
of labels that must be avoided on the way. All goals and constraints are learned together from the
same steps of any behaviour, by fitted Q iteration to a fixed point. Afterwards, any formula over
the propositions can be composed without learning.

References:
    Ernst, Geurts and Wehenkel, Tree-Based Batch Mode Reinforcement Learning, JMLR 2005 (fitted Q
    iteration); Nangue Tasse et al., Skill Machines, ICLR 2024 (arXiv:2205.12532), whose task
    primitives are goals and constraints, too.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from didact.environments import SettingError
from didact.students.skills.values import WorldValues

MAX_LABELS = 12  # maximum number of labels; there are 2**labels constraints
MAX_PLACES = 32  # with more labelled places, a goal is a label, independent of the place
MAX_SIZE = 1 << 28  # maximum number of entries of a table
ENOUGH = 1e-6  # tolerance of values


class Transitions(NamedTuple):
    """m recorded steps, in any order."""

    place: Int[np.ndarray, " m"]
    action: Int[np.ndarray, " m"]
    after: Int[np.ndarray, " m"]  # the next place
    labels: Bool[np.ndarray, "m propositions"]  # the propositions that hold there
    terminated: Bool[np.ndarray, " m"]  # whether the episode terminated there


class Steps(NamedTuple):
    """The m distinct steps among those recorded."""

    place: Int[np.ndarray, " m"]
    action: Int[np.ndarray, " m"]
    after: Int[np.ndarray, " m"]
    goal: Int[np.ndarray, " m"]  # index in `Table.goals` of the goal that was reached
    terminated: Int[np.ndarray, " m"]  # 0 or 1
    share: Float[np.ndarray, " m"]  # frequency among the steps with this place and action


class Table(NamedTuple):
    """Action values learned in an environment with numbered places.

    Constraint c is the set of labels i for which bit i of c is 1.
    """

    goals: Bool[np.ndarray, "goals propositions"]  # propositions that hold at each goal
    label: Int[np.ndarray, " goals"]  # index of each goal's label among the distinct labels
    values: Float[Array, "places actions goals constraints"]  # discount**(steps - 1); 0 if no way
    between: Float[np.ndarray, "goals goals constraints"]  # discount**steps from first to second
    steps: Steps
    discount: float

    def action_values(
        self, place: Int[Array, " n"], avoided: Bool[Array, "n goals"]
    ) -> Float[Array, "goals n actions"]:
        """Return the action values in n environments for each goal, with avoided labels."""
        return jnp.moveaxis(self.values[place, :, :, self._constraint(avoided)], 2, 0)

    def goal_values(self, avoided: Bool[np.ndarray, " goals"]) -> Float[np.ndarray, "goals goals"]:
        """Return the values of goals where others hold, with avoided labels, for `goal_plans`."""
        return self.between[:, :, int(self._constraint(jnp.asarray(avoided)))]

    def world_values(self, avoided: Bool[Array, " goals"] | None = None) -> WorldValues:
        """Return world values for the algebra in `values`; without rewards, they are 0."""
        constraint = 0 if avoided is None else self._constraint(avoided)
        most = jnp.moveaxis(self.values[..., constraint], 2, 0)
        return WorldValues(most, jnp.zeros_like(most))

    def _constraint(self, avoided: Bool[Array, "*n goals"]) -> Int[Array, "*n"]:
        touched = [jnp.any(avoided & (self.label == i), -1) for i in range(max(self.label) + 1)]
        return sum(jnp.where(each, 1 << i, 0) for i, each in enumerate(touched))  # type: ignore


def learn_table(
    seen: Transitions, num_places: int, num_actions: int, *, discount: float = 0.95
) -> Table:
    """Learn a table of all goals in recorded steps.

    Args:
        seen: at least one step.
        num_places, num_actions: the numbers of places and actions of the environment.
        discount: discount factor per step.

    Raises:
        SettingError: the discount is not between 0 and 1, there are no steps, or the table would be
            too large.
    """
    if not 0 < discount < 1:
        raise SettingError("discount", discount, "between 0 and 1")
    if not len(seen.place):
        raise SettingError("transitions", 0, "at least one step")
    labels, label = np.unique(np.asarray(seen.labels, bool), axis=0, return_inverse=True)
    where = np.where(np.any(seen.labels, 1), seen.after, -1)
    if len(np.unique(where)) > MAX_PLACES + 1:
        where = np.full_like(where, -1)
    goals, goal = np.unique(np.stack([label.ravel(), where], 1), axis=0, return_inverse=True)
    shape = (num_places, num_actions, len(goals), 1 << len(labels))
    if len(labels) > MAX_LABELS or np.prod(shape, dtype=float) > MAX_SIZE:
        allowed = f"at most {MAX_LABELS}, with at most {MAX_SIZE:,} entries in the table"
        raise SettingError("labels", f"{len(labels)} (table of {shape})", allowed)
    rows = np.stack([seen.place, seen.action, seen.after, goal.ravel(), seen.terminated], 1)
    rows, counts = np.unique(rows.astype(np.int64), axis=0, return_counts=True)
    total = np.zeros(shape[:2])
    np.add.at(total, (rows[:, 0], rows[:, 1]), counts)
    weights = counts / total[rows[:, 0], rows[:, 1]]
    values = _iterated(rows, weights, goals[:, 0], shape, discount)
    best = np.asarray(jnp.max(values, 1))
    at = [np.unique(rows[rows[:, 3] == g, 2]) for g in range(len(goals))]
    between = discount * np.stack([best[places].mean(0) for places in at])
    place, action, after, reached, terminated = rows.T
    steps = Steps(place, action, after, reached, terminated, weights)
    return Table(labels[goals[:, 0]], goals[:, 0], values, between, steps, discount)


def fixed_point_values(
    table: Table,
    transitions: Int[np.ndarray, "states goals"],
    accepting: Bool[np.ndarray, " states"],
    failed: Bool[np.ndarray, " states"],
    values: Float[Array, "states places actions"],
) -> Float[Array, "states places actions"]:
    """Iterate composed values of a formula to a fixed point on the recorded steps.

    Composed values use distances between goals, averaged over the places of a goal. This suits
    reaching goals, but not operators such as "in the next step", which depend on single places.

    Args:
        table: the learned table.
        transitions: the automaton's transitions, by the goal that is reached.
        accepting, failed: whether each state of the automaton is accepting or failed.
        values: composed values, from which the iteration starts.
    """
    steps = table.steps
    after = jnp.asarray(transitions)[:, steps.goal]  # [states, m]
    won, lost = jnp.asarray(accepting)[after], jnp.asarray(failed)[after] | (steps.terminated == 1)
    most = int(np.log(ENOUGH) / np.log(table.discount)) + 1
    share = jnp.asarray(steps.share, jnp.float32)

    def again(carry):
        values, _, count = carry
        promised = table.discount * jnp.max(values, -1)[after, steps.after]
        promised = jnp.where(won, 1, jnp.where(lost, 0, promised))
        new = jnp.zeros_like(values).at[:, steps.place, steps.action].add(share * promised)
        return new, jnp.max(jnp.abs(new - values)) > ENOUGH, count + 1

    def unfinished(carry):
        return carry[1] & (carry[2] < most)

    return jax.jit(lambda v: jax.lax.while_loop(unfinished, again, (v, True, 0))[0])(values)


def _iterated(
    rows: Int[np.ndarray, "m 5"],
    weights: Float[np.ndarray, " m"],
    label: Int[np.ndarray, " goals"],
    shape: tuple[int, int, int, int],
    discount: float,
) -> Float[Array, "places actions goals constraints"]:
    """Return the fixed point of fitted Q iteration, starting from 0."""
    place, action, after, goal, terminated = jnp.asarray(rows.T, jnp.int32)
    constraints = np.arange(shape[3])
    over = ((constraints >> label[rows[:, 3]][:, None]) & 1).astype(bool)  # [m, constraints]
    over = jnp.asarray(over) | (terminated == 1)[:, None]
    reached = jax.nn.one_hot(goal, shape[2], dtype=bool)  # [m, goals]
    share = jnp.asarray(weights, jnp.float32)[:, None, None]

    most = int(np.log(ENOUGH) / np.log(discount)) + 1  # errors shrink by `discount` per iteration

    def again(carry):
        values, _, count = carry
        promised = discount * jnp.max(values, 1)[after]
        promised = jnp.where(over[:, None], 0, promised)
        promised = jnp.where(reached[:, :, None], 1, promised)
        new = jnp.zeros(shape).at[place, action].add(share * promised)
        return new, jnp.any(new != values), count + 1

    def unfinished(carry):
        return carry[1] & (carry[2] < most)

    return jax.jit(lambda: jax.lax.while_loop(unfinished, again, (jnp.zeros(shape), True, 0))[0])()
