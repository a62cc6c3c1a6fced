"""Formulas as tasks, beside the evaluator of whole traces."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import (
    ArraySpace,
    Box,
    Dimension,
    Discrete,
    Environment,
    SettingError,
    Timestep,
    Wrapper,
    make,
    with_propositions,
)
from didact.environments.counterpart import Counterpart
from didact.environments.text_settings import make_with_text_settings
from didact.environments.toys.office import Office
from didact.students.skills import automaton, parse, with_formula
from didact.students.skills.ltl import formulas as f
from didact.students.skills.ltl.formula_input import read_formula, write_formula


def holds(formula, trace, at=0):
    """Whether a formula holds at a step of a finite trace, by its definition."""
    there = range(at, len(trace))
    match formula:
        case f.Proposition(name=name):
            return name in trace[at]
        case f.Not(operand=inner):
            return not holds(inner, trace, at)
        case f.And(left=a, right=b):
            return holds(a, trace, at) and holds(b, trace, at)
        case f.Or(left=a, right=b):
            return holds(a, trace, at) or holds(b, trace, at)
        case f.Next(operand=inner):
            return at + 1 < len(trace) and holds(inner, trace, at + 1)
        case f.Eventually(operand=inner):
            return any(holds(inner, trace, t) for t in there)
        case f.Always(operand=inner):
            return all(holds(inner, trace, t) for t in there)
        case f.Implies(left=a, right=b):
            return not holds(a, trace, at) or holds(b, trace, at)
        case f.WeakNext(operand=inner):
            return at + 1 >= len(trace) or holds(inner, trace, at + 1)
        case f.Until(left=a, right=b):
            return any(
                holds(b, trace, t) and all(holds(a, trace, s) for s in range(at, t)) for t in there
            )
    raise AssertionError(formula)


def play(world, actions, n):
    state, seen = world.reset(jax.random.key(0), world.task_space.sample(jax.random.key(1), n))
    rows = [seen]
    step = jax.jit(world.step)
    for row in actions:
        state, seen = step(None, state, row)
        rows.append(seen)
    return rows


@pytest.mark.parametrize(
    "text", ["F(coffee & X F office)", "G !decoration & F A", "!decoration U (B | mail)"]
)
def test_episodes_end_where_the_trace_says_so(text):
    n, world = 64, with_formula(Office(max_steps=60), text)
    actions = jax.random.randint(jax.random.key(2), (60, n), 0, 4)
    rows = play(world, actions, n)
    assert not rows[0].success.any()
    assert not rows[0].terminated.any()
    names, formula = world.propositions, world.automaton.formula
    labels = np.stack([row.labels for row in rows[1:]])
    told = np.stack([row.success for row in rows[1:]])
    over = np.stack([row.terminated for row in rows[1:]])
    ended = 0
    for i in range(n):
        trace = [{name for name, h in zip(names, row[i], strict=True) if h} for row in labels]
        until = int(np.argmax(over[:, i])) if over[:, i].any() else len(trace) - 1
        for t in range(until + 1):
            assert bool(told[t, i]) == holds(formula, trace[: t + 1])
        ended += bool(over[:, i].any())
        if told[until, i]:
            reward = 1 - 0.9 * (until + 1) / 60
            assert float(rows[1 + until].reward[i]) == pytest.approx(reward)
    assert ended


@pytest.mark.slow
def test_the_task_of_the_inner_world_does_not_count():
    """Episodes go on after the mission of the level is fulfilled, and end by the formula alone."""
    inner = with_propositions(make("BabyAI-GoToRedBallGrey-v0"))
    world = with_formula(inner, "F(red_ball & X F blue_ball)")  # there is no blue ball
    n = 64
    actions = jax.random.randint(jax.random.key(2), (60, n), 0, 3)
    theirs, ours = play(inner, actions, n), play(world, actions, n)
    assert np.any([row.success for row in theirs])
    for row in ours:
        assert not np.asarray(row.success | row.terminated).any()
        assert not np.asarray(row.reward).any()


class Doomed(Wrapper):
    """A world that ends without success."""

    def reset(self, key, tasks):
        return self.environment.reset(key, tasks)

    def step(self, key, state, actions):
        state, seen = self.environment.step(key, state, actions)
        return state, seen._replace(terminated=actions == 0)


def test_an_end_of_the_inner_world_without_success_is_an_end():
    world = with_formula(Doomed(Office()), "F coffee")
    rows = play(world, [jnp.array([0, 1])], 2)
    assert rows[1].terminated.tolist() == [True, False]
    assert not rows[1].success.any()


def test_a_map_tells_the_state_of_the_automaton():
    world = with_formula(Office(), "F(coffee & X F office)")
    state, _ = world.reset(jax.random.key(0), world.task_space.sample(jax.random.key(1), 2))
    for machine in range(world.automaton.num_states):
        drawn = world.map(state._replace(machine=jnp.array([0, machine])), 1)
        assert (np.argmax(drawn.observation["progress"], -1) == machine).all()


def test_the_setting_may_be_in_english():
    for text in ("F(coffee & X F office)", "bring the coffee to the office"):
        world = make_with_text_settings("Office", (f"formula={text}",))
        assert str(world.automaton.formula) == "F(coffee & X F office)"


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("coffee and mail", "F coffee & F mail"),
        ("coffee or mail", "F (coffee | mail)"),
        ("coffee & mail", "coffee & mail"),
        ("(coffee)", "coffee"),
        ("coffee implies mail", "coffee -> mail"),
    ],
)
def test_what_can_be_english_is_english(text, formula):
    made = read_formula(text, Office())
    assert made == parse(formula)
    assert read_formula(write_formula(made), Office()) == made


def test_names_as_they_are_written_are_words():
    """`red_ball`, as errors show it, means the same as "red ball"."""
    world = Wrapper(Office())
    world.propositions = ("red_ball", "box", "next_door", "F")
    for text in ("red_ball", "red ball", "get the red_ball"):
        assert read_formula(text, world) == parse("F red_ball")
    assert read_formula("box, then red_ball", world) == parse("F(box & X F red_ball)")
    assert read_formula("F next_door", world) == parse("F next_door")  # a keyword in a name


@pytest.mark.parametrize("text", ["coffee and not mail", "not coffee", "Not coffee OR mail"])
def test_words_of_logic_are_not_read_as_a_formula_of_the_first_step(text):
    with pytest.raises(SettingError, match="instruction is"):
        read_formula(text, Office())


def test_progress_is_the_state_of_the_automaton():
    world = with_formula(Office(), "F(coffee & X F office)")
    rows = play(world, jax.random.randint(jax.random.key(2), (20, 8), 0, 4), 8)
    machine = np.full(8, world.automaton.initial)
    for row in rows[1:]:
        letters = [
            world.automaton.letter(dict(zip(world.propositions, x, strict=True)))
            for x in np.asarray(row.labels)
        ]
        machine = world.automaton.transitions[machine, letters]
        np.testing.assert_array_equal(np.argmax(row.observation["progress"], -1), machine)


@pytest.mark.parametrize(
    "text", ["false", "true", "F coffee & G !coffee", "coffee & !mail", "coffee -> mail"]
)
def test_what_is_decided_beforehand_is_no_task(text):
    with pytest.raises(SettingError, match="must be satisfiable"):
        with_formula(make("Office"), text)


@pytest.mark.parametrize(
    "text", ["G !decoration", "G(coffee -> F mail)", "WX mail", "F !coffee & G !decoration"]
)
def test_rules_alone_are_no_task(text):
    """Any first step without coffee and decoration would be a success."""
    assert holds(parse(text), [set()])
    with pytest.raises(SettingError, match="something to achieve"):
        with_formula(make("Office"), text)


@pytest.mark.parametrize("text", ["F !coffee", "G !decoration & F A", "X mail", "mail | F A"])
def test_what_can_be_achieved_is_a_task(text):
    assert with_formula(make("Office"), text).automaton.num_states > 1


def test_gymnasium_has_no_counterpart_with_the_formula():
    world = Office()
    world.official = Counterpart("Office-v0", task="gymnasium")
    assert with_formula(world, "F A").official is None


def test_a_made_automaton_will_do():
    world = with_formula(make("Office"), automaton("F mail"))
    assert jnp.shape(world.reset(jax.random.key(0), jnp.zeros((2, 1)))[1].reward) == (2,)


class Mortal(Environment):
    """Ends with success after the second step; whether it can be stepped on is its own matter."""

    name, max_steps, propositions = "Mortal", 9, ("p", "q")
    task_space = Box((Dimension("x", 0, 1),))
    action_space = Discrete(2)

    def __init__(self, can_continue):
        self.observation_space = {"x": ArraySpace((1,), np.float32, 0, 1)}
        self.can_continue = can_continue

    def _seen(self, steps):
        n = len(steps)
        over = steps == 2
        return Timestep(
            {"x": jnp.zeros((n, 1))}, jnp.zeros(n), over, jnp.zeros(n, bool), over,
            jnp.zeros((n, 2), bool),
        )  # fmt: skip

    def reset(self, key, tasks):
        steps = jnp.zeros(len(tasks), jnp.int32)
        return steps, self._seen(steps)

    def step(self, key, state, actions):
        return state + 1, self._seen(state + 1)


@pytest.mark.parametrize("can_continue", [True, False])
def test_success_ends_an_episode_where_worlds_do_not_go_on(can_continue):
    world = with_formula(Mortal(can_continue), "F p")
    state, _ = world.reset(jax.random.key(0), jnp.zeros((1, 1)))
    ends = []
    for _ in range(3):
        state, seen = world.step(None, state, jnp.zeros(1, jnp.int32))
        ends.append(bool(seen.terminated[0]))
        assert not seen.success[0]
    assert ends == [False, not can_continue, False]
