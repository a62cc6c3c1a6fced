"""An instruction-following policy, composed with a formula, as a student that does not learn.

In each state of the formula's automaton, the plan determines which instructions make progress, and
the first of them is given to the policy. Unlike `instruction_skills`, which executes many formulas
with many policies, this is one formula and one policy, and it acts, saves and loads like other
students.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from didact.environments import ActionSpace
from didact.students.base import Student
from didact.students.networks.distributions import Categorical
from didact.students.skills.formula_task import PROGRESS

INSTRUCTED = ("states", "skills", "words")  # sizes on a card
INSTRUCTION = "instruction"
NO_POLICY = -1  # no skill is active: none makes progress, or none of those can begin
IDLE = "done"  # the action of grid worlds that has no effect
WORST = -1e9  # logit of all actions but "done" while no instruction makes progress


class InstructedState(NamedTuple):
    """The student state: the policy's parameters as `policy`, and the plan.

    The plan is `leads`, bool[states, skills], whether an instruction makes progress, and `words`,
    uint8[skills, words], the instructions as token ids.
    """

    params: dict[str, Any]


class InstructedCarry(NamedTuple):
    """The memory of the policy and the current skill of n environments, or `NO_POLICY`."""

    memory: Any
    due: Int[Array, " n"]


def instructed_student(student: Student, sizes: Mapping[str, int], actions: ActionSpace) -> Student:
    """Make a student that gives a policy one instruction after another.

    The policy's memory restarts with each new instruction. While no instruction makes progress, the
    action is "done", where there is such an action.

    Args:
        student: the student of the policy, which reads `instruction`.
        sizes: the sizes of `INSTRUCTED`.
        actions: the actions of the policy.
    """
    names = list(actions.action_names)
    idle = None
    if IDLE in names:
        idle = jnp.where(jnp.arange(len(names)) == names.index(IDLE), 0.0, WORST)
    states, skills, words = (sizes[name] for name in INSTRUCTED)

    def init(key):
        leads = jnp.zeros((states, skills), bool)
        plan = {"leads": leads, "words": jnp.zeros((skills, words), jnp.uint8)}
        return InstructedState({"policy": student.init(key).params, **plan})

    def initial_carry(n):
        return InstructedCarry(student.initial_carry(n), jnp.full(n, NO_POLICY, jnp.int32))

    def apply(state, carry, observation):
        params = state.params
        leads = jnp.asarray(params["leads"])[jnp.argmax(observation[PROGRESS], -1)]
        same = jnp.take_along_axis(leads, jnp.maximum(carry.due, 0)[:, None], 1)[:, 0]
        first = jnp.where(jnp.any(leads, 1), jnp.argmax(leads, 1), NO_POLICY)
        due = jnp.where(same & (carry.due != NO_POLICY), carry.due, first)
        new = due != carry.due

        def restarted(old, initial):
            return jnp.where(new.reshape(-1, *[1] * (old.ndim - 1)), initial, old)

        memory = jax.tree.map(restarted, carry.memory, student.initial_carry(len(due)))
        dtype = observation[INSTRUCTION].dtype
        read = {name: x for name, x in observation.items() if name != PROGRESS}
        read[INSTRUCTION] = jnp.asarray(params["words"])[jnp.maximum(due, 0)].astype(dtype)
        inner = student.init(jax.random.key(0))._replace(params=params["policy"])
        distribution, value, memory = student.apply(inner, memory, read)
        if idle is not None:
            logits = jnp.where((due == NO_POLICY)[:, None], idle, distribution.logits)
            distribution = Categorical(logits)
        return distribution, value, InstructedCarry(memory, due)

    def act(state, carry, observation, key):
        distribution, value, carry = apply(state, carry, observation)
        return distribution.sample(key), carry, {"value": value}

    def act_greedily(state, carry, observation, key):
        distribution, value, carry = apply(state, carry, observation)
        return distribution.mode(), carry, {"value": value}

    def learn(state, rollout, key):
        return state, {}

    return Student(init, initial_carry, apply, act, act_greedily, learn)
