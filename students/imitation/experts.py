"""Experts: policies that advise a student in the states that it visits.

An expert is a trained policy, a privileged expert of the environment (such as a solver that sees
the full state), or any function. All share one signature, and none of them learns.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from didact.environments import ActionSpace, Continuous, SettingError, TaskSpace, map_in_groups
from didact.students.networks.distributions import Categorical, Distribution, SquashedNormal
from didact.students.policies.cards import student_of
from didact.students.policies.policy import Policy

Observation = Mapping[str, Array]
GROUP_SIZE = 128  # environments in which one of several experts is evaluated at a time
TASK = "task"  # the name of an environment's task among privileged observations


def knows_all(observation: Observation) -> Bool[Array, " n"]:
    """Return True for every environment."""
    return jnp.ones(jax.tree.leaves(dict(observation))[0].shape[0], bool)


class Expert(NamedTuple):
    """An adviser in n parallel environments; deterministic, and never learns.

    Attributes:
        name: a name for logs and errors.
        initial_carry: `initial_carry(n) -> carry`, its memory at the start of an episode.
        advise: `advise(carry, observation) -> (distribution, carry)`, a `Distribution` over the
            student's actions with batch shape [n].
        knows: `knows(observation) -> bool[n]`, whether its advice is valid in each environment.
        privileged_observations: names of the privileged observations that it needs, which only the
            environment or the training loop can provide, such as `task`.
    """

    name: str
    initial_carry: Callable[[int], Any]
    advise: Callable[[Any, Observation], tuple[Distribution, Any]]
    knows: Callable[[Observation], Bool[Array, " n"]] = knows_all
    privileged_observations: tuple[str, ...] = ()


def of_policy(
    policy: Policy,
    action_space: ActionSpace,
    *,
    temperature: float = 1.0,
    seeds_axis: str | None = None,
) -> Expert:
    """Make an expert from a trained policy.

    The policy may differ from the student in its architecture, memory and observations, but all
    its observations must be provided. It may know only some of the student's discrete actions,
    which are matched by name.

    Args:
        policy: the policy.
        action_space: the action space of the student.
        temperature: scales the spread of its distributions; below 1, they are more deterministic.
        seeds_axis: name of the mapped axis of the student's seeds, or None.

    Raises:
        SettingError: the policy has actions that the student lacks, or the temperature is not
            positive.
    """
    if not 0 < temperature < float("inf"):
        raise SettingError("temperature", temperature, "a positive number")
    own, names = policy.action_space, list(action_space.action_names)
    if isinstance(own, Continuous) or isinstance(action_space, Continuous):
        if own != action_space:
            raise SettingError("actions of the expert", own, f"the student's: {action_space}")
    elif not set(own.action_names) <= set(names):
        raise SettingError(
            "actions of the expert", list(own.action_names), f"a subset of the student's: {names}"
        )
    state = policy.state
    student = policy.student if seeds_axis is None else student_of(policy.card, seeds_axis)

    def advise(carry, observation):
        read = {name: observation[name] for name in policy.observation_space}
        distribution, _, carry = student.apply(state, carry, read)
        distribution = distribution.tempered(temperature)
        if isinstance(distribution, Categorical) and list(own.action_names) != names:
            columns = jnp.array([names.index(name) for name in own.action_names])
            none = jnp.full((distribution.logits.shape[0], len(names)), -jnp.inf)
            distribution = Categorical(none.at[:, columns].set(distribution.logits))
        return distribution, carry

    return Expert(str(policy.card.get("name") or policy.environment), policy.initial_carry, advise)


def privileged(name: str, action_space: ActionSpace) -> Expert:
    """Make an expert whose actions are the privileged observation of this name.

    Such an expert may use information that the student lacks, and advises in the states that the
    student visits, as in DAgger (Ross et al., 2011). It has no advice where a discrete action is
    outside the space or a continuous action is not finite.
    """

    def advise(carry, observation) -> tuple[Distribution, Any]:
        action = observation[name]
        if isinstance(action_space, Continuous):
            return SquashedNormal.around(action_space, jnp.nan_to_num(action)), carry
        chosen = jax.nn.one_hot(action, action_space.n)
        unknown = jnp.sum(chosen, axis=-1, keepdims=True) == 0
        return Categorical.of_probabilities(jnp.where(unknown, 1, chosen)), carry

    def knows(observation):
        action = observation[name]
        if isinstance(action_space, Continuous):
            return jnp.all(jnp.isfinite(action), axis=-1)
        return (action >= 0) & (action < action_space.n)

    return Expert(name, lambda n: (), advise, knows, (name,))


def of_function(
    function: Callable[[Observation], Float[Array, "n actions"] | Distribution],
    name: str = "function",
) -> Expert:
    """Make an expert from a pure function of observations.

    The function returns action probabilities [n, actions] or a distribution.
    """

    def advise(carry, observation):
        advice = function(observation)
        if isinstance(advice, jax.Array | np.ndarray):
            advice = Categorical.of_probabilities(advice)
        return advice, carry

    return Expert(name, lambda n: (), advise)


def only(expert: Expert, knows: Callable[[Observation], Bool[Array, " n"]]) -> Expert:
    """Restrict an expert to environments for which `knows(observation)` is True as well.

    The mask of an expert with a memory should not change within an episode: among several experts,
    it reads only the steps in which it knows, and its memory lacks all others.
    """
    return expert._replace(knows=lambda seen: expert.knows(seen) & knows(seen))


def only_tasks(expert: Expert, space: TaskSpace) -> Expert:
    """Restrict an expert to environments whose task is in this part of the task space."""
    masked = only(expert, lambda seen: space.contains(seen[TASK]))
    return masked._replace(privileged_observations=tuple({*expert.privileged_observations, TASK}))


def ask_all(
    experts: Sequence[Expert],
) -> tuple[Callable[[int], Any], Callable[[Any, Observation], tuple[Any, Array, Any]]]:
    """Combine several experts.

    A single expert reads every step. Several read only the steps that they know, since reading the
    others, too, would cost as much for each of them.

    Returns:
        `initial_carry(n)`, and `ask(carry, observation)`, which returns distributions with batch
        shape `[n, experts]`, a mask `[n, experts]` of valid advice, and the carry.
    """

    def initial_carry(n):
        return tuple(expert.initial_carry(n) for expert in experts)

    def ask(carry, observation):
        advice, known, after = [], [], []
        for expert, remembered in zip(experts, carry, strict=True):
            knows = expert.knows(observation)
            if len(experts) == 1:
                distribution, remembered = expert.advise(remembered, observation)
            else:
                distribution, remembered = _ask_where(knows, expert, remembered, observation)
            advice.append(distribution)
            known.append(knows)
            after.append(remembered)
        together = jax.tree.map(lambda *x: jnp.stack(x, 1), *advice)
        return together, jnp.stack(known, 1), tuple(after)

    return initial_carry, ask


def _ask_where(knows, expert, carry, observation):
    """Return an expert's advice and carry where valid; zeros and the old carry elsewhere.

    The cost grows with the number of environments in which the advice is valid, so several experts
    that each cover part of the tasks cost about as much as one.
    """
    observation = dict(observation)
    shapes = jax.eval_shape(expert.advise, carry, observation)[0]
    nothing = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

    def rows(worlds):
        return expert.advise(*jax.tree.map(lambda x: x[worlds], (carry, observation)))

    return map_in_groups(rows, knows, (nothing, carry), GROUP_SIZE)
