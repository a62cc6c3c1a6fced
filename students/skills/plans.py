"""Plans over goals: what to reach next and what to avoid, in each state of an automaton.

`machines` plans over letters only, as if the distances between all goals were equal. With known
distances, plans are better: the value of a goal is the discount of the way to it times the value of
the best way from there on.

References:
    Nangue Tasse et al., Skill Machines: Temporal Logic Skill Composition in Reinforcement Learning,
    ICLR 2024 (arXiv:2205.12532), section 3; here with values between goals.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from didact.environments import SettingError
from didact.students.skills.ltl.automata import Automaton
from didact.students.skills.ltl.formulas import brief
from didact.students.skills.machines import letters_of, letters_of_goals, skill_machine

# From the avoided goals to the values of all goals (columns) where each goal holds (rows).
Between = Callable[[Bool[np.ndarray, " goals"]], Float[np.ndarray, "goals goals"]]


class GoalPlans(NamedTuple):
    """The plans of a batch of automata over the goals of an environment; states as in
    `AutomatonBatch`.
    """

    worth: Float[Array, "batch states goals"]  # value of reaching a goal next; 0 if useless
    careful: Bool[Array, "batch states goals"]  # goals that fail the task or set it back
    forbidden: Bool[Array, "batch states goals"]  # goals that fail the task

    @property
    def wanted(self) -> Bool[Array, "batch states goals"]:
        """The goals with the highest value, as an argument of `values.goal_task`."""
        best = jnp.max(self.worth, -1, keepdims=True)
        return (self.worth > 0) & (self.worth >= best * (1 - 1e-6))


def goal_plans(
    automata: Sequence[Automaton],
    propositions: Sequence[str],
    goals: Bool[np.ndarray, "goals propositions"],
    between: Between | None = None,
    *,
    max_states: int | None = None,
    discount: float = 0.9,
) -> GoalPlans:
    """Make plans for automata; use the same `max_states` as in `batch_automata`.

    Args:
        automata: at least one automaton.
        propositions: the names of the columns of `goals`.
        goals: the sets of propositions that can hold together in the environment.
        between: the value of each goal where another holds, discount**steps, such as
            `Table.goal_values`; without it, all distances are equal, as in the paper.
        max_states: the number of states to pad to; the largest number of states if None.
        discount: discount factor per goal, without `between`.

    Raises:
        SettingError: there is no automaton, one has more than `max_states` states, a proposition is
            unknown, or the discount is not between 0 and 1.
    """
    if not automata:
        raise SettingError("automata", list(automata), "at least one")
    states = max_states or max(each.num_states for each in automata)
    worth = np.zeros((len(automata), states, len(goals)), np.float32)
    careful, forbidden = np.zeros((2, *worth.shape), bool)
    for i, each in enumerate(automata):
        if each.num_states > states:
            allowed = f"one whose automaton has at most {states} states (it has {each.num_states})"
            raise SettingError("formula", brief(each.formula), allowed)
        made = _plan(each, propositions, goals, between, discount)
        for array, rows in zip((worth, careful, forbidden), made, strict=True):
            array[i, : each.num_states] = rows
    return GoalPlans(jnp.asarray(worth), jnp.asarray(careful), jnp.asarray(forbidden))


def _plan(automaton, propositions, goals, between, discount):
    letters = letters_of(automaton, propositions, goals)
    after = automaton.transitions[:, letters]  # [states, goals]
    possible = letters_of_goals(automaton, propositions, goals)
    remaining = skill_machine(automaton, possible, discount).values
    states = np.arange(len(after))[:, None]
    alive = automaton.alive[:, None]
    forbidden = automaton.failed[after] & alive
    open_ = (after != states) & ~automaton.accepting[:, None] & ~automaton.failed[after] & alive
    back = (
        open_ & ~automaton.accepting[after] & (remaining[after] < remaining[:, None] * (1 - 1e-9))
    )
    careful = forbidden | back
    # A place without propositions is a goal only if it makes progress or no other goal does.
    nothing = ~np.asarray(goals, bool).any(1)
    nearer = (remaining[after] > remaining[:, None] * (1 + 1e-9)) | automaton.accepting[after]
    others = (open_ & ~nothing).any(1, keepdims=True)
    open_ &= nearer | ~nothing | ~others
    steps = np.full((len(after), len(goals), len(goals)), discount)
    if between is not None:
        for state, (gently, barely) in enumerate(zip(careful, forbidden, strict=True)):
            steps[state] = between(gently)
            steps[state] = np.where(steps[state] > 0, steps[state], between(barely))
    # The value of reaching a goal, and thereby a state, and of continuing from there.
    worth = np.zeros(after.shape)
    for _ in range(after.size):
        following = np.max(steps[after, np.arange(len(goals))] * worth[after], -1)
        new = np.where(automaton.accepting[after], 1.0, following) * open_
        if np.array_equal(new, worth):
            break
        worth = new
    return worth, careful, forbidden


def plan_action_values(
    made: GoalPlans,
    state: Int[Array, " n"],
    action_values: Callable[[Bool[Array, "n goals"]], Float[Array, "goals n actions"]],
    which: Int[Array, " n"] | None = None,
) -> Float[Array, "n actions"]:
    """Return the values of actions for the formulas of n environments.

    Goals that set the task back are avoided as well, if there is a way that avoids them.

    Args:
        made: the plans of a batch of automata.
        state: the state of each environment's automaton.
        action_values: a function from avoided goals to the action values of all goals.
        which: the index of each environment's plan; environment i has plan i if None.
    """
    rows = jnp.arange(len(state)) if which is None else which
    worth = made.worth[rows, state].T[..., None]

    def values(avoided):
        return jnp.max(action_values(avoided) * worth, 0)

    gently, barely = (jnp.asarray(x)[rows, state] for x in (made.careful, made.forbidden))
    careful = values(gently)
    # Most formulas have nothing that sets them back, so that both are the same.
    same = jnp.all(gently == barely)
    forbidden = jax.lax.cond(same, lambda: careful, lambda: values(barely))
    way = jnp.any(careful > 0, -1, keepdims=True)
    return jnp.where(way, careful, forbidden)
