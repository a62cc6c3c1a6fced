"""What is said of picking up an object, in a room of 5 x 5 cells made by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments.capabilities import SILENT
from didact.environments.feedback.wordings import HINDSIGHT
from didact.environments.grid import cells, rules
from didact.environments.grid.env import GridState
from didact.environments.grid.feedback.guide import Advice
from didact.environments.grid.feedback.message_choice import hindsight
from didact.environments.grid.verifier import Goal, start
from didact.environments.language.grammar import GO_TO, PICK_UP, PUT_NEXT

WIDTH, FRONT = 5, 13  # the agent stands on cell 12 and looks to the right
KEY, BALL = cells.code(cells.KEY, cells.GREEN), cells.code(cells.BALL, cells.RED)


def remark_on(clauses, members, done):
    """The remark on picking up the ball, where the advice is to go to the key."""
    board = np.full((1, 25), cells.EMPTY, np.uint8)
    board[0, FRONT] = BALL
    world = rules.World(
        jnp.asarray(board),
        jnp.array([12]),
        jnp.array([0]),
        jnp.array([cells.EMPTY], jnp.uint8),
        jnp.array([[KEY, BALL]], jnp.uint8),
        jnp.array([[16, FRONT]], jnp.int16),
    )
    after = world._replace(
        cells=world.cells.at[0, FRONT].set(cells.EMPTY),
        carried=jnp.array([BALL], jnp.uint8),
        places=jnp.array([[16, rules.CARRIED]], jnp.int16),
    )
    goal: Goal = start(
        jnp.array([clauses], jnp.uint8), jnp.array([members], jnp.uint8), world.places
    )._replace(done=jnp.array([done]))
    none = jnp.zeros((1, 0), jnp.uint8)
    now = GridState(world, goal, none, jnp.array([0]), jnp.array([64]))
    advice = Advice(
        jnp.array([rules.LEFT]), jnp.array([5]), jnp.array([0]), jnp.array([16]),
        jnp.zeros((1, 3), bool), jnp.array([GO_TO]), jnp.array([KEY], jnp.uint8),
    )  # fmt: skip
    number, thing = hindsight(
        now, now._replace(world=after), jnp.array([rules.PICKUP]), advice, advice,
        jnp.array([True]), WIDTH,
    )  # fmt: skip
    assert int(thing[0]) == BALL
    return SILENT if int(number[0]) == SILENT else list(HINDSIGHT)[int(number[0])]


@pytest.mark.parametrize(
    ("clauses", "ball", "done", "said"),
    [
        # "Go to the green key", and nothing else.
        ([GO_TO, 0], 0, [False, True], "wrong thing"),
        # "... and put the red ball next to the green key", not done yet, or done already.
        ([GO_TO, PUT_NEXT], 1 << 2, [False, False], SILENT),
        ([GO_TO, PUT_NEXT], 1 << 2, [False, True], "wrong thing"),
        # "... and put the green key next to the red ball", "... and pick up the red ball".
        ([GO_TO, PUT_NEXT], 1 << 3, [False, False], SILENT),
        ([GO_TO, PICK_UP], 1 << 2, [False, False], SILENT),
    ],
)
def test_an_object_that_the_instruction_names_is_not_called_wrong(clauses, ball, done, said):
    assert remark_on(clauses, [1, ball], done) == said
