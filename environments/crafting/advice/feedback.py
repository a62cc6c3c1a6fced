"""Feedback from the planner: its next action, and what is still missing for the goal."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32

from didact.environments.capabilities import SILENT, Advised, Feedback, Remark
from didact.environments.crafting import layout, view
from didact.environments.crafting.advice import remarks
from didact.environments.crafting.advice.remarks import HINDSIGHT, PURPOSES, THING
from didact.environments.crafting.advice.requirements import NONE, Missing, missing, thing_of
from didact.environments.crafting.expert import plan
from didact.environments.crafting.layout import ACTION, ACTIONS, COLLECTS, ITEM, CraftingState
from didact.environments.crafting.rules.nearby import ahead_of, among, material_at

_SAID = {name: number for number, name in enumerate(HINDSIGHT)}
_FORESIGHT = {name: number for number, name in enumerate(remarks.FORESIGHT)}
_TO_GET = PURPOSES.index("to get")
_HIT = (layout.COW, layout.ZOMBIE, layout.SKELETON)  # by "do"
_BLAME = np.array([_SAID[name] for name in ("nothing", "useless")])
# What is collected from each material by "do", and what each creature is called; or NONE.
_COLLECTED = np.full(len(layout.MATERIALS), NONE, np.int32)
for _rule in COLLECTS:
    _name = {"drink": "water", "sapling": "a sapling", "diamond": "a diamond"}
    _COLLECTED[_rule.material] = THING[_name.get(_rule.gives, _rule.gives)]
_CREATURES = np.array(
    [NONE, THING["a cow"], THING["a zombie"], THING["a skeleton"], NONE, THING["a ripe plant"]]
)


class Guide(NamedTuple):
    """What is known about n worlds."""

    action: Int32[Array, " n"]
    steps: Int32[Array, " n"]  # that remain, if all goals are as far away as the next one
    known: Bool[Array, " n"]
    missing: Missing


def feedback(
    world: Callable[[Any], CraftingState], wanted: Callable[[Any], Bool[Array, "n 22"]]
) -> Feedback:
    """Return feedback on the way to wanted achievements.

    Args:
        world: returns the crafting worlds of a state.
        wanted: returns the achievements to unlock next.
    """

    def guide(state: Any, needed: Bool[Array, " n"]) -> Guide:
        inner, goals = world(state), wanted(state)

        def advise() -> Guide:
            chosen = plan(inner, goals)
            goal = thing_of(goals, inner.inventory)
            lacks = missing(goal, inner.inventory, _stations(inner))
            steps = chosen.distance * jnp.maximum(jnp.sum(goals, axis=1, dtype=jnp.int32), 1)
            return Guide(chosen.action, steps, needed, lacks)

        def nothing() -> Guide:
            zero = jnp.zeros_like(inner.position)
            return Guide(zero, zero, needed & False, Missing(zero, zero))

        return jax.lax.cond(jnp.any(needed), advise, nothing)

    def hindsight(before: Any, state: Any, actions: Array, old: Guide, new: Guide) -> Remark:
        return _hindsight(world(before), world(state), wanted(before), actions, old)

    def foresight(state: Any, guide: Guide) -> tuple[Remark, Remark]:
        return _foresight(world(state), guide.action, guide.missing)

    def false_foresight(state: Any, guide: Guide, draws: Array) -> tuple[Remark, Remark]:
        shift = 1 + (draws * (len(ACTIONS) - 1)).astype(jnp.int32)
        wrong = (guide.action + jnp.minimum(shift, len(ACTIONS) - 1)) % len(ACTIONS)
        other = (guide.missing.thing + 1) % len(THING)
        return _foresight(world(state), wrong, Missing(guide.missing.need, other))

    return Feedback(
        remarks.POOL,
        remarks.PARTS,
        remarks.THINGS,
        len(ACTIONS),
        begin=guide,
        follow=lambda _, before, state, needed: guide(state, needed),
        advice=lambda guide: Advised(guide.known, guide.action, guide.steps),
        is_right=lambda guide, actions: actions == guide.action,
        hindsight=hindsight,
        foresight=foresight,
        false_hindsight=_false_hindsight,
        false_foresight=false_foresight,
    )


def _stations(state: CraftingState) -> dict[str, Bool[Array, " n"]]:
    """Return whether stations are in the player's view."""
    material = view.symbols(state)["view"][..., 0]
    return {
        name: jnp.any(material == layout.MATERIALS.index(name), (1, 2))
        for name in ("table", "furnace")
    }


