"""Formulas that are played with skills on a line, where all that happens can be told by hand."""

from types import SimpleNamespace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import ArraySpace, Box, Dimension, Discrete, Environment, Timestep
from didact.experiments.skills import library_execution
from didact.students.skills import automaton, with_formula
from didact.students.skills.library import Library, Skill

LEFT, RIGHT = 1, 2  # what is said
ACTIONS = ("left", "right", "done")
SPACE = {"instruction": ArraySpace((1,), jnp.uint8, 0, 2)}


class LineState(NamedTuple):
    position: jax.Array  # int32[n], from 0 to 4


class Line(Environment[LineState]):
    """Five places, of which the ends and the middle have facts.

    Args:
        over: the own success, or the death, of those who come to the middle.
        can_continue: see `Environment`.
    """

    task_space = Box((Dimension("start", 0, 4, integer=True),))
    observation_space = SPACE
    action_space = Discrete(3, ACTIONS)
    propositions = ("left", "middle", "right", "up")
    max_steps = 100

    def __init__(self, over=None, can_continue=True):
        self.over, self.can_continue = over, can_continue

    def reset(self, key, tasks):
        return self.show(LineState(tasks[:, 0].astype(jnp.int32)))

    def step(self, key, state, actions):
        move = jnp.array([-1, 1, 0])[actions]
        return self.show(LineState(jnp.clip(state.position + move, 0, 4)))

    def show(self, state):
        at, no = state.position, jnp.zeros(len(state.position), bool)
        labels = jnp.stack([at == 0, at == 2, at == 4, no], 1)
        seen = {"instruction": jnp.zeros((len(at), 1), jnp.uint8)}
        ends = no if self.over is None else at == 2
        success = ends if self.over == "success" else no
        return state, Timestep(seen, jnp.zeros(len(at)), ends, no, success, labels)

    def render(self, state, index):
        raise NotImplementedError


def walker(name):
    """A policy that goes where it is told, and to the right if it is told nothing it knows."""

    def act(state, carry, observation, key):
        return jnp.where(observation["instruction"][:, 0] == LEFT, 0, 1), carry, {}

    return SimpleNamespace(
        observation_space=SPACE,
        action_space=Line.action_space,
        state=None,
        student=SimpleNamespace(act=act, act_greedily=act),
        check=lambda observation_space, action_space: None,
        initial_carry=lambda n: (),
    )


LIBRARY = Library().added(
    Skill("left", "left", "left", "walker"),
    Skill("right", "right", "right", "walker"),
    Skill("up", "right", "up", "walker"),  # which never comes
    Skill("middle", "left", "middle", "walker", begins="middle"),
)
GAMES = (  # the formula, where it starts, and what follows: success, failure, steps
    ("F(right & X F left)", 2, True, False, 6),
    ("F(left & X F right) & G !middle", 1, False, True, 3),
    ("F up", 0, False, False, 12),
    ("F middle", 3, False, False, 12),  # which nobody may begin, so nobody moves
    ("F right", 3, True, False, 1),
)


def test_skills_are_begun_and_come_to_their_ends_as_counted_by_hand(monkeypatch):
    monkeypatch.setattr(library_execution, "load_policy", walker)
    world = Line()
    made = [automaton(formula) for formula, *_ in GAMES]
    encode = {"left": np.array([LEFT], np.uint8), "right": np.array([RIGHT], np.uint8)}
    play = library_execution.player(world, LIBRARY, made, encode.__getitem__, 12)
    starts = jnp.array([[start] for _, start, *_ in GAMES], jnp.float32)
    played = play(*world.reset(jax.random.key(0), starts), jax.random.key(1))
    for told, name in ((2, "success"), (3, "failure"), (4, "steps")):
        np.testing.assert_array_equal(getattr(played, name), [game[told] for game in GAMES], name)
    # In the second game the way to the right leads through the middle, and the game is lost there.
    assert played.counts == {"left": (2, 2), "right": (3, 2), "up": (1, 0), "middle": (0, 0)}
    used = LIBRARY.used(played.counts)
    assert list(used.proven(0.6, 2)) == ["left", "right"]


@pytest.mark.parametrize(
    ("settings", "wins"),
    [
        ({"over": "success"}, True),
        ({"over": "success", "can_continue": False}, False),
        ({"over": "death"}, False),
    ],
)
def test_episodes_end_where_the_worlds_do(monkeypatch, settings, wins):
    """As in an environment with the formula: beyond an own success only if worlds can continue."""
    monkeypatch.setattr(library_execution, "load_policy", walker)
    world, made = Line(**settings), automaton("F right")
    encode = {"left": np.array([LEFT], np.uint8), "right": np.array([RIGHT], np.uint8)}
    play = library_execution.player(world, LIBRARY, [made], encode.__getitem__, 12)
    played = play(*world.reset(jax.random.key(0), jnp.ones((1, 1))), jax.random.key(1))
    assert (played.success[0], played.failure[0]) == (wins, not wins)
    assert played.steps[0] == (3 if wins else 1)
    assert played.counts["right"] == (1, int(wins))
    task = with_formula(world, made)
    state, _ = task.reset(jax.random.key(0), jnp.ones((1, 1)))
    for _ in range(int(played.steps[0])):
        state, seen = task.step(None, state, jnp.ones(1, jnp.int32))
    assert (bool(seen.success[0]), bool(seen.terminated[0])) == (wins, True)


def test_an_end_that_fulfills_the_formula_is_a_success(monkeypatch):
    monkeypatch.setattr(library_execution, "load_policy", walker)
    world = Line(over="death")
    encode = {"left": np.array([LEFT], np.uint8), "right": np.array([RIGHT], np.uint8)}
    play = library_execution.player(
        world, LIBRARY, [automaton("F (middle | left)")], encode.__getitem__, 5
    )
    played = play(*world.reset(jax.random.key(0), 3 * jnp.ones((1, 1))), jax.random.key(1))
    assert played.success[0]
    assert not played.failure[0]


@pytest.mark.parametrize(
    ("formula", "start", "steps", "counts"),
    [
        # On the way to the right end, the middle fulfills the formula: no success of "right".
        ("F(right | middle)", 0, 2, {"right": (1, 0)}),
        # After its end, the same skill is due again at once.
        ("F(right & X F right)", 3, 2, {"right": (2, 2)}),
    ],
)
def test_skills_succeed_by_their_own_ends(monkeypatch, formula, start, steps, counts):
    monkeypatch.setattr(library_execution, "load_policy", walker)
    world, library = Line(), Library().added(Skill("right", "right", "right", "walker"))
    encode = {"right": np.array([RIGHT], np.uint8)}
    play = library_execution.player(world, library, [automaton(formula)], encode.__getitem__, 12)
    played = play(*world.reset(jax.random.key(0), jnp.full((1, 1), start)), jax.random.key(1))
    assert played.success.all()
    assert played.steps[0] == steps
    assert played.counts == counts
