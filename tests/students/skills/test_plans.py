"""Composed behaviour against exact planning over the product of world and automaton."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.benchmarks.skills.zero_shot_office import TASKS, planned, played
from didact.environments import SettingError
from didact.environments.toys.office import Office
from didact.experiments.skills.exploration import explore
from didact.students.skills import automaton, compose, goal_plans, plan_action_values, tabular
from didact.students.skills.ltl import sampling

NAMES = Office().propositions


@functools.cache
def learned():
    world = Office()
    return world, tabular.learn_table(explore(world, 60_000, seed=3), world.places.shape[0], 4)


@pytest.mark.parametrize("name", TASKS)
def test_published_tasks_are_solved_in_the_least_steps(name):
    world, table = learned()
    made = automaton(TASKS[name])
    success, steps = played(world, made, np.asarray(compose(table, made, world.propositions)))
    assert success.all()
    np.testing.assert_array_equal(steps, planned(world, made)[made.initial, world.free])


@pytest.mark.slow
@pytest.mark.parametrize(
    "sampler",
    [
        sampling.sequences(("coffee", "mail", "A", "D"), (2, 4)),
        sampling.partially_ordered(("coffee", "mail", "office", "A", "B"), (1, 3), (1, 3)),
        sampling.until_avoiding(NAMES, (1, 2), (1, 2)),
    ],
)
def test_sampled_formulas_are_solved_wherever_they_can_be(sampler):
    """And no start from where exact planning finds no way is said to be solved."""
    world, table = learned()
    rng = np.random.default_rng(0)
    for _ in range(12):
        made = automaton(sampler(rng))
        success, steps = played(world, made, np.asarray(compose(table, made, world.propositions)))
        optimum = planned(world, made)[made.initial, world.free]
        np.testing.assert_array_equal(success == 1, np.isfinite(optimum))
        np.testing.assert_array_equal(steps[success == 1], optimum[success == 1])


@pytest.mark.parametrize(
    "text",
    [
        "G(coffee -> X !mail) & F A",
        "F coffee & F(office & X F mail) & G(mail -> X !office)",
        "(coffee -> F mail) & F A",
        "F decoration U A & F office",
        "F(A & X !A & X X !A)",
        "X mail & F A",
        "F(coffee & X X office) | F(mail & WX F B)",
    ],
)
def test_formulas_of_single_steps_are_solved_in_the_least_steps(text):
    """Where nothing holds is many places, and how far it is from there no plan can know."""
    world, table = learned()
    made = automaton(text)
    success, steps = played(world, made, np.asarray(compose(table, made, world.propositions)))
    optimum = planned(world, made)[made.initial, world.free]
    np.testing.assert_array_equal(success == 1, np.isfinite(optimum))
    np.testing.assert_array_equal(steps[success == 1], optimum[success == 1])


def test_plans_alone_never_go_to_and_fro():
    """Of two ways that are as long, the one over more goals is not worth more."""
    world, table = learned()
    made = automaton("G(coffee -> X !mail) & F A")
    plan = goal_plans([made], world.propositions, table.goals, table.goal_values)
    places = jnp.arange(len(world.places))
    which = jnp.zeros_like(places)
    values = jnp.stack([
        plan_action_values(
            plan, jnp.full_like(places, state), lambda no: table.action_values(places, no), which
        )
        for state in range(made.num_states)
    ])  # fmt: skip
    assert played(world, made, np.asarray(values))[0].all()


def test_a_setback_is_avoided_where_that_is_possible():
    """D undoes the coffee; the shortest way to C leads over D, so another one is taken."""
    world, table = learned()
    made = automaton("F(coffee & X(!D U C))")
    values = np.asarray(compose(table, made, world.propositions))
    names, place, machine, seen = world.propositions, world.free[-1], made.initial, []
    for _ in range(100):
        place = world.moves[place, np.argmax(values[machine, place])]
        held = [names[i] for i in np.flatnonzero(world.places[place])]
        seen += held
        machine = made.transitions[machine, made.letter(held)]
        if made.accepting[machine]:
            break
    assert made.accepting[machine]
    assert "D" not in seen[seen.index("coffee") :]


def test_worlds_have_plans_of_their_own():
    world, table = learned()
    formulas = [automaton(f"F({a} & X F {b}) & G !decoration") for a, b in ("AB", "CD", "BA")]
    made = goal_plans(formulas, world.propositions, table.goals, table.goal_values, max_states=6)
    which = jnp.array([2, 0, 1, 0])
    place = jnp.asarray(world.free)[jnp.array([3, 50, 70, 110])]
    state = jnp.array([f.initial for f in formulas])[which]
    together = plan_action_values(
        made, state, lambda avoided: table.action_values(place, avoided), which
    )
    for row, (number, at) in enumerate(zip(which.tolist(), place.tolist(), strict=True)):
        alone = compose(table, formulas[number], world.propositions)
        np.testing.assert_allclose(together[row], alone[state[row], at], rtol=1e-6)


def test_what_does_not_fit_is_refused():
    world, table = learned()
    made = automaton(TASKS["patrol A, B, C, D"])
    with pytest.raises(SettingError, match="at least one"):
        goal_plans([], world.propositions, table.goals)
    with pytest.raises(SettingError, match="at most 3 states"):
        goal_plans([made], world.propositions, table.goals, max_states=3)
    with pytest.raises(SettingError, match="proposition is 'A'"):
        goal_plans([made], world.propositions[:4], table.goals[:, :4])
    assert jax.tree.leaves(goal_plans([made], world.propositions, table.goals))[0].shape[0] == 1
