"""Experts: whoever knows what to do where a student is.

An expert is a trained policy, something that the world itself tells (a solver that sees
everything), or any function. All three are the same three functions here, and none of them learns.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from didact.environments import Discrete, SettingError, TaskSpace, for_groups
from didact.students.cards import student_of
from didact.students.policies import Policy

Observation = Mapping[str, Array]
GROUP_SIZE = 128  # worlds in which one of several experts is asked at once
TASK = "task"  # how a world's task is called among what is revealed to experts


def knows_all(observation: Observation) -> Bool[Array, " n"]:
    """True for every world."""
    return jnp.ones(jax.tree.leaves(dict(observation))[0].shape[0], bool)


class Expert(NamedTuple):
    """Advises in n worlds; deterministic, and never taught.

    Attributes:
        name: for logs and errors.
        initial_carry: `initial_carry(n) -> carry`, what it remembers at an episode's start.
        advise: `advise(carry, observation) -> (probabilities [n, actions], carry)`, how likely it
            would take each of the student's actions.
        knows: `knows(observation) -> bool[n]`, the worlds in which its advice is worth something.
        reveals: what it has to be shown beside the observation: names of arrays that only the
            world or the loop can tell, such as `task`.
    """

    name: str
    initial_carry: Callable[[int], Any]
    advise: Callable[[Any, Observation], tuple[Array, Any]]
    knows: Callable[[Observation], Bool[Array, " n"]] = knows_all
    reveals: tuple[str, ...] = ()


def of_policy(
    policy: Policy,
    action_space: Discrete,
    *,
    temperature: float = 1.0,
    seeds_axis: str | None = None,
) -> Expert:
    """A trained policy as an expert.

    It may have another architecture, a memory of its own, read other observations (they must be
    shown), and know only some of the student's actions, which are told apart by their names.

    Args:
        policy: the expert.
        action_space: of the student.
        temperature: its logits are divided by that; below 1 it is surer than it was trained.
        seeds_axis: name of the axis over which the student's seeds are mapped, if they are.

    Raises:
        SettingError: it has actions that the student has not, or a temperature that is not
            positive.
    """
    if not 0 < temperature < float("inf"):
        raise SettingError("temperature", temperature, "a positive number")
    own = policy.card["actions"]
    names = list(action_space.names) or [str(i) for i in range(action_space.n)]
    if not set(own) <= set(names):
        raise SettingError("actions of the expert", own, f"some of the student's: {names}")
    columns = jnp.array([names.index(name) for name in own])
    state = policy.state
    student = policy.student if seeds_axis is None else student_of(policy.card, seeds_axis)

    def advise(carry, observation):
        read = {name: observation[name] for name in policy.observation_space}
        outputs, carry = student.look(state, carry, read)
        likely = jax.nn.softmax(outputs.logits / temperature)
        none = jnp.zeros((likely.shape[0], len(names)))
        return none.at[:, columns].set(likely), carry

    return Expert(str(policy.card.get("name") or policy.environment), policy.initial_carry, advise)


def told(name: str, num_actions: int) -> Expert:
    """An expert whose next action the world tells, as `int[n]` under this name.

    Such an expert sees what the student does not (privileged information), and is asked in the
    states that the student comes to, as in DAgger (Ross et al., 2011). A number outside the
    actions says that it does not know.
    """

    def advise(carry, observation):
        return jax.nn.one_hot(observation[name], num_actions), carry

    def knows(observation):
        action = observation[name]
        return (action >= 0) & (action < num_actions)

    return Expert(name, lambda n: (), advise, knows, (name,))


def of_function(
    function: Callable[[Observation], Float[Array, "n actions"]], name: str = "function"
) -> Expert:
    """A pure function from observations to the probabilities of actions, as an expert."""
    return Expert(name, lambda n: (), lambda carry, seen: (function(seen), carry))


def only(expert: Expert, knows: Callable[[Observation], Bool[Array, " n"]]) -> Expert:
    """The expert, where a mask says that it knows and it says so itself."""
    return expert._replace(knows=lambda seen: expert.knows(seen) & knows(seen))


def only_tasks(expert: Expert, space: TaskSpace) -> Expert:
    """The expert, in worlds whose task is in this part of the task space."""
    masked = only(expert, lambda seen: space.contains(seen[TASK]))
    return masked._replace(reveals=tuple({*expert.reveals, TASK}))


def panel(
    experts: Sequence[Expert],
) -> tuple[Callable[[int], Any], Callable[[Any, Observation], tuple[Array, Array, Any]]]:
    """Several experts asked together.

    Returns:
        `initial_carry(n)`, and `ask(carry, observation)`, which gives probabilities
        `[n, experts, actions]`, a mask `[n, experts]` of who knows, and the carry.
    """

    def initial_carry(n):
        return tuple(expert.initial_carry(n) for expert in experts)

    def ask(carry, observation):
        advice, known, after = [], [], []
        for expert, remembered in zip(experts, carry, strict=True):
            knows = expert.knows(observation)
            if len(experts) == 1:
                likely, remembered = expert.advise(remembered, observation)
            else:
                likely, remembered = _ask_where(knows, expert, remembered, observation)
            advice.append(likely)
            known.append(knows)
            after.append(remembered)
        return jnp.stack(advice, 1), jnp.stack(known, 1), tuple(after)

    return initial_carry, ask


def _ask_where(knows, expert, carry, observation):
    """An expert's advice, and its carry, in the worlds that it knows; 0 and the old one elsewhere.

    Asking costs per world that is known: several experts that share the tasks between them cost
    about as much as one.
    """
    observation = dict(observation)
    shape = jax.eval_shape(expert.advise, carry, observation)[0]

    def rows(worlds):
        return expert.advise(*jax.tree.map(lambda x: x[worlds], (carry, observation)))

    return for_groups(rows, knows, (jnp.zeros(shape.shape, shape.dtype), carry), GROUP_SIZE)