def _hindsight(
    before: CraftingState,
    now: CraftingState,
    wanted: Bool[Array, "n 22"],
    actions: Int32[Array, " n"],
    old: Guide,
) -> Remark:
    health = ITEM["health"]
    stayed = (before.position == now.position) & (before.facing == now.facing)
    moves = (actions >= ACTION["move_left"]) & (actions <= ACTION["move_down"])
    resources = slice(len(layout.VITALS), None)
    same = jnp.all(before.inventory[:, resources] == now.inventory[:, resources], 1)
    kind, _ = _faced(before)
    hits = (actions == ACTION["do"]) & among(kind, _HIT) & ~before.sleeping  # even if it survives
    idle = stayed & same & ~jnp.any(now.achieved, 1) & ~now.sleeping & ~hits
    number = jnp.full(actions.shape, _SAID["useless"])
    for condition, name in (
        (idle, "nothing"),
        (idle & moves, "blocked"),
        (now.inventory[:, health] < before.inventory[:, health], "hurt"),
        (actions == old.action, "good"),
        (jnp.any(now.achieved & wanted, 1), "achieved"),
    ):
        number = jnp.where(condition, _SAID[name], number)
    return Remark(number, jnp.zeros_like(number))


def _faced(state: CraftingState) -> tuple[Int32[Array, " n"], Int32[Array, " n"]]:
    """Return the kind of the object that the player faces, and the material below it."""
    ahead = ahead_of(state.position, state.facing)
    fields = layout.unpack(state.objects)
    there = (fields.cell == ahead[:, None]) & (fields.kind != layout.EMPTY)
    kind = jnp.max(jnp.where(there, fields.kind, layout.EMPTY), 1)
    return kind, material_at(state.material, ahead)


def _foresight(
    state: CraftingState, actions: Int32[Array, " n"], lacks: Missing
) -> tuple[Remark, Remark]:
    """Return the remarks on an action, by what the player faces, and on what is missing."""
    kind, material = _faced(state)
    creature, collected = jnp.asarray(_CREATURES)[kind], jnp.asarray(_COLLECTED)[material]
    does = actions == ACTION["do"]
    number = actions
    for condition, name in (
        (does & (kind == layout.EMPTY) & (collected != NONE), "collect"),
        (does & (kind == layout.PLANT), "eat"),
        (does & (creature != NONE) & (kind != layout.PLANT), "attack"),
    ):
        number = jnp.where(condition, _FORESIGHT[name], number)
    thing = jnp.where(kind == layout.EMPTY, collected, creature)
    action = Remark(number, jnp.maximum(thing, 0))
    purpose = jnp.where(lacks.need >= 0, lacks.need, _TO_GET)
    purpose = jnp.where(lacks.thing >= 0, purpose, SILENT)
    return action, Remark(purpose, jnp.maximum(lacks.thing, 0))


def _false_hindsight(number: Int32[Array, " n"], draws: Float[Array, " n"]) -> Int32[Array, " n"]:
    """Return blame for good actions, and praise for all others."""
    praised = (number == _SAID["good"]) | (number == _SAID["achieved"])
    blame = jnp.asarray(_BLAME)[(draws * len(_BLAME)).astype(jnp.int32) % len(_BLAME)]
    return jnp.where(number == SILENT, SILENT, jnp.where(praised, blame, _SAID["good"]))
