"""The choice of remarks: about the last action, about the next one, and false remarks."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32, UInt8

from didact.environments.capabilities import SILENT
from didact.environments.feedback.wordings import ACTIONS, HINDSIGHT, PURPOSES
from didact.environments.grid import cells, rules
from didact.environments.grid.env import GridState
from didact.environments.grid.feedback.guide import LAY, Advice
from didact.environments.grid.solver.path_search import NEVER
from didact.environments.grid.solver.subgoals import GIVE_UP
from didact.environments.grid.verifier import Goal
from didact.environments.language.grammar import GO_TO, OPEN, PICK_UP, PUT_NEXT
from didact.environments.random_draws import uniform_index

_SAID = {name: number for number, name in enumerate(HINDSIGHT)}
_ACTION = {name: number for number, name in enumerate(ACTIONS)}
_PRAISE = np.array([_SAID["fulfilled"], _SAID["good"]])
# False remarks about good actions; they mention no object.
_FALSE_BLAME = np.array([_SAID[name] for name in ("blocked", "away", "useless")])
# Remarks that require the distance after the action.
_COMPARED = np.array([_SAID[name] for name in ("away", "turned", "useless")])
_MOVES = (rules.LEFT, rules.RIGHT, rules.FORWARD)  # in the order of `Advice.nearer`
# The remark for each action; "toggle" becomes open or close.
_OF_ACTION = np.zeros(len(rules.ACTIONS), np.int32)
for _name, _number in (
    *(("left", rules.LEFT), ("right", rules.RIGHT), ("forward", rules.FORWARD)),
    *(("pick up", rules.PICKUP), ("drop", rules.DROP), ("open", rules.TOGGLE)),
    ("done", rules.DONE),
):
    _OF_ACTION[_number] = _ACTION[_name]
_OF_PURPOSE = np.full(LAY + 1, SILENT, np.int32)
for _name, _number in (
    *(("to go to", GO_TO), ("to open", OPEN), ("to pick up", PICK_UP)),
    *(("to put next to", PUT_NEXT), ("to lay down", LAY)),
):
    _OF_PURPOSE[_number] = PURPOSES.index(_name)


def is_right(advice: Advice, actions: Int32[Array, " n"]) -> Bool[Array, " n"]:
    """Return whether actions are as advised, or other steps or turns that lead nearer."""
    right = actions == advice.action
    for k, move in enumerate(_MOVES):
        right |= (actions == move) & advice.nearer[:, k]
    return right & (advice.aim != GIVE_UP)


def hindsight(
    before: GridState,
    state: GridState,
    actions: Int32[Array, " n"],
    old: Advice,
    new: Advice,
    known: Bool[Array, " n"],
    width: int,
) -> tuple[Int32[Array, " n"], UInt8[Array, " n"]]:
    """Return the remark on an action and the object that it mentions.

    The remark is SILENT where there was no advice, and where the agent picked up an object that
    another part of the instruction names: it was neither advised nor wrong.

    Args:
        before, state: the worlds before and after the action.
        actions: the actions taken.
        old, new: the advice before and after the action.
        known: whether the advice after the action is known.
        width: the width of the map, in cells.
    """
    was, now = before.world, state.world
    front = rules.cell_in_front(was.position, was.direction, width)[:, None]
    then = jnp.take_along_axis(was.cells, front, 1, mode="clip")[:, 0]
    ahead = jnp.take_along_axis(now.cells, front, 1, mode="clip")[:, 0]
    stepped = was.position != now.position
    turned = was.direction != now.direction
    held = was.carried != now.carried
    unchanged = ~stepped & ~turned & ~held & (then == ahead)
    picked, dropped = held & (was.carried == cells.EMPTY), held & (now.carried == cells.EMPTY)
    opened = (then != ahead) & ~held
    closed = opened & (cells.kind_of(then) == cells.DOOR)

    same_aim = known & (old.clause == new.clause) & (old.aim == new.aim) & (new.length < NEVER)
    good = is_right(old, actions) | (same_aim & ~unchanged & (new.length < old.length))
    fulfilled = jnp.any(state.goal.done & ~before.goal.done, 1)
    farther = ~same_aim | (new.length > old.length)
    remark = jnp.full(len(actions), _SAID["useless"])
    for condition, name in (
        (turned & farther, "turned"),
        (stepped & farther, "away"),
        (opened, "opened"),
        (closed, "closed"),
        (dropped, "dropped"),
        (picked, "wrong thing"),
        (unchanged, "nothing"),
        (unchanged & (actions == rules.FORWARD), "blocked"),
        (good, "good"),
        (fulfilled, "fulfilled"),
    ):
        remark = jnp.where(condition, _SAID[name], remark)
    silent = picked & _named(state.goal, now.places == rules.CARRIED) & ~good
    thing = jnp.where(picked, now.carried, jnp.where(dropped, was.carried, then))
    knew = (old.aim != GIVE_UP) & (old.length < NEVER)
    knew &= (known | ~jnp.isin(remark, _COMPARED)) & ~silent
    return jnp.where(knew | fulfilled, remark, SILENT), thing


def _named(goal: Goal, objects: Bool[Array, "n k"]) -> Bool[Array, " n"]:
    """Return whether a clause that is not fulfilled yet names one of these objects."""
    which = 2 * np.arange(goal.clauses.shape[1], dtype=np.uint8)[:, None]
    names = (goal.members[:, None] >> which) & 3 != 0  # [n, m, k], as either of two descriptions
    return jnp.any(names & ~goal.done[..., None] & objects[:, None], (1, 2))


def foresight(
    state: GridState, advice: Advice, actions: Int32[Array, " n"], width: int
) -> tuple[Int32[Array, " n"], UInt8[Array, " n"], Int32[Array, " n"], UInt8[Array, " n"]]:
    """Return the remarks on the next action and on its purpose, each with its object.

    Purposes are only mentioned for steps, turns, and putting an object next to another; all other
    actions imply their purpose.

    Args:
        state: n worlds.
        advice: the advice.
        actions: the actions to mention: `advice.action`, or false ones.
        width: the width of the map, in cells.
    """
    world = state.world
    front = rules.cell_in_front(world.position, world.direction, width)[:, None]
    ahead = jnp.take_along_axis(world.cells, front, 1, mode="clip")[:, 0]
    remark = jnp.asarray(_OF_ACTION)[actions]
    shut = (actions == rules.TOGGLE) & (cells.kind_of(ahead) == cells.DOOR)
    remark = jnp.where(shut, _ACTION["close"], remark)
    thing = jnp.where(actions == rules.DROP, world.carried, ahead)
    moves = jnp.isin(actions, np.array(_MOVES))
    puts = (actions == rules.DROP) & (advice.purpose == PUT_NEXT)
    purpose = jnp.where(moves | puts, jnp.asarray(_OF_PURPOSE)[advice.purpose], SILENT)
    lost = (advice.aim == GIVE_UP) | (advice.length == NEVER)
    return jnp.where(lost, SILENT, remark), thing, jnp.where(lost, SILENT, purpose), advice.thing


def false_hindsight(remark: Int32[Array, " n"], draws: Float[Array, " n"]) -> Int32[Array, " n"]:
    """Return a negative remark for good actions, and praise for all others."""
    praised = jnp.isin(remark, _PRAISE)
    blame = jnp.asarray(_FALSE_BLAME)[uniform_index(draws, len(_FALSE_BLAME))]
    return jnp.where(remark == SILENT, SILENT, jnp.where(praised, blame, _SAID["good"]))


def false_foresight(
    state: GridState, advice: Advice, draws: Float[Array, " n"], width: int
) -> tuple[Int32[Array, " n"], Advice]:
    """Return a plausible but wrong action, and the advice with an object of the wrong color."""
    world = state.world
    front = rules.cell_in_front(world.position, world.direction, width)[:, None]
    kind = cells.kind_of(jnp.take_along_axis(world.cells, front, 1, mode="clip")[:, 0])
    everything = jnp.arange(len(rules.ACTIONS))
    actions = jnp.broadcast_to(everything[:, None], (len(everything), len(kind)))
    wrong = ~jnp.stack([is_right(advice, a) for a in actions]) & (actions != advice.action)
    there = cells.is_door(kind) | (kind == cells.BOX)
    wrong &= (actions != rules.TOGGLE) | there
    wrong &= (actions != rules.PICKUP) | cells.is_portable(kind)
    wrong &= (actions != rules.DROP) | (world.carried != cells.EMPTY)
    count = jnp.sum(wrong, 0)
    rank = jnp.cumsum(wrong, 0) - 1
    chosen = wrong & (rank == uniform_index(draws, count))
    color = cells.color_of(advice.thing).astype(jnp.int32)
    other = (color + 1 + uniform_index(draws * 7 % 1, 5)) % 6
    thing = cells.code(cells.kind_of(advice.thing), other.astype(jnp.uint8)).astype(jnp.uint8)
    return jnp.argmax(chosen, 0), advice._replace(thing=thing)
