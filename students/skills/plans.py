"""What to reach next, and what not to touch on the way, in each state of an automaton.

`machines` plans over letters alone, as if all goals were as far from one another. Where it is known
how far they are, plans are better: a goal is worth the way to it times what the best way from
there on is worth.

References:
    Nangue Tasse et al., Skill Machines: Temporal Logic Skill Composition in Reinforcement Learning,
    ICLR 2024 (arXiv:2205.12532), section 3; here with the values from goal to goal.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from didact.environments import SettingError
from didact.students.skills.ltl.automata import Automaton
from didact.students.skills.ltl.formulas import brief
from didact.students.skills.machines import letters_of, letters_of_goals, skill_machine

# Of a goal, from where another holds, while some are avoided: float[goals, goals].
Between = Callable[[Bool[np.ndarray, " goals"]], Float[np.ndarray, "goals goals"]]


class GoalPlans(NamedTuple):
    """The plans of a batch of automata over the goals of one world; states as in
    `AutomatonBatch`."""

    worth: Float[Array, "batch states goals"]  # of reaching a goal next; 0: it leads nowhere
    careful: Bool[Array, "batch states goals"]  # what fails, or throws back, where it is touched
    forbidden: Bool[Array, "batch states goals"]  # only what fails

    @property
    def wanted(self) -> Bool[Array, "batch states goals"]:
        """The goals that are worth most, such as `values.goal_task` rewards."""
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
    """Plans for automata, beside `pack` with the same `max_states`.

    Args:
        automata: at least one.
        propositions: what the columns of goals mean.
        goals: what can hold at once in the world.
        between: how much a goal is worth where another holds, discount**steps, such as
            `Table.apart`; without it all are as far, as in the paper.
        max_states: the number of states that all are padded to.
        discount: of each goal, without `between`.

    Raises:
        SettingError: there is none, one has more states, goals do not tell a proposition, or the
            discount is not between 0 and 1.
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
    # To stand where nothing holds is a goal only where it brings nearer, or nothing else does.
    nothing = ~np.asarray(goals, bool).any(1)
    nearer = (remaining[after] > remaining[:, None] * (1 + 1e-9)) | automaton.accepting[after]
    others = (open_ & ~nothing).any(1, keepdims=True)
    open_ &= nearer | ~nothing | ~others
    steps = np.full((len(after), len(goals), len(goals)), discount)
    if between is not None:
        for state, (gently, barely) in enumerate(zip(careful, forbidden, strict=True)):
            steps[state] = between(gently)
            steps[state] = np.where(steps[state] > 0, steps[state], between(barely))
    # What it is worth to come to a goal, and so to a state, and to go on from there.
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
    """The values of actions for the formulas of n worlds.

    What throws the task back is avoided, too, where there is a way that avoids it.

    Args:
        made: plans of a batch.
        state: of each world's automaton.
        action_values: values of all goals where the agents are, while some goals are avoided.
        which: the plan of each world; world i has plan i if not given.
    """
    rows = jnp.arange(len(state)) if which is None else which
    worth = made.worth[rows, state].T[..., None]
    careful, forbidden = (
        jnp.max(action_values(avoided[rows, state]) * worth, 0)
        for avoided in (made.careful, made.forbidden)
    )
    way = jnp.any(careful > 0, -1, keepdims=True)
    return jnp.where(way, careful, forbidden)
