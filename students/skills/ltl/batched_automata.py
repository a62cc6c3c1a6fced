"""Many automata of different formulas as one tree of arrays, stepped together on the device.

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

    transitions: Int[Array, "batch states letters"]  # of as few bits as the states need
    weights: Int[Array, "labels batch"]  # the letter is the sum of those of the labels that hold
    verdicts: Int[Array, "batch states"]
    initial: Int[Array, " batch"]  # before the first label

    @property
    def accepting(self) -> Bool[Array, "batch states"]:
        """Where the formula is true."""
        return self.verdicts & ACCEPTING != 0

    @property
    def failed(self) -> Bool[Array, "batch states"]:
        """Where it is false, whatever comes."""
        return self.verdicts & FAILED != 0

    def chosen(self, which: Int[Array, " n"]) -> "AutomatonBatch":
        """A batch of some of the machines, in this order."""
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
    """Automata of different formulas as one batch.

    Args:
        automata: at least one.
        propositions: what the environment's labels mean, `Environment.propositions`.
        max_states, max_propositions: the size that all are padded to; the largest of each if not
            given. With fixed ones, programs compiled for one batch serve every other.

    Raises:
        SettingError: an automaton is larger, has a proposition that the labels do not tell, or the
            batch is larger than int32 can index.
    """
    if not automata:
        raise SettingError("automata", list(automata), "at least one")
    columns = {name: i for i, name in enumerate(propositions)}
    states = max_states or max(each.num_states for each in automata)
    width = max(len(each.propositions) for each in automata)
    width = width if max_propositions is None else max_propositions
    if len(automata) * states << width >= 2**31:
        size = f"{len(automata)} formulas of {states} states and {width} propositions"
        raise SettingError("batch", size, "smaller: all transitions together less than 2**31")
    transitions = np.zeros((len(automata), states, 1 << width), np.min_scalar_type(states - 1))
    weights = np.zeros((len(propositions), len(automata)), np.min_scalar_type((1 << width) - 1))
    verdicts = np.zeros((len(automata), states), np.uint8)
    for i, each in enumerate(automata):
        for size, most, what in (
            (each.num_states, states, "states"),
            (len(each.propositions), width, "propositions"),
        ):
            if size > most:
                allowed = f"one whose automaton has at most {most} {what} (it has {size})"
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
    """The states before the first label.

    Args:
        machines: a batch.
        which: the machine of each world; world i has machine i if not given.
    """
    return machines.initial if which is None else machines.initial[which]


def next_states(
    machines: AutomatonBatch,
    state: Int[Array, " n"],
    labels: Bool[Array, "n labels"],
    which: Int[Array, " n"] | None = None,
) -> Int[Array, " n"]:
    """The states after one more label.

    One gather, and a sum of label by label, so that labels which are made by columns need not be
    written (`python -m didact.benchmarks.speed.formula_cost`).

    Args:
        machines: a batch.
        state: of each world's machine.
        labels: of each world, `Timestep.labels`.
        which: the machine of each world; world i has machine i if not given. So a batch may be a
            library of formulas that many worlds share.
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
    """Rewards of a step from the states `before` to those `after`.

    Returns:
        reward: `success` on coming to where the formula is true of the steps until now, `failure`
            on coming to where it cannot come true any more, else 0.
        terminated: one of both; the task is over.
        succeeded: the first.
    """
    rows = jnp.arange(len(before)) if which is None else which
    new = machines.verdicts[rows, after] & ~machines.verdicts[rows, before]
    succeeded, lost = new & ACCEPTING != 0, new & FAILED != 0
    reward = jnp.where(succeeded, success, jnp.where(lost, failure, 0.0))
    return reward, succeeded | lost, succeeded


@dataclass(frozen=True, eq=False)
class RewardMachine:
    """An automaton that pays.

    Attributes:
        automaton: where it goes.
        rewards: float32[states, letters], for each transition.
        terminal: bool[states], where the task is over: the formula is true, or cannot come true.
    """

    automaton: Automaton
    rewards: Float[np.ndarray, "states letters"]
    terminal: Bool[np.ndarray, " states"]


def reward_machine(
    automaton: Automaton, *, success: float = 1.0, failure: float = -1.0
) -> RewardMachine:
    """Pays for making a formula true and for making it impossible, as `step_rewards` does for
    batches.

    Args:
        automaton: of the formula.
        success: on coming to an accepting state from one that is none.
        failure: on coming to where acceptance cannot be reached, from where it can.
    """
    accepting, failed, after = automaton.accepting, automaton.failed, automaton.transitions
    succeeded = accepting[after] & ~accepting[:, None]
    lost = failed[after] & ~failed[:, None]
    rewards = np.where(succeeded, success, np.where(lost, failure, 0)).astype(np.float32)
    return RewardMachine(automaton, rewards, accepting | failed)
