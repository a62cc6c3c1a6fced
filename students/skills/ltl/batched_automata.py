"""Batches of automata of different formulas as one pytree of arrays, stepped on the device.

References:
    Toro Icarte et al., Reward Machines: Exploiting Reward Function Structure in Reinforcement
    Learning, JAIR 2022 (arXiv:2010.03950).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from didact.environments import SettingError
from didact.students.skills.ltl.automata import Automaton
from didact.students.skills.ltl.formulas import brief

ACCEPTING, FAILED = 1, 2  # bits of `AutomatonBatch.verdicts`


class AutomatonBatch(NamedTuple):
    """A batch of automata over the labels of one environment, padded to one size."""

    transitions: Int[Array, "batch states letters"]  # in the smallest dtype for the states
    weights: Int[Array, "labels batch"]  # the letter is the sum of the weights of true labels
    verdicts: Int[Array, "batch states"]  # bits ACCEPTING and FAILED of each state
    initial: Int[Array, " batch"]  # the state before the first label

    @property
    def accepting(self) -> Bool[Array, "batch states"]:
        """Whether the formula is true, for each state."""
        return self.verdicts & ACCEPTING != 0

    @property
    def failed(self) -> Bool[Array, "batch states"]:
        """Whether the formula is false and can no longer become true, for each state."""
        return self.verdicts & FAILED != 0

    def chosen(self, which: Int[Array, " n"]) -> "AutomatonBatch":
        """Return a batch of the machines with these indices, in this order."""
        weights = self.weights[:, which]
        return AutomatonBatch(
            self.transitions[which], weights, self.verdicts[which], self.initial[which]
        )


def batch_automata(
    automata: Sequence[Automaton],
    propositions: Sequence[str],
    *,
    max_states: int | None = None,
    max_propositions: int | None = None,
) -> AutomatonBatch:
    """Combine automata of different formulas into one batch.

    Args:
        automata: at least one automaton.
        propositions: the names of the propositions in labels, `Environment.propositions`.
        max_states, max_propositions: the size to pad to; the largest of all automata if None. With
            a fixed size, a program compiled for one batch works for all others.

    Raises:
        SettingError: an automaton is too large or has an unknown proposition, or the batch is too
            large for int32 indices.
    """
    if not automata:
        raise SettingError("automata", list(automata), "at least one")
    columns = {name: i for i, name in enumerate(propositions)}
    states = max_states or max(each.num_states for each in automata)
    width = max(len(each.propositions) for each in automata)
    width = width if max_propositions is None else max_propositions
    if len(automata) * states << width >= 2**31:
        size = f"{len(automata)} formulas of {states} states and {width} propositions"
        raise SettingError("batch", size, "smaller: fewer than 2**31 transitions in total")
    transitions = np.zeros((len(automata), states, 1 << width), np.min_scalar_type(states - 1))
    weights = np.zeros((len(propositions), len(automata)), np.min_scalar_type((1 << width) - 1))
    verdicts = np.zeros((len(automata), states), np.uint8)
    for i, each in enumerate(automata):
        for size, most, what in (
            (each.num_states, states, "states"),
            (len(each.propositions), width, "propositions"),
        ):
            if size > most:
                limit = f"at most {most} {what} (it has {size})"
                allowed = f"a formula whose automaton has {limit}"
                raise SettingError("formula", brief(each.formula), allowed)
        for bit, name in enumerate(each.propositions):
            if name not in columns:
                raise SettingError("proposition", name, "one of " + ", ".join(columns))
            weights[columns[name], i] = 1 << bit
        transitions[i, : each.num_states, : each.transitions.shape[1]] = each.transitions
        verdicts[i, : each.num_states] = each.accepting * ACCEPTING + each.failed * FAILED
    initial = np.array([each.initial for each in automata], np.int32)
    return AutomatonBatch(*map(jnp.asarray, (transitions, weights, verdicts, initial)))


def initial_states(
    machines: AutomatonBatch, which: Int[Array, " n"] | None = None
) -> Int[Array, " n"]:
    """Return the states before the first label.

    Args:
        machines: a batch of automata.
        which: the index of each environment's machine; environment i has machine i if None.
    """
    return machines.initial if which is None else machines.initial[which]


def next_states(
    machines: AutomatonBatch,
    state: Int[Array, " n"],
    labels: Bool[Array, "n labels"],
    which: Int[Array, " n"] | None = None,
) -> Int[Array, " n"]:
    """Return the states after one more label.

    This costs one gather and a sum over labels. The sum is unrolled, so that labels computed
    column by column need not be materialised
    (`python -m didact.benchmarks.speed.formula_cost` measures this).

    Args:
        machines: a batch of automata.
        state: the state of each environment's machine.
        labels: the labels of each environment, `Timestep.labels`.
        which: the index of each environment's machine; environment i has machine i if None. A
            batch can thus be a library of formulas shared by many environments.
    """
    batch, states, letters = machines.transitions.shape
    weights = machines.weights
    if batch == 1:
        which = jnp.zeros_like(state)
    elif which is None:
        which = jnp.arange(len(state), dtype=jnp.int32)
    else:
        weights = weights[:, which]
    letter = jnp.zeros(len(state), weights.dtype)
    for i in range(labels.shape[1]):
        letter += jnp.where(labels[:, i], weights[i], 0)
    at = (which * states + state) * letters + letter
    return machines.transitions.reshape(-1)[at].astype(jnp.int32)


def step_rewards(
    machines: AutomatonBatch,
    before: Int[Array, " n"],
    after: Int[Array, " n"],
    which: Int[Array, " n"] | None = None,
    *,
    success: float = 1.0,
    failure: float = -1.0,
) -> tuple[Float[Array, " n"], Bool[Array, " n"], Bool[Array, " n"]]:
    """Return the rewards of a step from the states `before` to the states `after`.

    Returns:
        reward: `success` if the formula becomes true of the steps so far, `failure` if it can no
            longer become true after this step, else 0.
        terminated: whether either happened, which ends the task.
        succeeded: whether the formula became true.
    """
    rows = jnp.arange(len(before)) if which is None else which
    new = machines.verdicts[rows, after] & ~machines.verdicts[rows, before]
    succeeded, lost = new & ACCEPTING != 0, new & FAILED != 0
    reward = jnp.where(succeeded, success, jnp.where(lost, failure, 0.0))
    return reward, succeeded | lost, succeeded


@dataclass(frozen=True, eq=False)
class RewardMachine:
    """An automaton with rewards.

    Attributes:
        automaton: the automaton.
        rewards: float32[states, letters], the reward of each transition.
        terminal: bool[states], whether the formula is true or can no longer become true, which ends
            the task.
    """

    automaton: Automaton
    rewards: Float[np.ndarray, "states letters"]
    terminal: Bool[np.ndarray, " states"]


def reward_machine(
    automaton: Automaton, *, success: float = 1.0, failure: float = -1.0
) -> RewardMachine:
    """Make a reward machine; `step_rewards` computes the same rewards for batches.

    Args:
        automaton: the automaton of the formula.
        success: reward of a transition from a state that is not accepting to one that is.
        failure: reward of a transition from a state that is not failed to one that is.
    """
    accepting, failed, after = automaton.accepting, automaton.failed, automaton.transitions
    succeeded = accepting[after] & ~accepting[:, None]
    lost = failed[after] & ~failed[:, None]
    rewards = np.where(succeeded, success, np.where(lost, failure, 0)).astype(np.float32)
    return RewardMachine(automaton, rewards, accepting | failed)
